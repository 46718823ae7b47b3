"""Every factory of optax runs as a solver as in a plain loop of optax, or says in one sentence why it cannot."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers.programs import iterates
from optax import contrib

from gdbench.engine.step import step_key
from gdbench.errors import UsageError
from gdbench.solvers import SOLVERS
from gdbench.solvers.optax_factories import factories
from gdbench.surfaces import SURFACES

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:optax")
ROTATED = {"condition": 50.0, "angle": 30.0}
ELLIPSE = SURFACES["ellipse"].with_parameters(**ROTATED)
STEPS = 200
SEED = 3.0

# ---- what has no solver, and what is said of it

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


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_a_solver_says_why(name):
    with pytest.raises(UsageError) as caught:
        SOLVERS[f"optax:{name}"]
    assert str(caught.value) == REFUSED[name]
    assert f"optax:{name}" not in SOLVERS


# ---- all others: the compiled engine against a loop that anybody would write

# 0.01 unless named here: at these the run moves far, and does not jump about the minimum, where the last bit grows
RATES = {
    "adadelta": 3.0,
    "scale_by_adadelta": 3.0,
    "rmsprop": 1e-3,
    "scale_by_rms": 2e-3,
    "lars": 3.0,
    "lbfgs": 1.0,
    "normalize_by_update_norm": 5e-3,
    "contrib.normalize": 5e-3,
    "scale_by_stddev": 2e-3,
    "scale_by_distance_over_gradients": 0.1,
    "contrib.dog": 0.1,
    "contrib.dowg": 0.1,
}
# what must be given, and what is not the default
SETTINGS = {
    "sgd": {"momentum": 0.9, "nesterov": True},
    "rmsprop": {"momentum": 0.5, "centered": True},
    "adaptive_grad_clip": {"clipping": 0.5},
    "add_noise": {"eta": 0.5, "gamma": 0.5},
    "clip": {"max_delta": 0.5},
    "clip_by_block_rms": {"threshold": 0.5},
    "clip_by_global_norm": {"max_norm": 0.5},
    "ema": {"decay": 0.5},
    "scale": {"step_size": 0.5},
    "trace": {"decay": 0.5},
    # what their first distance is guessed to be: they need long to grow from a millionth
    "contrib.dadapt_adamw": {"estim_lr0": 0.1},
    "contrib.prodigy": {"estim_lr0": 0.1},
    "contrib.dog": {"init_step": ("distance", 0.1)},
    "contrib.dowg": {"init_estim_sq_dist": 0.01},
    "scale_by_distance_over_gradients": {"reps_rel": 0.1},
    # half of what Polyak's rate would be: at the whole of it the run is chaotic
    "polyak_sgd": {"scaling": 0.5, "max_learning_rate": 0.02},
}
ASKS = {
    **dict.fromkeys(("polyak_sgd", "scale_by_polyak", "contrib.momo", "contrib.momo_adam"), ("value",)),
    "contrib.reduce_on_plateau": ("value",),
    "lbfgs": ("value", "grad", "value_fn"),
    "contrib.sophia": ("obj_fn",),
}
RANDOM = {"noisy_sgd", "add_noise", "contrib.sophia"}
RANDOM = {"noisy_sgd", "add_noise", "contrib.sophia"}
# parts of optimizers, which climb: as optax chains them
PARTS = (
    "adaptive_grad_clip add_decayed_weights add_noise apply_every centralize clip clip_by_block_rms "
    "clip_by_global_norm ema identity keep_params_nonnegative normalize_by_update_norm scale trace zero_nans "
    "contrib.normalize contrib.reduce_on_plateau"
).split()
# these do not, for they have a rate of their own
WHOLE = ("scale_by_learning_rate", "scale_by_rprop", "contrib.scale_by_madgrad", "contrib.scale_by_cocob")
PARTS += [name for name in NAMES if name.rpartition(".")[2].startswith("scale_by_") and name not in WHOLE]


def transformation_of(name, rate, settings):
    """What a user of optax would write."""
    inside, _, last = name.rpartition(".")
    make = getattr(contrib if inside else optax, last)
    own = {"key": jax.random.key(0)} if name in RANDOM - {"contrib.sophia"} else {}
    if name in PARTS:
        return optax.chain(make(**settings, **own), optax.scale_by_learning_rate(rate))
    if name == "scale_by_rprop":
        return optax.chain(make(rate, **settings), optax.scale(-1.0))
    rated = "learning_rate" in SOLVERS[f"optax:{name}"].hyperparameters
    return make(**({"learning_rate": rate} if rated else {}), **settings, **own)


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


# one of every kind always: the others take minutes
ALWAYS = ("sgd", "polyak_sgd", "noisy_sgd", "scale_by_yogi", "contrib.schedule_free_adamw", "contrib.sophia")


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name in ALWAYS else pytest.mark.slow) for name in NAMES if name not in REFUSED],
)
def test_runs_as_a_plain_loop_of_optax_does(name):
    rate, settings = RATES.get(name, 0.01), SETTINGS.get(name, {})
    theirs = plain_loop(transformation_of(name, rate, settings), name)
    for key, value in list(settings.items()):
        if isinstance(value, tuple):
            settings = {**settings, **{f"{key}_{place}": entry for place, entry in enumerate(value)}}
    solver = SOLVERS[f"optax:{name}"].resolved(settings)
    ours = iterates("ellipse", solver, rate, steps=STEPS, param=ROTATED, seeds=SEED, **settings)
    assert name == "set_to_zero" or np.abs(theirs[-1] - theirs[0]).max() > 0.05
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)
