"""Models of a user's table: linear, logistic and softmax regression and networks, all with weight decay.

E is the mean over examples of the squared error or of the cross-entropy in nats, plus weight_decay / 2 times the sum of
the squared weights; intercepts and biases do not decay.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Bool, Float

from gdbench import compilation
from gdbench.errors import UsageError, unknown
from gdbench.surfaces.linear import linear_neuron, logistic_neuron
from gdbench.surfaces.networks import MOST_WEIGHTS, Network

MOST_HIDDEN = 10


def linear(
    x: Float[Array, "n"],
    inputs: Float[Array, "examples n"],
    targets: Float[Array, "examples"],
    *,
    weight_decay: float = 0.0,
) -> Float[Array, ""]:
    """Return E of the outputs `inputs @ x` against `targets`; the last column is the intercept's."""
    return linear_neuron(x, inputs, targets) + 0.5 * weight_decay * jnp.sum(x[:-1] ** 2)


def logistic(
    x: Float[Array, "n"],
    inputs: Float[Array, "examples n"],
    targets: Float[Array, "examples"],
    *,
    weight_decay: float = 0.0,
) -> Float[Array, ""]:
    """Return E of the logistic function of `inputs @ x` against `targets` in {0, 1}."""
    return logistic_neuron(x, inputs, targets) + 0.5 * weight_decay * jnp.sum(x[:-1] ** 2)


def linear_outputs(x: Float[Array, "n"], inputs: Float[Array, "examples n"]) -> Float[Array, "examples"]:
    """Return the output of a linear neuron, or of a logistic one before the logistic function."""
    return inputs @ x


def cross_entropy(outputs: Float[Array, "examples classes"], targets: Float[Array, "examples"]) -> Float[Array, ""]:
    """Return the mean of -log of the softmax of `outputs` at the classes `targets`, numbers from 0."""
    # a one-hot row instead of an index, because a gather and its gradient are slow in lanes
    right = jnp.sum(jnp.where(_hot(targets, outputs.shape[1]), outputs, 0), axis=1)
    return jnp.mean(jax.nn.logsumexp(outputs, axis=1) - right)


def _hot(targets: Float[Array, "examples"], classes: int) -> Bool[Array, "examples classes"]:
    return targets[:, None] == jnp.arange(classes, dtype=targets.dtype)


@dataclass(frozen=True)
class Softmax:
    """Softmax regression on `classes` classes; the weights of the first are 0.

    x `[p (classes - 1)]` is a matrix `[p, classes - 1]`, row after row, the last row the intercepts. The decay is over
    all classes, about their mean: it is the same whichever class is the first.
    """

    classes: int

    def outputs(self, x: Float[Array, "n"], inputs: Float[Array, "examples p"]) -> Float[Array, "examples classes"]:
        """Return what goes into the softmax."""
        z = inputs @ x.reshape(-1, self.classes - 1)
        return jnp.concatenate([jnp.zeros_like(z[:, :1]), z], axis=1)

    def __call__(
        self,
        x: Float[Array, "n"],
        inputs: Float[Array, "examples p"],
        targets: Float[Array, "examples"],
        *,
        weight_decay: float = 0.0,
    ) -> Float[Array, ""]:
        """Return E against the classes `targets`."""
        w = x.reshape(-1, self.classes - 1)[:-1]
        spread = jnp.sum(w * w) - jnp.sum(jnp.sum(w, axis=1) ** 2) / self.classes
        return cross_entropy(self.outputs(x, inputs), targets) + 0.5 * weight_decay * spread


