"""What the notes of the classic surfaces say is so: false minima, saddles, plateaus, bounds, where runs end."""

from __future__ import annotations

import jax
import numpy as np
import pytest
import scipy.optimize
from helpers.classic_surfaces import CLASSIC, gradient_of, of_length
from helpers.programs import program_of, status_of

from gdbench.engine.stream import execute
from gdbench.surfaces import SURFACES
from gdbench.surfaces.facts import facts_of, hessian_at, values

# ---- Rosenbrock's second minimum


def test_rosenbrocks_second_minimum_is_the_published_one():
    # Shang and Qiu 2006, table 1, and Kok and Sandrock 2009, in the digits that they print
    four = facts_of(of_length("rosenbrock", 4))
    np.testing.assert_allclose(four.minimisers[1], [-0.775659, 0.613093, 0.382063, 0.145972], atol=1e-6)
    for n, loss in ((4, 3.701429), (5, 3.930839), (6, 3.973940), (7, 3.983601)):
        facts = facts_of(of_length("rosenbrock", n))
        assert facts.minimum_losses.tolist() == [0.0, pytest.approx(loss, abs=2e-6)]
        point = facts.minimisers[1]
        assert scipy.optimize.rosen(point) == pytest.approx(facts.minimum_losses[1], rel=1e-14)
        assert np.linalg.norm(scipy.optimize.rosen_der(point)) < 1e-10
        assert np.linalg.eigvalsh(scipy.optimize.rosen_hess(point))[0] > 0.1


def test_rosenbrock_lists_no_minimum_that_is_not_known():
    def listed(n, **given):
        return SURFACES["rosenbrock"].with_parameters(dimension=n, **given)

    assert len(facts_of(listed(3)).minimisers) == 1
    assert facts_of(listed(2, a=1.5)).minimisers.tolist() == [[1.5, 2.25]]
    # the squares cannot all vanish, and no closed form is known
    assert np.isnan(facts_of(listed(3, a=1.5)).f_star)
    # so shallow a valley has no second minimum; one so steep has it still
    assert len(listed(5, b=1.0).minimiser_points(5, {"a": 1.0, "b": 1.0})) == 1
    steep = listed(5, b=1e5)
    for point in steep.minimiser_points(5, steep.parameters):
        assert np.linalg.norm(gradient_of(steep, point)) < 1e-7  # of a curvature of 1e6 times the rounding of x
    assert len(steep.minimiser_points(5, steep.parameters)) == 2


# points beyond the bounds where it is lower than the minimum within: without bounds f_star would be none
BEYOND = {
    "schwefel": (-((7.5 * np.pi) ** 2), 420.968746359982027),
    "mccormick": (0.5 - 4 * np.pi / 3, -0.5 - 4 * np.pi / 3),
    "eggholder": (534.7, -598.8),
    "michalewicz": (np.pi * np.sqrt(6.5), np.pi / 2),
}


def test_bounds_are_where_it_is_lower_beyond():
    assert set(BEYOND) == {name for name in CLASSIC if SURFACES[name].bounds is not None}
    for name, point in BEYOND.items():
        made = SURFACES[name]
        np.testing.assert_array_equal(made.bounds_of(2), made.box_bounds(2))
        assert values(made, np.array([point]))[0] < facts_of(made).f_star - 0.1


# ---- what the notes say


def test_dixon_and_prices_false_minimum():
    made = of_length("dixon-price", 8)
    point = np.array([1 / 3, *[0.0] * 7])
    assert values(made, point[None])[0] == pytest.approx(2 / 3, rel=1e-15)
    np.testing.assert_allclose(gradient_of(made, point), 0, atol=1e-15)


def test_woods_saddle():
    made, x = SURFACES["wood"], np.array([-1.0, 1.0, -1.0, 1.0])
    for _ in range(20):
        x = x - np.linalg.solve(hessian_at(made, x), gradient_of(made, x))
    # as many digits as are printed of it
    assert values(made, x[None])[0] == pytest.approx(7.877, abs=5e-4)
    curvatures = np.linalg.eigvalsh(hessian_at(made, x))
    assert curvatures[0] < 0 < curvatures[1]


@pytest.mark.parametrize(
    ("name", "condition"),
    [
        *(("sphere", 1), ("rastrigin", 1), ("easom", 1), ("styblinski-tang", 1), ("plateau", 1), ("schwefel", 1)),
        *(("booth", 9), ("matyas", 25), ("zakharov", 1 + 5 / 4), ("powell-singular", np.inf)),
        ("sum-of-powers", np.inf),
    ],
)
def test_its_condition_number_has_a_closed_form(name, condition):
    assert facts_of(SURFACES[name]).condition_number == pytest.approx(condition, rel=1e-12)


def test_browns_condition_number():
    # the Hessian is 2 (I + v v') with v = (2e-6, 1e6); its eigenvalue 2 is what is left of 2e12, rounded
    assert facts_of(SURFACES["brown-badly-scaled"]).condition_number == pytest.approx(1e12 + 1, rel=1e-3)


@pytest.mark.parametrize(
    ("name", "rate", "steps", "end"),
    [
        ("freudenstein-roth", 1e-3, 60_000, [(53 - 4 * np.sqrt(22)) / 3, (2 - np.sqrt(22)) / 3]),
        ("trigonometric", 0.1, 2_000, [0.2430642022015621601, 0.6126761171373341820]),
        ("styblinski-tang", 0.01, 2_000, [2.7468027709908369925, -2.9035340277711770951]),
    ],
)
def test_descent_ends_where_the_note_says(name, rate, steps, end):
    made = SURFACES[name]
    with jax.enable_x64(True):
        descend = jax.jit(lambda x: jax.lax.fori_loop(0, steps, lambda _, x: x - rate * jax.grad(made)(x), x))
        np.testing.assert_allclose(descend(made.start_point(2)), end, atol=1e-9)


def test_the_monkey_saddle_is_left_through_a_valley():
    made = SURFACES["monkey-saddle"]
    for x in np.random.default_rng(0).normal(size=(10, 2)):
        assert np.linalg.norm(gradient_of(made, x)) == pytest.approx(3 * x @ x, rel=1e-12)
    records = execute(program_of("monkey-saddle", "sgd", 0.01, steps=5000))
    assert status_of(records) == ["reached"]
    assert records.loss_final[0] < -1
    # up to then it crept: at (0.1, 0.1) the slope is 0.06
    assert 300 < records.steps[0] < 3000


def test_the_plateau_falls_off_as_its_note_says():
    made = SURFACES["plateau"].with_parameters(width=0.5)
    slopes = [gradient_of(made, [x, 0.0])[0] for x in (5.0, 5.5)]
    assert slopes[0] / slopes[1] == pytest.approx(np.e**2, rel=1e-6)  # of tanh itself up to e^-20
    np.testing.assert_allclose(facts_of(made).hessians[0], 2 / 0.5**2 * np.eye(2), rtol=1e-14)
