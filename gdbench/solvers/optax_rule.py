"""The step of an optax transformation: its arguments, the state that is carried, and its evaluations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from jaxtyping import Float

from gdbench.errors import UsageError
from gdbench.solvers.optax_factories import library, release
from gdbench.solvers.oracle import Oracle

# Extra arguments that an update may want. The first set with which it can be traced is taken, so that nobody pays for a
# value that is not used; a line search refuses arguments that it does not know.
WANTED = ((), ("value",), ("value", "grad", "value_fn"), ("obj_fn",), ("grad_fn",))
# A part of an optimizer climbs; one of these must follow it, as in optax's own chains.
RATE, SIGN = "scale_by_learning_rate", "scale(-1)"


class Carried(NamedTuple):
    """optax's state between steps: its leaves without random keys, and the parameters if they are not the iterate."""

    leaves: dict[str, Any]
    params: Any


@dataclass(frozen=True, eq=False)
class Rule:
    """The step of an optax transformation, which `factory(**settings)` makes anew in every trace.

    tuples : for each parameter that is a tuple, the settings that are its entries. own : the parameters for a random
    key or a seed. ending : the transformation chained behind it, "" for none. version : the release of optax with which
    the rule was made.
    """

    factory: Callable[..., Any]
    tuples: Mapping[str, tuple[str, ...]]
    own: tuple[str, ...] = ()
    ending: str = ""
    version: str = field(default_factory=release)

    def made(self, settings: Mapping[str, Any]) -> Any:
        """Make the transformation at these settings; it takes any extra argument."""
        optax = library()
        if release() != self.version:
            raise UsageError(f"optax is {release()} here, and {self.version} where the run was planned")
        # weakly typed, like Python's numbers, so that optax stays in float32 where it computes in float32
        given = {
            name: lax.full_like(0.0, value) if isinstance(value, Array) else value for name, value in settings.items()
        }
        rate = given.pop("learning_rate") if self.ending == RATE else None
        for name, entries in self.tuples.items():
            given[name] = tuple(given.pop(entry) for entry in entries)
        for name in self.own[:1]:
            # this only makes a place in the state, which every step fills anew: see `_filled`
            given[name] = 0 if name == "seed" else jax.random.key(0)
        transformation = self.factory(**given)
        if self.ending == RATE:
            transformation = optax.chain(transformation, optax.scale_by_learning_rate(rate))
        elif self.ending == SIGN:
            transformation = optax.chain(transformation, optax.scale(-1.0))
        return optax.with_extra_args_support(transformation)

    def init(self, x: Float[Array, "n"], **settings: Any) -> Carried:
        """Return what is carried before the first step."""
        params, state = _start(self.made(settings), x)
        leaves = {path: jnp.asarray(leaf) for path, leaf in _leaves(state) if not _is_key(leaf)}
        return Carried(leaves, params if _reading(state, params) else None)

    def __call__(
        self, oracle: Oracle, x: Float[Array, "n"], carried: Carried, **settings: Any
    ) -> tuple[Float[Array, "n"], Carried]:
        """Make one update, and return the new iterate and what is carried on."""
        optax = library()
        transformation = self.made(settings)
        template = jax.eval_shape(lambda x: _start(transformation, x)[1], x)
        params = x if carried.params is None else carried.params
        state, keys = _filled(template, carried.leaves, oracle)
        point = getattr(params, "fast", params)
        wanted = self.wanted(transformation, point, state, params)
        value = None
        if "value" in wanted:
            value, gradient = oracle.value_and_grad(point)
        else:
            gradient = oracle.grad(point)
        asked: list[str] = []
        extras = {name: _offer(name, oracle, value, gradient, asked) for name in wanted}
        updates, after = transformation.update(gradient, state, params, **extras)
        if jax.tree.map(jnp.shape, updates) != jax.tree.map(jnp.shape, params):
            raise UsageError(f"its updates have shape {jnp.shape(updates)} where the iterate has {jnp.shape(params)}")
        params = optax.apply_updates(params, updates)
        _count(oracle, after, asked, keys)
        # a step in float32 may end in float64 where JAX allows both
        leaves = {
            path: jnp.asarray(leaf).astype(getattr(carried.leaves.get(path), "dtype", None))
            for path, leaf in _leaves(after)
            if not _is_key(leaf)
        }
        reading = _reading(after, params)
        return (reading(), Carried(leaves, params)) if reading else (params, Carried(leaves, None))

    def wanted(self, transformation: Any, point: Float[Array, "n"], state: Any, params: Any) -> tuple[str, ...]:
        """Find by tracing which extra arguments an update wants; if none will do, raise the error of the first try."""
        first: Exception | None = None
        for names in WANTED:
            # this oracle charges nobody, because nothing is computed here
            oracle = Oracle(lambda x: jnp.sum(x))

            def update(
                gradient: Float[Array, "n"], value: Float[Array, ""], names: Any = names, oracle: Oracle = oracle
            ) -> Any:
                extras = {name: _offer(name, oracle, value, gradient, []) for name in names}
                return transformation.update(gradient, state, params, **extras)

            try:
                jax.eval_shape(update, point, jax.ShapeDtypeStruct((), point.dtype))
            except Exception as error:  # a transformation that lacks an argument may raise anything
                first = first or error
            else:
                return names
        assert first is not None
        raise first


