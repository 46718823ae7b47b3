"""Decision regions: probabilities against scikit-learn and numpy, where boundaries lie, what is drawn of them."""

from __future__ import annotations

import jax
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb

from gdbench import SURFACES
from gdbench.planning.plan import make_plan
from gdbench.plots import regions as drawn
from gdbench.plots import style
from gdbench.spec.sweep import SweepSpec
from gdbench.spec.validation import validated
from gdbench.surfaces.data import dataset
from gdbench.surfaces.decision_regions import GRID, PREFIX, probabilities, regions_of
from gdbench.surfaces.metrics import scores_of

# of what is stored as float32
STORED = 6e-8


def surface_of(**keys):
    (made,) = make_plan(validated(SweepSpec, {"solver": "sgd", **keys})).surfaces
    return made


def keys_of(found):
    return {name.removeprefix(PREFIX): value for name, value in found.items()}


@pytest.fixture(scope="module")
def petals(tmp_path_factory):
    """Three classes of iris by two measurements, as a file."""
    from sklearn.datasets import load_iris

    frame = load_iris(as_frame=True).frame.iloc[:, 2:]
    path = tmp_path_factory.mktemp("petals") / "petals.csv"
    frame.set_axis(["length", "width", "kind"], axis=1).to_csv(path, index=False)
    return str(path)


@pytest.fixture(scope="module")
def moons():
    return surface_of(data="sklearn:moons", model="logistic", preprocess="standardize", holdout=0.25)


def grid_of(found):
    return np.stack(np.meshgrid(found["u"], found["v"]), axis=-1).reshape(-1, 2)


# ---- probabilities


def test_two_classes_are_sklearns(moons):
    from sklearn.linear_model import LogisticRegression

    inputs, targets = moons.data
    fitted = LogisticRegression(C=0.5).fit(inputs[:, :2], targets)
    x = np.array([*fitted.coef_[0], *fitted.intercept_])
    found = keys_of(regions_of(moons, {7: x}))
    points = grid_of(found)
    wanted = fitted.predict_proba(points)
    np.testing.assert_allclose(probabilities(moons, x, points), wanted, rtol=1e-12)
    np.testing.assert_allclose(found["probability"][0, 0], wanted[:, 1].reshape(GRID, GRID), atol=STORED)
    held_out = moons.held_out[0][:, :2], moons.held_out[1]
    accuracy = fitted.score(inputs[:, :2], targets), fitted.score(*held_out)
    np.testing.assert_allclose(found["accuracy"], [accuracy], rtol=1e-14)
    scores = scores_of(moons, x[None])
    np.testing.assert_allclose(found["accuracy"][0], [scores["train_accuracy"][0], scores["test_accuracy"][0]])
    assert found["runs"].tolist() == [7]


def test_three_classes_are_sklearns(petals):
    from sklearn.linear_model import LogisticRegression

    made = surface_of(data=petals, target="kind", model="softmax")
    inputs, targets = made.data
    fitted = LogisticRegression().fit(inputs[:, :2], targets)
    weights = np.column_stack([fitted.coef_, fitted.intercept_]).T
    x = (weights[:, 1:] - weights[:, :1]).reshape(-1)
    found = keys_of(regions_of(made, {0: x}))
    wanted = fitted.predict_proba(grid_of(found))
    np.testing.assert_allclose(probabilities(made, x, grid_of(found)), wanted, rtol=1e-11, atol=1e-14)
    stored = found["probability"][0].reshape(2, -1).T
    np.testing.assert_allclose(stored, wanted[:, 1:], atol=STORED)
    assert found["accuracy"][0, 0] == pytest.approx(fitted.score(inputs[:, :2], targets))
    assert np.isnan(found["accuracy"][0, 1])


def test_a_network_of_units_is_numpys():
    made = surface_of(data="sklearn:moons", model="mlp", hidden="3")
    x = np.random.default_rng(0).normal(size=made.dimension)
    first, last = x[:9].reshape(3, 3), x[9:]
    points = np.random.default_rng(1).normal(size=(5, 2))
    net = np.tanh(points @ first[:2] + first[2]) @ last[:3] + last[3]
    np.testing.assert_allclose(probabilities(made, x, points)[:, 1], 1 / (1 + np.exp(-net)), rtol=1e-13)


