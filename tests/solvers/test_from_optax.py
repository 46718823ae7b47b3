"""Every factory of optax runs as a solver as in a plain loop of optax, or says in one sentence why it cannot."""

from __future__ import annotations

import jax
import numpy as np
import optax
import pytest
from helpers.plain_optax import ALWAYS, NAMES, RANDOM, REFUSED, ROTATED, SEED, STEPS, plain_loop
from helpers.programs import iterates
from optax import contrib

from gdbench.errors import UsageError
from gdbench.solvers import SOLVERS

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:optax")


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
