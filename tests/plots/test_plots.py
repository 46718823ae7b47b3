"""Every picture of synthetic results, sound and broken: which files appear, what they say, that nothing overlaps."""

from __future__ import annotations

import copy
import subprocess
import sys
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import pytest
from helpers.synthetic_result import SURFACES, benchmark, part
from matplotlib.figure import Figure
from matplotlib.text import Text

from gdbench import plots
from gdbench.plots import files, paths, sensitivity
from gdbench.results.folder import Frames

SOLVERS = ("sgd", "momentum", "adam")


@pytest.fixture(scope="module")
def course() -> Frames:
    return benchmark(tuple(SURFACES), SOLVERS)


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> dict[str, Figure]:
    """The figures behind the files that are written."""
    kept: dict[str, Figure] = {}

    def keep(figure: Figure, path: Path) -> Path:
        kept[path.name] = figure
        return files.save(figure, path)

    monkeypatch.setattr(plots, "save", keep)
    return kept


def legend(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def words(figure: Figure) -> str:
    """All the text of a figure."""
    return "\n".join(text.get_text() for text in figure.findobj(Text))


@pytest.mark.slow
def test_several_surfaces_give_a_grid_one_path_picture_each_and_a_profile(course, tmp_path):
    written = plots.draw(course, tmp_path)
    expected = ["trajectory.png", *(f"trajectory-{name}.png" for name in SURFACES)]
    expected += ["convergence.png", "sensitivity.png", "grid.png", "profile.png"]
    assert [path.name for path in written] == expected
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(expected)
    assert list(plots.figures(course)) == expected
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in written)


def test_one_surface_and_one_rate_give_two_pictures(tmp_path):
    written = plots.draw(benchmark(("ellipse",), ("sgd",), rate=0.1), tmp_path)
    assert [path.name for path in written] == ["trajectory.png", "convergence.png"]


@pytest.mark.parametrize("name", SURFACES)
def test_nothing_covers_a_panel_or_leaves_the_page(course, figures, tmp_path, name):
    plots.draw(part(course, name), tmp_path)
    for figure in figures.values():
        renderer = figure.canvas.get_renderer()
        page = figure.bbox
        box = figure.legends[0].get_window_extent(renderer)
        assert not any(box.overlaps(axes.get_window_extent(renderer)) for axes in figure.axes)
        boxes = [axes.get_tightbbox(renderer) for axes in figure.axes]
        boxes += [box] + [text.get_window_extent(renderer) for text in figure.texts]
        assert all(page.x0 <= b.x0 and page.y0 <= b.y0 and b.x1 <= page.x1 and b.y1 <= page.y1 for b in boxes)


def test_the_legend_tells_settings_and_outcomes(figures, tmp_path):
    frames = benchmark(("ellipse",), ("sgd", "momentum"), rate=0.1)
    frames.runs.loc[1, ["status", "steps", "loss_final"]] = ["budget", 10000, 0.03]
    plots.draw(frames, tmp_path)
    first, second = legend(figures["trajectory.png"])[:2]
    steps = int(frames.runs.loc[0, "steps"])
    assert first == f"sgd · lr 0.1 · marker every {paths.stride_of(steps)} steps\n{steps} steps"
    assert second.endswith("\nnot reached in 10\u2009000 steps, loss 0.03")


@pytest.mark.slow
def test_a_crowd_is_marked_at_the_same_steps_and_named_in_one_line_each(course, figures, monkeypatch, tmp_path):
    monkeypatch.setattr(paths, "CROWD", 2)
    frames = part(course, "ellipse", "rosenbrock", "double-well")
    plots.draw(frames, tmp_path)
    single = figures["trajectory-rosenbrock.png"]
    assert "marked after 1, 10, 100, .. steps" in words(single)
    assert not any("\n" in entry for entry in legend(single))
    runs = frames.runs.set_index("run")
    scene = paths.scenes_of(frames.runs, frames.table, frames.trajectory, frames.contours, ["rosenbrock"])
    for track in scene["rosenbrock"][1]:
        steps = runs.loc[track.run["run"], "steps"]
        assert track.steps[track.marked].tolist() == [step for step in (1, 10, 100) if step <= steps]
    # the legend takes the place of a fourth panel
    grid = figures["trajectory.png"]
    renderer = grid.canvas.get_renderer()
    box = grid.legends[0].get_window_extent(renderer)
    panels = [axes.get_window_extent(renderer) for axes in grid.axes]
    assert not any(box.overlaps(panel) for panel in panels)
    assert box.x0 == pytest.approx(panels[1].x0, abs=2)
    assert box.y1 == pytest.approx(panels[2].y1, abs=2)
    assert box.y0 > grid.bbox.y0
    assert box.x1 < grid.bbox.x1


