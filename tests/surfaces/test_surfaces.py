"""Every registered surface proves its facts; the named ones agree with values from elsewhere."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize
from helpers.programs import program_of
from hypothesis import given, settings
from hypothesis import strategies as st

from gdbench.engine.stream import execute
from gdbench.errors import UsageError
from gdbench.statuses import Status
from gdbench.surfaces import SURFACES, surface
from gdbench.surfaces.data.models import linear, logistic
from gdbench.surfaces.facts import facts_of, values

every_surface = pytest.mark.parametrize("name", SURFACES)
every_bounded_surface = pytest.mark.parametrize(
    "name", [name for name in SURFACES if SURFACES[name].minimisers is not None]
)


def gradient_of(made, x):
    with jax.enable_x64(True):
        return np.asarray(jax.grad(made)(jnp.asarray(x, jnp.float64)))


# ---- the registry, no surface exempt


@every_bounded_surface
def test_the_minimum_is_where_it_says(name):
    made = SURFACES[name]
    facts = facts_of(made)
    assert len(facts.minimisers) >= 1
    assert facts.minimisers.shape == (len(facts.minimisers), made.dimension)
    assert facts.f_star == pytest.approx(values(made, facts.minimisers[:1])[0], rel=1e-12, abs=1e-12)
    low, high = made.bounds_of(made.dimension) or np.array([[-np.inf], [np.inf]])
    for point, hessian in zip(facts.minimisers, facts.hessians, strict=True):
        gradient = gradient_of(made, point)
        # on a bound the gradient may point out of it: minus the gradient leads nowhere
        free = (point > low) & (point < high)
        assert np.linalg.norm(gradient[free]) < 1e-8
        assert (gradient[point <= low] > 0).all()
        assert (gradient[point >= high] < 0).all()
        if np.isfinite(hessian).all():  # at a kink there is none
            eigenvalues = np.linalg.eigvalsh(hessian[free][:, free])
            # some are 0 where the minimum is flatter than a quadratic
            assert (eigenvalues >= -1e-12 * np.abs(hessian).max()).all()
    # nowhere in the box is it lower, and nowhere near a minimiser lower than there
    generator, (low, high) = np.random.default_rng(0), made.box_bounds(made.dimension)
    points = low + (high - low) * generator.random((2000, made.dimension))
    assert values(made, points).min() >= facts.f_star - 1e-12 * (1 + abs(facts.f_star))
    for point, loss in zip(facts.minimisers, facts.minimum_losses, strict=True):
        away = generator.normal(size=(200, made.dimension)) * (high - low)
        for size in (1e-3, 1e-6):
            around = np.clip(point + size * away, *(made.bounds_of(made.dimension) or (-np.inf, np.inf)))
            assert values(made, around).min() >= loss - 1e-12 * (1 + abs(loss))


# 0 bounds a network's error, and is neared far away: test_networks.py
@pytest.mark.parametrize("name", [n for n in SURFACES if SURFACES[n].minimisers is None and n != "backprop"])
def test_what_has_no_minimum_is_level_or_falls_without_end(name):
    made = SURFACES[name]
    low, high = made.box_bounds(made.dimension)
    points = low + (high - low) * np.random.default_rng(0).random((2000, made.dimension))
    lowest = [values(made, size * points).min() for size in (1, 1e2, 1e4)]
    if np.ptp(values(made, points)) == 0:
        assert lowest == [0.0] * 3  # level everywhere
        return
    assert lowest[2] < 100 * lowest[1] < 1e4 * lowest[0] < 0
    assert np.isnan(facts_of(made).f_star)


@every_surface
def test_the_gradient_is_the_difference_quotient(name):
    made = SURFACES[name]
    low, high = made.box_bounds(made.dimension)
    for x in low + (high - low) * np.random.default_rng(1).random((5, made.dimension)):
        step = 1e-5
        shifts = step * np.eye(made.dimension)
        f = values(made, np.concatenate([x + shifts, x - shifts]))
        quotient = (f[: made.dimension] - f[made.dimension :]) / (2 * step)
        # the third derivative times step² and the rounding of f over step: 1e-9 and 1e-11 of the values' size
        scale = 1 + np.abs(f).max()
        np.testing.assert_allclose(gradient_of(made, x), quotient, rtol=1e-7, atol=1e-8 * scale)


@every_surface
def test_the_start_and_the_box_are_sound(name):
    made = SURFACES[name]
    start, (low, high) = made.start_point(made.dimension), made.box_bounds(made.dimension)
    assert start.shape == (made.dimension,)
    assert (low < high).all()
    assert ((low <= start) & (start <= high)).all()
    minimisers = facts_of(made).minimisers
    assert ((low <= minimisers) & (minimisers <= high)).all()
    assert len(minimisers) == 0 or values(made, start[None])[0] > facts_of(made).f_star
    # whatever goes by the slope can leave, unless all is level
    slope = np.linalg.norm(gradient_of(made, start))
    assert slope > 1e-4 or np.ptp(values(made, made.probe_points())) == 0
    assert made.summary
    assert made.formula
    assert made.source


FINGERPRINTS = {
    "ellipse": "5504583d56fc",
    "unscaled": "456c9b5056ac",
    "scaled": "6f75b0a37e53",
    "uncentered": "857933904e31",
    "centered": "d2dd6711183b",
    "contradictory": "3669f1e3b537",
    "multi-minima": "380f596a1cc7",
    "double-well": "2db2d5e9a953",
    "rosenbrock": "77c80994b9e7",
    "beale": "8f7194d0819d",
    "saddle": "fd75837bd9c7",
    "monkey-saddle": "beea4d8d6659",
    "plateau": "d3a10fea8dc7",
    "long-valley": "408188fbaf34",
    "sphere": "4a8b869848e7",
    "sum-of-powers": "99a67c1592ed",
    "zakharov": "188c603dc5d9",
    "dixon-price": "07281e65b22f",
    "booth": "a251330ac807",
    "matyas": "974a1e18c380",
    "himmelblau": "8be0012d4408",
    "branin": "fc0e8ad43977",
    "mccormick": "781d5eab60d0",
    "three-hump-camel": "e7ec168fbbc7",
    "six-hump-camel": "24b9159ec51b",
    "goldstein-price": "2e3303675fee",
    "ackley": "f16e8b4d4a71",
    "rastrigin": "de30021c4d9e",
    "griewank": "f8736dbdac7b",
    "levy": "13d89ae34f5d",
    "schwefel": "72a8cc694e41",
    "michalewicz": "85a29707a362",
    "styblinski-tang": "4b08badffabc",
    "easom": "014980ad8b4e",
    "eggholder": "cc5b4347dd86",
    "freudenstein-roth": "b9b266f5131c",
    "brown-badly-scaled": "d01f99d18990",
    "helical-valley": "668e7c3922dd",
    "powell-singular": "79268227d75a",
    "wood": "ed68439e2fa0",
    "trigonometric": "72d8d2dc072b",
    "three-cycle": "9e92ff5d5425",
    "reddi": "0fc4a25302ab",
    "nine-to-one": "e1f13822d340",
    "turned-ellipse": "67b836f82211",
    "backprop": "92d27f9faf35",
}


@pytest.mark.parametrize("name", FINGERPRINTS)
def test_fingerprints_are_those_of_every_other_machine(name):
    assert facts_of(SURFACES[name]).fingerprint == FINGERPRINTS[name]


@every_surface
def test_the_fingerprint_follows_every_number_of_the_surface(name):
    made = SURFACES[name]
    wanted = facts_of(made).fingerprint
    assert facts_of(made).fingerprint == wanted
    for key, value in made.parameters.items():
        assert facts_of(made.with_parameters(**{key: value + 0.5})).fingerprint != wanted
    # another value at one probe point, in the eighth digit, is another surface; in the twelfth it is rounding
    probes = values(made, made.probe_points())
    assert made.fingerprint(probes) == wanted
    assert made.fingerprint(probes + 1e-7 * (1 + np.abs(probes))) != wanted


@every_surface
def test_no_rounding_changes_a_fingerprint(name):
    # another processor's last bits are as good as other last bits of the points; and nothing is so small that some
    # processors take it for zero
    made = SURFACES[name]
    points, generator = made.probe_points(), np.random.default_rng(0)
    for _ in range(5):
        moved = np.nextafter(points, points + generator.choice([-1.0, 1.0], points.shape))
        assert made.fingerprint(values(made, moved)) == facts_of(made).fingerprint
    size = np.abs(values(made, points))
    assert ((size == 0) | (size > 1e-300)).all()


# ---- values from elsewhere


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-3, 3), min_size=2, max_size=2))
def test_rosenbrock_is_scipys(x):
    made = SURFACES["rosenbrock"]
    assert values(made, np.array([x]))[0] == pytest.approx(scipy.optimize.rosen(x), rel=1e-12, abs=1e-12)
    np.testing.assert_allclose(gradient_of(made, x), scipy.optimize.rosen_der(x), rtol=1e-12, atol=1e-10)


def test_rosenbrock_at_its_published_start():
    made = SURFACES["rosenbrock"]
    assert made.start_point(2).tolist() == [-1.2, 1.0]
    assert values(made, np.array([[-1.2, 1.0]]))[0] == pytest.approx(24.2, rel=1e-14)
    np.testing.assert_allclose(facts_of(made).hessians[0], scipy.optimize.rosen_hess([1.0, 1.0]), rtol=1e-12)
    moved = facts_of(made.with_parameters(a=1.5, b=10.0))
    assert moved.minimisers.tolist() == [[1.5, 2.25]]
    assert moved.f_star == 0.0


def test_beale_has_its_published_values():
    made = SURFACES["beale"]
    # Moré, Garbow and Hillstrom 1981, problem 5: f0 = 14.203125 at (1, 1), which is 1.5² + 2.25² + 2.625²
    assert values(made, np.array([[1.0, 1.0]]))[0] == 14.203125
    np.testing.assert_allclose(gradient_of(made, [1.0, 1.0]), [0, 2 * (1.5 + 2 * 2.25 + 3 * 2.625)], rtol=1e-14)
    # a sum of squares that all vanish has the Hessian 2 J'J
    jacobian = np.array([[0.5**i - 1, 3 * i * 0.5 ** (i - 1)] for i in (1, 2, 3)])
    np.testing.assert_allclose(facts_of(made).hessians[0], 2 * jacobian.T @ jacobian, rtol=1e-12)


def test_beale_has_a_valley_without_an_end():
    # along x1 = 1 - c / x0 the residuals go to 1.5 - c, 2.25 - 2c and 2.625 - 3c, least at c = 13.875 / 14
    c, floor = 13.875 / 14, 14.203125 - 13.875**2 / 14
    far = -(10.0 ** np.arange(2, 7))
    found = values(SURFACES["beale"], np.column_stack([far, 1 - c / far]))
    assert (np.diff(found) < 0).all()
    # the next term is of the size of c² / x0
    np.testing.assert_allclose(found[-1], floor, atol=1e-5)
    assert floor == pytest.approx(0.4520, abs=5e-5)  # as published, in four digits


def test_the_saddle_is_its_formula():
    made = SURFACES["saddle"]
    points = np.random.default_rng(5).normal(size=(20, 2))
    np.testing.assert_allclose(values(made, points), (points[:, 0] - points[:, 1]) * points.sum(axis=1), rtol=1e-12)
    for point in points:
        np.testing.assert_allclose(gradient_of(made, point), [2 * point[0], -2 * point[1]], rtol=1e-14)


def test_the_saddle_is_left_when_its_closed_form_says():
    # plain descent multiplies x1 by 1 + 2 lr: 0.001 passes 1 at the first k with (1 + 2 lr)^k > 1000
    rates = [0.01, 0.1, 0.4]
    records = execute(program_of("saddle", "sgd", rates, steps=400))
    assert [Status(status).word for status in records.status] == ["reached"] * 3
    wanted = [int(np.floor(np.log(1000) / np.log(1 + 2 * rate))) + 1 for rate in rates]
    assert records.steps.tolist() == wanted
    np.testing.assert_allclose(records.x[:, 1], 0.001 * (1 + 2 * np.array(rates)) ** wanted, rtol=1e-12)


@pytest.mark.parametrize("given", [{}, {"slope": 3.0, "width": 0.01, "steep": 7.0}])
def test_the_long_valley_is_its_formula(given):
    made = SURFACES["long-valley"].with_parameters(**given)
    slope, width, steep = (made.parameters[name] for name in ("slope", "width", "steep"))
    points = np.random.default_rng(6).normal(size=(20, 2)) * [10, 1]
    along = slope * (np.hypot(points[:, 0], width) - width)
    np.testing.assert_allclose(values(made, points), along + 0.5 * steep * points[:, 1] ** 2, rtol=1e-12)
    # near the minimum x0² / (2 width) is left; the formula as it is written would have no digit of it
    assert values(made, np.array([[1e-9, 0.0]]))[0] == pytest.approx(slope * 1e-18 / (2 * width), rel=1e-12)
    facts = facts_of(made)
    np.testing.assert_allclose(facts.hessians[0], np.diag([slope / width, steep]), rtol=1e-12)
    np.testing.assert_allclose(gradient_of(made, [-1e6, 0.5]), [-slope, 0.5 * steep], rtol=1e-12)


def test_multi_minima_has_its_published_minima():
    made = SURFACES["multi-minima"]
    facts = facts_of(made)
    assert facts.minimisers.round(4).tolist() == [[-0.9676, 0.0], [0.9053, 0.0]]
    assert facts.minimum_losses.round(4).tolist() == [-5.0323, -1.0927]
    for (x, z), bracket in zip(facts.minimisers, [(-1.0, -0.9), (0.85, 0.95)], strict=True):

        def slope(x):
            # by hand, on the axis z = 0
            return 20 * (x - 1) * np.exp(-5 * (x - 1) ** 2) + 60 * (x + 1) * np.exp(-5 * (x + 1) ** 2) + 2 * x

        assert z == 0.0
        assert x == pytest.approx(scipy.optimize.brentq(slope, *bracket, xtol=1e-15, rtol=1e-15), abs=1e-12)


@pytest.mark.parametrize("tilt", [-0.3, 0.0, 0.3, 1.0, 2.0])
def test_double_well_finds_its_wells_at_every_tilt(tilt):
    found = facts_of(SURFACES["double-well"].with_parameters(tilt=tilt)).minimisers[:, 0]
    roots = [root.real for root in np.roots([4, 0, -4, tilt]) if abs(root.imag) < 1e-9 and 12 * root.real**2 > 4]
    polished = [scipy.optimize.newton(lambda x: 4 * x**3 - 4 * x + tilt, root, tol=1e-14) for root in roots]
    wanted = sorted(polished, key=lambda x: x**4 - 2 * x**2 + tilt * x)
    # at tilt 0 both wells are equally deep and either may be first
    np.testing.assert_allclose(*((sorted(found), sorted(wanted)) if tilt == 0 else (found, wanted)), atol=1e-12)


def test_double_well_has_its_published_minima():
    facts = facts_of(SURFACES["double-well"])
    assert facts.minimisers[:, 0].round(4).tolist() == [-1.0356, 0.9601]
    assert facts.minimisers[facts.is_global, 0].round(4).tolist() == [-1.0356]


TABLES = {
    "unscaled": ([[0.1, 10], [0.1, -10]], [2, 0], (0.02, 200)),
    "scaled": ([[1, 1], [1, -1]], [2, 0], (2, 2)),
    "uncentered": ([[101, 101], [101, 99]], [2, 0], None),
    "centered": ([[1, 1], [1, -1]], [2, 0], (2, 2)),
}


@pytest.mark.parametrize("name", TABLES)
def test_the_neurons_are_their_tables(name):
    inputs, targets, eigenvalues = TABLES[name]
    inputs, targets = np.array(inputs, float), np.array(targets, float)
    points = np.random.default_rng(2).normal(size=(20, 2))
    wanted = [np.mean((inputs @ w - targets) ** 2) for w in points]
    np.testing.assert_allclose(values(SURFACES[name], points), wanted, rtol=1e-12)
    facts = facts_of(SURFACES[name])
    np.testing.assert_allclose(facts.minimisers[0], np.linalg.solve(inputs, targets), rtol=1e-12)
    hessian = 2 * inputs.T @ inputs / len(inputs)
    np.testing.assert_allclose(facts.hessians[0], hessian, rtol=1e-12, atol=1e-12)
    if eigenvalues is not None:
        np.testing.assert_allclose(np.linalg.eigvalsh(facts.hessians[0]), eigenvalues, rtol=1e-12)
    # the small eigenvalue is known to the rounding of the large one, times the condition number
    assert facts.condition_number == pytest.approx(np.linalg.cond(inputs) ** 2, rel=1e-9)


def test_uncentered_has_its_published_condition_number():
    assert facts_of(SURFACES["uncentered"]).condition_number == pytest.approx(40_006, abs=0.5)


def regression_of(model, inputs, targets):
    function = {"linear": linear, "logistic": logistic}[model]
    return surface(name="mine", start=np.zeros(inputs.shape[1]), data=(inputs, targets), register=False)(function)


def test_linear_regression_is_numpys():
    generator = np.random.default_rng(3)
    inputs, targets, w = generator.normal(size=(50, 4)), generator.normal(size=50), generator.normal(size=4)
    made = regression_of("linear", inputs, targets)
    assert "mine" not in SURFACES
    assert values(made, w[None])[0] == pytest.approx(np.mean((inputs @ w - targets) ** 2), rel=1e-12)
    np.testing.assert_allclose(gradient_of(made, w), 2 * inputs.T @ (inputs @ w - targets) / 50, rtol=1e-11)


@pytest.mark.parametrize("size", [1.0, 30.0])
def test_logistic_regression_is_sklearns(size):
    from sklearn.metrics import log_loss

    generator = np.random.default_rng(4)
    inputs, targets = generator.normal(size=(50, 3)), (generator.random(50) < 0.4).astype(float)
    w = size * generator.normal(size=3)
    probability = 1 / (1 + np.exp(-inputs @ w))
    found = values(regression_of("logistic", inputs, targets), w[None])[0]
    if size == 1.0:
        assert found == pytest.approx(log_loss(targets, probability), rel=1e-12)
    # sklearn clips probabilities; the logits themselves do not overflow
    exact = np.mean(np.logaddexp(0, inputs @ w) - targets * (inputs @ w))
    assert found == pytest.approx(exact, rel=1e-12)


def test_logistic_regression_does_not_overflow():
    made = regression_of("logistic", np.array([[1.0], [-1.0]]), np.array([1.0, 0.0]))
    assert values(made, np.array([[-1e4]]))[0] == pytest.approx(1e4, rel=1e-14)
    assert values(made, np.array([[1e4]]))[0] == 0.0
    assert np.isfinite(gradient_of(made, [-1e4])).all()


@pytest.mark.parametrize("dimension", [1, 2, 3, 7])
@pytest.mark.parametrize(("condition", "angle"), [(100.0, 0.0), (50.0, 30.0), (3.0, -115.0)])
def test_the_ellipse_is_its_matrix(dimension, condition, angle):
    made = SURFACES["ellipse"].with_parameters(dimension=dimension, condition=condition, angle=angle)
    eigenvalues = np.geomspace(1, condition, dimension) if dimension > 1 else np.ones(1)
    turn = np.eye(dimension)
    if dimension > 1:
        c, s = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
        turn[:2, :2] = [[c, s], [-s, c]]
    hessian = turn.T @ np.diag(eigenvalues) @ turn
    points = np.random.default_rng(dimension).normal(size=(10, dimension))
    np.testing.assert_allclose(values(made, points), [0.5 * x @ hessian @ x for x in points], rtol=1e-12)
    facts = facts_of(made)
    np.testing.assert_allclose(facts.hessians[0], hessian, rtol=1e-12, atol=1e-12)
    assert facts.condition_number == pytest.approx(condition if dimension > 1 else 1.0, rel=1e-12)
    assert made.start_point(dimension).tolist() == [1.0] * dimension


# ---- parameters


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        ("ellipse", {"conditon": 3}, "unknown parameter 'conditon' of surface 'ellipse'; did you mean 'condition'"),
        ("ellipse", {"dimensions": 3}, "did you mean 'dimension'"),
        ("beale", {"dimension": 3}, "surface 'beale' has dimension 2 and no other"),
        ("rosenbrock", {"zzz": 3}, "unknown parameter 'zzz' of surface 'rosenbrock'; choose from: a, b"),
        ("ellipse", {"dimension": 0}, "the dimension of surface 'ellipse' must be at least 1, not 0"),
        ("ellipse", {"dimension": 2.5}, "the dimension of surface 'ellipse' must be a whole number, not 2.5"),
        ("ellipse", {"condition": "ten"}, "parameter 'condition' of surface 'ellipse' must be a number, not 'ten'"),
        ("ellipse", {"condition": "nan"}, "must be a finite number, not 'nan'"),
        ("ellipse", {"angle": float("inf")}, "must be a finite number"),
    ],
)
def test_a_wrong_parameter_says_what_is_right(name, given, words):
    with pytest.raises(UsageError, match=words):
        SURFACES[name].with_parameters(**given)


def test_parameters_change_a_copy():
    made = SURFACES["ellipse"].with_parameters(condition="7", dimension="3")
    assert (made.parameters["condition"], made.dimension) == (7.0, 3)
    assert (SURFACES["ellipse"].parameters["condition"], SURFACES["ellipse"].dimension) == (100.0, 2)
    assert SURFACES["rosenbrock"].with_parameters(dimension=2).dimension == 2


def test_a_taken_name_is_refused():
    with pytest.raises(UsageError, match="the surface 'ellipse' is already registered"):
        surface(start=(0.0,), name="ellipse")(lambda x: x[0] ** 2)


@pytest.mark.parametrize("name", ["elipse", "Ellipse", "doublewell"])
def test_an_unknown_name_gets_the_nearest(name):
    with pytest.raises(UsageError, match=r"did you mean '(ellipse|double-well)'"):
        SURFACES[name]


def test_the_condition_number_is_along_the_weights_that_no_bound_holds():
    # the eggholder's minimum lies on the bound of its first weight: what is left is a parabola
    assert facts_of(SURFACES["eggholder"]).condition_number == 1
    made = surface(start=(2.0, 2.0, 2.0), minimisers=[(1.0, 3.0, 4.0)], bounds=(1.0, np.inf), register=False)(
        lambda x: 100 * x[0] ** 2 + 2 * (x[1] - 3) ** 2 + 5 * (x[2] - 4) ** 2
    )
    assert facts_of(made).condition_number == pytest.approx(2.5, rel=1e-12)
    corner = surface(start=(2.0,), minimisers=[(1.0,)], bounds=(1.0, np.inf), register=False)(lambda x: x[0])
    assert np.isnan(facts_of(corner).condition_number), "nothing is free to move"
