"""The minima of the classic surfaces: recomputed, compared with the literature, and searched for lower ones."""

from __future__ import annotations

from functools import cache

import jax
import numpy as np
import pytest
import scipy.optimize
from helpers.classic_surfaces import CLASSIC, of_length
from helpers.published_formulas import FORMULAS

from gdbench import compilation
from gdbench.surfaces import SURFACES
from gdbench.surfaces.facts import facts_of, values

# In two dimensions, or the only one: f at the global minimum, how many minimisers are listed and how many of them are
# global. Closed forms, or 21 digits of a root that was found in 50-digit arithmetic.
MINIMA = {
    **dict.fromkeys(
        "rosenbrock beale plateau long-valley sphere sum-of-powers zakharov booth matyas".split(), (0, 1, 1)
    ),
    **dict.fromkeys("ackley rastrigin griewank levy brown-badly-scaled".split(), (0, 1, 1)),
    **dict.fromkeys("helical-valley powell-singular wood".split(), (0, 1, 1)),
    "dixon-price": (0, 2, 2),
    "himmelblau": (0, 4, 4),
    "branin": (5 / (4 * np.pi), 3, 3),
    "mccormick": (-np.sqrt(3) / 2 - np.pi / 3, 2, 1),
    "three-hump-camel": (0, 3, 1),
    "six-hump-camel": (-1.031628453489877350416, 6, 2),
    "goldstein-price": (3, 4, 1),
    "schwefel": (2 * -418.982887272433706275, 1, 1),
    "michalewicz": (-1 - 0.801303410098552532711, 2, 1),
    "styblinski-tang": (2 * -39.1661657037714154639, 4, 1),
    "easom": (-1, 1, 1),
    "eggholder": (-959.640662720850802833, 1, 1),
    "freudenstein-roth": (0, 2, 1),
    "trigonometric": (0, 2, 2),
}

# what papers and collections print of the minima, with as many digits as they print
PUBLISHED = {
    "branin": [0.397887],
    "himmelblau": [0.0],
    "six-hump-camel": [-1.0316, -0.2155, 2.1042],
    "goldstein-price": [3.0, 30.0, 84.0, 840.0],
    "three-hump-camel": [0.0, 0.2986],
    "michalewicz": [-1.8013],
    "eggholder": [-959.6407],
    "freudenstein-roth": [0.0, 48.9842],
    "styblinski-tang": [-78.3323, -64.1956, -50.0589],
}

NO_LOWER_HESSIAN = {"ackley"}  # a kink: see test_classic_surfaces.py
# the gradient vanishes along with some curvature, so that its zero is known to a root of the rounding error alone
SINGULAR = {"sum-of-powers", "powell-singular"}


def test_every_classic_minimum_is_known():
    assert {*MINIMA, "saddle", "monkey-saddle"} == set(CLASSIC)


@pytest.mark.parametrize("name", MINIMA)
def test_has_the_minimum_of_its_closed_form(name):
    facts = facts_of(SURFACES[name])
    f_star, listed, best = MINIMA[name]
    assert facts.f_star == pytest.approx(f_star, rel=1e-15, abs=1e-29)
    assert (len(facts.minimisers), facts.is_global.sum()) == (listed, best)
    assert (np.diff(facts.minimum_losses) > -1e-12).all()


@pytest.mark.parametrize("name", PUBLISHED)
def test_its_minima_are_the_published_ones(name):
    found = np.unique(facts_of(SURFACES[name]).minimum_losses.round(6))[: len(PUBLISHED[name])]
    # printed to four digits after the point, not always rounded
    np.testing.assert_allclose(found, PUBLISHED[name], atol=1e-4)


@cache
def derivatives_of(name):
    made = SURFACES[name]
    options = compilation.known(compilation.ONCE)
    return jax.jit(jax.grad(made), compiler_options=options), jax.jit(jax.hessian(made), compiler_options=options)


