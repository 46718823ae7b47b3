"""Models of tables: E, gradients, minimisers and metrics against scikit-learn, torch and numpy; whitening; the keys."""

from __future__ import annotations

from itertools import pairwise

import jax
import numpy as np
import pandas as pd
import pytest
from helpers import torch_networks

import gdbench
from gdbench.cli.app import call
from gdbench.cli.tables import results_table
from gdbench.columns import hyperparameters
from gdbench.errors import DataError, SpecError, UsageError
from gdbench.planning.plan import make_plan
from gdbench.results.table import table_of
from gdbench.spec.sweep import SweepSpec
from gdbench.spec.validation import validated
from gdbench.surfaces.data import dataset, models, preprocessing, regression, softmax_regression
from gdbench.surfaces.data.holdout import held_out_rows
from gdbench.surfaces.data.models import USUAL, Multilayer, Softmax, unit_of
from gdbench.surfaces.facts import facts_of, values
from gdbench.surfaces.metrics import MOST, scores_of
from gdbench.surfaces.networks import Network, backward

# of a Newton solution in scikit-learn, whose stopping rule leaves so much
SKLEARN = {"rtol": 1e-8, "atol": 1e-8}


def surface_of(**keys):
    (made,) = make_plan(validated(SweepSpec, {"solver": "sgd", **keys})).surfaces
    return made


def table(examples=120, features=3, seed=0):
    """Inputs with intercept, and the classes of a noisy softmax model with three classes."""
    draw = np.random.default_rng(seed)
    inputs = np.column_stack([draw.normal(size=(examples, features)), np.ones(examples)])
    scores = inputs @ draw.normal(size=(features + 1, 3)) + draw.gumbel(size=(examples, 3))
    return inputs, scores.argmax(axis=1).astype(float)


def gradient_of(function, x, *arrays, **settings):
    with jax.enable_x64(True):
        return np.asarray(jax.grad(lambda x: function(x, *arrays, **settings))(x))


def value_of(function, x, *arrays, **settings):
    with jax.enable_x64(True):
        return float(function(jax.numpy.asarray(x), *arrays, **settings))


# ---- minimisers


def by_class(fitted):
    """Coefficients of scikit-learn's classes less those of the first one, flat as ours."""
    weights = np.column_stack([fitted.coef_, fitted.intercept_]).T
    return (weights[:, 1:] - weights[:, :1]).reshape(-1)


@pytest.mark.parametrize("decay", [0.0, 1e-3, 0.1, 10.0])
def test_the_minimum_of_softmax_is_sklearns(decay):
    from sklearn.linear_model import LogisticRegression

    inputs, targets = table()
    strength = 1 / (decay * len(inputs)) if decay else np.inf
    fitted = LogisticRegression(C=strength, solver="newton-cg", tol=1e-12, max_iter=1000).fit(inputs[:, :-1], targets)
    found = softmax_regression.softmax_solution(inputs, targets, 3, decay)
    np.testing.assert_allclose(found.minimiser, by_class(fitted), **SKLEARN)
    assert np.linalg.norm(gradient_of(Softmax(3), found.minimiser, inputs, targets, weight_decay=decay)) < 1e-14
    assert found.f_star == pytest.approx(value_of(Softmax(3), found.minimiser, inputs, targets, weight_decay=decay))
    assert found.note == ""


@pytest.mark.parametrize("decay", [1e-3, 0.1, 10.0])
def test_the_minima_of_decayed_regressions_are_sklearns(decay):
    from sklearn.linear_model import LogisticRegression, Ridge

    inputs, targets = table()
    labels = (targets > 0) * 1.0
    fitted = LogisticRegression(C=1 / (decay * 120), solver="newton-cholesky", tol=1e-12).fit(inputs[:, :-1], labels)
    found = softmax_regression.decayed_logistic_solution(inputs, labels, decay).minimiser
    np.testing.assert_allclose(found, [*fitted.coef_[0], fitted.intercept_[0]], **SKLEARN)
    assert np.linalg.norm(gradient_of(models.logistic, found, inputs, labels, weight_decay=decay)) < 1e-14
    ridge = Ridge(alpha=120 * decay / 2, solver="svd").fit(inputs[:, :-1], targets)
    found = regression.linear_solution(inputs, targets, decay).minimiser
    np.testing.assert_allclose(found, [*ridge.coef_, ridge.intercept_], rtol=1e-12, atol=1e-14)
    assert np.linalg.norm(gradient_of(models.linear, found, inputs, targets, weight_decay=decay)) < 1e-13


