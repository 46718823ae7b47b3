"""The closed forms on a quadratic against numpy's roots, published values, and the Jacobian of the solvers' steps."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.programs import program_of

from gdbench.surfaces.facts import facts_of
from gdbench.theory import closed_forms
from gdbench.theory.predicted_rate import rates_predicted

SOLVERS = ["sgd", "momentum", "nesterov"]
CONDITIONS = [1.0, 1.5, 10.0, 1000.0, 1e6]


def polynomial(solver, a, m):
    """The characteristic polynomial along an eigenvalue with `a` = learning rate times eigenvalue."""
    if solver == "sgd":
        return [1, -(1 - a)]
    if solver == "momentum":
        return [1, -(1 + m - a), m]
    return [1, -(1 + m) * (1 - a), m * (1 - a)]


@pytest.mark.parametrize("solver", SOLVERS)
def test_the_rate_is_the_largest_of_numpys_roots(solver):
    rng = np.random.default_rng(0)
    eigenvalues = np.array([0.3, 2.0, 7.0])
    rates, momenta = 10.0 ** rng.uniform(-4, 1, (40, 1)), rng.random((1, 30))
    found = closed_forms.rate(solver, eigenvalues, rates, momenta)
    assert found.shape == (40, 30)
    for i, j in np.ndindex(40, 30):
        roots = [np.roots(polynomial(solver, rates[i, 0] * each, momenta[0, j])) for each in eigenvalues]
        assert found[i, j] == pytest.approx(np.abs(np.concatenate(roots)).max(), rel=1e-10)


@pytest.mark.parametrize("solver", SOLVERS)
def test_the_rate_is_that_of_the_solvers_own_step(solver):
    rng = np.random.default_rng(1)
    rates, momenta = 10.0 ** rng.uniform(-4, 0, 150), rng.random(150)
    settings = {} if solver == "sgd" else {"momentum": momenta}
    program = program_of("ellipse", solver, rates, param={"dimension": 3, "condition": 30.0, "angle": 20.0}, **settings)
    facts = facts_of(program.surface)
    found = rates_predicted(program, facts.minimisers[0], facts.hessians[0])
    closed = closed_forms.rate(solver, np.linalg.eigvalsh(facts.hessians[0]), rates, momenta)
    np.testing.assert_allclose(found.rate, closed, rtol=1e-10)
    assert (found.reason == "").all()


@pytest.mark.parametrize("condition", CONDITIONS)
def test_the_best_settings_have_the_published_rates(condition):
    low, high = 0.7, 0.7 * condition
    root = np.sqrt(condition)
    published = {
        "sgd": (condition - 1) / (condition + 1),
        "momentum": (root - 1) / (root + 1),
        "nesterov": 1 - 2 / np.sqrt(3 * condition + 1),
    }
    for solver, rate in published.items():
        found = closed_forms.rate(solver, [low, high], *closed_forms.best_setting(solver, low, high))
        # a double root: rounding of the setting splits it by the root of epsilon
        assert found == pytest.approx(rate, abs=1e-14 if solver == "sgd" else 5e-8)


@pytest.mark.parametrize("solver", SOLVERS)
def test_the_rate_passes_1_at_the_edge(solver):
    momenta = np.array([0.0, 0.3, 0.9, 0.999])
    edge = closed_forms.stability_edge(solver, 8.0, momenta)
    for factor, stable in ((1 - 1e-9, True), (1 + 1e-9, False)):
        assert ((closed_forms.rate(solver, [0.5, 8.0], factor * edge, momenta) < 1) == stable).all()


@pytest.mark.parametrize("solver", ["momentum", "nesterov"])
def test_modes_are_complex_where_numpys_roots_are(solver):
    eigenvalue, momenta = 3.0, np.array([0.1, 0.5, 0.95])
    low, high = closed_forms.complex_between(solver, eigenvalue, momenta)
    for m, *ends in zip(momenta, low, high, strict=True):
        for end, inwards in zip(ends, (1, -1), strict=True):
            for step in (1, -1):
                a = eigenvalue * end * (1 + 1e-6 * step)
                roots = np.roots(polynomial(solver, a, m))
                assert (np.abs(roots.imag).max() > 0) == (step == inwards), (m, end, step)


def test_heavy_balls_best_setting_is_the_tip_of_where_all_modes_swing():
    low, high = 2.0, 300.0
    rate, momentum = closed_forms.best_setting("momentum", low, high)
    begins, _ = closed_forms.complex_between("momentum", low, momentum)
    _, ends = closed_forms.complex_between("momentum", high, momentum)
    assert begins == pytest.approx(rate, rel=1e-12)
    assert ends == pytest.approx(rate, rel=1e-12)
    # within it the rate is √m, whatever the eigenvalues
    inside = closed_forms.rate("momentum", [low, high], [0.006, 0.009], 0.9)
    np.testing.assert_allclose(inside, 0.9**0.5, rtol=1e-15)


def test_steps_per_decade_of_the_gap():
    # a rate of 1/10 makes the gap a hundred times smaller in one step
    np.testing.assert_allclose(
        closed_forms.steps_per_decade([0.1, 10**-0.5, 0.99]), [0.5, 1.0, 114.552644138347227], rtol=1e-14
    )
    np.testing.assert_array_equal(closed_forms.steps_per_decade([1.0, 1.2, 0.0]), [np.inf, np.inf, 0.0])
    assert np.isnan(closed_forms.steps_per_decade(np.nan))


def test_nothing_is_said_of_other_solvers_and_impossible_settings():
    assert np.isnan(closed_forms.rate("adam", [1.0], 0.1, 0.9))
    assert np.isnan(closed_forms.rate("momentum", [1.0], 0.1, [1.0, -0.1, np.nan])).all()
    assert np.isnan(closed_forms.complex_between("sgd", 1.0, 0.5)).all()
    assert np.isnan(closed_forms.complex_between("momentum", 1.0, 1.0)).all()
    assert np.isnan(closed_forms.best_setting("adam", 1.0, 2.0)).all()
    assert np.isnan(closed_forms.best_setting("sgd", 0.0, 2.0)).all()
