"""The commands `sweep` and `schema`, and the dry run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gdbench.cli import console
from gdbench.cli.options import (
    ForceOption,
    JsonOption,
    NoPlotsOption,
    OutOption,
    PluginOption,
    QuietOption,
    add_plugins,
    override,
)
from gdbench.cli.report import MOST_ROWS, finish
from gdbench.cli.request import plan_of_values
from gdbench.errors import UsageError, unknown

if TYPE_CHECKING:
    from gdbench.planning.plan import Plan

EXECUTORS = ("local", "dask")
# Bytes of a run in a shard and in runs.parquet, measured on two weights; each further weight adds a number to both.
BYTES, BYTES_OF_WEIGHT = 80, 16


def sweep(
    config: Annotated[str, typer.Argument(metavar="CONFIG", help="A YAML file; any value in it may be a list.")],
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Override a key of the file, such as steps=500 (repeat)."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and compute nothing.")] = False,
    quiet: QuietOption = False,
    executor: Annotated[str, typer.Option(help="local, or dask for many machines.")] = "local",
    scheduler: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="A Dask scheduler, tcp://HOST:PORT; a local cluster without.")
    ] = None,
    workers: Annotated[int | None, typer.Option(metavar="N", help="Processes of the local Dask cluster.")] = None,
    threads: Annotated[int | None, typer.Option(metavar="N", help="Threads; one a core without it.")] = None,
    plugin: PluginOption = None,
    out: OutOption = Path("results"),
    name: Annotated[str | None, typer.Option(help="The result folder's name; the file's if absent.")] = None,
    force: ForceOption = False,
    no_plots: NoPlotsOption = False,
    json: JsonOption = False,
) -> None:
    """Run every combination in a YAML file; resumable.

    The same command goes on where it was stopped, whatever stopped it, and computes only what is missing.
    """
    if executor not in EXECUTORS:
        raise unknown("executor", executor, EXECUTORS)
    if executor != "dask" and (scheduler is not None or workers is not None):
        raise UsageError("--scheduler and --workers are for --executor dask")
    for option, count in (("--workers", workers), ("--threads", threads)):
        if count is not None and count < 1:
            raise UsageError(f"{option} must be at least 1, not {count}")
    folder = Path(out) / _folder_name(config, name)

    from gdbench.spec.sweep import SweepSpec
    from gdbench.spec.yaml_file import read_yaml

    document = read_yaml(config)
    touched = override(document.values, set_) | add_plugins(document.values, plugin)
    plan = plan_of_values(SweepSpec, document.values, document, touched)

    from gdbench.runner.benchmark import benchmark
    from gdbench.runner.local_threads import compute_here
    from gdbench.runner.progress import shown
    from gdbench.runner.shard_store import FolderStore

    if dry_run:
        facts, rows = plan_facts(plan, folder), plan_rows(plan)
        if json:
            console.print_json({**facts, "blocks": rows})
        else:
            show_plan(facts, rows)
        return
    if executor == "dask":
        from gdbench.runner.dask_cluster import compute_on_dask

        compute = compute_on_dask(scheduler, workers)
    else:
        compute = compute_here(threads)
    with shown(plan.runs, console.say, quiet=quiet) as listener:
        result = benchmark(plan, FolderStore(folder, force=force), compute=compute, listener=listener, starts=False)
    finish(result, plan, folder, plots=not no_plots, json=json)


def _folder_name(config: str, name: str | None) -> str:
    """Return the name of the result folder: `name`, or that of the file."""
    if name is not None:
        return console.plain_name(name)
    stem = Path(config).stem
    if stem in ("", ".", ".."):
        raise UsageError(f"'{config}' gives the result folder no name: give it one with --name")
    return stem


def schema() -> None:
    """Print the JSON Schema of a sweep's YAML file, for editors."""
    from gdbench.spec.sweep import json_schema

    console.print_json(json_schema())


def plan_rows(plan: Plan) -> list[dict[str, Any]]:
    """Return a row for every grid: surface and solver with what is compiled in, and how long each axis is."""
    rows = []
    for block in plan.blocks:
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


def plan_facts(plan: Plan, folder: Path) -> dict[str, Any]:
    """Return the plan in numbers: runs, programs, shards and how many are stored, at most how many steps, bytes."""
    from gdbench.results.shards import found_shards
    from gdbench.runner.sharding import shards_of

    grids, shards = plan.blocks, shards_of(plan.blocks)
    stored, damaged = found_shards(folder, {shard.key for shard in shards}) if folder.is_dir() else ({}, [])
    return {
        "runs": plan.runs,
        "programs": len({grid.group for grid in grids if not grid.failure}),
        "shards": len(shards),
        "shards_stored": len(stored),
        "shards_damaged": len(damaged),
        "most_steps": sum(len(grid) * grid.conditions.steps for grid in grids),
        "bytes": sum(len(grid) * (BYTES + BYTES_OF_WEIGHT * grid.starts.shape[1]) for grid in grids),
        "folder": str(folder),
    }


def show_plan(facts: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    """Print what a sweep would do."""
    from rich.table import Table

    from gdbench.formatting import whole

    shown = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("surface", "solver", "axes", "runs"):
        shown.add_column(name, justify="right" if name == "runs" else "left")
    for row in rows[:MOST_ROWS]:
        shown.add_row(row["surface"], row["solver"], row["axes"], whole(row["runs"]))
    console.show(shown, wide=True)
    if len(rows) > MOST_ROWS:
        console.show(f".. and {len(rows) - MOST_ROWS} more rows")
    console.show("")
    damaged = f", {facts['shards_damaged']} damaged" if facts["shards_damaged"] else ""
    console.show(
        f"{whole(facts['runs'])} runs in {facts['programs']} compiled programs, at most "
        f"{whole(facts['most_steps'])} steps."
    )
    console.show(
        f"{facts['shards']} shards, {facts['shards_stored']} of them stored already{damaged}; about "
        f"{facts['bytes'] / 1e6:.3g} MB on disk in {facts['folder']}."
    )
