"""What a model of two inputs predicts at every point of their plane, at the weights that drawn runs ended with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import jax
import numpy as np

from gdbench import compilation
from gdbench.surfaces.base import Surface

GRID = 96
# beyond the outermost examples, of the width between them
MARGIN = 0.1
# of more classes neither colours nor names can be told apart
MOST_CLASSES = 8
# what the keys begin with, among those of a surface's ground
PREFIX = "regions."


def regions_of(surface: Surface, ends: Mapping[int, np.ndarray]) -> dict[str, Any]:
    """What a picture of decision regions needs, as keys to be stored beside a surface's ground; empty without a model.

    ends : by the run's number, the weights `[n]` that it ended with. Keys, each behind `PREFIX`: `runs` `[r]`;
    `u` `[gu]` and `v` `[gv]`, the grid's coordinates; `probability` `[r, k - 1, gv, gu]` of all classes but the first,
    float32; `inputs` `[N, 2]`, `targets` `[N]` and `held_out` `[N]` (0 or 1) of all examples; `accuracy` `[r, 2]` on
    those trained on and on those held out, NaN without such; `classes` and `labels`, of the two inputs.
    """
    model = surface.classifier
    if model is None or not ends or len(model.classes) > MOST_CLASSES:
        return {}
    train = len(surface.data[0])
    parts = [surface.data, surface.held_out] if surface.held_out else [surface.data]
    inputs, targets = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    inputs, targets = inputs[:, :2], targets.reshape(-1)
    low, high = inputs.min(axis=0), inputs.max(axis=0)
    pad = MARGIN * np.where(high > low, high - low, 1.0)
    u, v = (np.linspace(low[i] - pad[i], high[i] + pad[i], GRID) for i in range(2))
    grid = np.stack(np.meshgrid(u, v), axis=-1).reshape(-1, 2)
    probability, accuracy = [], []
    for x in ends.values():
        found = probabilities(surface, x, np.concatenate([grid, inputs]))
        of_examples = found[len(grid) :]
        right = (of_examples.argmax(axis=1) == targets) & np.isfinite(of_examples).all(axis=1)
        accuracy.append([part.mean() if len(part) else np.nan for part in (right[:train], right[train:])])
        probability.append(found[: len(grid), 1:].T.reshape(-1, GRID, GRID))
    made: dict[str, Any] = {
        "runs": np.array(list(ends), np.int64),
        "u": u,
        "v": v,
        # shades and a line need no more digits
        "probability": np.array(probability, np.float32),
        "inputs": inputs,
        "targets": targets,
        "held_out": (np.arange(len(inputs)) >= train).astype(float),
        "accuracy": np.array(accuracy),
        "classes": np.array(model.classes),
        "labels": np.array(model.labels),
    }
    return {PREFIX + key: value for key, value in made.items()}


def probabilities(surface: Surface, x: np.ndarray, points: np.ndarray) -> np.ndarray:
    """What the classifier of `surface` says at the weights `x` `[n]` of `points` `[p, 2]`: `[p, classes]`, float64."""
    assert surface.classifier is not None
    options = tuple(sorted(surface.options.items()))
    with jax.enable_x64(True):
        found = np.asarray(_compiled(surface.classifier.function, options)(x, points))
    return np.stack([1 - found, found], axis=1) if found.ndim == 1 else found


@lru_cache(maxsize=64)
def _compiled(function: Callable[..., Any], options: tuple[tuple[str, Any], ...]) -> Callable[..., Any]:
    return jax.jit(
        lambda x, points: function(x, points, **dict(options)), compiler_options=compilation.known(compilation.ONCE)
    )