@pytest.mark.parametrize("name", sorted(set(MINIMA) - NO_LOWER_HESSIAN - SINGULAR))
def test_newtons_method_finds_every_digit_of_its_minimisers_again(name):
    made = SURFACES[name]
    gradient, hessian = derivatives_of(name)
    low, high = made.box_bounds(made.dimension)
    for point in facts_of(made).minimisers:
        free = (point > low) & (point < high)
        x = np.where(free, point + 1e-4 * np.minimum(1, np.abs(high - low)), point)
        with jax.enable_x64(True):
            for _ in range(20):
                step = np.linalg.solve(np.asarray(hessian(x))[np.ix_(free, free)], np.asarray(gradient(x))[free])
                x[free] -= step
        np.testing.assert_allclose(x, point, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("name", [name for name in MINIMA if MINIMA[name][1] > 1])
def test_its_local_minima_are_strict(name):
    made = SURFACES[name]
    facts = facts_of(made)
    generator = np.random.default_rng(0)
    for point, loss, hessian in zip(facts.minimisers, facts.minimum_losses, facts.hessians, strict=True):
        assert np.linalg.eigvalsh(hessian)[0] > 0.1
        around = generator.normal(size=(200, made.dimension))
        around /= np.linalg.norm(around, axis=1)[:, None]
        assert values(made, point + 1e-2 * around).min() > loss


def test_freudenstein_and_roths_local_minimum_has_a_closed_form():
    facts = facts_of(SURFACES["freudenstein-roth"])
    root = np.sqrt(22)
    np.testing.assert_allclose(facts.minimisers[1], [(53 - 4 * root) / 3, (2 - root) / 3], rtol=1e-15)
    assert facts.minimisers[1].round(4).tolist() == [11.4128, -0.8968]  # as published, in four digits


# published for n = 5 and 10 in four digits: -4.687658 and -9.660152
@pytest.mark.parametrize(("n", "published"), [(5, -4.687658), (10, -9.660152)])
def test_michalewicz_has_its_published_minima(n, published):
    made = of_length("michalewicz", n)
    minimisers = made.minimiser_points(n, {})
    assert len(minimisers) == 1  # 5! and 10! are too many to list
    assert values(made, minimisers)[0] == pytest.approx(published, abs=5e-7)


@pytest.mark.parametrize("m", [1, 2, 10, 30])
def test_michalewicz_has_one_minimum_in_every_gorge(m):
    made = of_length("michalewicz", 3).with_parameters(m=m)
    facts = facts_of(made)
    assert len(facts.minimisers) == 1 * 2 * 3
    assert facts.f_star == facts.minimum_losses[0] == facts.minimum_losses.min()
    fine = np.linspace(0, np.pi, 20_001)
    for i in (1, 2, 3):
        wave = -np.sin(fine) * np.sin(i * fine**2 / np.pi) ** (2 * m)
        lowest = 1 + np.flatnonzero((wave[1:-1] < wave[:-2]) & (wave[1:-1] < wave[2:]))
        found = np.unique(facts.minimisers[:, i - 1])
        np.testing.assert_allclose(found, fine[lowest], atol=fine[1])


# ---- nothing is lower


HARD = {"griewank", "eggholder"}  # the search may end in another minimum, but in none that is lower


@pytest.mark.parametrize(
    "name",
    "himmelblau branin mccormick three-hump-camel six-hump-camel goldstein-price ackley rastrigin griewank levy "
    "schwefel michalewicz styblinski-tang easom eggholder freudenstein-roth trigonometric dixon-price".split(),
)
def test_a_global_search_finds_nothing_lower(name):
    made = SURFACES[name]
    box = np.transpose(made.box_bounds(made.dimension))
    found = scipy.optimize.differential_evolution(
        lambda x: float(FORMULAS[name](list(x))), box, seed=0, maxiter=200, popsize=20, tol=1e-10
    )
    f_star = facts_of(made).f_star
    assert found.fun >= f_star - 1e-12 * (1 + abs(f_star))
    if name not in HARD:  # the search could have found it
        assert found.fun == pytest.approx(f_star, abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    "himmelblau branin mccormick three-hump-camel six-hump-camel goldstein-price styblinski-tang freudenstein-roth "
    "trigonometric dixon-price wood".split(),
)
def test_every_minimum_in_the_box_is_listed(name):
    made = SURFACES[name]
    gradient, _ = derivatives_of(name)
    low, high = made.box_bounds(made.dimension)
    listed, reached = facts_of(made).minimisers, set()
    bounds = None if made.bounds is None else list(zip(low, high, strict=True))
    for start in low + (high - low) * np.random.default_rng(0).random((40, made.dimension)):
        with jax.enable_x64(True):
            found = scipy.optimize.minimize(
                lambda x: float(FORMULAS[name](list(x))),
                start,
                jac=lambda x: np.asarray(gradient(x)),
                method="L-BFGS-B",
                bounds=bounds,
                options={"maxiter": 5000, "ftol": 0, "gtol": 1e-8},
            ).x
        if ((low < found) & (found < high)).all():
            distances = np.linalg.norm(listed - found, axis=1)
            assert distances.min() < 1e-4, found
            reached.add(int(distances.argmin()))
    assert reached == set(range(len(listed)))