def test_without_a_known_minimum_contours_are_evenly_spaced(course, figures, tmp_path):
    frames = copy.deepcopy(part(course, "ellipse"))
    record = frames.contours["ellipse"]
    record |= {"f_star": np.nan, "minimisers": np.empty((0, 2)), "minimum_loss": np.empty(0)}
    record["loss"] = record["loss"] - 40
    plots.draw(frames, tmp_path)
    assert "evenly spaced" in words(figures["trajectory.png"])
    levels = [artist.levels for artist in figures["trajectory.png"].axes[0].collections if hasattr(artist, "levels")]
    assert len(levels) == 2  # filled, and lines
    np.testing.assert_allclose(np.diff(levels[1]), np.diff(levels[1])[0], rtol=1e-9)
    assert record["loss"].min() < levels[1][0] < 0


def test_a_diverged_path_is_said_to_leave_the_frame(figures, tmp_path):
    plots.draw(benchmark(("ellipse",), ("sgd",), rate=0.25), tmp_path)
    entries = legend(figures["trajectory.png"])
    assert "diverged after" in entries[0]
    assert entries[0].endswith("leaves the frame")
    assert "leaves the frame" in entries[1:]
    assert "diverged" in legend(figures["convergence.png"])


def test_several_starts_share_one_legend_entry(figures, tmp_path):
    plots.draw(benchmark(("linear-neuron", "ellipse"), ("sgd",), starts=3, rate=0.1), tmp_path)
    assert "3 of 3 starts reached, median" in legend(figures["trajectory-ellipse.png"])[0]
    assert legend(figures["trajectory.png"]) == ["sgd", "start", "minimum"]


def test_the_variance_share_stands_on_the_axis_beyond_two_dimensions(course, figures, tmp_path):
    plots.draw(part(course, "quadratic-5d"), tmp_path)
    share = course.contours["quadratic-5d"]["share"][0]
    axes = figures["trajectory.png"].axes[0]
    assert axes.get_xlabel() == f"principal component 1 ({100 * share:.0f} % of variance)"


def test_the_predicted_rate_is_drawn_with_twice_its_slope(figures, tmp_path):
    plots.draw(benchmark(("ellipse",), ("sgd",), rate=0.1), tmp_path)
    axes = figures["convergence.png"].axes[0]
    steps, gaps = next(line for line in axes.lines if line.get_linestyle() == ":").get_data()
    slopes = np.diff(np.log(gaps)) / np.diff(steps)
    np.testing.assert_allclose(slopes, 2 * np.log(0.9), rtol=1e-6)  # differences of close steps lose digits


def test_the_chosen_rate_is_ringed_and_squared_on_the_edge_of_the_grid(course, figures, tmp_path):
    frames = part(course, "ellipse")
    frames.table = frames.table.assign(tuning_edge=["", "high", np.nan])
    plots.draw(frames, tmp_path)
    rings = [line for line in figures["sensitivity.png"].axes[0].lines if line.get_markersize() == 10]
    assert [ring.get_marker() for ring in rings] == ["o", "s", "o"]
    np.testing.assert_array_equal([ring.get_xdata()[0] for ring in rings], frames.table["learning_rate"])


def test_a_rate_that_alone_reaches_the_target_is_seen(figures, tmp_path):
    rates = np.geomspace(1e-4, 1, 64)
    hits = np.where(np.arange(64) == 33, 50.0, np.nan)
    runs = pd.DataFrame({"problem": "ellipse", "solver": "sgd", "learning_rate": rates, "steps_to_target": hits})
    frames = benchmark(("ellipse",), ("sgd",), rate=0.1)
    frames.runs = runs.assign(status=np.where(hits == 50, "reached", "budget"))
    plots.draw(frames, tmp_path)
    line = figures["sensitivity.png"].axes[0].lines[0]
    assert np.flatnonzero(line.get_markevery() & np.isfinite(line.get_ydata())).tolist() == [33]


def test_steps_at_a_rate_are_the_median_of_the_best_other_setting():
    runs = pd.DataFrame(
        {
            "problem": "ellipse",
            "solver": "momentum",
            "learning_rate": [0.1] * 6 + [1.0] * 3,
            "momentum": [0.5] * 3 + [0.9] * 3 + [0.5] * 3,
            "start": [0, 1, 2] * 3,
            "start.0": np.arange(9.0),
            "steps_at_1e-1": np.arange(9.0),
            "status": ["reached"] * 6 + ["reached", "diverged", "diverged"],
            "steps_to_target": [50, 60, 70, 10, 20, 40, 5, np.nan, np.nan],
        }
    )
    points = sensitivity.by_rate(runs)
    assert points["median"].tolist() == [20, np.inf]
    assert points["fastest"].tolist() == [10, 5]
    assert points["slowest"].tolist() == [40, 5]
    assert points["diverged"].tolist() == [False, True]
    assert points["starts"].tolist() == [3, 3]
    assert points["lost"].tolist() == pytest.approx([0, 2 / 3])