def test_columns_of_very_different_size_cost_a_minimum_no_digits():
    inputs, targets = table()
    size = np.array([1e-6, 1.0, 1e5, 1.0])
    small = softmax_regression.softmax_solution(inputs, targets, 3).minimiser.reshape(4, 2)
    scaled = softmax_regression.softmax_solution(inputs * size, targets, 3).minimiser.reshape(4, 2)
    np.testing.assert_allclose(scaled * size[:, None], small, rtol=1e-12)


def test_softmax_of_two_classes_is_the_logistic_neuron():
    inputs, targets = table()
    labels = (targets > 0) * 1.0
    one, two = softmax_regression.softmax_solution(inputs, labels, 2), regression.logistic_solution(inputs, labels)
    np.testing.assert_allclose(one.minimiser, two.minimiser, rtol=1e-13)
    x = np.array([0.3, -0.2, 0.5, 0.1])
    value = value_of(models.logistic, x, inputs, labels)
    assert value_of(Softmax(2), x, inputs, labels) == pytest.approx(value, rel=1e-14)


@pytest.mark.parametrize(
    ("name", "words"),
    [("wine", "the 3 classes are linearly separable"), ("iris", "the 3 classes are quasi-completely separable")],
)
def test_separable_classes_have_a_minimum_only_with_decay(name, words):
    made = surface_of(data=f"sklearn:{name}", model="softmax", preprocess="standardize")
    assert made.note.startswith(words)
    assert facts_of(made).minimisers.shape == (0, made.dimension)
    decayed = facts_of(made.with_parameters(weight_decay=0.01))
    (x,) = decayed.minimisers
    assert np.linalg.norm(gradient_of(made.function, x, *made.data, weight_decay=0.01)) < 1e-10
    assert np.linalg.eigvalsh(decayed.hessians[0])[0] > 0


def test_iris_is_separable_along_a_direction_that_a_linear_program_finds():
    table_ = dataset.load("sklearn:iris", None, "softmax")
    problem = softmax_regression._Problem(
        dataset.design_matrix(table_), np.empty((0, 5)), (table_.target[:, None] == [1, 2]) * 1.0, np.eye(2)
    )
    # what each example's output is above the others', by the rows of the program and by hand
    v = np.random.default_rng(0).normal(size=(5, 2))
    z = np.concatenate([np.zeros((150, 1)), problem.examples @ v], axis=1)
    own = z[np.arange(150), table_.target.astype(int)]
    rest = [[z[i, c] for c in range(3) if c != table_.target[i]] for i in range(150)]
    np.testing.assert_allclose(
        np.sort((problem.signed() @ v.T.reshape(-1)).reshape(150, 2)), np.sort(own[:, None] - rest), atol=1e-12
    )
    assert softmax_regression.separation(problem.signed()) == "quasi-complete"


def test_a_class_without_examples_has_no_minimum():
    inputs, targets = table()
    found = softmax_regression.softmax_solution(inputs, targets, 4, 0.1)
    assert found.minimiser is None
    assert "class 4 of 4 has no example" in found.note


def test_the_decay_of_softmax_does_not_depend_on_which_class_is_the_first():
    inputs, targets = table()
    turned = softmax_regression.softmax_solution(inputs, (targets + 1) % 3, 3, 0.1)
    assert turned.f_star == pytest.approx(
        softmax_regression.softmax_solution(inputs, targets, 3, 0.1).f_star, rel=1e-14
    )


