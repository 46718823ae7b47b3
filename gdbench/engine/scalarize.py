"""Rewrite a traced function on short vectors into one on single numbers: an optimisation; results are right without it.

Batched over lanes, a vector of two weights is an array `[lanes, 2]`, and XLA breaks a step on it into a handful of
loops with copies in between: slices, paddings (the gradient of `x[0]`), reductions over two entries, library calls for
tiny products. Taken apart into single numbers every value is a vector over lanes, and the step is one loop: three
times faster, and quicker to compile. Surfaces and solvers are written with whole vectors all the same.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend.core import Literal

# False leaves every function as it is.
ENABLED = True

# An array of more entries stays whole: taken apart it would cost more to compile than it saves.
LARGEST = 32

# Primitives that work on one entry of each operand, with the same parameters.
ELEMENTWISE = set(
    "abs acos acosh add add_any and asin asinh atan atan2 atanh cbrt ceil clamp convert_element_type copy cos cosh "
    "digamma div eq erf erf_inv erfc exp exp2 expm1 floor ge gt integer_pow is_finite le lgamma log log1p logistic lt "
    "max min mul ne neg nextafter not or pow reduce_precision rem round rsqrt select_n shift_left "
    "shift_right_arithmetic shift_right_logical sign sin sinh sqrt square stop_gradient sub tan tanh xor".split()
)
REDUCTIONS: dict[str, Callable[[Any, Any], Any]] = {
    "reduce_sum": lax.add,
    "reduce_prod": lax.mul,
    "reduce_max": lax.max,
    "reduce_min": lax.min,
    "reduce_and": lax.bitwise_and,
    "reduce_or": lax.bitwise_or,
}
# Primitives that are left whole. Any other one is left whole as well, but a test then asks what to do with it.
WHOLE = set("custom_linear_solve eigh iota lu scan stack unstack while".split())

CALLS = {"jit", "pjit", "closed_call", "core_call", "remat", "checkpoint", "custom_jvp_call", "custom_vjp_call"}


def by_scalars(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the same function, traced with its short arrays taken apart. Its results may differ in the last bit."""
    if not ENABLED:
        return function

    def rewritten(*args: Any) -> Any:
        leaves, tree = jax.tree.flatten(args)
        closed, shape = jax.make_jaxpr(lambda *flat: function(*jax.tree.unflatten(tree, flat)), return_shape=True)(
            *(jax.ShapeDtypeStruct(jnp.shape(leaf), jnp.result_type(leaf)) for leaf in leaves)
        )
        results = _evaluate(closed.jaxpr, closed.consts, [_apart(leaf) for leaf in leaves])
        return jax.tree.unflatten(jax.tree.structure(shape), [_whole(result) for result in results])

    return rewritten


def _apart(value: Any) -> Any:
    """Return an object array of the entries, or the value itself if it is too large, empty, or no array of numbers."""
    shape = jnp.shape(value)
    if not 0 < math.prod(shape) <= LARGEST or jax.dtypes.issubdtype(jnp.result_type(value), jax.dtypes.extended):
        return value
    entries = np.empty(shape, object)
    for index in np.ndindex(shape):
        entries[index] = value[index] if shape else value
    return entries


def _whole(value: Any) -> Any:
    if not isinstance(value, np.ndarray) or value.dtype != object:
        return value
    if value.shape == ():
        return value.item()
    return jnp.stack([jnp.asarray(entry) for entry in value.reshape(-1)]).reshape(value.shape)


