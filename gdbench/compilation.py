"""Choose how functions are compiled for XLA, and count the numbers that they hold at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import jax
import numpy as np
from jax.extend.core import Literal

# One thread a program: the threads are ours, and the order of a sum must not depend on them.
FAST: dict[str, Any] = {"xla_cpu_multi_thread_eigen": False, "xla_cpu_prefer_vector_width": 512}

# XLA's newer fusion emitters give a tenth more speed and take twice the time to compile.
QUICK: dict[str, Any] = {"xla_cpu_use_fusion_emitters": False}

# For callers that compute on threads of their own.
QUICK_ALONE: dict[str, Any] = {**QUICK, "xla_cpu_multi_thread_eigen": False}

# For programs that run once.
ONCE: dict[str, Any] = {**QUICK, "xla_backend_optimization_level": 0}


def known(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return `options`, or none of them on a backend or a release of XLA that does not know one."""
    return dict(options) if _accepted(tuple(options.items())) else {}


@lru_cache
def _accepted(options: tuple[tuple[str, Any], ...]) -> bool:
    try:
        jax.jit(lambda: 0, compiler_options=dict(options)).lower().compile()
    except jax.errors.JaxRuntimeError:
        return False
    return True


Tree = Any


def numbers_held(function: Callable[..., Any], own: Tree, *shared: Tree) -> int:
    """Count the most numbers of `function(own, *shared)` that live at the same time and differ with `own`.

    own, shared : trees of `jax.ShapeDtypeStruct`. Nothing is computed. A number lives from the operation that makes it
    to the last one that reads it. What depends on `shared` alone exists once for all lanes and is not counted. XLA
    keeps fewer numbers, because it computes some together, so the count is an upper bound, except for the working space
    of the operations themselves. A loop counts as one turn of its body.
    """
    closed = jax.make_jaxpr(function)(own, *shared)
    varies = len(jax.tree.leaves(own))
    marks = [index < varies for index in range(len(closed.jaxpr.invars))]
    return _held(closed.jaxpr, marks)[0]


def _held(jaxpr: Any, varies: Sequence[bool]) -> tuple[int, list[bool]]:
    """Count the most numbers that live at once, arguments included, and find which results vary."""
    own = {variable for variable, mark in zip(jaxpr.invars, varies, strict=True) if mark}
    last: dict[Any, int] = {}
    for index, eqn in enumerate(jaxpr.eqns):
        last.update((atom, index) for atom in eqn.invars if not isinstance(atom, Literal))
    last.update((atom, len(jaxpr.eqns)) for atom in jaxpr.outvars if not isinstance(atom, Literal))
    live = sum(_size(variable) for variable in own)
    most = live
    for index, eqn in enumerate(jaxpr.eqns):
        marks = [not isinstance(atom, Literal) and atom in own for atom in eqn.invars]
        made = [variable for variable in eqn.outvars if any(marks)]
        inside = max((_inside(inner, marks) for inner in _inner(eqn)), default=0)
        live += sum(map(_size, made))
        most = max(most, live + inside)
        own.update(made)
        for variable in {atom for atom in (*eqn.invars, *eqn.outvars) if not isinstance(atom, Literal)}:
            # A result that nobody reads lives no longer than its operation.
            if variable in own and last.get(variable, index) == index:
                live -= _size(variable)
    return most, [not isinstance(atom, Literal) and atom in own for atom in jaxpr.outvars]


def _inside(jaxpr: Any, marks: Sequence[bool]) -> int:
    """Count the numbers that a function called by an operation holds besides its arguments."""
    handed = list(marks[-len(jaxpr.invars) :]) if jaxpr.invars else []
    # A loop's condition and body get parts of its operands, in other places.
    if len(handed) < len(jaxpr.invars) or len(marks) != len(jaxpr.invars):
        handed = [any(marks)] * len(jaxpr.invars)
    arguments = sum(_size(variable) for variable, mark in zip(jaxpr.invars, handed, strict=True) if mark)
    return _held(jaxpr, handed)[0] - arguments


def _inner(eqn: Any) -> list[Any]:
    """Return the functions that an operation calls."""
    functions: list[Any] = []
    for value in eqn.params.values():
        for part in value if isinstance(value, tuple | list) else (value,):
            part = getattr(part, "jaxpr", part)
            if hasattr(part, "eqns"):
                functions.append(part)
    return functions


def _size(variable: Any) -> int:
    return math.prod(getattr(variable.aval, "shape", ()))


def in_chunks(call: Callable[..., Tree], size: int, rows: Tree, *shared: Any, threads: int = 1) -> Tree:
    """Return `call(chunk, count, *shared)` of all `rows`, `size` of them at a time, in float64.

    rows : a tree of arrays `[k, ..]`. The last chunk is filled up with its last row, so that any k compiles once;
    only the results of its first `count` rows are kept. The trees of `[size, ..]` that `call` returns are
    joined to `[k, ..]`. threads : how many chunks are computed at once after the first, which compiles.
    """
    k = len(jax.tree.leaves(rows)[0])

    def chunk(first: int) -> Tree:
        count = min(size, k - first)

        def filled(array: np.ndarray) -> np.ndarray:
            padded = np.zeros((size, *array.shape[1:]), array.dtype)
            padded[:count] = array[first : first + count]
            # not zeros, with which a loop in a plug-in may never end
            padded[count:] = padded[count - 1] if count else 0
            return padded

        with jax.enable_x64(True):
            results = call(jax.tree.map(filled, rows), np.int32(count), *shared)
            return jax.tree.map(lambda result: np.asarray(result)[:count], results)

    firsts = range(0, max(k, 1), size)
    chunks = [chunk(first) for first in (firsts[:1] if threads > 1 else firsts)]
    if len(chunks) < len(firsts):
        with ThreadPoolExecutor(threads) as pool:
            chunks += pool.map(chunk, firsts[1:])
    return jax.tree.map(lambda *parts: np.concatenate(parts), *chunks)