# ---- networks


def numpys_network(x, inputs, sizes, act):
    """Outputs of a network with biases."""
    layer, first = inputs, 0
    for index, (low, high) in enumerate(pairwise(sizes)):
        matrix = x[first : first + (low + 1) * high].reshape(low + 1, high)
        first += matrix.size
        net = layer @ matrix[:-1] + matrix[-1]
        layer = net if index == len(sizes) - 2 else act(net)
    return layer


@pytest.mark.parametrize(
    "name", ["tanh", "softplus", *(pytest.param(name, marks=pytest.mark.slow) for name in ("relu", "sin"))]
)
def test_a_network_is_torchs(name):
    classes = torch_networks.CASES[name]
    x, inputs, targets = torch_networks.problem(classes)
    loss, *gradient = torch_networks.recorded(name)
    settings = {"hidden": "5,4", "activation": name, "weight_decay": torch_networks.DECAY}
    model = Multilayer(3, classes)
    assert value_of(model, x, inputs, targets, **settings) == pytest.approx(loss, rel=1e-12)
    np.testing.assert_allclose(gradient_of(model, x, inputs, targets, **settings), gradient, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("name", torch_networks.CASES)
def test_torch_still_says_so(name):
    pytest.importorskip("torch")
    # rounding of sums in another order
    np.testing.assert_allclose(torch_networks.record(name), torch_networks.recorded(name), rtol=1e-10, atol=1e-13)


def test_the_gradient_of_a_network_is_the_chain_rules():
    inputs, targets = table()
    model, network = Multilayer(3, 0), Network((3, 6, 1), True, "tanh", "linear")
    x = np.random.default_rng(2).normal(size=network.dimension)
    found = gradient_of(model, x, inputs[:, :-1], targets, hidden="6", activation="tanh")
    with jax.enable_x64(True):
        wanted = backward(network, jax.numpy.asarray(x), inputs[:, :-1], targets[:, None])
    np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-14)


def test_a_network_starts_within_glorots_bounds():
    made = surface_of(data="sklearn:iris", model="mlp", hidden="8,4", seed=5)
    assert made.dimension == 4 * 8 + 8 + 8 * 4 + 4 + 4 * 3 + 3
    bound = np.sqrt(6 / 12)
    first = made.start_point(made.dimension)[: 5 * 8].reshape(5, 8)
    assert (np.abs(first[:-1]) <= bound).all()
    assert np.abs(first[:-1]).max() > 0.8 * bound
    assert (first[-1] == 0).all()
    low, high = made.box_bounds(made.dimension)
    assert (low[:40] == -bound).all()
    assert (high[-15:] == np.sqrt(6 / 7)).all()
    again = surface_of(data="sklearn:iris", model="mlp", hidden="8,4", seed=5)
    np.testing.assert_array_equal(again.start, made.start)
    assert (surface_of(data="sklearn:iris", model="mlp", hidden="8,4", seed=6).start != made.start).any()
    assert made.with_parameters(hidden="8").dimension == 4 * 8 + 8 + 8 * 3 + 3


def test_usual_activations_are_some():
    for name in USUAL[::4]:
        found = unit_of(name)
        assert found(np.float32(0.3)).shape == ()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("tahn", "unknown activation 'tahn'; did you mean 'tanh'?"),
        ("softmax", "'softmax' is no activation: it does not work number by number"),
        ("cumsum", "'cumsum' is no activation"),
        ("flip", "'flip' is no activation"),
        ("isfinite", "'isfinite' is no activation"),
        ("float32", "'float32' is no activation"),
        ("__name__", "unknown activation"),
    ],
)
def test_what_does_not_work_number_by_number_is_no_activation(name, words):
    with pytest.raises(UsageError, match=words.split(";")[0].replace("(", r"\(")):
        unit_of(name)


# ---- metrics


