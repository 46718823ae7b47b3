"""The linear and the logistic neuron on a table of examples, and the course's four small tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from gdbench.errors import UsageError
from gdbench.surfaces.base import Surface, surface


def linear_neuron(
    x: Float[Array, "n"], inputs: Float[Array, "examples n"], targets: Float[Array, "examples"]
) -> Float[Array, ""]:
    """Return the mean squared error of `inputs @ x` against `targets`."""
    return jnp.mean((inputs @ x - targets) ** 2)


def logistic_neuron(
    x: Float[Array, "n"], inputs: Float[Array, "examples n"], targets: Float[Array, "examples"]
) -> Float[Array, ""]:
    """Return the mean cross-entropy, in nats, of the logistic function of `inputs @ x` against `targets` in {0, 1}."""
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
@surface(
    start=(0.0, 0.0),
    minimisers=lambda dimension, second_target: [((2 + second_target) / 0.2, (2 - second_target) / 20)],
    box=((-5.0, -0.4), (25.0, 0.6)),
    data=([[0.1, 10.0], [0.1, -10.0]], [2.0, 0.0], [0.0, 1.0]),
    labels=("w0", "w1"),
    formula=f"{FORMULA}, on 0.1, 10 → 2; 0.1, -10 → second_target",
    source=COURSE,
    note="Eigenvalues 0.02 and 200: a ravine along w0 that one rate per weight cures. With both targets 2, as the "
    "course prints them (second_target=2), the minimiser is (20, 0), on the long axis from the start (0, 0), and the "
    "ravine is hidden: all plain steps go along one eigenvector, and a rate of 50, else divergent, arrives in "
    "one step.",
)
def unscaled(
    x: Float[Array, "n"],
    inputs: Float[Array, "examples n"],
    targets: Float[Array, "examples"],
    second: Float[Array, "examples"],
    *,
    second_target: float = 0.0,
) -> Float[Array, ""]:
    """The linear neuron on inputs of very different size."""
    return linear_neuron(x, inputs, targets + second_target * second)


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

MOST_EXAMPLES = 100_000


def _contradiction(options: Mapping[str, Any]) -> dict[str, Any]:
    examples = options["examples"]
    if examples % 2 or not 2 <= examples <= MOST_EXAMPLES:
        raise UsageError(
            f"option 'examples' of surface 'contradictory' must be an even number from 2 to 100 000, not {examples}"
        )
    return {"data": (np.ones((examples, 1)), np.repeat([0.0, 2.0], examples // 2))}


@surface(
    start=(-1.0,),
    minimisers=[(1.0,)],
    box=(-2.0, 4.0),
    follows=_contradiction,
    labels=("w",),
    formula="mean over examples of (w - t)²,  t = 0 for the first half of them and 2 for the second",
    source="the course's two examples that contradict each other, x = 1 with t = 0 and t = 2",
    note="All examples at once lead to 1. Two that are seen in turn (batch_size 1, shuffle false) lead plain steps "
    "w - 2 lr (w - t) with a rate below 1 into a cycle: (1 - 2 lr)/(1 - lr) after the target 0 and 1/(1 - lr) after 2, "
    "2 lr/(1 - lr) apart. Of N examples, batches of B that divide N/2 leave a cycle as wide as 2 (1 - q)/(1 + q) with "
    "q = (1 - 2 lr)^(N/2B), and a batch of all leaves none.",
)
def contradictory(
    x: Float[Array, "n"], inputs: Float[Array, "examples n"], targets: Float[Array, "examples"], *, examples: int = 2
) -> Float[Array, ""]:
    """A linear unit of one weight, on examples that pull it two ways."""
    return linear_neuron(x, inputs, targets)  # the option `examples` has decided the data
