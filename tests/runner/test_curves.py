"""Curves: held-out loss, metrics and the range of random steps against numpy; the pictures made of them."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from helpers.synthetic_result import benchmark

import gdbench
from gdbench.columns import CURVE
from gdbench.plots import convergence, learning, regions, style
from gdbench.plots.files import save
from gdbench.results import derive
from gdbench.runner.frames import log_spaced, ranges
from gdbench.surfaces.data import dataset, preprocessing
from gdbench.surfaces.data.holdout import held_out_rows

REQUEST = {
    "data": "sklearn:moons",
    "model": "logistic",
    "preprocess": "standardize",
    "holdout": 0.25,
    "weight_decay": 0.01,
    "batch_size": 16,
    "shuffle": False,
    "learning_rate": 0.5,
    "steps": 60,
    "starts": 2,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("moons") / "result"


@pytest.fixture(scope="module")
def moons(folder):
    """Mini-batches on moons, with held-out examples, as a saved result."""
    return gdbench.run(solvers=["sgd"], out=folder, **REQUEST)


def parts_of_moons():
    loaded = dataset.load("sklearn:moons", None, "logistic")
    mask = held_out_rows(200, 0.25, 0)
    inputs = dataset.design_matrix(preprocessing.preprocess(loaded, "standardize", ~mask))
    return (inputs[~mask], loaded.target[~mask]), (inputs[mask], loaded.target[mask])


# ---- columns


def test_held_out_loss_and_accuracy_are_numpys_at_every_point(moons):
    paths = moons.trajectory.set_index(["run", "step"])
    assert moons.curves["run"].nunique() == 2
    for _, row in moons.curves.iterrows():
        x = paths.loc[(row["run"], row["step"]), ["x0", "x1", "x2"]].to_numpy()
        losses, shares = [], []
        for inputs, targets in parts_of_moons():
            net = inputs @ x
            losses.append(np.mean(np.log1p(np.exp(net)) - targets * net) + 0.005 * np.sum(x[:2] ** 2))
            shares.append(np.mean((net > 0) == targets))
        np.testing.assert_allclose([row["loss"], row["held_out_loss"]], losses, rtol=1e-12)
        np.testing.assert_allclose([row["train_accuracy"], row["test_accuracy"]], shares, rtol=1e-14)


def test_the_last_point_is_the_runs_and_none_lies_under_its_lowest(moons):
    last = moons.curves.groupby("run").tail(1).set_index("run").sort_index()
    runs = moons.runs.astype({"run": int}).set_index("run").loc[last.index]
    for name in ("train_accuracy", "test_accuracy"):
        np.testing.assert_array_equal(last[name], runs[name])
    np.testing.assert_array_equal(last["loss"], runs["loss_final"])
    np.testing.assert_array_equal(last["step"], runs["steps"])
    lowest = moons.curves.groupby("run")["held_out_loss"].min()
    assert (lowest.to_numpy() >= runs["held_out_loss"].to_numpy() * (1 - 1e-12)).all()
    # every step is a point up to the tenth
    early = runs["held_out_step"].to_numpy(float) <= 10
    np.testing.assert_allclose(lowest.to_numpy()[early], runs["held_out_loss"].to_numpy()[early], rtol=1e-12)


def test_the_range_is_that_of_all_steps_since_the_point_before(moons):
    for run, own in moons.curves.groupby("run"):
        loss = moons.trajectory.loc[moons.trajectory["run"] == run, "loss"].to_numpy()
        before = -1
        for _, row in own.iterrows():
            between = loss[before + 1 : int(row["step"]) + 1]
            assert row["loss_low"] == between.min()
            assert row["loss_high"] == between.max()
            assert np.sum(between <= row["loss_median"]) >= len(between) / 2 <= np.sum(between >= row["loss_median"])
            before = int(row["step"])
        assert own["step"].tolist() == log_spaced(len(loss) - 1).tolist()


def test_a_loss_that_is_no_number_counts_as_an_infinite_one():
    low, median, high = ranges(np.array([3.0, 1.0, np.nan, 2.0, np.nan]), np.array([0, 3, 4]))
    assert low.tolist() == [3, 1, np.inf]
    assert median.tolist() == [3, 2, np.inf]
    assert high.tolist() == [3, np.inf, np.inf]


def test_results_without_data_have_the_columns_that_they_had():
    plain = gdbench.run("ellipse", "sgd", learning_rate=0.1, steps=20).curves
    assert tuple(plain.columns) == CURVE == ("run", "problem", "surface", "solver", "start", "step", "loss", "gap")


def test_columns_are_empty_where_a_surface_has_none(moons):
    names = [name for name in moons.curves.columns if name not in CURVE]
    assert names == ["loss_low", "loss_median", "loss_high", "held_out_loss", "train_accuracy", "test_accuracy"]


# ---- pictures


@pytest.mark.slow
def test_pictures_are_drawn_again_from_files_without_jax(moons, folder):
    pictures = {path.name: path.read_bytes() for path in folder.glob("*.png")}
    assert {"regions.png", "learning.png", "convergence.png"} <= {*pictures}
    for name in pictures:
        (folder / name).unlink()
    code = (
        "import sys; from gdbench.cli.app import call; "
        f"code = call(['plot', {str(folder)!r}]); sys.exit(code or 9 * ('jax' in sys.modules))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    assert {path.name: path.read_bytes() for path in folder.glob("*.png")} == pictures


def test_a_sweep_draws_what_a_run_draws(moons, folder, tmp_path):
    swept = gdbench.sweep({**REQUEST, "solver": "sgd"}, out=tmp_path / "sweep", plots=False)
    pd.testing.assert_frame_equal(swept.curves, moons.curves, check_dtype=False, check_column_type=False)
    assert swept.contours["moons-standardize"]["regions.runs"].tolist() == [moons.curves["run"].iloc[0]]
    again = derive.read_frames_of_shards(tmp_path / "sweep")
    with style.look():
        for file, figure in (
            *regions.figures(again.runs, again.contours),
            *learning.figures(again.runs, again.table, again.curves),
        ):
            assert save(figure, tmp_path / file).read_bytes() == (folder / file).read_bytes()


def learnt(metric="accuracy", surfaces=("a",), held_out=True, steps=50, random=False):
    """Curves of two solvers that overfit."""
    step = log_spaced(steps)
    parts = []
    for number, surface in enumerate(surfaces):
        for run, solver in enumerate(("sgd", "adam")):
            loss = 1 / (1 + 0.1 * (run + 1) * step)
            part = {
                "run": 2 * number + run,
                "problem": surface,
                "surface": surface,
                "solver": solver,
                "start": 0,
                "step": step,
            }
            part |= {"loss": loss, "gap": np.nan, f"train_{metric}": 1 - 0.5 * loss}
            if held_out:
                part |= {"held_out_loss": loss + 0.01 * step, f"test_{metric}": 0.9 - 0.5 * loss}
            if random:
                part |= {"loss_low": 0.9 * loss, "loss_median": loss, "loss_high": 2 * loss}
            parts.append(pd.DataFrame(part))
    curves = pd.concat(parts, ignore_index=True)
    runs = curves.drop_duplicates("run")[["run", "problem", "surface", "solver"]].assign(status="budget")
    if held_out:
        least = curves.loc[curves.groupby("run")["held_out_loss"].idxmin()]
        runs["held_out_loss"], runs["held_out_step"] = least["held_out_loss"].to_numpy(), least["step"].to_numpy()
    return runs, runs[["problem", "surface", "solver"]], curves


def test_solid_is_trained_on_and_dashed_is_held_out():
    runs, table, curves = learnt()
    ((file, figure),) = learning.figures(runs, table, curves)
    assert file == "learning.png"
    loss, metric = figure.axes
    own = curves[curves["solver"] == "sgd"]
    for axes, columns in ((loss, ("loss", "held_out_loss")), (metric, ("train_accuracy", "test_accuracy"))):
        for line, column in zip(axes.lines[:2], columns, strict=True):
            np.testing.assert_array_equal(line.get_ydata(), own[column])
        assert axes.lines[0].get_linestyle() == "-" != axes.lines[1].get_linestyle()
        assert axes.lines[0].get_color() == axes.lines[1].get_color() != axes.lines[2].get_color()
    marks = [line.get_xydata()[0].tolist() for line in loss.lines[4:]]
    assert marks == runs[["held_out_step", "held_out_loss"]].to_numpy().tolist()
    assert len(metric.lines) == 4
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert words == ["sgd", "adam", "solid: training examples", "dashed: held out", "lowest held-out loss"]


@pytest.mark.parametrize("surfaces", [["a"], ["moons-standardize weight_decay=0.01 hidden=8", "b", "c"]])
def test_nothing_covers_anything(surfaces):
    with style.look():
        ((_, figure),) = learning.figures(*learnt(surfaces=surfaces, random=True))
        figure.canvas.draw()
        renderer = figure.canvas.get_renderer()
        boxes = [axes.get_window_extent(renderer) for axes in figure.axes]
        texts = [*figure.texts, *(axes._left_title for axes in figure.axes)]
        boxes += [text.get_window_extent(renderer) for text in texts if text.get_text()]
        boxes.append(figure.legends[0].get_window_extent(renderer))
    for i, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:i])
        assert figure.bbox.x0 <= box.x0
        assert box.x1 <= figure.bbox.x1


def test_without_held_out_examples_the_metric_alone_is_drawn():
    ((_, figure),) = learning.figures(*learnt("r2", held_out=False))
    assert [axes.get_ylabel() for axes in figure.axes] == ["R²"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["sgd", "adam"]


def test_without_a_metric_the_loss_alone_is_drawn_and_without_either_nothing():
    runs, table, curves = learnt()
    curves = curves.drop(columns=["train_accuracy", "test_accuracy"])
    ((_, figure),) = learning.figures(runs, table, curves)
    assert len(figure.axes) == 1
    assert list(learning.figures(runs, table, curves.drop(columns="held_out_loss"))) == []
    frames = benchmark(("ellipse",), ("sgd",), rate=0.1)
    assert list(learning.figures(frames.runs, frames.table, frames.curves)) == []


def test_surfaces_share_pages_with_both_panels_in_one_row():
    found = dict(learning.figures(*learnt(surfaces=[f"s{i}" for i in range(11)])))
    assert list(found) == ["learning.png", "learning-page2.png"]
    axes = found["learning.png"].axes
    assert len(axes) == 12
    assert [axis.get_title() for axis in axes[:4]] == ["s0", "", "s1", ""]
    for first, second in zip(axes[::2], axes[1::2], strict=True):
        assert first.get_position().y0 == second.get_position().y0


@pytest.mark.parametrize("worst", [-np.inf, np.nan, -1e300])
def test_what_overflows_leaves_the_panel(worst):
    runs, table, curves = learnt("r2")
    bad = curves["solver"] == "adam"
    curves.loc[bad & (curves["step"] > 3), ["train_r2", "test_r2"]] = worst
    curves.loc[bad & (curves["step"] > 3), ["loss", "held_out_loss"]] = -worst
    ((_, figure),) = learning.figures(runs, table, curves)
    figure.canvas.draw()
    loss, metric = figure.axes
    assert metric.get_ylim()[0] > -10
    assert loss.get_ylim()[1] < 20


def test_a_line_through_random_steps_is_a_median_of_neighbours():
    heights = np.array([5.0, 1, 9, 2, 8, 3, 7])
    wanted = [5, 5, 5, 3, 7, 7, 7]
    assert learning.smoothed(heights).tolist() == wanted
    runs, table, curves = learnt(random=True)
    ((_, figure),) = learning.figures(runs, table, curves)
    own = curves.loc[curves["run"] == 0, "loss"].to_numpy()
    np.testing.assert_array_equal(figure.axes[0].lines[0].get_ydata(), learning.smoothed(own))


def test_convergence_of_random_steps_is_a_median_within_a_band():
    runs, table, curves = learnt(random=True)
    curves["gap"], curves["loss"] = curves["loss"], curves["loss"] + 3
    curves[["loss_low", "loss_median", "loss_high"]] += 3
    curves.loc[3, "loss_median"] += 0.125
    ((_, figure),) = convergence.figures(runs, table, curves)
    axes, own = figure.axes[0], curves[curves["run"] == 0]
    line, band = axes.lines[0].get_ydata(), axes.collections[0].get_paths()[0].vertices
    np.testing.assert_allclose(line[:-1], own["loss_median"][:-1] - 3, rtol=1e-12)
    assert line[-1] == own["gap"].iloc[-1]
    for name in ("loss_low", "loss_high"):
        for step, height in zip(own["step"], own[name] - 3, strict=True):
            assert np.isclose(band, [step, height], rtol=1e-9).all(axis=1).any()
    assert any(text.get_text() == convergence.SPREAD for text in figure.legends[0].get_texts())
    low, high = axes.get_ylim()
    assert low < (own["loss_low"] - 3).min()
    assert high > (own["loss_high"] - 3).max()
