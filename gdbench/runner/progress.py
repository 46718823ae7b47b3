"""Tell how far a job is: a live line in a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import numpy as np

from gdbench.engine.records import Advance
from gdbench.formatting import clock, speed, whole
from gdbench.runner.sharding import Shard
from gdbench.statuses import Status

# Plain lines are this many seconds apart.
EVERY = 5.0


@dataclass
class Listener:
    """The callbacks that a job tells how far it is; every call may come from another thread."""

    on_begin: Callable[[Sequence[Shard], Sequence[Shard], Sequence[Path]], None] = lambda *_: None
    on_advance: Callable[[Advance], None] | None = None
    on_finish: Callable[[], None] = lambda: None


class Tally:
    """A count of what has been computed so far. Threads report to it."""

    def __init__(self, planned: int) -> None:
        self.planned, self.before = planned, 0
        self.ended = np.zeros(len(Status), np.int64)
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
        """The number of runs that are there: stored before, or ended now."""
        return min(self.planned, self.before + int(self.ended.sum()))

    def sentence(self) -> str:
        """Say how many runs are done, the speed, the time left and how the runs ended."""
        seconds = max(time.monotonic() - self.began, 1e-3)
        fresh = int(self.ended.sum())
        parts = [
            f"{whole(self.done)} of {whole(self.planned)} runs",
            f"{speed(self.steps / seconds)} steps/s",
        ]
        if fresh and self.done < self.planned:
            parts.append(f"{clock((self.planned - self.done) * seconds / fresh)} left")
        counts = [f"{whole(count)} {name}" for name, count in zip(Status.words(), self.ended, strict=True) if count]
        return ", ".join(parts) + (f"; {', '.join(counts)}" if counts else "")


@contextmanager
def shown(planned: int, say: Callable[[str], None], *, quiet: bool = False) -> Iterator[Listener]:
    """Show how far a job is: a live line where stderr is a terminal, else a plain line every five seconds."""
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bar

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
        yield Listener(on_begin=begin, on_advance=advance, on_finish=finish)
