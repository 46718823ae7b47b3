"""Choose where runs start on a surface: its own start, points of the specification, or random ones in its box."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from gdbench.errors import SpecError
from gdbench.spec.sweep import SweepSpec
from gdbench.surfaces.base import Surface


def count_starts(surface: Surface, spec: SweepSpec) -> int:
    """Count the starts on a surface, with those that are held out."""
    block = spec.surface.get(surface.name, {})
    chosen = block.get("starts") if "start" in block or "starts" in block else spec.starts
    count = 1 if chosen is None else chosen if isinstance(chosen, int) else len(chosen)
    return count + (spec.tune.holdout_starts if spec.tune is not None else 0)


def starts_on(surface: Surface, spec: SweepSpec) -> tuple[np.ndarray, int]:
    """Return the starts `[starts, n]` on a surface, and how many serve tuning where others are held out, else 0."""
    block = spec.surface.get(surface.name, {})
    own = "start" in block or "starts" in block
    path: tuple[Any, ...] = ("surface", surface.name) if own else ()
    start = block.get("start") if own else spec.start
    chosen = block.get("starts") if own else spec.starts
    n = surface.dimension
    if isinstance(chosen, int):
        starts = random_starts(surface, spec.seed, chosen)
    elif chosen is not None:
        for index, point in enumerate(chosen):
            _require_length(surface, point, (*path, "starts", index))
        starts = np.asarray(chosen, dtype=np.float64)
    elif start is not None:
        _require_length(surface, start, (*path, "start"))
        starts = np.asarray(start, dtype=np.float64)[None]
    else:
        starts = surface.start_point(n)[None]
    if spec.tune is None or not spec.tune.holdout_starts:
        return starts, 0
    held_out = random_starts(surface, spec.seed, spec.tune.holdout_starts, held_out=True)
    return np.concatenate([starts, held_out]), len(starts)


def random_starts(surface: Surface, seed: int, count: int, *, held_out: bool = False) -> np.ndarray:
    """Draw starts `[count, n]` in the surface's box.

    They follow from the seed and the surface alone, so that every solver and every selection of surfaces gets the same
    ones; those held out are another stream.
    """
    low, high = surface.box_bounds(surface.dimension)
    key = [seed, zlib.crc32(surface.name.encode()), *([1] if held_out else [])]
    return low + (high - low) * np.random.default_rng(key).random((count, surface.dimension))


def _require_length(surface: Surface, start: Sequence[float], path: tuple[Any, ...]) -> None:
    n = surface.dimension
    if len(start) == n:
        return
    more = f"; set --param dimension={len(start)}" if surface.any_dimension else ""
    numbers = f"{len(start)} number{'s' if len(start) > 1 else ''}"
    raise SpecError(f"the start has {numbers}, but surface '{surface.name}' has {n} weights{more}", path)