@pytest.mark.parametrize(
    ("source", "model", "task"),
    [
        ("diabetes", "linear", "auto"),
        ("breast_cancer", "logistic", "auto"),
        ("iris", "softmax", "auto"),
        ("iris", "mlp", "auto"),
        ("moons", "mlp", "auto"),
        ("diabetes", "mlp", "auto"),
    ],
)
def test_metrics_are_sklearns(source, model, task):
    from sklearn.metrics import accuracy_score, r2_score

    keys = {"data": f"sklearn:{source}", "model": model, "preprocess": "standardize", "holdout": 0.3, "task": task}
    made = surface_of(**keys)
    loaded = dataset.load(f"sklearn:{source}", None, model)
    mask = held_out_rows(len(loaded.target), 0.3, 0)
    prepared = preprocessing.preprocess(loaded, "standardize", ~mask)
    x = np.random.default_rng(3).normal(size=(3, made.dimension))
    found = scores_of(made, x)
    classes = len(loaded.classes)
    for part, rows in (("train", ~mask), ("test", mask)):
        inputs, targets = dataset.design_matrix(prepared)[rows], loaded.target[rows]
        for run in range(3):
            if model == "mlp":
                sizes = (inputs.shape[1] - 1, 8, classes if classes > 2 else 1)
                outputs = numpys_network(x[run], inputs[:, :-1], sizes, np.tanh)
                outputs = outputs if classes > 2 else outputs[:, 0]
            elif model == "softmax":
                outputs = np.column_stack([np.zeros(len(inputs)), inputs @ x[run].reshape(-1, classes - 1)])
            else:
                outputs = inputs @ x[run]
            if classes:
                predicted = outputs.argmax(axis=1) if outputs.ndim == 2 else outputs > 0
                wanted, name = accuracy_score(targets, predicted), f"{part}_accuracy"
            else:
                wanted, name = r2_score(targets, outputs), f"{part}_r2"
            assert found[name][run] == pytest.approx(wanted, rel=1e-11)
    assert set(found) == ({"train_accuracy", "test_accuracy"} if classes else {"train_r2", "test_r2"})


def test_runs_that_overflow_have_the_worst_score_and_none_depends_on_the_others():
    linear = surface_of(data="sklearn:diabetes", preprocess="standardize", holdout=0.3)
    points = np.random.default_rng(4).normal(size=(MOST + 3, linear.dimension))
    points[7] = np.nan
    points[8] = 1e300
    all_scores = scores_of(linear, points)["test_r2"]
    assert (all_scores[7:9] == -np.inf).all()
    assert np.isfinite(np.delete(all_scores, [7, 8])).all()
    np.testing.assert_array_equal(scores_of(linear, points[-2:])["test_r2"], all_scores[-2:])
    classes = surface_of(data="sklearn:iris", model="softmax")
    x = np.zeros((3, classes.dimension))
    x[1] = np.nan
    # all outputs equal: the first class, a third of the examples
    np.testing.assert_allclose(scores_of(classes, x)["train_accuracy"], [1 / 3, 0, 1 / 3])
    assert "test_accuracy" not in scores_of(classes, x)


def test_a_constant_target_has_no_r2(here):
    (here / "c.csv").write_text("a,y\n1,2\n2,2\n3,2\n")
    made = surface_of(data="c.csv", target="y")
    assert np.isnan(scores_of(made, np.zeros((2, 2)))["train_r2"]).all()


