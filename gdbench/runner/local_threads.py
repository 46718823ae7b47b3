"""Compute shards on threads of this process."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence

from gdbench.engine.records import Advance
from gdbench.engine.threads import Task, execute_tasks
from gdbench.planning.run_grid import RunGrid
from gdbench.runner.sharding import Compute, Shard, healthy_rows, runnable, shard_content


def compute_here(threads: int | None = None) -> Compute:
    """Return what computes shards on `threads` of this process, one a core without a number."""

    def compute(
        grids: Sequence[RunGrid], shards: Sequence[Shard], on_advance: Callable[[Advance], None] | None
    ) -> Generator[tuple[Shard, bytes], None, None]:
        hopeless, able = runnable(grids, shards)
        yield from hopeless

        def task(shard: Shard) -> Task:
            grid = grids[shard.block]
            size = len(healthy_rows(grid, shard))
            return Task(grid.group, size, lambda: grid.take(healthy_rows(grid, shard)))

        for index, outcome in execute_tasks([task(shard) for shard in able], threads=threads, on_advance=on_advance):
            yield able[index], shard_content(grids[able[index].block], able[index], outcome)

    return compute
