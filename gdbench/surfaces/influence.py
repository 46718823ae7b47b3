"""Show how one weight of a network moves its error: the chain rule, step by step, with the numbers of one example."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import jax
import numpy as np
from jax import Array
from jaxtyping import Float

from gdbench import compilation
from gdbench.surfaces import Surface
from gdbench.surfaces.networks import backprop, backward, deltas, network_of

# Step of the central difference: its square, and the rounding of E divided by it, leave about ten digits.
SHIFT = 1e-5

RAISED, LOWERED = (str.maketrans("0123456789", signs) for signs in ("⁰¹²³⁴⁵⁶⁷⁸⁹", "₀₁₂₃₄₅₆₇₈₉"))

Layers = Sequence[np.ndarray]


def influence_of(surface: Surface) -> dict[str, Any]:
    """Show how the weight of layer 2 from unit 2 to unit 2 moves E at the start of the surface `backprop`; else {}.

    `steps` have `name`, `formula` and `value`, a number or a list: on the last example the activations y, the
    δ = ∂(y - t)²/∂net, the factors of the chain rule, their product and the difference quotient; then the mean over all
    examples and its quotient. If the network is too small for that weight, it is the last one of that kind.
    """
    if surface.function is not backprop.function:
        return {}
    shapes = [array.shape for array in surface.data]
    network = network_of(surface.options["layout"], surface.options["biases"], shapes[0][1], shapes[1][1], surface.name)
    layer = min(2, len(network.sizes) - 1)
    start, end = (min(2, size) for size in network.sizes[layer - 1 : layer + 1])
    index = sum(rows * columns for rows, columns in network.shapes[: layer - 1])
    index += (start - 1) * network.sizes[layer] + end - 1
    x, one = surface.start_point(surface.dimension), [array[-1:] for array in surface.data]
    shift = SHIFT * (np.arange(network.dimension) == index)

    def looked(
        x: Float[Array, "n"], inputs: Float[Array, "examples inputs"], targets: Float[Array, "examples outputs"]
    ) -> dict[str, Any]:
        return {
            "y": network.activations(x, inputs),
            "δ": deltas(network, x, inputs, targets),
            "w": network.matrices(x),
            "gradient": backward(network, x, inputs, targets)[index],
            "errors": [network.error(side, inputs, targets) for side in (x + shift, x - shift)],
        }

    compiled = jax.jit(looked, compiler_options=compilation.known(compilation.ONCE))
    with jax.enable_x64(True):
        seen, of_all = (jax.tree.map(np.asarray, compiled(x, *rows)) for rows in (one, surface.data))
    y, delta = [values[0] for values in seen["y"]], [np.empty(0), *(values[0] for values in seen["δ"])]
    factors = list(_factors(layer, start, end, y, delta, seen["w"], one[1][0]))
    quotients = [float(high - low) / (2 * SHIFT) for high, low in (seen["errors"], of_all["errors"])]
    weight = _sign("w", layer, start, end)
    steps = [
        *_passes(y, delta),
        *factors,
        (f"∂E/∂{weight}", "the product", float(np.prod([value for _, _, value in factors]))),
        (f"ΔE/Δ{weight}", f"difference quotient, h = {SHIFT:g}", quotients[0]),
        (f"mean ∂E/∂{weight}", "over all examples", float(of_all["gradient"])),
        (f"mean ΔE/Δ{weight}", "difference quotient", quotients[1]),
    ]
    return {
        "weight": weight,
        "index": index,
        "example": {"inputs": one[0][0].tolist(), "targets": one[1][0].tolist()},
        "steps": [dict(zip(("name", "formula", "value"), step, strict=True)) for step in steps],
    }


def _passes(y: Layers, delta: Layers) -> Iterator[tuple[str, str, Any]]:
    """Yield the steps up through the activations, and down again through the δ."""
    last = len(y) - 1
    for layer, values in enumerate(y):
        name, below, weights = (_sign(sign, at) for sign, at in (("y", layer), ("y", layer - 1), ("w", layer)))
        yield name, f"1/(1 + exp(-Σ {below} {weights}))" if layer else "the inputs", values.tolist()
    for layer in range(last, 0, -1):
        name, above = _sign("y", layer), f"Σ {_sign('w', layer + 1)} {_sign('δ', layer + 1)}"
        yield (
            _sign("δ", layer),
            f"{name} (1 - {name}) {above if layer < last else f'2 ({name} - t)'}",
            delta[layer].tolist(),
        )


def _factors(
    layer: int, start: int, end: int, y: Layers, delta: Layers, weights: Layers, target: np.ndarray
) -> Iterator[tuple[str, str, float]]:
    """Yield the factors between the weight of a layer from unit `start` to unit `end` and E."""
    weight, net = _sign("w", layer, start, end), _sign("net", layer, end)
    yield f"∂{net}/∂{weight}", _sign("y", layer - 1, start), float(y[layer - 1][start - 1])
    while True:
        name, net, value = _sign("y", layer, end), _sign("net", layer, end), float(y[layer][end - 1])
        yield f"∂{name}/∂{net}", f"{name} (1 - {name})", value * (1 - value)
        if layer == len(y) - 1:
            yield f"∂E/∂{name}", f"2 ({name} - t)", 2 * (value - float(target[end - 1]))
            return
        if len(y[layer + 1]) > 1:
            # many ways lead on, and this is the sum of what comes back along them
            more = f"Σ {_sign('w', layer + 1, end, 'k')} {_sign('δ', layer + 1, 'k')}"
            yield f"∂E/∂{name}", more, float(weights[layer][end - 1] @ delta[layer + 1])
            return
        yield f"∂{_sign('net', layer + 1, 1)}/∂{name}", _sign("w", layer + 1, end, 1), float(weights[layer][end - 1, 0])
        layer, end = layer + 1, 1


def _sign(sign: str, layer: int, *units: int | str) -> str:
    """Write a quantity of a layer as the course does: w²₂,₂."""
    return (
        sign + str(layer).translate(RAISED) + ",".join(str(unit).translate(LOWERED).replace("k", "ₖ") for unit in units)
    )
