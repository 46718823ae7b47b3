"""Where programs are executed: here, on threads."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed

import numpy as np

from gdbench.engine import Records, execute
from gdbench.program import Program

# a program of so many runs for each thread is cut, so that every thread has lanes of its own to fill
SLICE = 4096

Outcome = Records | Exception


def cores() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


def execute_all(
    programs: Sequence[Program], *, threads: int | None = None, on_advance: Callable[[int], None] | None = None
) -> Iterator[tuple[int, Outcome]]:
    """Execute `programs` and yield `(index, records)` as they end; a program that raises yields its exception.

    XLA releases the interpreter's lock, so that threads compile and compute side by side. How many there are, and in
    which order programs end, changes no result. Closing the iterator early cancels what has not begun.
    """
    parts: dict[int, list[Outcome | None]] = {}
    workers = threads or cores()
    # not as a context: that would wait at the end, and an interrupted benchmark must not wait for programs that run on
    pool = ThreadPoolExecutor(workers)
    futures: dict[Future[Records], tuple[int, int]] = {}
    for index, program in enumerate(programs):
        slices = max(1, min(workers, len(program) // SLICE))
        parts[index] = [None] * slices
        for part, rows in enumerate(np.array_split(np.arange(len(program)), slices)):
            chosen = program if slices == 1 else program.take(rows)
            futures[pool.submit(execute, chosen, on_advance)] = (index, part)
    try:
        for future in as_completed(futures):
            index, part = futures[future]
            error = future.exception()
            if error is not None and not isinstance(error, Exception):
                raise error
            parts[index][part] = error if isinstance(error, Exception) else future.result()
            if all(outcome is not None for outcome in parts[index]):
                yield index, _join([outcome for outcome in parts.pop(index) if outcome is not None])
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _join(parts: list[Outcome]) -> Outcome:
    for part in parts:
        if isinstance(part, Exception):
            return part
    return Records.join([part for part in parts if isinstance(part, Records)])
