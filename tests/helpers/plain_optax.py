"""Factories of optax, and the plain loop that anybody would write with one of them."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
from optax import contrib

from gdbench.engine.step import step_key
from gdbench.solvers.optax_factories import factories
from gdbench.surfaces import SURFACES

ROTATED = {"condition": 50.0, "angle": 30.0}
ELLIPSE = SURFACES["ellipse"].with_parameters(**ROTATED)
STEPS = 200
SEED = 3.0

# what has no solver, and what is said of it
NO_NUMBER = {
    "apply_if_finite": "inner",
    "conditionally_mask": "inner",
    "conditionally_transform": "inner",
    "contrib.mechanize": "base_optimizer",
    "contrib.sam": "optimizer",
    "contrib.schedule_free": "base_optimizer",
    "contrib.split_real_and_imaginary": "inner",
    "flatten": "inner",
    "freeze": "mask",
    "inject_hyperparams": "inner_factory",
    "inject_stateful_hyperparams": "inner_factory",
    "lookahead": "fast_optimizer",
    "masked": "inner",
    "measure_with_ema": "measure",
    "multi_transform": "transforms",
    "partition": "transforms",
    "scale_by_schedule": "step_size_fn",
    "selective_transform": "optimizer",
    "snapshot": "measure_name",
    "stateless": "f",
    "stateless_with_tree_map": "f",
    "with_extra_args_support": "tx",
}
PLUG_IN = "make it a solver in a plug-in with gdbench.from_optax (docs/add-a-solver.md)"
REFUSED = {
    **{
        name: f"'optax:{name}' needs '{parameter}', which is no number: {PLUG_IN}"
        for name, parameter in NO_NUMBER.items()
    },
    **{name: f"'optax:{name}' is made of other transformations: {PLUG_IN}" for name in ("chain", "named_chain")},
    **{
        f"scale_by_{kind}_linesearch": f"'optax:scale_by_{kind}_linesearch' searches along the direction of another "
        f"transformation: {PLUG_IN}"
        for kind in ("backtracking", "zoom")
    },
    # they want a gradient for every example
    **{
        name: f"'optax:{name}' cannot make a step here: its updates have shape () where the iterate has (2,)"
        for name in ("contrib.differentially_private_aggregate", "contrib.dpsgd")
    },
    "contrib.scale_by_muon": "'optax:contrib.scale_by_muon' cannot make a step here: raised ValueError: Input must "
    "have shape (m, n) or weight dimension numbers must be provided. Got shape=(2,) and dimension_numbers=None.",
}
NAMES = list(factories())

# one of every kind always: the others take minutes
ALWAYS = ("sgd", "noisy_sgd", "contrib.schedule_free_adamw")
ASKS = {
    **dict.fromkeys(("polyak_sgd", "scale_by_polyak", "contrib.momo", "contrib.momo_adam"), ("value",)),
    "contrib.reduce_on_plateau": ("value",),
    "lbfgs": ("value", "grad", "value_fn"),
    "contrib.sophia": ("obj_fn",),
}
RANDOM = {"noisy_sgd", "add_noise", "contrib.sophia"}


def rekeyed(state, step):
    """A state whose random key is that of the run's seed and the step."""
    key = jax.random.fold_in(step_key(jnp.float64(SEED), step), 0)

    def one(leaf):
        if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            return key
        return jax.random.key_data(key) if leaf.dtype == jnp.uint32 else leaf

    return jax.tree.map(one, state)


def plain_loop(transformation, name, steps=STEPS, dtype=jnp.float64):
    """The iterates `[steps + 1, 2]` of a plain loop of optax on the rotated ellipse."""

    def f(x):
        return ELLIPSE.function(x, **{key: jnp.asarray(value, dtype) for key, value in ELLIPSE.parameters.items()})

    with jax.enable_x64(True):
        x = jnp.asarray(ELLIPSE.start_point(2), dtype)

        @jax.jit
        def step(x, state, number):
            value, gradient = jax.value_and_grad(f)(x)
            known = {"value": value, "grad": gradient, "value_fn": f, "obj_fn": f}
            state = rekeyed(state, number) if name in RANDOM else state
            extras = {asked: known[asked] for asked in ASKS.get(name, ())}
            updates, state = transformation.update(gradient, state, x, **extras)
            x = optax.apply_updates(x, updates)
            evaluated = name.startswith("contrib.schedule_free")
            return x, state, contrib.schedule_free_eval_params(state, x) if evaluated else x

        state, found = transformation.init(x), [x]
        for number in range(steps):
            x, state, shown = step(x, state, jnp.float64(number))
            found.append(shown)
        return np.array(found)
