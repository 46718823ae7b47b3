"""What a picture shows of a surface."""

import numpy as np
import pytest

from gdbench.surfaces import SURFACES
from gdbench.surfaces.facts import facts_of, values
from gdbench.surfaces.landscape import landscape_of


def path_to(surface, steps=50, wild=None):
    start = surface.start_point(surface.dimension)
    known = facts_of(surface).minimisers
    goal = known[0] if len(known) else np.zeros(surface.dimension)
    x = goal + (start - goal) * np.linspace(1, 0, steps)[:, None] ** 2
    if wild is not None:
        x = np.concatenate([x, wild[None]])
    return x, values(surface, x)


@pytest.mark.parametrize("name", SURFACES)
def test_a_frame_holds_the_path_and_every_minimiser(name):
    surface = SURFACES[name]
    x, loss = path_to(surface)
    picture = landscape_of(surface, facts_of(surface), [(x, loss)], loss[0])
    u, v = picture["u"], picture["v"]
    for point in [*x, *picture["minimisers"]]:
        # on the edge where a bound is
        assert u[0] <= point[0] <= u[-1]
        if surface.dimension == 2:
            assert v[0] <= point[1] <= v[-1]
    if surface.bounds is not None and surface.dimension <= 2:
        low, high = surface.bounds_of(surface.dimension)
        for axis, least, most in zip((u, v), low, high, strict=False):
            assert least <= axis.min(initial=least)
            assert axis.max(initial=most) <= most
    else:
        assert u[0] < x[:, 0].min()
        assert x[:, 0].max() < u[-1]
    if picture["kind"] == "plane":
        corner = values(surface, np.array([[u[0], v[-1]]]))[0]
        assert picture["loss"][-1, 0] == pytest.approx(corner, rel=1e-12)


def test_without_a_minimum_the_frame_holds_the_box():
    surface = SURFACES["saddle"]
    start = surface.start_point(2)[None]
    picture = landscape_of(surface, facts_of(surface), [(start, values(surface, start))], 1.0)
    low, high = surface.box_bounds(2)
    for axis, least, most in zip((picture["u"], picture["v"]), low, high, strict=True):
        assert axis[0] < least < most < axis[-1]


def test_a_wild_iterate_does_not_set_the_frame():
    surface = SURFACES["ellipse"]
    calm = path_to(surface)
    wild = path_to(surface, wild=np.array([0.0, 3.9]))
    facts = facts_of(surface)
    assert np.array_equal(
        landscape_of(surface, facts, [wild], calm[1][0])["v"], landscape_of(surface, facts, [calm], calm[1][0])["v"]
    )


def test_principal_components_of_a_path_in_a_plane():
    surface = SURFACES["ellipse"].with_parameters(dimension=6)
    generator = np.random.default_rng(0)
    plane = np.linalg.qr(generator.normal(size=(6, 2)))[0].T
    x = generator.normal(size=(200, 2)) * [3.0, 1.0] @ plane
    loss = values(surface, x)
    picture = landscape_of(surface, facts_of(surface), [(x, loss)], loss.max())
    assert picture["kind"] == "pca"
    assert picture["share"].sum() == pytest.approx(1.0)
    axes = picture["axes"]
    np.testing.assert_allclose(axes @ axes.T, np.eye(2), atol=1e-12)
    # the plane is the one in which the path lies
    np.testing.assert_allclose(axes @ plane.T @ plane, axes, atol=1e-10)
    point = picture["origin"] + picture["u"][5] * axes[0] + picture["v"][9] * axes[1]
    assert picture["loss"][9, 5] == pytest.approx(values(surface, point[None])[0], rel=1e-12)


def test_a_frame_of_many_weights_is_that_of_the_path_and_not_of_far_corners():
    surface = SURFACES["backprop"]
    x, loss = path_to(surface)
    picture = landscape_of(surface, facts_of(surface), [(x, loss)], loss[0])
    flat = (x - picture["origin"]) @ picture["axes"].T
    # 0.08 of its length on either side
    assert np.ptp(picture["u"]) == pytest.approx(1.16 * np.ptp(flat[:, 0]), rel=1e-9)


def test_a_plane_through_bounds_ends_there():
    surface = SURFACES["michalewicz"].with_parameters(dimension=3)
    x, loss = path_to(surface)
    corner = np.array([[3.0, 0.1, 3.1], [0.1, 3.0, 0.2]])
    paths = [(x, loss), (corner, values(surface, corner))]
    picture = landscape_of(surface, facts_of(surface), paths, loss[0] + 100)
    u, v = np.meshgrid(picture["u"], picture["v"])
    points = picture["origin"] + u[..., None] * picture["axes"][0] + v[..., None] * picture["axes"][1]
    beyond = ((points < 0) | (points > np.pi)).any(axis=-1)
    assert 0 < beyond.mean() < 1
    np.testing.assert_array_equal(np.isnan(picture["loss"]), beyond)
