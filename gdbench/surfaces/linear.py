"""The linear and the logistic neuron on a table of examples, and the course's four small tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from gdbench.surfaces.base import Surface, surface


def linear_neuron(x: Array, inputs: Array, targets: Array) -> Array:
    """Mean squared error of `inputs @ x` `[N, n]` against `targets` `[N]`."""
    return jnp.mean((inputs @ x - targets) ** 2)


def logistic_neuron(x: Array, inputs: Array, targets: Array) -> Array:
    """Mean cross-entropy, in nats, of the logistic function of `inputs @ x` against `targets` in {0, 1}."""
    logits = inputs @ x
    # softplus(z) - t z is -t log p - (1 - t) log(1 - p) without the overflow
    return jnp.mean(jax.nn.softplus(logits) - targets * logits)


FORMULA = "mean over examples of (w·i - t)²"
COURSE = "the course's linear neuron y = w0 i0 + w1 i1 on two examples"


def _neuron(
    name: str,
    summary: str,
    inputs: list[list[float]],
    targets: list[float],
    minimiser: tuple[float, float],
    box: tuple[tuple[float, float], tuple[float, float]],
    note: str,
) -> Surface:
    table = "; ".join(f"{row[0]:g}, {row[1]:g} → {target:g}" for row, target in zip(inputs, targets, strict=True))
    return surface(
        name=name,
        start=(0.0, 0.0),
        minimisers=[minimiser],
        box=box,
        data=(inputs, targets),
        labels=("w0", "w1"),
        summary=summary,
        formula=f"{FORMULA}, on {table}",
        source=COURSE,
        note=note,
    )(linear_neuron)


# The minimisers solve the two linear equations w·i = t of each table exactly.
unscaled = _neuron(
    "unscaled",
    "The linear neuron on inputs of very different size.",
    [[0.1, 10.0], [0.1, -10.0]],
    [2.0, 0.0],
    (10.0, 0.1),
    ((-5.0, -0.4), (25.0, 0.6)),
    "Eigenvalues 0.02 and 200: a ravine along w0 that one rate per weight cures.",
)
scaled = _neuron(
    "scaled",
    "The linear neuron on the same inputs, scaled to the same size.",
    [[1.0, 1.0], [1.0, -1.0]],
    [2.0, 0.0],
    (1.0, 1.0),
    ((-1.0, -1.0), (3.0, 3.0)),
    "A circle: sgd at 0.5 arrives in one step.",
)
uncentered = _neuron(
    "uncentered",
    "The linear neuron on inputs far from zero.",
    [[101.0, 101.0], [101.0, 99.0]],
    [2.0, 0.0],
    (-99.0 / 101.0, 1.0),
    ((-3.0, -2.0), (2.0, 3.0)),
    "A ravine along w0 = -w1: rates per weight cannot cure it, because it lies across the axes.",
)
centered = _neuron(
    "centered",
    "The linear neuron on the same inputs with their mean moved near zero.",
    [[1.0, 1.0], [1.0, -1.0]],
    [2.0, 0.0],
    (1.0, 1.0),
    ((-1.0, -1.0), (3.0, 3.0)),
    "A circle again: centring alone took the condition number from about 40 000 to 1.",
)

NEURONS: dict[str, Callable[..., Array]] = {"linear": linear_neuron, "logistic": logistic_neuron}


def regression(
    name: str,
    model: str,
    inputs: np.ndarray,
    targets: np.ndarray,
    minimiser: np.ndarray | None,
    *,
    labels: tuple[str, ...],
    summary: str,
    source: str,
    note: str,
    held_out: tuple[np.ndarray, ...] = (),
) -> Surface:
    """The error surface of a user's own regression; `inputs` `[N, n]` hold a column of ones for the intercept.

    It is not registered: it belongs to one run. The start is 0; the box spans 0 and twice the minimiser.
    """
    dimension = inputs.shape[1]
    reach = np.ones(dimension)
    if minimiser is not None:
        reach = 2 * np.maximum(np.abs(minimiser), 1e-3 * max(1e-12, float(np.max(np.abs(minimiser)))))
    formula = FORMULA if model == "linear" else "mean over examples of log(1 + exp(w·i)) - t w·i"
    made = surface(
        name=name,
        start=tuple(np.zeros(dimension)),
        minimisers=None if minimiser is None else [minimiser],
        box=(-reach, reach),
        data=(inputs, targets),
        labels=labels,
        summary=summary,
        formula=formula,
        source=source,
        note=note,
        register=False,
    )(NEURONS[model])
    return replace(made, held_out=held_out)
