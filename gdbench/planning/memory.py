"""What the runs of a table's model would take of the memory, estimated before anything runs, and what is too much."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import numpy as np

from gdbench.engine.carry import DRAWN, lane_count
from gdbench.engine.step import Step
from gdbench.errors import UsageError
from gdbench.footprint import numbers_held
from gdbench.planning.limits import many
from gdbench.planning.run_grid import Block
from gdbench.surfaces.base import Surface

# half the memory of a computer of 16 GiB; the same everywhere, so that a file that runs here runs there
LIMIT = 8 * 2**30
# a path stands in the memory as it comes from the engine, joined, and as a table
COPIES = 3


def require_memory(blocks: Sequence[Block]) -> None:
    """Raise `UsageError` for the first block on a surface with data that would take more than `LIMIT` bytes.

    Nothing is computed; a surface or solver that cannot be traced is told of by its runs.
    """
    held: dict[Surface, int] = {}
    for block in blocks:
        surface = block.surface
        if not surface.data:
            continue
        paths = path_bytes(block)
        if paths > LIMIT:
            drawn = f"{many(min(DRAWN, len(block.starts)))} paths" if len(block.starts) > 1 else "a path"
            raise UsageError(
                f"surface '{surface.name}': {drawn} of {many(block.conditions.steps)} steps of "
                f"{many(surface.dimension)} weights would take about {_size(paths)} of memory, and {_size(LIMIT)} is "
                "the most: give fewer steps, starts or weights"
            )
        if surface not in held:
            held[surface] = _of_loss(surface)
        # a solver may hold a Hessian, which is a pass over the examples for every weight, and some more passes
        if held[surface] * 4 * (surface.dimension + 4) * 8 <= LIMIT:
            continue
        step = step_bytes(block)
        if step > LIMIT:
            few = "fewer examples or weights"
            if step > 2 * 8 * held[surface]:
                few = f"another solver, for this one passes over all examples many times at once, or {few}"
            raise UsageError(
                f"surface '{surface.name}': a step of solver '{block.solver.name}' on {many(len(surface.data[0]))} "
                f"examples with {many(surface.dimension)} weights would take about {_size(step)} of memory, and "
                f"{_size(LIMIT)} is the most: give {few}"
            )


def path_bytes(block: Block) -> int:
    """What the paths of the drawn runs of a block take, 0 where they may end before all of their steps are used."""
    surface = block.surface
    if surface.minimisers is not None or surface.goal is not None or block.conditions.patience:
        return 0
    return COPIES * 8 * min(DRAWN, len(block.starts)) * (block.conditions.steps + 1) * (block.surface.dimension + 2)


def step_bytes(block: Block) -> int:
    """What the lanes of a block's program work on in a step; 0 where its solver cannot be traced."""
    signature = block.take(np.zeros(1, np.int64), measured=False).signature
    try:
        with jax.enable_x64(True):
            step = Step(signature)
            held = step.held(step.probe()[0])
    except Exception:
        return 0
    return lane_count(signature.dimension, signature.dtype, held) * held * np.dtype(signature.dtype).itemsize


def _of_loss(surface: Surface) -> int:
    """How many numbers the loss and its gradient work on at once; 0 where the surface cannot be traced."""

    def loss(x: jax.Array, data: Sequence[jax.Array]) -> jax.Array:
        return surface.function(x, *data, **surface.parameters, **surface.options)

    try:
        with jax.enable_x64(True):
            data = tuple(jax.ShapeDtypeStruct(array.shape, np.float64) for array in surface.data)
            return numbers_held(jax.value_and_grad(loss), jax.ShapeDtypeStruct((surface.dimension,), np.float64), data)
    except Exception:
        return 0


def _size(count: int) -> str:
    return f"{count / 2**30:.3g} GiB"