@pytest.mark.parametrize("biases", [False, True])
def test_the_corners_of_backprop_are_the_networks_outputs(biases):
    made = SURFACES["backprop"].with_parameters(layout="2,2,1", biases=biases)
    x = np.random.default_rng(3).normal(size=made.dimension) * 3
    layer, rest = made.data[0], x
    for high in (2, 1):
        layer = np.column_stack([layer, np.ones(4)]) if biases else layer
        matrix, rest = rest[: layer.shape[1] * high].reshape(-1, high), rest[layer.shape[1] * high :]
        layer = 1 / (1 + np.exp(-layer @ matrix))
    np.testing.assert_allclose(probabilities(made, x, made.data[0])[:, 1:], layer, rtol=1e-13)
    found = keys_of(regions_of(made, {0: x}))
    assert found["accuracy"][0, 0] == np.mean((layer > 0.5) == (made.data[1] > 0.5))
    assert found["u"][0] < 0 < 1 < found["u"][-1]


def test_all_corners_are_right_where_the_goal_is_met():
    # exclusive or by hand: "or" and "and" of the inputs, and their difference
    x = np.array([20.0, 20, 20, 20, -10, -30, 20, -20, -10])
    made = SURFACES["backprop"].with_parameters(layout="2,2,1", biases=True)
    with jax.enable_x64(True):
        assert bool(made.goal(x))
    assert keys_of(regions_of(made, {0: x}))["accuracy"][0, 0] == 1


def test_a_neuron_is_undecided_on_its_line(moons):
    w, b = np.array([1.5, -0.7]), 0.4
    along = np.linspace(-3, 3, 7)
    line = np.column_stack([along, (b + w[0] * along) / -w[1]])
    np.testing.assert_allclose(probabilities(moons, np.array([*w, b]), line), 0.5, atol=1e-14)
    ground = regions_of(moons, {0: np.array([*w, b])})
    ((_, figure),) = drawn.figures(pd.DataFrame({"run": [0], "solver": ["sgd"]}), {"moons": ground})
    vertices = np.concatenate([path.vertices for lines in figure.axes[0].collections for path in lines.get_paths()])
    # the logistic function is joined by straight lines between the points of the grid
    step = np.diff(ground[PREFIX + "u"])[0]
    assert np.abs(vertices @ w + b).max() < 0.02 * step * np.linalg.norm(w)
    assert np.ptp(vertices[:, 0]) > 2


# ---- where there are none


@pytest.mark.parametrize(
    "keys",
    [
        {"data": "sklearn:wine", "model": "softmax"},
        {"data": "sklearn:moons"},
        {"data": "sklearn:moons", "model": "mlp", "task": "regression"},
        {"surface": "ellipse"},
    ],
)
def test_without_two_inputs_and_classes_there_are_none(keys):
    made = surface_of(**keys)
    assert made.classifier is None
    assert regions_of(made, {0: np.zeros(made.dimension)}) == {}


def test_more_classes_than_colours_are_not_drawn(tmp_path):
    draw = np.random.default_rng(0)
    frame = pd.DataFrame({"a": draw.normal(size=27), "b": draw.normal(size=27), "kind": np.arange(27) % 9})
    frame.to_csv(tmp_path / "nine.csv", index=False)
    made = surface_of(data=str(tmp_path / "nine.csv"), target="kind", model="softmax", weight_decay=0.1)
    assert regions_of(made, {0: np.zeros(made.dimension)}) == {}
    assert len(drawn.CLASSES) == 8


def test_axes_are_named_for_the_features_and_what_was_done_to_them(moons, petals):
    assert moons.classifier.labels == ("x0 (standardized)", "x1 (standardized)")
    assert surface_of(data=petals, target="kind", model="softmax").classifier.labels == ("length", "width")
    white = surface_of(data="sklearn:moons", model="logistic", preprocess="whiten")
    assert white.classifier.labels == ("pc0 (whitened)", "pc1 (whitened)")
    assert surface_of(data="sklearn:moons", model="mlp", preprocess="minmax").classifier.labels[0].startswith("x0 (")
    assert set(dataset.PREPROCESSINGS) - {"raw"} == {"center", "scale", "standardize", "minmax", "whiten"}


# ---- pictures


def pages(ground, solvers, surface="moons"):
    runs = pd.DataFrame({"run": range(len(solvers)), "solver": solvers})
    return dict(drawn.figures(runs, {surface: ground}))


