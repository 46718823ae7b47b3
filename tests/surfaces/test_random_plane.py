"""The loss on filter-normalised random planes: directions, projection, share of variance, and their picture."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from helpers.synthetic_result import benchmark

from gdbench import plots
from gdbench.engine.records import Trajectory
from gdbench.errors import UsageError
from gdbench.plots import plane
from gdbench.plots.contours import ground_of as frame_of
from gdbench.results.folder import read_contours, write_contours
from gdbench.runner.analysis import landscape_around
from gdbench.surfaces import SURFACES, surface
from gdbench.surfaces.facts import Facts, facts_of, values
from gdbench.surfaces.networks import Network
from gdbench.surfaces.random_plane import random_directions, random_plane_of

# 3 inputs, 4 hidden units, 2 outputs, with biases: 16 + 10 weights
NETWORK = Network((3, 4, 2), True, "relu", "linear")
INPUTS, TARGETS = np.random.default_rng(5).normal(size=(6, 3)), np.random.default_rng(6).normal(size=(6, 2))
UNKNOWN = Facts(np.zeros((0, 26)), np.zeros(0), np.nan, np.zeros((0, 26, 26)), np.nan, "")


def relu(x, inputs, targets):
    """A small network."""
    return NETWORK.error(x, inputs, targets)


def relu_surface(filters):
    data = (INPUTS, TARGETS)
    return surface(name="relu", start=np.zeros(26), data=data, filters=filters, register=False)(relu)


def descent(end, reach, steps=9, seed=0):
    """A path `[steps, n]` to `end` that wriggles, with losses that fall."""
    wriggle = np.random.default_rng(seed).normal(size=(steps, len(end)))
    x = end + reach * np.linspace(1, 0, steps)[:, None] * wriggle
    return x, np.linspace(2.0, 1.0, steps)


def test_every_filter_of_a_direction_is_as_long_as_that_of_the_weights_and_biases_stay():
    centre = np.random.default_rng(7).normal(size=26) * np.geomspace(0.01, 100, 26)
    centre[[1, 5, 9]] = 0.0  # what goes into the second hidden unit
    first, second = random_directions(centre, NETWORK.filters, 3)
    assert abs(first @ second) < 0.99 * np.linalg.norm(first) * np.linalg.norm(second)
    own = [np.asarray(matrix) for matrix in NETWORK.matrices(jnp.asarray(centre))]
    for direction in (first, second):
        for matrix, weights in zip(NETWORK.matrices(direction), own, strict=True):
            np.testing.assert_allclose(
                np.linalg.norm(matrix[:-1], axis=0), np.linalg.norm(weights[:-1], axis=0), rtol=1e-6
            )
            assert not matrix[-1].any()
    # whatever the numbers of the filters are
    again = random_directions(centre, np.where(NETWORK.filters < 0, -1, NETWORK.filters * 10**12), 3)
    assert np.array_equal(again, [first, second])
    assert not np.allclose(random_directions(centre, NETWORK.filters, 4), again)


def test_directions_are_gaussian_within_a_filter():
    # of all directions alike: the mean of d dᵀ over seeds is |θ|²/n times the identity; 400 of them leave some 5 %
    drawn = np.concatenate([random_directions(np.ones(3), np.zeros(3, int), seed) for seed in range(200)])
    np.testing.assert_allclose(drawn.T @ drawn / len(drawn), np.eye(3), atol=0.2)


def test_rescaled_layers_give_the_same_picture():
    """The point of the paper: a ReLU network computes the same with w1, b1 times c and w2 by c; so does its plane."""
    with_filters, without = relu_surface(NETWORK.filters), relu_surface(None)
    x, loss = descent(np.random.default_rng(8).normal(size=26), 0.05)
    scale = np.concatenate([np.full(16, 7.0), np.full(8, 1 / 7.0), np.ones(2)])
    np.testing.assert_allclose(values(with_filters, x * scale), values(with_filters, x), rtol=1e-12)
    found, rescaled = (random_plane_of(with_filters, UNKNOWN, [(p, loss)], 0, 2.0) for p in (x, x * scale))
    assert np.array_equal(found["random_u"], rescaled["random_u"])
    np.testing.assert_allclose(rescaled["random_loss"], found["random_loss"], rtol=1e-10)  # sums of other roundings
    plain, changed = (random_plane_of(without, UNKNOWN, [(p, loss)], 0, 2.0) for p in (x, x * scale))
    assert np.abs(np.log(changed["random_loss"] / plain["random_loss"])).max() > 1


@pytest.fixture(scope="module")
def quadratic():
    """Two paths that end equally low on an ellipse of five weights, not in its minimum, and their plane."""
    ellipse = SURFACES["ellipse"].with_parameters(dimension=5)
    paths = [descent(np.arange(1.0, 6), 2.0), descent(np.full(5, 3.0), 1.0, steps=30, seed=1)]
    return ellipse, paths, random_plane_of(ellipse, facts_of(ellipse), paths, 0, 2.0)


def test_on_a_quadratic_the_plane_holds_the_quadratic_form(quadratic):
    ellipse, _, found = quadratic
    hessian = facts_of(ellipse).hessians[0]
    # of two that end equally low, the first
    np.testing.assert_array_equal(found["random_origin"], np.arange(1.0, 6))
    u, v = np.meshgrid(found["random_u"], found["random_v"])
    x = found["random_origin"] + u[..., None] * found["random_axes"][0] + v[..., None] * found["random_axes"][1]
    np.testing.assert_allclose(found["random_loss"], np.einsum("vui,ij,vuj->vu", x, hessian, x) / 2, rtol=1e-10)


def test_paths_are_projected_by_least_squares(quadratic):
    _, paths, found = quadratic
    (x, loss), axes, origin = paths[1], found["random_axes"], found["random_origin"]
    minima = {"minimisers": np.stack([origin + axes[0], np.zeros(5)]), "minimum_loss": np.zeros(2)}
    ground = frame_of(plane.plane_of({**found, **minima, "dimension": 5}), x, loss)
    expected = np.linalg.lstsq(axes.T, (x - origin).T)[0].T
    np.testing.assert_allclose(ground.place(x, loss), expected, rtol=1e-10, atol=1e-12)
    # a minimiser is shown where it lies in the plane, and nowhere else
    np.testing.assert_allclose(ground.minimisers, [[1.0, 0.0]], atol=1e-12)
    assert ground.low[0] <= -1 < 1 <= ground.high[0]
    assert expected.min(axis=0)[0] >= ground.low[0]


def test_the_share_of_variance_is_that_of_the_regression(quadratic):
    _, paths, found = quadratic
    left, total = 0.0, 0.0
    for x, _ in paths:
        move = (x - found["random_origin"]).T
        left += np.linalg.lstsq(found["random_axes"].T, move)[1].sum() / len(x)
        total += np.sum(move**2) / len(x)
    assert found["random_share"] == pytest.approx(1 - left / total, rel=1e-10)
    assert 0.05 < found["random_share"] < 0.95


def test_weights_that_end_at_zero_are_shown_at_the_scale_of_their_path():
    ellipse = SURFACES["ellipse"].with_parameters(dimension=5)
    x, loss = descent(np.zeros(5), 3.0)
    found = random_plane_of(ellipse, facts_of(ellipse), [(x, loss)], 0, loss[0])
    reach = np.linalg.norm(x, axis=1).max()
    np.testing.assert_allclose(np.linalg.norm(found["random_axes"], axis=1), reach, rtol=1e-12)
    assert found["random_unit"] == "distance to the farthest iterate"


def test_no_plane_is_made_where_there_is_none():
    network = relu_surface(np.append(-np.ones(25, int), 0))
    x, loss = descent(np.ones(26), 0.5)
    # one weight alone may move: both directions are ± it
    assert random_plane_of(network, UNKNOWN, [(x, loss)], 0, 2.0) == {}
    # a run that falls without end, and one that is too far away
    assert random_plane_of(relu_surface(None), UNKNOWN, [(x, np.append(loss[:-1], -np.inf))], 0, 2.0) == {}
    assert random_plane_of(relu_surface(None), UNKNOWN, [(x * 1e200, loss)], 0, 2.0) == {}
    # and no run came down
    assert random_plane_of(relu_surface(None), UNKNOWN, [(x, loss[::-1])], 0, 2.0) == {}
    assert random_plane_of(SURFACES["ellipse"], facts_of(SURFACES["ellipse"]), [(x[:, :2], loss)], 0, 2.0) == {}


def test_filters_follow_from_the_layout():
    plain = SURFACES["backprop"].filter_numbers()
    assert plain.tolist() == [0, 1, 2] * 2 + [3, 4, 5] * 3 + [6] * 3
    biased = SURFACES["backprop"].with_parameters(layout="2,2,1", biases=True).filter_numbers()
    assert biased.tolist() == [0, 1, 0, 1, -1, -1, 2, 2, -1]
    assert SURFACES["ellipse"].with_parameters(dimension=3).filter_numbers().tolist() == [0, 0, 0]


@pytest.mark.parametrize("filters", [[0, 0], [0, 0, -2], [0.0, 1.0, 1.0], lambda dimension: [0] * (dimension + 1)])
def test_wrong_filters_are_told_at_once(filters):
    with pytest.raises(UsageError, match="surface 'bowl': filters must be 3 whole numbers from -1"):
        surface(name="bowl", start=(1.0, 1.0, 1.0), filters=filters, register=False)(lambda x: x @ x)


def test_the_picture_names_the_share_and_comes_from_the_files(tmp_path):
    frames = benchmark(("quadratic-5d",), ("sgd", "momentum"), rate=0.02)
    ellipse = SURFACES["ellipse"].with_parameters(dimension=5)
    weights = [f"x{i}" for i in range(5)]
    paths = [
        (Trajectory(own[weights].to_numpy(), own["loss"].to_numpy(), np.zeros(len(own))), False)
        for _, own in frames.trajectory.groupby("run")
    ]
    record = landscape_around(ellipse, facts_of(ellipse), paths, 0)
    # all iterates of a path of many weights that came down are in the frame
    for path, _ in paths:
        flat = (path.x - record["origin"]) @ record["axes"].T
        assert record["u"][0] < flat[:, 0].min()
        assert flat[:, 0].max() < record["u"][-1]
    frames.contours = {"quadratic-5d": record}
    (tmp_path / "read").mkdir()
    written = plots.draw(frames, tmp_path)
    assert [path.name for path in written] == ["trajectory.png", "plane.png", "convergence.png"]
    figure = plots.figures(frames)["plane.png"]
    share = 100 * record["random_share"]
    assert figure.texts[0].get_text() == f"Paths on quadratic-5d: a random plane with {share:.0f} % of their variance"
    write_contours(tmp_path, frames.contours)
    frames.contours = read_contours(tmp_path)
    for one, other in zip(written, plots.draw(frames, tmp_path / "read"), strict=True):
        assert one.read_bytes() == other.read_bytes()


def test_several_surfaces_have_a_page_of_planes_and_one_each():
    frames = benchmark(("quadratic-5d", "ellipse", "double-well"), ("sgd",), rate=0.02)
    for name, dimension, share in (("quadratic-5d", 5, 0.0123), ("ellipse", 2, 0.25)):
        record = frames.contours[name]
        record |= {f"random_{key}": record[key] for key in ("u", "v", "loss")}
        record |= {"random_origin": np.zeros(dimension), "random_axes": np.eye(2, dimension), "random_share": share}
    arguments = (frames.runs, frames.table, frames.trajectory, frames.contours)
    figures = dict(plane.figures(*arguments))
    assert list(figures) == ["plane.png", "plane-quadratic-5d.png", "plane-ellipse.png"]
    titles = [axes.get_title("left") or axes.get_title() for axes in figures["plane.png"].axes]
    assert titles == ["quadratic-5d: 1.2 % of variance", "ellipse: 25 % of variance"]
    del frames.contours["ellipse"]["random_loss"]
    assert list(dict(plane.figures(*arguments))) == ["plane.png"]