def _is_apart(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype == object


def _evaluate(jaxpr: Any, consts: Sequence[Any], args: Sequence[Any]) -> list[Any]:
    env: dict[Any, Any] = {}

    def read(atom: Any) -> Any:
        return _apart(atom.val) if isinstance(atom, Literal) else env[atom]

    env.update(zip(jaxpr.constvars, map(_apart, consts), strict=True))
    env.update(zip(jaxpr.invars, args, strict=True))
    for eqn in jaxpr.eqns:
        operands = [read(atom) for atom in eqn.invars]
        outputs = _apply(eqn, operands)
        env.update(zip(eqn.outvars, outputs, strict=True))
    return [read(atom) for atom in jaxpr.outvars]


def _apply(eqn: Any, operands: list[Any]) -> list[Any]:
    name, params = eqn.primitive.name, eqn.params
    small = all(0 < math.prod(var.aval.shape) <= LARGEST for var in eqn.outvars)
    if name in CALLS:
        inner = params.get("jaxpr") or params.get("call_jaxpr")
        if inner is not None:
            closed = inner if hasattr(inner, "consts") else None
            jaxpr, consts = (closed.jaxpr, closed.consts) if closed else (inner, [])
            return _evaluate(jaxpr, consts, operands)
    if small and all(map(_is_apart, operands)):
        if name in ELEMENTWISE:
            return [_elementwise(eqn, operands)]
        if name in REDUCTIONS:
            return [_reduce(REDUCTIONS[name], operands[0], params["axes"])]
        if name == "dot_general" and not any(params["dimension_numbers"][1]):
            return [_product(eqn, *operands)]
        if name in MOVES:
            return _as_list(MOVES[name](params, *operands))
    result = eqn.primitive.bind(*map(_whole, operands), **eqn.params)
    return [_apart(value) for value in _as_list(result)]


def _as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _elementwise(eqn: Any, operands: list[Any]) -> np.ndarray:
    shape = eqn.outvars[0].aval.shape
    spread = [np.broadcast_to(operand, shape) for operand in operands]
    result = np.empty(shape, object)
    for index in np.ndindex(shape):
        result[index] = eqn.primitive.bind(*(operand[index] for operand in spread), **eqn.params)
    return result


def _reduce(combine: Callable[[Any, Any], Any], operand: np.ndarray, axes: Sequence[int]) -> np.ndarray:
    kept = [axis for axis in range(operand.ndim) if axis not in axes]
    moved = operand.transpose(*kept, *axes).reshape(*(operand.shape[axis] for axis in kept), -1)
    result = np.empty(moved.shape[:-1], object)
    for index in np.ndindex(result.shape):
        result[index] = reduce(combine, moved[index])
    return result


def _product(eqn: Any, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    (left_axes, right_axes), _ = eqn.params["dimension_numbers"]
    dtype = eqn.outvars[0].aval.dtype
    left_kept = [axis for axis in range(left.ndim) if axis not in left_axes]
    right_kept = [axis for axis in range(right.ndim) if axis not in right_axes]
    rows = left.transpose(*left_kept, *left_axes).reshape(-1, math.prod(left.shape[a] for a in left_axes))
    columns = right.transpose(*right_kept, *right_axes).reshape(-1, rows.shape[1])
    result = np.empty((len(rows), len(columns)), object)
    for i, j in itertools.product(range(len(rows)), range(len(columns))):
        terms = (
            lax.mul(lax.convert_element_type(a, dtype), lax.convert_element_type(b, dtype))
            for a, b in zip(rows[i], columns[j], strict=True)
        )
        result[i, j] = reduce(lax.add, terms)
    return result.reshape(eqn.outvars[0].aval.shape)


def _broadcast(params: Any, operand: np.ndarray, *_: Any) -> np.ndarray:
    shape = [1] * len(params["shape"])
    for axis, target in enumerate(params["broadcast_dimensions"]):
        shape[target] = operand.shape[axis]
    return np.broadcast_to(operand.reshape(shape), params["shape"])


def _pad(params: Any, operand: np.ndarray, filler: np.ndarray) -> np.ndarray:
    config = params["padding_config"]
    widths = [
        low + high + max(0, (size - 1) * (inner + 1) + 1)
        for (low, high, inner), size in zip(config, operand.shape, strict=True)
    ]
    result = np.empty(widths, object)
    result.fill(filler.item())
    for index in np.ndindex(operand.shape):
        place = tuple(low + i * (inner + 1) for i, (low, _, inner) in zip(index, config, strict=True))
        if all(0 <= p < width for p, width in zip(place, widths, strict=True)):
            result[place] = operand[index]
    return result


def _slice(params: Any, operand: np.ndarray) -> np.ndarray:
    strides = params["strides"] or [1] * operand.ndim
    spans = zip(params["start_indices"], params["limit_indices"], strides, strict=True)
    return operand[tuple(slice(*span) for span in spans)]


def _split(params: Any, operand: np.ndarray) -> list[np.ndarray]:
    return np.split(operand, np.cumsum(params["sizes"])[:-1], axis=params["axis"])


# Primitives that only move entries.
MOVES: dict[str, Callable[..., Any]] = {
    "broadcast_in_dim": _broadcast,
    "concatenate": lambda params, *operands: np.concatenate(operands, axis=params["dimension"]),
    "expand_dims": lambda params, operand: np.expand_dims(operand, params["dimensions"]),
    "pad": _pad,
    "reshape": lambda params, operand, *_: operand.reshape(params["new_sizes"]),
    "rev": lambda params, operand: np.flip(operand, params["dimensions"]),
    "slice": _slice,
    "split": _split,
    "squeeze": lambda params, operand: np.squeeze(operand, tuple(params["dimensions"])),
    "transpose": lambda params, operand: operand.transpose(params["permutation"]),
}