@dataclass(frozen=True)
class Multilayer:
    """A network between `features` inputs and one output, or one output for each class if there are more than two.

    classes : 0 for regression. The output is linear; with two classes it goes through the logistic function, with more
    through a softmax. Every unit has a bias. hidden : the units of the hidden layers, such as "8,4".
    """

    features: int
    classes: int

    def network(self, hidden: str, activation: str) -> Network:
        """Make the network with these hidden layers."""
        last = self.classes if self.classes > 2 else 1
        return Network((self.features, *hidden_sizes(hidden), last), True, unit_of(activation), "linear")

    def outputs(
        self, x: Float[Array, "n"], inputs: Float[Array, "examples features"], *, hidden: str, activation: str
    ) -> Float[Array, "examples *classes"]:
        """Return the outputs `[N]`, with more than two classes `[N, classes]`."""
        outputs = self.network(hidden, activation).outputs(x, inputs)
        return outputs if self.classes > 2 else outputs[:, 0]

    def __call__(
        self,
        x: Float[Array, "n"],
        inputs: Float[Array, "examples features"],
        targets: Float[Array, "examples"],
        *,
        weight_decay: float = 0.0,
        hidden: str = "8",
        activation: str = "tanh",
    ) -> Float[Array, ""]:
        """Return E against the numbers or classes `targets`."""
        network = self.network(hidden, activation)
        outputs = self.outputs(x, inputs, hidden=hidden, activation=activation)
        if not self.classes:
            error = jnp.mean((outputs - targets) ** 2)
        elif self.classes == 2:
            error = jnp.mean(jax.nn.softplus(outputs) - targets * outputs)
        else:
            error = cross_entropy(outputs, targets)
        squares = [jnp.sum(matrix[:-1] ** 2) for matrix in network.matrices(x)]
        return error + 0.5 * weight_decay * jnp.sum(jnp.stack(squares))


@dataclass(frozen=True)
class Score:
    """The metric of a model's `outputs`: R², or the share of examples with the right class."""

    outputs: Callable[..., Array]
    classifies: bool

    def __call__(
        self,
        x: Float[Array, "n"],
        inputs: Float[Array, "examples n"],
        targets: Float[Array, "examples"],
        variance: Float[Array, ""],
        **options: Any,
    ) -> Float[Array, ""]:
        """Score `targets` that have this `variance` about their mean; 0 or -inf if outputs overflow."""
        outputs = self.outputs(x, inputs, **options)
        if self.classifies:
            predicted = (outputs > 0).astype(targets.dtype) if outputs.ndim == 1 else jnp.argmax(outputs, axis=1)
            right = (predicted.astype(targets.dtype) == targets) & jnp.isfinite(outputs.reshape(len(targets), -1)).all(
                1
            )
            return jnp.mean(right.astype(x.dtype))
        error = jnp.mean((outputs - targets) ** 2)
        # an output that is not a number counts as infinitely far off
        return 1 - jnp.where(jnp.isnan(error), jnp.inf, error) / jnp.where(variance > 0, variance, jnp.nan)


@dataclass(frozen=True)
class Chances:
    """The probability of the second class `[p]`, or of each class `[p, k]`, by a model's `outputs`.

    intercept : whether the model wants points with a last column of ones.
    """

    outputs: Callable[..., Array]
    intercept: bool

    def __call__(
        self, x: Float[Array, "n"], points: Float[Array, "points features"], **options: Any
    ) -> Float[Array, "points *classes"]:
        """Compute the probabilities at `points`."""
        if self.intercept:
            points = jnp.concatenate([points, jnp.ones_like(points[:, :1])], axis=1)
        outputs = self.outputs(x, points, **options)
        return jax.nn.sigmoid(outputs) if outputs.ndim == 1 else jax.nn.softmax(outputs, axis=1)


def hidden_sizes(hidden: str) -> tuple[int, ...]:
    """Read the units of every hidden layer from a text such as "8,4"."""
    words = [word.strip() for word in hidden.split(",")]
    cut = hidden if len(hidden) <= 40 else f"{hidden[:38]}.."
    # a number with thousands of digits is not computed: it is too large anyway
    if not all(word.isdecimal() and word.isascii() and len(word) < 10 and int(word) for word in words):
        raise UsageError(f"hidden must be numbers of units by layer, such as 8 or 8,4, not '{cut}'")
    if len(words) > MOST_HIDDEN:
        raise UsageError(f"hidden: at most {MOST_HIDDEN} layers, not {len(words)}")
    return tuple(map(int, words))


