"""The classic surfaces have the values that others published or computed."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import scipy.optimize
from helpers.classic_surfaces import CLASSIC, gradient_of, of_length
from helpers.published_formulas import FORMULAS, POLYNOMIALS

import gdbench
from gdbench.cli.sheets import surface_facts
from gdbench.errors import UsageError
from gdbench.surfaces import SURFACES
from gdbench.surfaces.facts import facts_of, values

MGH = "Moré, Garbow and Hillstrom 1981"
GONUM = "gonum, optimize/functions, functions_test.go"
SCIPY = "scipy 1.x, benchmarks/go_benchmark_functions"

# name: (point, value, whose value it is)
VALUES = {
    "rosenbrock": ((-1.2, 1.0), 24.2, MGH),
    "beale": ((1.0, 1.0), 14.203125, MGH),
    "saddle": ((3.0, 2.0), 5.0, "9 - 4"),
    "monkey-saddle": ((2.0, 3.0), -46.0, "8 - 54"),
    # tanh(ln 2) = (2 - ½)/(2 + ½) = 3/5 and tanh(ln 3) = (3 - ⅓)/(3 + ⅓) = 4/5
    "plateau": ((np.log(2), np.log(3)), 1.0, "(3/5)² + (4/5)²"),
    "long-valley": ((1.2, 0.5), 0.2 * 0.8 + 2.5, "the triangle 0.5, 1.2, 1.3"),
    "sphere": ((0.5, 0.5, 0.5), 0.75, GONUM),
    "sum-of-powers": ((0.7, -0.3), 0.517, SCIPY + ", Sodp"),
    "zakharov": ((0.7, -1.3), 3.89700625, "pymoo"),
    "dixon-price": ((0.7, -1.3, 2.1), 321.698, SCIPY),
    "booth": ((0.7, -1.3), 103.22, "the package landscapes"),
    "matyas": ((0.7, -1.3), 1.0036, SCIPY),
    "himmelblau": ((0.7, -1.3), 160.7282, "pymoo"),
    "branin": ((2.5, 7.5), 24.129964413622268, SCIPY + ", Branin01"),
    "mccormick": ((0.7, -1.3), 0.13535752660496492, SCIPY),
    "three-hump-camel": ((0.7, -1.3), 1.527503166666667, SCIPY),
    "six-hump-camel": ((0.7, -1.3), 5.249406333333335, SCIPY),
    "goldstein-price": ((0.7, -1.3), 2893.60524464, SCIPY),
    "ackley": ((0.7, -1.3, 2.1), 6.783095121631517, SCIPY + ", Ackley01"),
    "rastrigin": ((0.7, -1.3, 2.1), 34.68016994374947, SCIPY),
    "griewank": ((0.7, -1.3, 2.1), 0.8389675040011937, SCIPY),
    "levy": ((-3.0, -3.0), 2 + 10 * np.sin(1) ** 2, "w = 0 there"),
    "schwefel": (((np.pi / 2) ** 2, -((3 * np.pi / 2) ** 2)), -5 * np.pi**2 / 2, "the sines are 1 and -1"),
    "michalewicz": ((2.0, 1.3, 1.2), -1.0788237673649248, SCIPY),
    "styblinski-tang": ((0.7, -1.3, 2.1), -37.69785, SCIPY),
    "easom": ((2.5, 4.0), -0.16605896274103463, SCIPY),
    "eggholder": ((70.0, -130.0), 63.60532489420122, SCIPY),
    "freudenstein-roth": ((0.5, -2.0), 400.5, MGH),
    "brown-badly-scaled": ((1.0, 1.0), 999998000003.0, MGH),
    "helical-valley": ((-1.0, 0.0, 0.0), 2500.0, MGH),
    "powell-singular": ((3.0, -1.0, 0.0, 1.0), 215.0, MGH),
    "wood": ((-3.0, -1.0, -3.0, -1.0), 19192.0, MGH),
    "trigonometric": ((0.2, 0.2, 0.2, 0.2, 0.2), 0.0116573789904718, GONUM),
}

# name: (point, gradient), from gonum's tests
GRADIENTS = {
    "rosenbrock": ((-1.2, 1.0, -1.2, 1.0), (-215.6, 792, -655.6, -88)),
    "beale": ((1.0, 4.0), (8813.25, 6585)),
    "brown-badly-scaled": ((1.0, 1.0), (-2e6, -4e-6)),
    "helical-valley": ((-1.0, 0.0, 0.0), (0, -1.59154943091895e3, -1e3)),
    "powell-singular": ((3, -1, 0, 3, 3, -1, 0, 3), (-14, -144, -22, 30, -14, -144, -22, 30)),
    "trigonometric": ((0.5, 0.5), (-0.00840962732040673, -0.09606967736232540)),
    "wood": ((-3.0, -1.0, -3.0, -1.0), (-12008, -2080, -10808, -1880)),
}


def dimensions_of(name):
    """Some that its definition allows; the same in all tests, which compile for each."""
    made = SURFACES[name]
    return [n for n in (1, 2, 3, 8) if n in made.dimensions] if made.any_dimension else [made.dimension]


def test_every_classic_surface_has_a_value_and_a_formula_from_elsewhere():
    assert set(VALUES) == set(FORMULAS) == set(CLASSIC)


@pytest.mark.parametrize("name", CLASSIC)
def test_has_the_value_that_others_found(name):
    point, value, _ = VALUES[name]
    # their digits end after 12 to 17; near 0 they have lost some to cancellation
    assert values(of_length(name, len(point)), np.array([point]))[0] == pytest.approx(value, rel=1e-13, abs=2e-15)


@pytest.mark.parametrize("name", GRADIENTS)
def test_has_the_gradient_that_others_found(name):
    point, gradient = GRADIENTS[name]
    found = gradient_of(of_length(name, len(point)), np.array(point, float))
    np.testing.assert_allclose(found, gradient, rtol=1e-13, atol=1e-12)


def points_of(name, n, count=20):
    low, high = of_length(name, n).box_bounds(n)
    return low + (high - low) * np.random.default_rng(n).random((count, n))


@pytest.mark.parametrize("name", CLASSIC)
def test_is_its_published_formula(name):
    for n in dimensions_of(name):
        points = points_of(name, n)
        number = Fraction if name in POLYNOMIALS else float
        wanted = [float(FORMULAS[name]([number(weight) for weight in point])) for point in points]
        # of products and differences of a few terms, in units of the largest
        size = np.abs(wanted).max()
        np.testing.assert_allclose(values(of_length(name, n), points), wanted, rtol=1e-13, atol=1e-14 * size)


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("ackley", {"a": 15.0, "b": 0.5, "c": 3.0}),
        ("rastrigin", {"A": 3.0}),
        ("michalewicz", {"m": 2}),
        ("plateau", {"width": 0.4}),
    ],
)
def test_its_parameters_are_those_of_its_formula(name, given):
    made, points = SURFACES[name].with_parameters(dimension=3, **given), points_of(name, 3)
    wanted = [FORMULAS[name](list(point), **given) for point in points]
    np.testing.assert_allclose(values(made, points), wanted, rtol=1e-13, atol=1e-14)
    for minimiser in facts_of(made).minimisers:
        assert np.linalg.norm(gradient_of(made, minimiser)) < 1e-10


def test_rosenbrock_is_scipys_in_any_dimension():
    for n in dimensions_of("rosenbrock"):
        made, points = of_length("rosenbrock", n), points_of("rosenbrock", n)
        np.testing.assert_allclose(values(made, points), [scipy.optimize.rosen(x) for x in points], rtol=1e-13)
        x = points[0]
        np.testing.assert_allclose(gradient_of(made, x), scipy.optimize.rosen_der(x), rtol=1e-12, atol=1e-9)


# ---- where a function is not smooth


def test_ackley_has_a_kink_at_its_minimum_and_says_so():
    made = SURFACES["ackley"]
    facts = facts_of(made)
    assert facts.f_star == 0.0
    assert gradient_of(made, [0.0, 0.0]).tolist() == [0.0, 0.0]
    assert not np.isfinite(facts.hessians).any(axis=(1, 2)).all()
    assert np.isnan(facts.condition_number)
    assert surface_facts(made)["condition_number"] is None
    # towards it the slope goes to a b/√n, whatever the direction
    for direction in ([1.0, 0.0], [0.6, -0.8]):
        near = 1e-9 * np.array(direction)
        np.testing.assert_allclose(gradient_of(made, near), 20 * 0.2 / np.sqrt(2) * np.array(direction), rtol=1e-6)
    row = gdbench.run(["ackley"], ["sgd"], learning_rate=1e-3, steps=5, plots=False).runs.iloc[0]
    assert row["status"] == "budget"
    assert row[["condition_number", "rate_predicted"]].isna().all()


@pytest.mark.parametrize(
    ("name", "point"), [("schwefel", (0.0, 3.0)), ("eggholder", (2.0, -48.0)), ("eggholder", (-1.0, -48.0))]
)
def test_where_a_roots_argument_vanishes_the_gradient_is_finite(name, point):
    gradient = gradient_of(SURFACES[name], point)
    assert np.isfinite(gradient).all()
    assert np.isfinite(values(SURFACES[name], np.array([point]))).all()


def test_the_helix_jumps_only_behind_its_axis():
    made, tiny = SURFACES["helical-valley"], 1e-12
    pairs = [((-1.0, tiny), (-1.0, -tiny)), ((tiny, 1.0), (-tiny, 1.0)), ((1.0, tiny), (1.0, -tiny))]
    for one, other in pairs:
        assert np.ptp(values(made, np.array([[*one, 2.0], [*other, 2.0]]))) < 1e-6
    # θ is -¼ on one side and ¾ on the other
    behind = values(made, np.array([[tiny, -1.0, 2.0], [-tiny, -1.0, 2.0]]))
    np.testing.assert_allclose(behind, [100 * (2 + 2.5) ** 2 + 4, 100 * (2 - 7.5) ** 2 + 4], rtol=1e-9)


# ---- dimensions


@pytest.mark.parametrize(
    ("name", "dimension", "words"),
    [
        ("rosenbrock", 1, "the dimension of surface 'rosenbrock' must be at least 2, not 1"),
        ("powell-singular", 3, "the dimension of surface 'powell-singular' must be at least 4, not 3"),
        ("powell-singular", 6, r"the dimension of surface 'powell-singular' must be 4, 8, 12, \.\., not 6"),
        ("sphere", 0, "the dimension of surface 'sphere' must be at least 1, not 0"),
        ("wood", 8, "surface 'wood' has dimension 4 and no other"),
    ],
)
def test_a_dimension_that_makes_no_sense_is_refused(name, dimension, words):
    with pytest.raises(UsageError, match=words):
        SURFACES[name].with_parameters(dimension=dimension)


@pytest.mark.parametrize("name", [name for name in CLASSIC if SURFACES[name].any_dimension])
def test_its_facts_follow_the_dimension(name):
    per_weight = {"styblinski-tang": -39.16616570377141546, "schwefel": -418.98288727243370627}.get(name, 0.0)
    for n in dimensions_of(name):
        larger = of_length(name, n)
        start, (low, high) = larger.start_point(n), larger.box_bounds(n)
        assert start.shape == (n,)
        assert ((low <= start) & (start <= high)).all()
        minimisers = larger.minimiser_points(n, larger.parameters)
        assert minimisers.shape[1:] == (n,)
        losses = values(larger, minimisers)
        if name != "michalewicz":  # see test_classic_minima.py
            assert losses[0] == pytest.approx(per_weight * n, rel=1e-14, abs=1e-28)
        assert losses[0] == losses.min()
        assert np.linalg.norm(gradient_of(larger, minimisers[0])) < 1e-10
        assert np.linalg.norm(gradient_of(larger, start)) > 1e-3
