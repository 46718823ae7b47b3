"""What a sweep shows while it runs: a live line in a terminal, plain lines elsewhere; and its plan in words."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from gdbench.cli.tables import whole
from gdbench.engine.stream import STATUSES, Advance
from gdbench.runner.sharding import Shard

if TYPE_CHECKING:
    from gdbench.runner.sweeping import Progress, SweepFolder

# seconds between plain lines
EVERY = 5.0
# bytes of a run in a shard and in runs.parquet, as measured on two weights; each further weight adds a number to both
BYTES, BYTES_OF_WEIGHT = 80, 16


class Tally:
    """What has been computed so far. Threads report to it."""

    def __init__(self, planned: int) -> None:
        self.planned, self.before = planned, 0
        self.ended = np.zeros(len(STATUSES), np.int64)
        self.steps = 0
        self.began = time.monotonic()
        self._lock = Lock()

    def add(self, advance: Advance) -> None:
        """Count what ended in one call."""
        with self._lock:
            self.ended += advance.ended
            self.steps += advance.steps

    @property
    def done(self) -> int:
        """Runs that are there: stored before, or ended now."""
        return min(self.planned, self.before + int(self.ended.sum()))

    def sentence(self) -> str:
        """Runs done, speed, time left and how the runs ended."""
        seconds = max(time.monotonic() - self.began, 1e-3)
        fresh = int(self.ended.sum())
        parts = [
            f"{whole(self.done)} of {whole(self.planned)} runs",
            f"{speed(self.steps / seconds)} steps/s",
        ]
        if fresh and self.done < self.planned:
            parts.append(f"{clock((self.planned - self.done) * seconds / fresh)} left")
        counts = [f"{whole(count)} {name}" for name, count in zip(STATUSES, self.ended, strict=True) if count]
        return ", ".join(parts) + (f"; {', '.join(counts)}" if counts else "")


def speed(rate: float) -> str:
    """A rate with its thousand's prefix: 412 M, 87 k."""
    for size, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if rate >= 0.9995 * size:  # what three digits round up to the unit
            return f"{rate / size:.3g}{unit}"
    return f"{rate:.0f}"


def clock(seconds: float) -> str:
    """A span of time: 42 s, 3 min 10 s, 2 h 5 min."""
    left = round(seconds)
    if left < 60:
        return f"{left} s"
    if left < 3600:
        return f"{left // 60} min {left % 60} s"
    return f"{left // 3600} h {left % 3600 // 60} min"


@contextmanager
def shown(planned: int, say: Callable[[str], None], *, quiet: bool = False) -> Iterator[Progress]:
    """The progress of a sweep: a live line where stderr is a terminal, else a plain line every five seconds."""
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bar

    from gdbench.runner.sweeping import Progress

    tally = Tally(planned)
    console = Console(stderr=True)
    live = console.is_terminal and not quiet
    columns = (BarColumn(bar_width=24), TextColumn("{task.description}", markup=False))
    bar = Bar(*columns, console=console, transient=True, disable=not live)
    task = bar.add_task(f"{whole(planned)} runs, compiling", total=planned)
    last = [time.monotonic()]

    def begin(shards: Sequence[Shard], missing: Sequence[Shard], damaged: Sequence[Path]) -> None:
        tally.before = sum(map(len, shards)) - sum(map(len, missing))
        tally.began = time.monotonic()
        for path in damaged:
            say(f"damaged: '{path}' does not hold what its name says; its runs are computed again")
        bar.update(task, completed=tally.before)
        if tally.before and not quiet:
            left = f"{whole(tally.before)} of {whole(planned)} runs are stored already; the others follow"
            say(left if missing else f"all {whole(planned)} runs are stored already")

    def advance(change: Advance) -> None:
        tally.add(change)
        if live:
            bar.update(task, completed=tally.done, description=tally.sentence())
        elif not quiet and time.monotonic() - last[0] >= EVERY:
            last[0] = time.monotonic()
            say(tally.sentence())

    def finish() -> None:
        if not quiet and tally.ended.sum():
            say(tally.sentence())
        bar.update(task, description="tables are derived")

    with bar:
        yield Progress(on_begin=begin, on_advance=advance, on_finish=finish)


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