@dataclass(frozen=True)
class Architecture:
    """The fields that follow from the options of a `Multilayer`: weights and the units that they go into, start, box.

    The start is Glorot and Bengio's (2010, PMLR 9:249, eq. 16): weights uniform within √(6 / (from + to)) of 0, drawn
    with `seed`, biases 0. The box for random starts has those bounds for weights and biases.
    """

    model: Multilayer
    seed: int

    def __call__(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fields of the surface."""
        network = self.model.network(options["hidden"], options["activation"])
        if network.dimension > MOST_WEIGHTS:
            raise UsageError(f"hidden: {options['hidden']} makes more than 1 000 000 weights")
        hidden = ",".join(map(str, network.sizes[1:-1]))
        draw, start, bounds = np.random.default_rng([self.seed, 0x6C0]), [], []
        for rows, columns in network.shapes:
            bound = np.sqrt(6 / (rows - 1 + columns))
            weights = draw.uniform(-bound, bound, (rows, columns))
            weights[-1] = 0.0
            start.append(weights.reshape(-1))
            bounds.append(np.full(rows * columns, bound))
        box = np.concatenate(bounds)
        return {
            "options": {**options, "hidden": hidden},
            "dimension": network.dimension,
            "filters": network.filters,
            "start": np.concatenate(start),
            "box": (-box, box),
        }


# These names are suggested for a misspelt one; any function of jax.nn or jax.numpy that works number by number will do.
USUAL = (
    "celu elu gelu hard_sigmoid hard_silu hard_tanh identity leaky_relu log_sigmoid mish relu relu6 selu sigmoid silu "
    "soft_sign softplus sparse_plus squareplus swish abs arctan cos exp sin sinc square tanh"
).split()

# Negative and positive, small and large numbers, none of them where a function jumps.
SAMPLES = (-2.3, -0.1, 0.9, 3.1)


@lru_cache
def unit_of(name: str) -> Callable[[Any], Any]:
    """Return the function `name` of `jax.nn`, or else of `jax.numpy`.

    Raises `UsageError` if there is none, or if it does not work number by number: it is tried on numbers one by one and
    all together, which must give the same.
    """
    function: Any = None if name.startswith("_") else getattr(jax.nn, name, None) or getattr(jnp, name, None)
    if not callable(function):
        raise unknown("activation", name, USUAL)
    if not _by_number(function):
        raise UsageError(f"'{name}' is no activation: it does not work number by number, as {', '.join(USUAL[-4:])} do")
    return function


def _by_number(function: Callable[[Any], Any]) -> bool:
    """Decide whether `function` maps a matrix of reals as it maps its numbers, to reals of the same type."""

    def both_ways(matrix: Any) -> Any:
        return function(matrix), [function(number) for number in matrix.reshape(-1)]

    shape = (2, len(SAMPLES) // 2)
    try:
        with jax.enable_x64(True):
            for dtype in (jnp.float32, jnp.float64):
                kinds = jax.eval_shape(both_ways, jax.ShapeDtypeStruct(shape, dtype))
                if any(kind.dtype != dtype for kind in jax.tree.leaves(kinds)):
                    return False
            samples = np.array(SAMPLES).reshape(shape)
            together, alone = jax.jit(both_ways, compiler_options=compilation.known(compilation.ONCE))(samples)
    except Exception:  # a function that wants other arguments is no activation
        return False
    # the last bits may depend on how many numbers are mapped at once
    return together.shape == shape and np.allclose(np.reshape(alone, shape), together, 1e-12, 1e-14, equal_nan=True)
