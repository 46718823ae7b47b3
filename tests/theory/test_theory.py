"""Predicted and observed rates against the closed forms of Lessard, Recht and Packard 2016, table 1, for quadratics."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.programs import program_of

import gdbench
from gdbench.solvers import SOLVERS
from gdbench.spec.sweep import Rates
from gdbench.surfaces import SURFACES, surface
from gdbench.surfaces.facts import facts_of
from gdbench.theory import closed_forms
from gdbench.theory.observed_rate import rate_observed
from gdbench.theory.predicted_rate import rates_predicted


def cases(k):
    """(solver, rate, momentum or None, factor a step), for eigenvalues from 1 to k."""
    root = np.sqrt(k)
    return {
        "sgd at 1/L": ("sgd", 1 / k, None, 1 - 1 / k),
        "sgd at its optimum": ("sgd", 2 / (k + 1), None, (k - 1) / (k + 1)),
        "nesterov": ("nesterov", 1 / k, (root - 1) / (root + 1), 1 - 1 / root),
        "heavy ball at its optimum": (
            "momentum",
            4 / (root + 1) ** 2,
            ((root - 1) / (root + 1)) ** 2,
            (root - 1) / (root + 1),
        ),
    }


def predicted(name, solver, rates, param=None, **settings):
    program = program_of(name, solver, rates, param=param, rtol=1e-6, **settings)
    facts = facts_of(program.surface)
    if not len(facts.minimisers):
        return np.full(len(program), np.nan)
    return rates_predicted(program, facts.minimisers[0], facts.hessians[0]).rate


every_case = pytest.mark.parametrize("case", cases(10.0))


@every_case
@pytest.mark.parametrize("condition", [10.0, 100.0, 1000.0])
@pytest.mark.parametrize("angle", [0.0, 30.0])
def test_predicted_agrees_with_the_closed_form(case, condition, angle):
    solver, rate, momentum, closed = cases(condition)[case]
    settings = {} if momentum is None else {"momentum": momentum}
    found = predicted("ellipse", solver, rate, {"condition": condition, "angle": angle}, **settings)
    # Nesterov's and heavy ball's optimum are double roots: rounding moves them by its square root, up to 1e-7
    tolerance = 1e-12 if solver == "sgd" else 3e-7
    assert found == pytest.approx([closed], abs=tolerance)


@every_case
# the last takes thousands of steps
@pytest.mark.parametrize("condition", [10.0, 100.0, pytest.param(1000.0, marks=pytest.mark.slow)])
def test_observed_agrees_with_the_closed_form_to_three_digits(case, condition):
    solver, rate, momentum, closed = cases(condition)[case]
    result = gdbench.run(
        ["ellipse"],
        [solver],
        learning_rate=rate,
        set={} if momentum is None else {"momentum": momentum},
        param={"condition": condition},
        steps=100_000,
        # so far down that the fit sees the asymptote: the double roots come near theirs like 1/k
        rtol=1e-80,
        gtol=0.0,
        plots=False,
    )
    row = result.runs.iloc[0]
    assert row["status"] == "reached"
    assert row["rate_predicted"] == pytest.approx(closed, abs=3e-7)
    # three significant digits, which is what a fit to a finite run is asked for
    assert row["rate_observed"] == pytest.approx(closed, rel=5e-4)


@pytest.mark.parametrize(
    ("solver", "momentum", "edge"),
    [
        ("sgd", None, lambda m: 2.0),
        ("momentum", 0.0, lambda m: 2 * (1 + m)),
        ("momentum", 0.5, lambda m: 2 * (1 + m)),
        ("momentum", 0.9, lambda m: 2 * (1 + m)),
        ("nesterov", 0.5, lambda m: 2 * (1 + m) / (1 + 2 * m)),
        ("nesterov", 0.9, lambda m: 2 * (1 + m) / (1 + 2 * m)),
    ],
)
@pytest.mark.parametrize("name", ["ellipse", "unscaled", "uncentered"])
def test_the_edge_of_stability(name, solver, momentum, edge):
    largest = np.linalg.eigvalsh(facts_of(SURFACES[name]).hessians[0])[-1]
    rates = edge(momentum) / largest * np.array([1 - 1e-9, 1 + 1e-9])
    below, above = predicted(name, solver, rates, **({} if momentum is None else {"momentum": momentum}))
    assert below < 1 < above
    # the root that crosses 1 does so at a finite speed: the edge is where it says, not merely near
    assert above - 1 < 1e-7


USUAL = ("ellipse", "rosenbrock", "uncentered", "double-well")


@pytest.mark.parametrize("solver", ["adam", "adagrad", "rmsprop"])
@pytest.mark.parametrize(
    "name", [name if name in USUAL else pytest.param(name, marks=pytest.mark.slow) for name in SURFACES]
)
def test_no_rate_is_predicted_where_none_exists(solver, name):
    grid = np.geomspace(Rates().low, Rates().high, Rates().num)
    assert np.isnan(predicted(name, solver, grid)).all()


def test_no_rate_is_predicted_at_a_singular_hessian():
    @surface(start=(1.0, 1.0), minimisers=[(0.0, 0.0)], register=False)
    def quartic(x):
        return x[0] ** 2 + x[1] ** 4

    @surface(start=(1.0, 1.0), minimisers=[(0.0, 0.0)], register=False)
    def valley(x):
        return (x[0] + x[1]) ** 2

    for flat in (quartic, valley):
        for solver in SOLVERS:
            assert np.isnan(predicted(flat, solver, [1e-3, 0.1])).all(), (flat.name, solver)


def test_every_run_has_its_own_prediction():
    # more settings than one chunk holds, each twice, in any order
    rates = np.random.default_rng(0).permutation(np.tile(np.geomspace(1e-6, 0.01, 100), 2))
    found = predicted("ellipse", "sgd", rates)
    np.testing.assert_allclose(found, np.maximum(np.abs(1 - rates), np.abs(1 - 100 * rates)), rtol=1e-12)


def test_prediction_follows_the_minimum_that_it_is_asked_for():
    program = program_of("double-well", "sgd", 0.01, rtol=1e-6)
    facts = facts_of(program.surface)
    for point, hessian in zip(facts.minimisers, facts.hessians, strict=True):
        curvature = 12 * point[0] ** 2 - 4
        found = rates_predicted(program, point, hessian).rate
        # the minimiser itself is known to about 1e-16, and the factor with it
        np.testing.assert_allclose(found, 1 - 0.01 * curvature, rtol=1e-12)


# ---- the fit alone


@pytest.mark.parametrize("rate", [0.5, 0.9, 0.999])
def test_a_pure_power_is_read_back(rate):
    gaps = 3.0 * rate ** (2.0 * np.arange(400))
    assert rate_observed(gaps, 1e-300) == pytest.approx(rate, rel=1e-9)


def test_a_double_root_is_read_back():
    k = np.arange(400)
    gaps = (1 + k) ** 2 * 0.8 ** (2.0 * k)
    # (1 + k)² is k² only far out
    assert rate_observed(gaps, 1e-300) == pytest.approx(0.8, rel=1e-4)


def test_an_oscillating_gap_is_read_at_its_crests():
    k = np.arange(2000)
    gaps = 0.99 ** (2.0 * k) * (np.cos(0.3 * k) ** 2 + 1e-9)
    # the crests are sampled at whole steps
    assert rate_observed(gaps, 1e-300) == pytest.approx(0.99, rel=1e-4)


def test_runs_of_heavy_ball_show_their_rate_wherever_they_end():
    rng = np.random.default_rng(0)
    eigenvalues, off = np.array([1.0, 100.0]), []
    for _ in range(300):
        momentum, rate = 1 - 10 ** rng.uniform(-2, -0.3), 10 ** rng.uniform(-3, -1.7)
        x, velocity, gaps = rng.normal(size=2), np.zeros(2), []
        while not gaps or gaps[-1] > 1e-6 * gaps[0]:
            gaps.append(0.5 * np.sum(eigenvalues * x * x))
            velocity = momentum * velocity + rate * eigenvalues * x
            x = x - velocity
        found = rate_observed(np.array(gaps), 0.0)
        off.append(found / closed_forms.rate("momentum", eigenvalues, rate, momentum) - 1)
    # Taking the slope at the end, down which no later point exceeds another, for crests left 78 % within a percent.
    assert np.mean(np.abs(off) < 0.01) > 0.93


def test_what_rounding_has_flattened_is_left_out():
    k = np.arange(400)
    gaps = np.maximum(0.9 ** (2.0 * k), 1e-16)
    assert rate_observed(gaps, 1e-15) == pytest.approx(0.9, rel=1e-9)


def test_too_few_points_make_no_rate():
    assert np.isnan(rate_observed(np.array([1.0, 0.5, 0.25]), 0.0))
    assert np.isnan(rate_observed(np.full(50, np.nan), 0.0))
    assert np.isnan(rate_observed(np.zeros(50), 0.0))
