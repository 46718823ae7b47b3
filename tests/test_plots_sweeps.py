"""Pictures of sweeps: what theory draws into them, how runs are grouped, what the maps and grids show."""

from __future__ import annotations

import numpy as np
import pytest

from gdbench.facts import facts_of
from gdbench.landscape import landscape_of
from gdbench.plots import edges
from gdbench.surfaces import SURFACES

HYPERPARAMETERS = [("sgd", 0.0), *((solver, m) for solver in ("momentum", "nesterov") for m in (0.0, 0.3, 0.9, 0.999))]


def companion(solver, eigenvalue, rate, m):
    """One step of `solver` on `eigenvalue x^2 / 2` as a matrix on (x, v): v <- m v + rate grad; x <- x - v."""
    if solver == "sgd":
        return np.array([[1 - rate * eigenvalue]])
    seen = m if solver == "nesterov" else 0.0  # the gradient is taken at x - seen v
    velocity = np.array([rate * eigenvalue, m - rate * eigenvalue * seen])
    return np.array([np.array([1.0, 0.0]) - velocity, velocity])


def radius(solver, eigenvalues, rate, m):
    return max(np.abs(np.linalg.eigvals(companion(solver, each, rate, m))).max() for each in eigenvalues)


@pytest.mark.parametrize(("solver", "m"), HYPERPARAMETERS)
@pytest.mark.parametrize("largest", [0.01, 1.0, 250.0])
def test_a_solver_diverges_just_beyond_its_edge(solver, m, largest):
    edge = float(edges.stability_edge(solver, largest, m))
    assert radius(solver, [largest], edge, m) == pytest.approx(1, rel=1e-9)
    assert radius(solver, [largest], 1.001 * edge, m) > 1
    assert radius(solver, [largest, 0.1 * largest], 0.999 * edge, m) < 1


@pytest.mark.parametrize("solver", ["sgd", "momentum", "nesterov"])
@pytest.mark.parametrize("condition", [1.0, 3.0, 100.0])
def test_no_setting_converges_faster_than_the_best(solver, condition):
    eigenvalues = [2.0, 2.0 * condition]
    rate, m = edges.best_setting(solver, *eigenvalues)
    best = radius(solver, eigenvalues, rate, m)
    for scale in np.geomspace(0.5, 1.8, 41):
        for other in [m] if solver == "sgd" else np.linspace(0, 0.99, 45):
            # the best setting has a double root, which rounding splits by the root of epsilon
            assert radius(solver, eigenvalues, rate * scale, other) >= best - 1e-7


def test_theory_is_silent_where_it_knows_nothing():
    assert np.isnan(edges.stability_edge("adam", 1.0, 0.9))
    np.testing.assert_array_equal(np.isnan(edges.stability_edge("momentum", [1, 0, -1, np.nan], 0.5)), [0, 1, 1, 1])
    np.testing.assert_array_equal(np.isnan(edges.stability_edge("nesterov", 1.0, [0, 1, -0.5, np.nan])), [0, 1, 1, 1])
    for solver, low, high in [("adam", 1.0, 2.0), ("momentum", 0.0, 2.0), ("sgd", -1.0, 2.0), ("sgd", np.nan, np.nan)]:
        assert np.isnan(edges.best_setting(solver, low, high)).all()


def test_eigenvalues_reach_the_pictures():
    surface = SURFACES["ellipse"]
    facts = facts_of(surface)
    contours = {"ellipse": landscape_of(surface, facts, [], 1.0)}
    low, high = edges.extremes(contours, "ellipse")
    assert high / low == pytest.approx(facts.condition_number, rel=1e-12)
    assert low == pytest.approx(np.linalg.eigvalsh(facts.hessians[0])[0], rel=1e-12)
    assert np.isnan(edges.extremes(contours, "another")).all()
    assert np.isnan(edges.extremes({"flat": {"eigenvalues": np.array([np.nan, 1.0])}}, "flat")).all()
    assert edges.extremes({"valley": {"eigenvalues": np.array([1e-16, 1.0])}}, "valley") == (0.0, 1.0)
