"""Pictures of statistics: profiles, ECDFs and what tuning is worth, for two solvers and for seventeen."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import FillBetweenPolyCollection
from matplotlib.figure import Figure
from matplotlib.text import Text

from gdbench import plots
from gdbench.plots import ecdf, profile, style, tuning
from gdbench.results.folder import Frames
from gdbench.results.statistics import expected_best_by_problem, summaries

INF = np.inf


def chosen(problems: int, solvers: int, draws: int = 8, names: str = "surface-{}", surface: str = "") -> pd.DataFrame:
    """Runs of the first solvers on some problems; the later a solver the slower, the last also fails."""
    rng = np.random.default_rng(0)
    problem, solver, draw = (index.ravel() for index in np.indices((problems, solvers, draws)))
    steps = np.ceil(10.0 * (1 + problem) * (1 + 0.6 * solver) * np.exp(0.3 * rng.normal(size=problem.size)))
    failed = (solver == solvers - 1) & (problem == 0)
    runs = pd.DataFrame({"problem": [names.format(i) for i in problem], "solver": np.array(style.SOLVERS)[solver]})
    runs["surface"] = surface or runs["problem"]
    runs = runs.assign(start=draw, seed=0, steps=steps, value_evals=steps, grad_evals=steps)
    runs["steps_to_target"] = np.where(failed, np.nan, steps)
    return runs.assign(**{"steps_at_1e-1": np.ceil(steps / 3), "steps_at_1e-6": np.where(failed, INF, steps)})


def trials(problems: int, solvers: int, number: int = 12) -> pd.DataFrame:
    """The trials of the first solvers, the last of which never succeeds."""
    problem, solver, trial = (index.ravel() for index in np.indices((problems, solvers, number)))
    steps = np.where((trial % 4 > 0) | (solver == solvers - 1), INF, 100.0 + 10 * trial * (1 + solver))
    names = [f"surface-{i}" for i in problem]
    return pd.DataFrame({"problem": names, "solver": np.array(style.SOLVERS)[solver], "tuning": steps})


def table_of(runs: pd.DataFrame) -> pd.DataFrame:
    steps = runs.assign(steps_to_target=runs["steps_to_target"].fillna(INF)).groupby(
        ["problem", "surface", "solver"], sort=False
    )
    return steps["steps_to_target"].median().reset_index()


def drawn(runs: pd.DataFrame, **settings: float) -> dict[str, Figure]:
    """The profiles and the ECDF."""
    table = table_of(runs)
    found = summaries(runs, dict.fromkeys(runs["problem"], 2), resamples=40, **settings)
    with style.look(), np.errstate(all="ignore"):
        return dict([*profile.figures(table, found), *ecdf.figures(table, found)])


def tuned(frame: pd.DataFrame) -> dict[str, Figure]:
    with style.look(), np.errstate(all="ignore"):
        return dict(tuning.figures(expected_best_by_problem(frame)))


def legend(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def words(figure: Figure) -> str:
    return "\n".join(text.get_text() for text in figure.findobj(Text))


def bands(figure: Figure) -> list[FillBetweenPolyCollection]:
    return [item for axes in figure.axes for item in axes.collections if isinstance(item, FillBetweenPolyCollection)]


@pytest.fixture(scope="module", params=[2, 17])
def several(request: pytest.FixtureRequest) -> dict[str, Figure]:
    return drawn(chosen(4, request.param)) | tuned(trials(4, request.param))


def test_there_is_a_picture_for_every_summary(several):
    assert list(several) == ["profile.png", "data_profile.png", "ecdf.png", "tuning.png"]


def test_nothing_covers_a_panel_or_leaves_the_page(several):
    for figure in several.values():
        renderer, page = figure.canvas.get_renderer(), figure.bbox
        box = figure.legends[0].get_window_extent(renderer)
        assert not any(box.overlaps(axes.get_window_extent(renderer)) for axes in figure.axes)
        boxes = [axes.get_tightbbox(renderer) for axes in figure.axes]
        boxes += [box] + [text.get_window_extent(renderer) for text in figure.texts]
        assert all(page.x0 <= b.x0 and page.y0 <= b.y0 and b.x1 <= page.x1 and b.y1 <= page.y1 for b in boxes)


@pytest.mark.parametrize("name", ["profile.png", "data_profile.png", "ecdf.png"])
def test_few_solvers_have_a_band_each_and_of_many_the_best_three(name):
    few, many = drawn(chosen(4, 6))[name], drawn(chosen(4, 7))[name]
    assert len(bands(few)) == 6
    assert "best" not in legend(few)[-1]
    best = [handle.get_color() for handle in many.legends[0].legend_handles[:3]]
    assert [style.matplotlib.colors.to_hex(band.get_facecolor()[0]) for band in bands(many)] == best
    assert legend(many)[-1].endswith("in 95 % of resamples of the runs,\nfor the best 3 only")


def test_the_band_says_its_level():
    assert "80 % of resamples" in legend(drawn(chosen(2, 2), confidence=0.8)["profile.png"])[-1]


def test_the_profile_says_who_is_fastest_where_and_who_solves_what():
    figure = drawn(chosen(4, 3))["profile.png"]
    assert legend(figure)[0] == "sgd\nfastest on 4, solves 4 of 4"
    assert legend(figure)[2] == "nesterov\nfastest on 0, solves 3 of 4"
    assert "Performance profile over 4 surfaces" in words(figure)
    line = figure.axes[0].lines[2]
    assert line.get_ydata()[-1] == 0.75
    assert figure.axes[0].get_xlim()[0] == 1


def test_a_surface_with_several_parameters_is_several_problems():
    figure = drawn(chosen(4, 2, names="ellipse condition={}", surface="ellipse"))["profile.png"]
    assert "Performance profile over 4 problems" in words(figure)
    assert figure.axes[0].get_ylabel() == "share of problems solved"


def test_without_a_summary_the_profile_is_that_of_the_table():
    table = table_of(chosen(4, 3))
    with style.look():
        figures = dict(profile.figures(table))
    assert list(figures) == ["profile.png"]
    assert not bands(figures["profile.png"])
    assert legend(figures["profile.png"]) == legend(drawn(chosen(4, 3))["profile.png"])[:-1]


def test_single_runs_have_no_bands():
    for figure in drawn(chosen(4, 2, draws=1)).values():
        assert not bands(figure)
        assert not any(text.startswith("band") for text in legend(figure))


def test_one_problem_has_an_ecdf_and_no_profile():
    figures = drawn(chosen(1, 3))
    assert list(figures) == ["ecdf.png"]
    assert "Targets met on surface-0" in words(figures["ecdf.png"])
    assert legend(figures["ecdf.png"])[2] == "nesterov\nmeets 50 % in the end"
    assert "weigh" not in words(figures["ecdf.png"])


def test_without_a_ladder_there_is_no_ecdf_and_without_successes_no_data_profile():
    runs = chosen(2, 2).drop(columns=["steps_at_1e-1", "steps_at_1e-6"])
    assert list(drawn(runs)) == ["profile.png", "data_profile.png"]
    assert list(drawn(runs.assign(steps_to_target=np.nan))) == ["profile.png"]


def test_tuning_shows_in_a_row_above_where_the_median_is_not_reached():
    figure = tuned(trials(1, 2))["tuning.png"]
    axes = figure.axes[0]
    assert legend(figure) == ["sgd\n100 steps after 12 trials", "momentum\nnot reached after 12 trials"]
    assert "How many trials tuning needs on surface-0" in words(figure)
    assert "not reached" in words(figure)
    curve, row, never = axes.lines[0], axes.lines[1], axes.lines[3]
    # three of twelve trials succeed: of two a success among them has a chance of 1 - (9/12)(8/11) = 0.45, of three 0.62
    for line, there in ((curve, np.arange(12) >= 2), (row, np.arange(12) < 2), (never, np.full(12, True))):
        np.testing.assert_array_equal(np.isfinite(line.get_ydata()), there)
    assert axes.get_ylim()[1] > 1.3 * 140


def test_tuning_bands_are_those_of_the_best_where_solvers_are_many():
    few, many = tuned(trials(1, 6))["tuning.png"], tuned(trials(2, 8))["tuning.png"]
    assert len(bands(few)) == 6
    assert len(bands(many)) == 2 * 3
    assert "for the best 3" in words(many)
    assert "for the best 3" not in words(few)


def test_one_trial_needs_no_picture():
    assert tuned(trials(2, 2, number=1)) == {}
    with style.look():
        assert dict(tuning.figures(pd.DataFrame())) == {}


def test_all_are_drawn_with_a_result_that_has_summaries():
    runs, empty = chosen(3, 2), pd.DataFrame()
    found = summaries(runs, dict.fromkeys(runs["problem"], 2), resamples=10)
    found["expected_best"] = expected_best_by_problem(trials(3, 2))
    frames = Frames(runs=empty, table=table_of(runs), trajectory=empty, curves=empty, contours={})
    assert "ecdf.png" not in plots.figures(frames)
    frames.summaries = found
    assert {"profile.png", "data_profile.png", "ecdf.png", "tuning.png"} <= {*plots.figures(frames)}