@pytest.mark.slow
def test_scores_stand_in_every_table_and_are_no_settings(here, capsys):
    runs = gdbench.run(
        solvers=["sgd", "adam"],
        data="sklearn:wine",
        model="softmax",
        preprocess="standardize",
        holdout=0.3,
        weight_decay=0.01,
        rates={"low": 0.01, "high": 1, "num": 3},
        steps=200,
        starts=3,
    )
    assert hyperparameters(runs.runs)[0] == "learning_rate"
    assert not {"test_accuracy", "train_accuracy"} & set(hyperparameters(runs.runs))
    for _, row in runs.table.iterrows():
        chosen = runs.runs[
            (runs.runs["solver"] == row["solver"]) & (runs.runs["learning_rate"] == row["learning_rate"])
        ]
        assert row["test_accuracy"] == np.median(chosen["test_accuracy"])
        assert row["test_accuracy"] > 0.85
    assert "test accuracy" in [column.header for column in results_table(runs.table).columns]
    failed = runs.runs.assign(test_accuracy=np.nan)
    assert table_of(failed)["test_accuracy"].isna().all()
    one = runs.runs.copy()
    one.loc[one["start"] == 0, "test_accuracy"] = np.nan
    # of three runs one has none, and counts as the worst: the median is the lower of the other two
    for _, row in table_of(one).iterrows():
        left = one[(one["solver"] == row["solver"]) & (one["learning_rate"] == row["learning_rate"])]["test_accuracy"]
        assert row["test_accuracy"] == left.min()


# ---- preprocessing


@pytest.mark.parametrize("source", ["wine", "diabetes", "breast_cancer", "iris"])
def test_whitened_features_make_a_circle(source):
    prepared = preprocessing.preprocess(dataset.load(f"sklearn:{source}", None), "whiten")
    covariance = prepared.features.T @ prepared.features / len(prepared.features)
    np.testing.assert_allclose(covariance, np.eye(len(covariance)), atol=1e-12)
    np.testing.assert_allclose(prepared.features.mean(axis=0), 0, atol=1e-13)
    facts = facts_of(surface_of(data=f"sklearn:{source}", preprocess="whiten"))
    assert facts.condition_number == pytest.approx(1, abs=1e-10)
    np.testing.assert_allclose(facts.hessians[0], 2 * np.eye(len(covariance) + 1), atol=1e-10)


def test_whitening_is_sklearns_up_to_signs():
    from sklearn.decomposition import PCA
    from sklearn.preprocessing import StandardScaler

    loaded = dataset.load("sklearn:wine", None)
    wanted = PCA(whiten=True).fit_transform(StandardScaler().fit_transform(loaded.features))
    wanted *= np.sqrt(178 / 177)  # the deviation of a sample, there
    found = preprocessing.preprocess(loaded, "whiten").features
    np.testing.assert_allclose(np.abs(found), np.abs(wanted), atol=1e-10)
    # each direction points to where its largest part is positive
    loadings = np.linalg.lstsq(StandardScaler().fit_transform(loaded.features), found, rcond=None)[0]
    assert (loadings[np.abs(loadings).argmax(axis=0), np.arange(13)] > 0).all()


@pytest.mark.parametrize("how", ["minmax", "whiten"])
def test_preprocessing_is_fitted_on_the_training_rows_alone(how):
    loaded = dataset.load("sklearn:wine", None)
    mask = held_out_rows(178, 0.3, 0)
    found = preprocessing.preprocess(loaded, how, ~mask).features
    wild = dataset.Dataset(**{**vars(loaded), "features": np.where(mask[:, None], 1e3, loaded.features)})
    np.testing.assert_allclose(
        preprocessing.preprocess(wild, how, ~mask).features[~mask], found[~mask], rtol=1e-9, atol=1e-9
    )
    if how == "minmax":
        assert (found[~mask].min(axis=0) == 0).all()
        assert (found[~mask].max(axis=0) == 1).all()
        assert found[mask].max() > 1
        train = loaded.features[~mask]
        np.testing.assert_allclose(found[mask][0], (loaded.features[mask][0] - train.min(0)) / np.ptp(train, axis=0))
    else:
        np.testing.assert_allclose(np.cov(found[~mask].T, bias=True), np.eye(13), atol=1e-12)
        assert np.abs(np.cov(found[mask].T, bias=True) - np.eye(13)).max() > 0.1


