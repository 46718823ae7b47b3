"""Compile the loop of a signature, once in a process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from threading import Event, Lock
from typing import Any

import jax

from gdbench import compilation
from gdbench.engine.carry import Ended, Lanes
from gdbench.engine.lanes import Loop
from gdbench.engine.packing import Layout
from gdbench.engine.signature import Signature
from gdbench.solvers.oracle import Evaluations


@dataclass(frozen=True)
class CompiledLoop:
    """A compiled program and the sizes and layouts that its caller needs.

    `advance(lanes, ended, queue, arguments, pace, segments, drain)` runs until the queue is empty and a lane idle (with
    `drain` until all lanes are) or `segments` of that pace are over. It takes over the memory of `lanes` and `ended`
    and returns new ones. Call it through `compile_once` first.
    waiting, final : the layouts of `Queue.columns` and `Ended.numbers`.
    """

    advance: Callable[..., tuple[Lanes, Ended]]
    empty: Callable[[], tuple[Lanes, Ended]]
    lanes: int
    queue: int
    drawn: int
    waiting: Layout
    final: Layout
    evaluations: Evaluations
    compiling: Lock
    compiled: Event

    def compile_once(self, lanes: Lanes, ended: Ended, *arguments: Any) -> tuple[Lanes, Ended]:
        """Compile `advance` for these arguments, which must ask for no segment; a second thread waits for the first."""
        with self.compiling:
            if not self.compiled.is_set():
                lanes, ended = self.advance(lanes, ended, *arguments)
                self.compiled.set()
        return lanes, ended


_machines = Lock()


def machine(signature: Signature) -> CompiledLoop:
    """Return the compiled program of `signature`, traced once per process. Raises `UsageError` as `Step.template` does.

    The lock makes two threads that meet a signature at the same moment share one program.
    """
    with _machines:
        return _machine(signature)


def forget_machines() -> None:
    """Drop every compiled program, so that the next use traces it again."""
    _machine.cache_clear()


@lru_cache(maxsize=512)
def _machine(signature: Signature) -> CompiledLoop:
    loop = Loop(signature)
    return CompiledLoop(
        advance=jax.jit(loop.advance, donate_argnums=(0, 1), compiler_options=compilation.known(compilation.FAST)),
        empty=lambda: (loop.empty(), loop.none_ended()),
        lanes=loop.lanes,
        queue=loop.queue,
        drawn=loop.drawn,
        waiting=loop.waiting,
        final=loop.final,
        evaluations=loop.step.evaluations,
        compiling=Lock(),
        compiled=Event(),
    )