def test_every_solver_has_a_panel_with_its_examples_and_accuracies(moons):
    ends = {0: np.array([1.0, -2, 0.3]), 1: np.array([0.1, -0.2, 0])}
    ground = regions_of(moons, ends)
    (figure,) = pages(ground, ["sgd", "a-name-that-leaves-no-room"]).values()
    assert len(figure.axes) == 2
    for axes, (train, test) in zip(figure.axes, ground[PREFIX + "accuracy"], strict=True):
        texts = [text.get_text() for text in (axes.title, axes._left_title, axes._right_title, *axes.texts)]
        assert any(f"train {100 * train:.3g} %, test {100 * test:.3g} %" == text for text in texts)
        assert axes.get_xlabel() == "x0 (standardized)"
        shown = [line.get_xydata() for line in axes.lines]
        np.testing.assert_array_equal(
            np.sort(np.concatenate(shown), axis=0),
            np.sort(np.concatenate([moons.data[0], moons.held_out[0]])[:, :2], axis=0),
        )
        held_out = [len(line.get_xdata()) for line in axes.lines if line.get_marker() == "D"]
        assert sum(held_out) == len(moons.held_out[1])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "outer",
        "inner",
        "trained on",
        "held out",
        "probability ½",
    ]


def test_shades_are_of_the_likeliest_class_and_paler_towards_a_guess():
    chances = np.array([[[0.9, 0.5, 0.2]], [[0.1, 0.5, 0.8]]])
    (row,) = drawn.shades(chances)
    # how much of each colour lies over white: of 0.9 four fifths of the way from a guess to certainty
    for place, colour, way in ((0, 0, 0.8), (1, 0, 0.0), (2, 1, 0.6)):
        strength = (1 - row[place]) / (1 - np.array(to_rgb(drawn.CLASSES[colour])))
        np.testing.assert_allclose(strength, drawn.FAINT + way * (drawn.FULL - drawn.FAINT), rtol=1e-12)
    (lead,) = drawn.leads(chances)
    np.testing.assert_allclose(lead, [[-0.8, 0, 0.6]], atol=1e-15)


def test_classes_have_no_solvers_colour_and_differ_in_grey():
    assert not {*map(str.lower, drawn.CLASSES)} & {*map(str.lower, style.COLOURS)}
    grey = [np.dot(np.array(to_rgb(colour)) ** 2.2, [0.2126, 0.7152, 0.0722]) for colour in drawn.CLASSES[:2]]
    # WCAG's contrast of graphics
    assert (max(grey) + 0.05) / (min(grey) + 0.05) > 3


def test_many_solvers_fill_pages_and_several_surfaces_have_one_each(moons):
    ends = {run: np.array([1.0, run, 0.0]) for run in range(22)}
    ground = regions_of(moons, ends)
    assert list(pages(ground, [f"solver{i}" for i in range(22)])) == ["regions.png", "regions-page2.png"]
    runs = pd.DataFrame({"run": [0, 1], "solver": ["sgd", "adam"]})
    two = {"a b": regions_of(moons, {0: ends[0]}), "c": regions_of(moons, {1: ends[1]}), "ellipse": {"dimension": 2}}
    assert list(dict(drawn.figures(runs, two))) == ["regions-a-b.png", "regions-c.png"]


@pytest.mark.parametrize("solvers", [["sgd"], ["a-name-that-leaves-no-room"], ["sgd", "a-name-that-leaves-no-room"]])
def test_nothing_covers_anything(moons, solvers):
    with style.look():
        (figure,) = pages(regions_of(moons, dict.fromkeys(range(len(solvers)), np.ones(3))), solvers).values()
        figure.canvas.draw()
        renderer = figure.canvas.get_renderer()
        boxes = [axes.get_tightbbox(renderer) for axes in figure.axes]
        boxes += [text.get_window_extent(renderer) for text in figure.texts]
        boxes.append(figure.legends[0].get_window_extent(renderer))
    for i, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:i])
        assert figure.bbox.x0 <= box.x0
        assert figure.bbox.y0 <= box.y0
        assert box.x1 <= figure.bbox.x1
        assert box.y1 <= figure.bbox.y1


def test_of_many_examples_some_are_drawn_and_it_is_said(moons, monkeypatch):
    monkeypatch.setattr(drawn, "EXAMPLES", 40)
    (figure,) = pages(regions_of(moons, {0: np.ones(3)}), ["sgd"]).values()
    counts = [(line.get_marker(), len(line.get_xdata())) for line in figure.axes[0].lines]
    assert sum(count for _, count in counts) == 40
    assert sum(count for marker, count in counts if marker == "D") == 10
    assert "40 of the 200 examples" in figure.texts[1].get_text()


def test_weights_that_overflow_are_told_rather_than_drawn(moons):
    ground = regions_of(moons, {0: np.full(3, np.nan)})
    assert ground[PREFIX + "accuracy"].tolist() == [[0, 0]]
    (figure,) = pages(ground, ["sgd"]).values()
    assert "overflow" in figure.axes[0].texts[0].get_text()
    assert not figure.axes[0].images
