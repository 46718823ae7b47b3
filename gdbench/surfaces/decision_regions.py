"""Predict the classes at every point of a model's two inputs, with the weights that drawn runs ended with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from gdbench import compilation
from gdbench.surfaces.base import Surface

GRID = 96
# The plane goes beyond the outermost examples by this share of the width between them.
MARGIN = 0.1
# With more classes neither colours nor names can be told apart.
MOST_CLASSES = 8
# The keys begin with this among those of a surface's landscape.
PREFIX = "regions."


def regions_of(surface: Surface, ends: Mapping[int, Float[np.ndarray, "n"]]) -> dict[str, Any]:
    """Compute what a picture of decision regions needs, as keys to store beside a surface's landscape.

    The result is empty without a classifier. ends : by the run's number, the weights that it ended with. Keys, each
    behind `PREFIX`: `runs` `[r]`; `u` `[gu]` and `v` `[gv]`, the grid's coordinates; `probability` `[r, k - 1, gv, gu]`
    of all classes but the first, float32; `inputs` `[N, 2]`, `targets` `[N]` and `held_out` `[N]` (0 or 1) of all
    examples; `accuracy` `[r, 2]` on training and on held-out examples, NaN if there are none; `classes`; `labels` of
    the two inputs.
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
        everywhere = probabilities(surface, x, np.concatenate([grid, inputs]))
        of_examples = everywhere[len(grid) :]
        right = (of_examples.argmax(axis=1) == targets) & np.isfinite(of_examples).all(axis=1)
        accuracy.append([part.mean() if len(part) else np.nan for part in (right[:train], right[train:])])
        probability.append(everywhere[: len(grid), 1:].T.reshape(-1, GRID, GRID))
    regions: dict[str, Any] = {
        "runs": np.array(list(ends), np.int64),
        "u": u,
        "v": v,
        # float32 has enough digits for shades and a line
        "probability": np.array(probability, np.float32),
        "inputs": inputs,
        "targets": targets,
        "held_out": (np.arange(len(inputs)) >= train).astype(float),
        "accuracy": np.array(accuracy),
        "classes": np.array(model.classes),
        "labels": np.array(model.labels),
    }
    return {PREFIX + key: value for key, value in regions.items()}


def probabilities(
    surface: Surface, x: Float[np.ndarray, "n"], points: Float[np.ndarray, "points 2"]
) -> Float[np.ndarray, "points classes"]:
    """Compute the probability of every class at `points` by the classifier of `surface` at the weights `x`."""
    assert surface.classifier is not None
    options = tuple(sorted(surface.options.items()))
    with jax.enable_x64(True):
        chances = np.asarray(_compiled(surface.classifier.function, options)(x, points))
    return np.stack([1 - chances, chances], axis=1) if chances.ndim == 1 else chances


@lru_cache(maxsize=64)
def _compiled(function: Callable[..., Any], options: tuple[tuple[str, Any], ...]) -> Callable[..., Any]:
    return jax.jit(
        lambda x, points: function(x, points, **dict(options)), compiler_options=compilation.known(compilation.ONCE)
    )
