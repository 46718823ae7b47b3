"""The dry run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gdbench.runner.sweeping import SweepFolder

# bytes of a run in a shard and in runs.parquet, as measured on two weights; each further weight adds a number to both
BYTES, BYTES_OF_WEIGHT = 80, 16


def plan_rows(work: SweepFolder) -> list[dict[str, Any]]:
    """A row for every block: surface and solver with what is compiled in, and how long each axis is."""
    rows = []
    for block in work.plan.blocks:
        problems, *axes, starts, seeds = block.shape
        lengths = [f"{length} {' × '.join(axis)}" for axis, length in zip(block.axes, axes, strict=True) if length > 1]
        if problems > 1:
            lengths.insert(0, f"{problems} {' × '.join(block.parameters)}")
        lengths += [f"{starts} starts"] if starts > 1 else []
        lengths += [f"{seeds} seeds"] if seeds > 1 else []
        dimension = {"dimension": block.surface.dimension} if block.surface.any_dimension else {}
        of_surface = {**dimension, **block.surface.options, **block.swept_conditions}
        rows.append(
            {
                "surface": _with(block.surface.name, of_surface),
                "solver": _with(block.solver.name, {**block.options, **block.schedules}),
                "axes": ", ".join(lengths),
                "runs": len(block),
                "steps": len(block) * block.conditions.steps,
            }
        )
    return rows


def _with(name: str, settings: Mapping[str, Any]) -> str:
    return " ".join([name, *(f"{key}={value}" for key, value in settings.items())])


def plan_facts(work: SweepFolder) -> dict[str, Any]:
    """The plan in numbers: runs, programs, shards and how many are stored, the upper bound of steps, bytes on disk."""
    blocks = work.plan.blocks
    stored, damaged = work.stored() if work.folder.is_dir() else ({}, [])
    return {
        "runs": work.plan.runs,
        "programs": len({block.group for block in blocks if not block.failure}),
        "shards": len(work.shards),
        "shards_stored": len(stored),
        "shards_damaged": len(damaged),
        "most_steps": sum(len(block) * block.conditions.steps for block in blocks),
        "bytes": sum(len(block) * (BYTES + BYTES_OF_WEIGHT * block.starts.shape[1]) for block in blocks),
        "folder": str(work.folder),
    }
