"""A layered network as a function of a flat weight vector, its gradient by hand, and the surface `backprop`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Bool, Float, Int

from gdbench.errors import UsageError
from gdbench.surfaces.base import Classifier, surface

MOST_WEIGHTS = 1_000_000
Kind = str | Callable[[Array], Array]

# For each kind of unit: the activation y of its net input, and dy/dnet as a function of y.
UNITS: dict[Kind, tuple[Callable[[Array], Array], Callable[[Array], Array]]] = {
    "sigmoid": (jax.nn.sigmoid, lambda y: y * (1 - y)),
    "tanh": (jnp.tanh, lambda y: 1 - y * y),
    "relu": (jax.nn.relu, lambda y: jnp.where(y > 0, jnp.ones_like(y), jnp.zeros_like(y))),
    "linear": (lambda net: net, jnp.ones_like),
}


def unit(kind: Kind) -> Callable[[Array], Array]:
    """Return the activation of a `kind` of unit; a kind that is a function is its own activation."""
    return UNITS[kind][0] if isinstance(kind, str) else kind


@dataclass(frozen=True)
class Network:
    """Units in layers, each unit joined to all of the layer before: y_j = unit(Σ_i y_i w_ij).

    sizes : the units of each layer, from the inputs to the outputs. biases : whether a constant 1 is joined to each
    unit as well. hidden, output : the kind of unit, of `UNITS`, or any function of its net input.
    The weights lie in one vector `[dimension]`: layer after layer the matrix `[from, to]`, row after row, its last row
    the biases.
    """

    sizes: tuple[int, ...]
    biases: bool = False
    hidden: Kind = "sigmoid"
    output: Kind = "sigmoid"

    @property
    def shapes(self) -> list[tuple[int, int]]:
        """The shape of every layer's matrix."""
        return [(low + self.biases, high) for low, high in pairwise(self.sizes)]

    @property
    def dimension(self) -> int:
        """The number of weights."""
        return sum(rows * columns for rows, columns in self.shapes)

    @property
    def filters(self) -> Int[np.ndarray, "n"]:
        """The unit that every weight goes into, numbered from the first above the inputs; -1 for biases."""
        numbers, first = [], 0
        for rows, columns in self.shapes:
            units = np.tile(np.arange(first, first + columns), (rows, 1))
            if self.biases:
                units[-1] = -1
            numbers.append(units.reshape(-1))
            first += columns
        return np.concatenate(numbers)

    def matrices(self, x: Float[Array, "n"]) -> list[Float[Array, "from to"]]:
        """Cut the weights into a matrix for every layer."""
        matrices, first = [], 0
        for rows, columns in self.shapes:
            matrices.append(x[first : first + rows * columns].reshape(rows, columns))
            first += rows * columns
        return matrices

    def kinds(self) -> list[Kind]:
        """Return the kind of unit of every layer above the inputs."""
        return [*[self.hidden] * (len(self.sizes) - 2), self.output]

    def activations(
        self, x: Float[Array, "n"], inputs: Float[Array, "examples inputs"]
    ) -> list[Float[Array, "examples units"]]:
        """Compute the activations of every layer: first the inputs, last the outputs."""
        layers = [inputs]
        for matrix, kind in zip(self.matrices(x), self.kinds(), strict=True):
            net = layers[-1] @ matrix[:-1] + matrix[-1] if self.biases else layers[-1] @ matrix
            layers.append(unit(kind)(net))
        return layers

    def outputs(
        self, x: Float[Array, "n"], inputs: Float[Array, "examples inputs"]
    ) -> Float[Array, "examples outputs"]:
        """Compute the outputs."""
        return self.activations(x, inputs)[-1]

    def error(
        self, x: Float[Array, "n"], inputs: Float[Array, "examples inputs"], targets: Float[Array, "examples outputs"]
    ) -> Float[Array, ""]:
        """Compute E, the mean over examples of (y - t)², summed over the outputs."""
        return jnp.mean(jnp.sum((self.outputs(x, inputs) - targets) ** 2, axis=1))

    def _joined(self, layer: Float[Array, "examples units"]) -> Float[Array, "examples from"]:
        """Return a layer's activations and, with biases, the constant 1."""
        return jnp.concatenate([layer, jnp.ones_like(layer[:, :1])], axis=1) if self.biases else layer


def deltas(
    network: Network,
    x: Float[Array, "n"],
    inputs: Float[Array, "examples inputs"],
    targets: Float[Array, "examples outputs"],
) -> list[Float[Array, "examples units"]]:
    """Compute δ = ∂(y - t)²/∂net of every unit above the inputs, by layer.

    From the outputs down: δ_out = 2 (y - t) y'(net), below it δ_j = y'_j Σ_k w_jk δ_k. For a sigmoid y' = y (1 - y).
    """
    layers, matrices, kinds = network.activations(x, inputs), network.matrices(x), network.kinds()
    below = [2 * (layers[-1] - targets) * UNITS[kinds[-1]][1](layers[-1])]
    for layer, matrix, kind in zip(layers[-2:0:-1], matrices[:0:-1], kinds[-2::-1], strict=True):
        # a bias has no unit below it to hand its part to
        onward = matrix[:-1] if network.biases else matrix
        below.append(UNITS[kind][1](layer) * (below[-1] @ onward.T))
    return below[::-1]


