"""Cut a plan into shards, and make their contents of what was computed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

import numpy as np

from gdbench.engine.records import Advance, Records
from gdbench.errors import one_line
from gdbench.planning.plan import Plan
from gdbench.planning.run_grid import RunGrid
from gdbench.results.shards import Entry, Manifest, shard_bytes
from gdbench.runner.digest import block_digest
from gdbench.runner.frames import join_runs, runs_of_rows
from gdbench.spec.run import RunSpec

# A shard has so many runs: few enough to lose little when a machine dies, enough to keep a million runs in some
# thirty files.
ROWS = 32_768
# A shard of many weights has fewer runs, because weights make a row large.
NUMBERS = 4_000_000
# A grid is cut into this many shards, so that every thread has some, unless they would hold fewer runs than are worth a
# thread of their own.
PARTS = 4
WORTH_A_THREAD = 4096
# With more numbers of data than this a step takes so long that a few runs are worth a thread.
MUCH_DATA, WORTH_WITH_MUCH_DATA = 10_000, 16


@dataclass(frozen=True)
class Shard:
    """Rows `first` to `last` (excluded) of a block, and what they are stored under."""

    block: int
    first: int
    last: int
    first_run: int
    key: str

    def __len__(self) -> int:
        return self.last - self.first

    @property
    def rows(self) -> np.ndarray:
        """Its rows of the block."""
        return np.arange(self.first, self.last)


# Such a function computes shards somewhere, and yields each with the content of its file once done, in any order.
Compute = Callable[
    [Sequence[RunGrid], Sequence[Shard], Callable[[Advance], None] | None], Generator[tuple[Shard, bytes], None, None]
]


def shards_of(blocks: Sequence[RunGrid]) -> list[Shard]:
    """Cut all grids into shards, in the order of their runs and alike on every machine, so that keys agree."""
    shards = []
    for index, block in enumerate(blocks):
        much = sum(array.size for array in block.surface.data) > MUCH_DATA
        worth = max(WORTH_WITH_MUCH_DATA if much else WORTH_A_THREAD, -(-len(block) // PARTS))
        size = min(ROWS, worth, max(256, NUMBERS // (block.starts.shape[1] + 32)))
        digest = block_digest(block)
        for first in range(0, len(block), size):
            last = min(first + size, len(block))
            key = hashlib.sha256(f"{digest}:{first}:{last}".encode()).hexdigest()[:20]
            shards.append(Shard(index, first, last, block.first_run + first, key))
    return shards


def manifest_of(plan: Plan, shards: Sequence[Shard]) -> Manifest:
    """Return the manifest of a plan."""
    entries = [
        Entry(shard.key, shard.first_run, len(shard), grid.starts.shape[1], grid.tuning_starts)
        for shard in shards
        for grid in [plan.blocks[shard.block]]
    ]
    return Manifest(entries, "run" if isinstance(plan.spec, RunSpec) else "sweep")


def failures_of(block: RunGrid, shard: Shard) -> np.ndarray:
    """Return the reason why each run of a shard cannot run, `[rows]`: "" where it can."""
    return np.array([problem.failure for problem in block.problems], dtype=object)[block.problem_index(shard.rows)]


def healthy_rows(block: RunGrid, shard: Shard) -> np.ndarray:
    """Return the rows of a shard that can run."""
    return shard.rows[failures_of(block, shard) == ""] if block.failure else shard.rows


def runnable(blocks: Sequence[RunGrid], shards: Sequence[Shard]) -> tuple[list[tuple[Shard, bytes]], list[Shard]]:
    """Split off the shards of which no run can run, with their content, from the others."""
    hopeless, able = [], []
    for shard in shards:
        block = blocks[shard.block]
        if len(healthy_rows(block, shard)):
            able.append(shard)
        else:
            hopeless.append((shard, shard_content(block, shard, None)))
    return hopeless, able


def shard_content(block: RunGrid, shard: Shard, outcome: Records | Exception | None) -> bytes:
    """Return the file of a shard: a record of every run that could run, and for the others a row that says why not."""
    if isinstance(outcome, MemoryError):
        raise outcome  # The machine is at fault and not the run, which is computed again.
    failures = failures_of(block, shard)
    healthy = failures == ""
    if isinstance(outcome, Records):
        try:
            frame = runs_of_rows(block, shard.rows[healthy], outcome)
            if not healthy.all():
                failed = runs_of_rows(block, shard.rows[~healthy], None, failures[~healthy])
                frame = join_runs([frame, failed])
            return shard_bytes(frame)
        except Exception as error:  # A plug-in's facts may be anything, and one surface must not stop the others.
            outcome = error
    if outcome is not None:
        failures[healthy] = f"solver '{block.solver.name}' on '{block.surface.name}': {one_line(outcome)}"
    return shard_bytes(runs_of_rows(block, shard.rows, None, failures))