def test_directions_without_variance_cannot_be_whitened():
    draw = np.random.default_rng(0).normal(size=(30, 2))
    names = ("a", "b", "total")
    columns = np.column_stack([draw, draw.sum(axis=1)])
    with pytest.raises(DataError, match=r"linearly dependent \(rank 2 of 3; '(a|b|total)' is a sum of others\)"):
        preprocessing.preprocess(dataset.Dataset("t", columns, draw[:, 0], names, "y"), "whiten")
    with pytest.raises(DataError, match=r"column 'b' is constant .*'whiten'"):
        preprocessing.preprocess(dataset.Dataset("t", columns * [1, 0, 1], draw[:, 0], names, "y"), "whiten")
    with pytest.raises(DataError, match=r"column 'b' is constant .*'minmax'"):
        preprocessing.preprocess(dataset.Dataset("t", columns * [1, 0, 1], draw[:, 0], names, "y"), "minmax")


@pytest.mark.slow
def test_the_command_shows_that_whitening_makes_a_circle(here, capsys):
    line = "run --data sklearn:wine --preprocess raw,standardize,whiten -s sgd --rates 1e-4,0.5,3 --steps 50 --no-plots"
    assert call(line.split()) == 0
    words = capsys.readouterr().out.replace("\n", " ")
    assert "wine-whiten 1." in words
    runs = pd.read_csv(next((here / "results").iterdir()) / "runs.csv")
    numbers = runs.groupby("surface")["condition_number"].first()
    assert numbers["wine-whiten"] == pytest.approx(1, abs=1e-10)
    assert numbers["wine-raw"] > 1e6 > numbers["wine-standardize"] > 10


# ---- tasks and keys


@pytest.mark.parametrize(
    ("column", "model", "task", "classes"),
    [
        ("text", "mlp", "auto", ("no", "yes")),
        ("flag", "mlp", "auto", ("False", "True")),
        ("number", "mlp", "auto", ()),
        ("number", "mlp", "classification", ("1", "2", "3")),
        ("number", "softmax", "auto", ("1", "2", "3")),
        ("text", "softmax", "auto", ("no", "yes")),
        ("number", "mlp", "regression", ()),
    ],
)
def test_the_target_decides_what_a_network_does(here, column, model, task, classes):
    cells = {"text": ["no", "yes", "no"], "flag": [True, False, True], "number": [1, 2, 3]}
    pd.DataFrame({"x": [1.0, 2.0, 4.0], "target": cells[column]}).to_csv("t.csv", index=False)
    assert dataset.load("t.csv", "target", model, task).classes == classes


def test_labels_of_sklearn_are_classes_and_its_measurements_are_not():
    assert dataset.load("sklearn:wine", None, "mlp").classes == ("class_0", "class_1", "class_2")
    assert dataset.load("sklearn:wine", "alcohol", "mlp").classes == ()
    assert dataset.load("sklearn:moons", None, "mlp").classes == ("outer", "inner")
    assert dataset.load("sklearn:digits", None, "softmax").classes == tuple("0123456789")


def test_moons_are_sklearns():
    from sklearn.datasets import make_moons

    points, target = make_moons(200, noise=0.2, random_state=0)
    loaded = dataset.load("sklearn:moons", None, "logistic")
    np.testing.assert_array_equal(loaded.features, points)
    np.testing.assert_array_equal(loaded.target, target)
    assert loaded.feature_names == ("x0", "x1")
    # no line separates them, so that there is a minimum
    assert np.isfinite(regression.logistic_solution(dataset.design_matrix(loaded), loaded.target).f_star)


@pytest.mark.slow
def test_architecture_activation_and_decay_are_axes(here):
    keys = {
        "data": "sklearn:moons", "model": "mlp", "solver": "adam", "learning_rate": 0.05, "steps": 20,
        "hidden": [2, "3,2"], "activation": ["relu"], "weight_decay": [0.0, 0.01],
    }  # fmt: skip
    result = gdbench.sweep(keys)
    settings = result.runs[["surface.hidden", "surface.activation", "surface.weight_decay"]].astype(str)
    assert len(result.runs) == len(settings.drop_duplicates()) == 4
    assert set(settings["surface.hidden"]) == {"2", "3,2"}
    assert {block.surface.dimension for block in make_plan(validated(SweepSpec, keys)).blocks} == {9, 20}
    assert (result.runs["train_accuracy"] >= 0.4).all()
    assert result.runs["loss_final"].nunique() == 4


