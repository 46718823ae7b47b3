"""How a run ends: the statuses exactly as they are defined, and what counts before what."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from helpers.programs import program_of, status_of

from gdbench.engine.stream import execute, trace
from gdbench.spec.run import LADDER
from gdbench.surfaces import surface


@surface(start=(1.0, 1.0), register=False)
def saddle(x):
    return x[0] ** 2 - x[1] ** 2


@surface(start=(0.0,), minimisers=[(10.0,)], register=False)
def cliff(x):
    """A flat plateau far above a parabola: its gradient is zero, and yet a run there has diverged."""
    return jnp.where(x[0] > 15, 1e9, (x[0] - 10) ** 2)


@surface(start=(1.0,), minimisers=[(0.0,)], register=False)
def pole(x):
    """Not a number beyond 2 and minus infinity below -2."""
    inside = jnp.clip(x[0], -2, 2) ** 2
    return jnp.where(x[0] > 2, jnp.nan, jnp.where(x[0] < -2, -jnp.inf, inside))


def outcome(*args, **settings):
    settings = {"steps": 50, "rtol": 1e-6, "gtol": 1e-12, **settings}
    records = execute(program_of(*args, **settings))
    return list(zip(status_of(records), records.steps.tolist(), strict=True))


def test_reached():
    assert outcome("ellipse", "sgd", 0.01, starts=[0.0, 1.0])[0] == ("reached", 1)
    # the start meets an absolute target, and a gap of zero meets every relative one
    assert outcome("ellipse", "sgd", 0.01, starts=[1.0, 0.0], atol=0.5) == [("reached", 0)]
    just_below = {"atol": np.nextafter(0.5, 0), "rtol": 0.0}
    assert outcome("ellipse", "sgd", 0.01, starts=[1.0, 0.0], **just_below) == [("reached", 1)]
    program = program_of("ellipse", "sgd", 0.01, starts=[0.0, 0.0], rtol=1e-6, targets=LADDER)
    records = execute(program)
    assert status_of(records) == ["reached"]
    assert (records.hits == 0).all()
    assert records.grad_evals.tolist() == [0]


def test_reached_counts_before_every_other_end():
    # at the minimiser the gradient is zero, and the budget is over
    assert outcome("ellipse", "sgd", 0.01, starts=[0.0, 0.0], steps=0) == [("reached", 0)]
    assert outcome("ellipse", "sgd", 0.01, starts=[0.0, 1.0], steps=1) == [("reached", 1)]


def test_without_a_known_minimum_nothing_is_reached():
    assert outcome("ellipse", "sgd", 0.01, starts=[0.0, 0.0], known_minimum=False) == [("stationary", 0)]


def test_budget():
    assert outcome("ellipse", "sgd", 1e-3) == [("budget", 50)]
    assert outcome("ellipse", "sgd", 1e-3, steps=0) == [("budget", 0)]
    # one step fewer than it takes, and as many
    assert outcome("ellipse", "sgd", 2 / 101, steps=10_000, rtol=0.0, atol=1e-6) == [("reached", 444)]
    assert outcome("ellipse", "sgd", 2 / 101, steps=444, rtol=0.0, atol=1e-6) == [("reached", 444)]
    assert outcome("ellipse", "sgd", 2 / 101, steps=443, rtol=0.0, atol=1e-6) == [("budget", 443)]


@pytest.mark.parametrize("steps", [63, 64, 65, 128])
def test_a_budget_around_the_segments(steps):
    assert outcome("ellipse", "sgd", 1e-4, steps=steps) == [("budget", steps)]
    assert len(trace(program_of("ellipse", "sgd", 1e-4, steps=steps))[0].x) == steps + 1


def test_stationary():
    assert outcome(saddle, "sgd", 0.1, starts=[0.0, 0.0]) == [("stationary", 0)]
    # along the stable direction the saddle attracts: 0.8^k <= gtol / 2
    steps = int(np.ceil(np.log(0.5e-6) / np.log(0.8)))
    assert outcome(saddle, "sgd", 0.1, starts=[1.0, 0.0], steps=500, gtol=1e-6) == [("stationary", steps)]
    local = execute(program_of("double-well", "sgd", 0.01, steps=5000, rtol=1e-6, gtol=1e-12))
    assert status_of(local) == ["stationary"]
    assert local.grad_norm[0] <= 1e-12
    assert round(local.x[0, 0], 4) == 0.9601


def test_diverged():
    records = execute(program_of("ellipse", "sgd", 0.03, steps=10_000, rtol=1e-6))
    assert status_of(records) == ["diverged"]
    # the loss passes a million times 1 + 50.5 at the first step that it can: 50 · 4^k + .. > 51.5e6
    assert records.steps[0] == int(np.ceil(np.log(51.5e6 / 50) / np.log(4)))
    assert outcome(saddle, "sgd", 0.1, starts=[1.0, 1.0], steps=500)[0][0] == "budget"


def test_what_is_not_a_number_has_diverged():
    records = execute(program_of(pole, "sgd", -2.0, rtol=1e-6))
    assert status_of(records) == ["diverged"]
    assert records.steps.tolist() == [1]
    assert np.isnan(records.loss_final[0])
    assert records.loss_best[0] == 1.0


known_or_not = pytest.mark.parametrize("known_minimum", [True, False])


@known_or_not
@pytest.mark.parametrize("start", [3.0, np.nan, np.inf])
def test_a_start_whose_loss_is_not_a_number_is_an_error(start, known_minimum):
    assert outcome(pole, "sgd", 0.1, starts=[start], known_minimum=known_minimum) == [("error", 0)]


@surface(start=(1.0,), minimisers=[(0.0,)], register=False)
def root(x):
    """Its value is finite at zero and its gradient there is not a number."""
    return jnp.sqrt(x[0] ** 2)


@known_or_not
def test_an_iterate_that_is_not_a_number_after_one_step_is_an_error(known_minimum):
    found = outcome(root, "sgd", [0.1, 0.1, 1.0], starts=[[0.0], [1.0], [3.0]], steps=7, known_minimum=known_minimum)
    # the start at zero meets the target where that is known
    assert found[0] == (("reached", 0) if known_minimum else ("error", 1))
    assert found[1][0] == "budget"
    # three steps of one lead to zero, and the gradient there to nothing: too late to tell it from an overflow
    assert found[2] == (("reached", 3) if known_minimum else ("diverged", 4))


def test_an_infinite_iterate_after_one_step_has_diverged():
    records = execute(program_of("ellipse", "sgd", 1e308, starts=[0.0, 10.0], rtol=1e-6))
    assert (status_of(records), records.steps.tolist()) == (["diverged"], [1])
    assert np.isinf(records.x[0, 1])
    # and so has one whose iterate is finite, and its loss is not a number
    assert outcome(pole, "sgd", -2.0)[0] == ("diverged", 1)


@known_or_not
@pytest.mark.parametrize(("rate", "start", "steps"), [(2.0, 1.5, 1), (0.1, -3.0, 0)])
def test_minus_infinity_has_diverged_however_low_it_is(rate, start, steps, known_minimum):
    assert outcome(pole, "sgd", rate, starts=[start], known_minimum=known_minimum) == [("diverged", steps)]


@known_or_not
@pytest.mark.parametrize(("start", "dtype"), [(1e200, "float64"), (1e30, "float32")])
def test_a_start_whose_loss_overflows_has_diverged(start, dtype, known_minimum):
    found = outcome("ellipse", "sgd", 0.005, starts=[start, 0.0], known_minimum=known_minimum, dtype=dtype)
    assert found == [("diverged", 0)]


def test_divergence_is_tested_before_stagnation():
    assert outcome(cliff, "sgd", 1.0, starts=[0.0]) == [("diverged", 1)]
    records = execute(program_of(cliff, "sgd", 1.0, rtol=1e-6))
    assert records.grad_norm[0] == 0.0
    # and with a start on the plateau it is measured from there
    assert outcome(cliff, "sgd", 1.0, starts=[20.0]) == [("stationary", 0)]