def nothing_drawn(frames):
    frames.trajectory = frames.trajectory.iloc[:0]
    frames.curves = frames.curves.iloc[:0]
    return "no path to draw"


def no_columns(frames):
    frames.trajectory, frames.curves = pd.DataFrame(), pd.DataFrame()
    frames.table = frames.table[["problem", "solver"]]
    return "no finite loss to draw"


def no_contours(frames):
    frames.contours = {}
    return "start"


def flat_contours(frames):
    for record in frames.contours.values():
        record["loss"] = np.full_like(record["loss"], np.nan if record["dimension"] == 2 else 1.0)
    return "the surface is flat or not finite here"


def infinite_contours(frames):
    for record in frames.contours.values():
        record["loss"] = np.where(record["loss"] > np.median(record["loss"]), np.inf, record["loss"])
        record["loss_start"] = np.inf
    return "start"


def unknown_minimum(frames):
    frames.curves["gap"] = np.nan
    frames.curves["loss"] -= 3
    for record in frames.contours.values():
        n = record["dimension"]
        record.update(f_star=np.nan, minimisers=np.empty((0, n)), minimum_loss=np.empty(0))
    return "loss (minimum unknown)"


def all_diverged(frames):
    frames.runs["status"], frames.runs["steps_to_target"] = "diverged", np.nan
    late = frames.trajectory["step"] >= 3
    weights = [name for name in frames.trajectory.columns if name.startswith("x")]
    frames.trajectory.loc[late, weights] *= 1e300
    frames.trajectory.loc[frames.trajectory["step"] >= 5, [*weights, "loss"]] = np.nan
    frames.curves.loc[frames.curves["step"] >= 3, ["loss", "gap"]] = 1e300
    frames.curves.loc[frames.curves["step"] >= 5, ["loss", "gap"]] = np.inf
    return "no learning rate reaches the target"


def only_errors(frames):
    frames.runs["status"], frames.runs["steps_to_target"], frames.runs["steps"] = "error", np.nan, np.nan
    frames.trajectory = frames.trajectory.iloc[:0]
    return "raised an error, no path"


def starts_at_the_target(frames):
    frames.runs["steps"], frames.runs["steps_to_target"] = 0, 0.0
    frames.trajectory = frames.trajectory[frames.trajectory["step"] == 0]
    frames.curves = frames.curves[frames.curves["step"] == 0].assign(gap=0.0)
    frames.table["steps_to_target"] = 0.0
    return "smaller gaps lie on the lower edge"


def whole_numbers_with_gaps(frames):
    frames.runs["steps_to_target"] = frames.runs["steps_to_target"].astype("Int64")
    frames.table["rate_predicted"] = pd.array([None] * len(frames.table), dtype="Float64")
    return "start"


BROKEN = [nothing_drawn, only_errors]
# each draws a whole course again
RARER = [
    no_contours,
    unknown_minimum,
    all_diverged,
    no_columns,
    flat_contours,
    infinite_contours,
    starts_at_the_target,
    whole_numbers_with_gaps,
]
BROKEN += [pytest.param(damage, marks=pytest.mark.slow) for damage in RARER]


@pytest.mark.parametrize("damage", BROKEN)
def test_what_can_be_drawn_is_drawn_with_a_note(course, figures, tmp_path, damage):
    frames = copy.deepcopy(part(course, "ellipse", "double-well", "quadratic-5d"))
    expected = damage(frames)
    written = plots.draw(frames, tmp_path)
    assert {"trajectory.png", "convergence.png", "trajectory-quadratic-5d.png"} <= {path.name for path in written}
    assert any(expected in words(figure) for figure in figures.values())


def test_an_empty_result_draws_nothing(tmp_path):
    empty = pd.DataFrame()
    frames = Frames(runs=empty, table=empty, trajectory=empty, curves=empty, contours={})
    assert plots.draw(frames, tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_the_bytes_depend_on_the_data_alone(course, tmp_path):
    frames = part(course, "ellipse")
    (tmp_path / "user").mkdir()
    first = plots.draw(frames, tmp_path)
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red", "savefig.dpi": 20, "axes.grid": True}):
        second = plots.draw(frames, tmp_path / "user")
        assert matplotlib.rcParams["font.size"] == 30
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    for path in first:
        assert b"tEXt" not in path.read_bytes()  # where a PNG keeps dates and versions


def test_drawing_imports_neither_jax_nor_pyplot():
    code = "import gdbench.plots, gdbench.results.statistics, sys; print({'jax', 'matplotlib.pyplot'} & {*sys.modules})"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "set()"