@pytest.mark.parametrize(
    ("keys", "path", "words"),
    [
        ({"model": "mlp", "hidden": "8,x"}, ("hidden",), "hidden must be numbers of units by layer, such as 8 or 8,4"),
        ({"model": "mlp", "hidden": "0"}, ("hidden",), "not '0'"),
        ({"model": "mlp", "hidden": ",".join("1" * 11)}, ("hidden",), "at most 10 layers"),
        ({"model": "mlp", "hidden": "9999999"}, ("hidden",), "more than 1 000 000 weights"),
        ({"model": "mlp", "activation": "rellu"}, ("activation",), "did you mean 'relu'?"),
        (
            {"model": "mlp", "param": {"hidden": 3}, "hidden": 4},
            ("hidden",),
            "duplicate setting 'hidden', also given as 'param.hidden'",
        ),
        ({"param": {"weight_decay": -1}}, ("param", "weight_decay"), "must be at least 0, not -1"),
        ({"model": "logistic"}, ("data",), "more than two fit model softmax"),
        ({"target": "alcohol", "model": "softmax"}, ("data",), "needs a target of 2 to 100 classes, found 126 classes"),
    ],
)
def test_a_wrong_key_of_a_model_is_told_with_its_path(keys, path, words):
    with pytest.raises(SpecError) as caught:
        make_plan(validated(SweepSpec, {"data": "sklearn:wine", "solver": "sgd", **keys}))
    assert words in str(caught.value)
    assert caught.value.path == path


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("--data sklearn:wine --hidden 8", "hidden needs model mlp"),
        ("--data sklearn:wine --activation relu", "activation needs model mlp"),
        ("--data sklearn:wine --task classification", "task needs model mlp: linear predicts numbers anyway"),
        ("--data sklearn:wine --model softmax --task regression", "softmax predicts classes anyway"),
        ("--surface ellipse --weight-decay 0.1", "weight_decay needs data"),
        ("--surface ellipse --hidden 3", "hidden needs data"),
        ("--surface ellipse --task regression", "task needs data"),
        ("--data sklearn:wine --weight-decay -1", "weight-decay must be at least 0"),
        ("--data sklearn:wine --model mpl", "model must be 'linear', 'logistic', 'softmax' or 'mlp', not 'mpl'"),
        ("--data sklearn:wine --model mlp --task sorting", "task must be 'auto', 'regression' or 'classification'"),
        ("--data sklearn:wine --preprocess whitten", "did you mean 'whiten'?"),
    ],
)
def test_a_wrong_flag_is_one_sentence(here, capsys, line, words):
    assert call(["run", *line.split(), "-s", "sgd"]) == 2
    told = capsys.readouterr().err
    assert words in told
    assert len(told.strip().split("\n")) == 1
    assert not (here / "results").exists()


def test_the_values_of_a_surface_are_the_models():
    made = surface_of(data="sklearn:wine", model="softmax", weight_decay=0.5)
    x = np.random.default_rng(0).normal(size=made.dimension) / 1000
    inputs = dataset.design_matrix(dataset.load("sklearn:wine", None, "softmax"))
    z = np.column_stack([np.zeros(178), inputs @ x.reshape(-1, 2)])
    own = z[np.arange(178), dataset.load("sklearn:wine", None, "softmax").target.astype(int)]
    error = np.mean(np.log(np.exp(z).sum(axis=1)) - own)
    w = np.column_stack([np.zeros(13), x.reshape(-1, 2)[:-1]])
    spread = np.sum((w - w.mean(axis=1, keepdims=True)) ** 2)
    found = values(made.with_parameters(weight_decay=0.5), x[None])[0]
    assert found == pytest.approx(error + 0.25 * spread, rel=1e-12)