def backward(
    network: Network,
    x: Float[Array, "n"],
    inputs: Float[Array, "examples inputs"],
    targets: Float[Array, "examples outputs"],
) -> Float[Array, "n"]:
    """Compute ∂E/∂w by the chain rule, without automatic differentiation: the mean over examples of y_i δ_j."""
    layers = network.activations(x, inputs)[:-1]
    pairs = zip(layers, deltas(network, x, inputs, targets), strict=True)
    products = [network._joined(layer).T @ delta / len(inputs) for layer, delta in pairs]
    return jnp.concatenate([product.reshape(-1) for product in products])


def network_of(layout: str, biases: bool, inputs: int, outputs: int, name: str) -> Network:
    """Make the network of the surface `name` with a `layout` such as "2,3,3,1", between so many inputs and outputs."""
    what = f"option 'layout' of surface '{name}'"
    words = [word.strip() for word in layout.split(",")]
    if not all(word.isdecimal() and word.isascii() for word in words) or len(words) < 2:
        raise UsageError(f"{what} must be numbers of units from inputs to outputs, such as 2,3,3,1, not {_cut(layout)}")
    # a number with thousands of digits is not computed: it is too large anyway
    sizes = tuple(int(word) if len(word) < 10 else MOST_WEIGHTS + 1 for word in words)
    if min(sizes) < 1:
        raise UsageError(f"{what}: every layer needs a unit or more, unlike in {_cut(layout)}")
    for number, end, wanted in ((sizes[0], "begin", inputs), (sizes[-1], "end", outputs)):
        if number != wanted:
            kind = "inputs" if end == "begin" else "outputs"
            raise UsageError(f"{what} must {end} with {wanted}, the number of {kind} of its data, not with {number}")
    network = Network(sizes, biases)
    if network.dimension > MOST_WEIGHTS:
        raise UsageError(f"{what}: {_cut(layout)} has more than 1 000 000 weights")
    return network


def _cut(layout: str) -> str:
    return f"'{layout}'" if len(layout) <= 40 else f"'{layout[:38]}..'"


# Exclusive or is the smallest table that no network without hidden units can learn.
INPUTS, TARGETS = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], [[0.0], [1.0], [1.0], [0.0]]


@dataclass(frozen=True)
class Learned:
    """The goal of `backprop`: a network has every example of exclusive or on the right side of ½."""

    network: Network

    def __call__(self, x: Float[Array, "n"]) -> Bool[Array, ""]:
        """Decide at the weights `x`."""
        outputs = self.network.outputs(x, jnp.asarray(INPUTS, x.dtype))
        return jnp.all(jnp.abs(outputs - jnp.asarray(TARGETS, x.dtype)) < 0.5)


def _predicted(
    x: Float[Array, "n"], points: Float[Array, "points 2"], *, layout: str, biases: bool
) -> Float[Array, "points"]:
    """Compute the output at `points`; from ½ up it stands for a 1, as in the goal."""
    return network_of(layout, biases, 2, 1, "backprop").outputs(x, points)[:, 0]


CLASSIFIER = Classifier(_predicted, ("0", "1"), ("input 1", "input 2"))


def _follows(options: Mapping[str, Any]) -> dict[str, Any]:
    network = network_of(options["layout"], options["biases"], 2, 1, "backprop")
    layout = ",".join(map(str, network.sizes))
    return {
        "options": {**options, "layout": layout},
        "dimension": network.dimension,
        "filters": network.filters,
        "goal": Learned(network),
        "classifier": CLASSIFIER,
    }


@surface(
    # The start is small, and lacks the symmetry that equal weights would keep for ever.
    start=lambda dimension: np.random.default_rng(0).uniform(-1, 1, dimension),
    box=(-1.0, 1.0),
    data=(INPUTS, TARGETS),
    follows=_follows,
    goal_text="every output is on the right side of ½",
    formula="mean over examples of (y - t)²,  y_j = 1/(1 + exp(-Σᵢ yᵢ wᵢⱼ)) layer by layer",
    source="Rumelhart, Hinton and Williams 1986, Learning representations by back-propagating errors, "
    "doi:10.1038/323533a0; the network is the course's, the examples are exclusive or",
    note="E comes as near to 0 as one likes, but only as weights grow without end: there is no minimum. A run has "
    "reached its goal, to have learned the table, once every output is on the right side of ½. It starts from fixed "
    "numbers, uniform in [-1, 1], on a plateau: all outputs are near ½ and E is near ¼. The weights are in order of "
    "layer, then of the unit that they come from, then of the one that they go to; biases come last in their layer.",
)
def backprop(
    x: Float[Array, "n"],
    inputs: Float[Array, "examples inputs"],
    targets: Float[Array, "examples outputs"],
    *,
    layout: str = "2,3,3,1",
    biases: bool = False,
) -> Float[Array, ""]:
    """The course's network of 18 weights: two layers of three sigmoid units between two inputs and an output."""
    return network_of(layout, biases, inputs.shape[1], targets.shape[1], "backprop").error(x, inputs, targets)