def _start(transformation: Any, x: Float[Array, "n"]) -> tuple[Any, Any]:
    """Return the parameters and the state before the first step; a look-ahead has two points for parameters."""
    both = library().LookaheadParams.init_synced(x)
    try:
        if hasattr(jax.eval_shape(transformation.init, both), "fast_state"):
            return both, transformation.init(both)
    except Exception:  # this transformation wants one array, and so is no look-ahead
        pass
    return x, transformation.init(x)


def _reading(state: Any, params: Any) -> Callable[[], Array] | None:
    """Return the function that reads the iterate, None if the parameters are the iterate themselves.

    A look-ahead's is its slow point; a schedule-free method's is the average at which it is evaluated, while it takes
    its gradients between that and its own iterate.
    """
    if hasattr(params, "slow"):
        return lambda: params.slow
    for node in _nodes(state, "weight_sum"):
        if hasattr(node, "z"):
            from optax import contrib

            return lambda: contrib.schedule_free_eval_params(node, params)
    return None


def _nodes(state: Any, attribute: str) -> Iterator[Any]:
    """Yield the parts of a state that have an attribute of that name."""
    parts = jax.tree.leaves(state, is_leaf=lambda part: hasattr(part, attribute))
    return (part for part in parts if hasattr(part, attribute))


def _is_key(leaf: Any) -> bool:
    """Decide whether a leaf is a random key, typed or raw."""
    dtype = jnp.result_type(leaf)
    return jax.dtypes.issubdtype(dtype, jax.dtypes.prng_key) or (dtype == jnp.uint32 and jnp.shape(leaf)[-1:] == (2,))


def _leaves(state: Any) -> list[tuple[str, Any]]:
    """Return the leaves of a state, each with its path: `[0].mu`."""
    return [(jax.tree_util.keystr(path), leaf) for path, leaf in jax.tree_util.tree_leaves_with_path(state)]


def _filled(template: Any, leaves: Mapping[str, Any], oracle: Oracle) -> tuple[Any, list[Array]]:
    """Return the state of carried `leaves` and its random keys, which depend only on the run's seed and this step.

    A key is never carried: it would not survive being packed among numbers, and would depend on more than the step.
    """
    keys: list[Array] = []
    filled = []
    for path, kind in _leaves(template):
        if _is_key(kind):
            key = jax.random.fold_in(oracle.key, len(keys))
            typed = jax.dtypes.issubdtype(kind.dtype, jax.dtypes.prng_key)
            keys.append(key if typed else jax.random.key_data(key))
        filled.append(keys[-1] if _is_key(kind) else leaves[path])
    return jax.tree.unflatten(jax.tree.structure(template), filled), keys


def _offer(name: str, oracle: Oracle, value: Any, gradient: Float[Array, "n"], asked: list[str]) -> Any:
    """Return the extra argument `name`; `asked` grows by a name whenever f itself is traced through it."""
    if name == "value":
        return value
    if name == "grad":
        return gradient
    if name == "grad_fn":  # sam hands it a point and the number of its batch
        return lambda params, *_: oracle.grad(params)
    f = oracle.uncounted()

    def function(params: Float[Array, "n"]) -> Float[Array, ""]:
        asked.append(name)
        return f(params)

    return function


def _count(oracle: Oracle, state: Any, asked: list[str], keys: list[Array]) -> None:
    """Count what a transformation has evaluated by itself, as far as its state shows it.

    A line search reports its steps: each is a value, and with the zoom a gradient too; backtracking takes one gradient
    at its end, or none. An estimate of the Hessian draws a key each time: one product with the Hessian.
    """
    searches = [node for node in _nodes(state, "info") if hasattr(node.info, "num_linesearch_steps")]
    for node in searches:
        steps, zoom = node.info.num_linesearch_steps, hasattr(node.info, "curvature_error")
        oracle.count(value=steps, grad=steps if zoom else int(node.grad is not None))
    if not searches:
        oracle.count(value=asked.count("value_fn"))
    after = [leaf for leaf in jax.tree.leaves(state) if _is_key(leaf)]
    if "obj_fn" in asked and keys:
        moved = jnp.any(jnp.stack([jnp.any(new != old) for new, old in zip(after, keys, strict=True)]))
        oracle.count(hess=moved)
    else:
        oracle.count(hess=int("obj_fn" in asked))
