"""Comparisons of results: exact shifts, failures, refusals, the share of false alarms, the table and the picture."""

from __future__ import annotations

import io
import itertools
import math

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from rich.console import Console
from scipy import stats

import gdbench
from gdbench.cli.tables import comparison_table
from gdbench.errors import UsageError
from gdbench.plots.comparison import figure
from gdbench.plots.files import save
from gdbench.results.comparison import Comparable, compare_results
from gdbench.results.folder import read_frames
from gdbench.results.verdicts import VERDICTS
from gdbench.spec.yaml_file import read_yaml

INF = math.inf


def side(name, steps, *, gap=None, problem="ellipse", solver="sgd", fingerprint="f0", config=None, starts=None):
    """A result of one row: the steps of every start, infinity where the target was not reached."""
    steps = np.array(steps, dtype=float)
    starts = np.arange(len(steps)) if starts is None else np.array(starts)
    reached = np.isfinite(steps)
    runs = pd.DataFrame({"problem": problem, "solver": solver, "start": starts, "seed": 0})
    runs["status"] = np.where(reached, "reached", "budget")
    runs["steps_to_target"] = pd.array(np.where(reached, steps, np.nan), dtype="Float64").astype("Int64")
    runs["loss_final"] = runs["gap"] = np.where(reached, 1e-7, 1.0) if gap is None else np.array(gap, dtype=float)
    runs["fingerprint"], runs["learning_rate"], runs["start.0"] = fingerprint, 0.1, starts * 1.5
    table = pd.DataFrame({"problem": [problem], "solver": [solver], "learning_rate": [0.1]})
    return Comparable(name, runs, table, config or {})


def joined(name, *sides):
    runs = pd.concat([part.runs for part in sides], ignore_index=True)
    return Comparable(name, runs, pd.concat([part.table for part in sides], ignore_index=True), sides[0].config)


def only_row(a, b):
    frame = compare_results(a, b).frame
    assert len(frame) == 1
    return frame.iloc[0]


# --- rows and verdicts ---


def test_twice_the_steps_is_a_ratio_of_exactly_two():
    steps = np.random.default_rng(0).integers(10, 1000, 16)
    row = only_row(side("a", steps), side("b", 2 * steps))
    assert (row["ratio"], row["ratio_low"], row["ratio_high"]) == (2, 2, 2)
    assert (row["steps_b"], row["steps_a"]) == (2 * np.median(steps), np.median(steps))
    assert (row["verdict"], row["pairs"], row["more"], row["fewer"]) == ("worse", 16, 16, 0)
    assert row["holm_steps"] == row["p_steps"] == 2 / 2**16
    mirrored = only_row(side("a", 2 * steps), side("b", steps))
    assert (mirrored["verdict"], mirrored["ratio"], mirrored["p_steps"]) == ("better", 0.5, row["p_steps"])


def test_identical_results_are_identical_everywhere():
    a = joined("a", side("a", [5, INF, 7]), side("a", [INF] * 8, solver="adam"), side("a", [9], problem="rosenbrock"))
    found = compare_results(a, Comparable("b", a.runs, a.table))
    assert found.frame["verdict"].tolist() == ["identical"] * 3
    assert found.sentences == ["b against a: 3 identical."]
    assert found.regressions.empty


def test_one_pair_is_no_test():
    row = only_row(side("a", [100]), side("b", [250]))
    assert (row["verdict"], row["reason"], row["ratio"]) == ("differs", "no test (1 pair)", 2.5)
    assert np.isnan([row["p_steps"], row["ratio_low"], row["ratio_high"]]).all()
    assert only_row(side("a", [100] * 5), side("b", [250] * 5))["reason"] == "no test (5 pairs)"
    found = compare_results(side("a", [100]), side("b", [250]))
    assert found.sentences[-1] == (
        "Fewer than 6 pairs cannot show a difference here (1 of 1 rows): give both results more starts, "
        "such as --starts 16."
    )


def test_many_pairs_of_which_few_differ_are_no_test():
    row = only_row(side("a", [10] * 20), side("b", [10] * 16 + [99] * 4))
    assert (row["verdict"], row["reason"]) == ("no difference shown", "no test (4 of 20 pairs differ)")


def test_where_everyone_fails_the_gap_decides():
    gaps = np.geomspace(1e-3, 1, 12)
    row = only_row(side("a", [INF] * 12, gap=gaps), side("b", [INF] * 12, gap=10 * gaps))
    assert (row["verdict"], row["larger"], row["smaller"]) == ("worse", 12, 0)
    assert row["p_gap"] == 2 / 2**12
    assert np.isnan([row["ratio"], row["ratio_low"], row["p_steps"], row["p_success"]]).all()
    assert (row["steps_a"], row["steps_b"], row["success_a"], row["success_b"]) == (INF, INF, 0, 0)
    assert row["gap_b"] == pytest.approx(10 * row["gap_a"])
    assert row["reason"].startswith("12 of 12 pairs end further away, p = ")


def test_a_diverged_run_is_further_from_the_minimum_than_any_other():
    a, b = side("a", [INF] * 8, gap=[1e20] * 8), side("b", [INF] * 8, gap=[3.0] * 8)
    b.runs["status"] = "diverged"
    assert only_row(a, b)["verdict"] == "worse"
    a.runs["status"] = "diverged"
    row = only_row(a, b)
    assert (row["verdict"], row["larger"], row["smaller"], row["gap_a"]) == ("no difference shown", 0, 0, INF)


def test_without_a_known_minimum_the_loss_decides():
    losses = np.linspace(-5, 5, 8)
    a, b = side("a", [INF] * 8, gap=losses), side("b", [INF] * 8, gap=losses - 1)
    for one in (a, b):
        one.runs["gap"] = np.nan
    row = only_row(a, b)
    assert (row["verdict"], row["smaller"]) == ("better", 8)
    assert np.isnan(row["gap_a"])


def test_one_sided_failures_count_as_lost():
    row = only_row(side("a", [100] * 10), side("b", [100] * 3 + [INF] * 7))
    assert (row["verdict"], row["ratio"], row["lost"], row["won"]) == ("worse", INF, 7, 0)
    assert (row["success_a"], row["success_b"], row["steps_b"]) == (1, 0.3, INF)
    assert row["p_steps"] == row["p_success"] == 2 / 2**7
    assert row["holm_steps"] == row["holm_success"] == 2 * 2 / 2**7
    back = only_row(side("a", [100] * 3 + [INF] * 7), side("b", [100] * 10))
    assert (back["verdict"], back["ratio"], back["won"]) == ("better", 0, 7)


def test_success_alone_may_decide():
    # half the pairs are a little faster, so steps show nothing; the others lose the target
    a = side("a", [100] * 32)
    b = side("b", [99] * 22 + [INF] * 10)
    row = only_row(a, b)
    assert row["holm_steps"] > 0.05 > row["holm_success"]
    assert (row["verdict"], row["decided_by"]) == ("worse", "success")
    assert row["reason"].startswith("10 of 32 pairs lose the target, p = ")


def test_pairs_have_the_same_start():
    a, b = side("a", [10, 20, 30, 40], starts=[0, 1, 2, 3]), side("b", [20, 40, 60, 80], starts=[1, 2, 3, 4])
    row = only_row(a, b)
    assert (row["pairs"], row["runs_a"], row["runs_b"]) == (3, 4, 4)
    assert row["ratio"] == 40 / 30  # of 20/20, 40/30 and 60/40; by position all would be 2
    b.runs.loc[0, "start.0"] += 1e-9
    assert only_row(a, b)["pairs"] == 2
    b.runs["seed"] = 7
    row = only_row(a, b)
    assert (row["pairs"], row["verdict"]) == (0, "not compared")
    assert row["reason"] == "no test (no start and seed in common)"
    assert np.isnan(row["ratio"])


def test_rows_of_one_side_are_listed():
    shared = side("a", [1, 2])
    a = joined("a", shared, side("a", [3], solver="adam"))
    b = joined("b", shared, side("b", [4], problem="rosenbrock"))
    frame = compare_results(a, b).frame.set_index(["problem", "solver"])
    assert frame["reason"].to_dict() == {
        ("ellipse", "sgd"): "the same steps, status and loss in all 2 pairs",
        ("ellipse", "adam"): "only in a",
        ("rosenbrock", "sgd"): "only in b",
    }
    assert frame["runs_b"].tolist() == [2, 0, 1]
    assert set(frame["verdict"]) <= set(VERDICTS)


def test_nothing_in_common_is_a_usage_error():
    with pytest.raises(UsageError, match="no surface and solver in common: sgd on ellipse against adam on ellipse"):
        compare_results(side("a", [1]), side("b", [1], solver="adam"))


def test_another_surface_of_the_same_name_is_refused():
    with pytest.raises(UsageError) as refused:
        compare_results(side("a", [1], fingerprint="0123"), side("b", [1], fingerprint="4567"))
    assert str(refused.value) == (
        "'ellipse' is another surface in 'b' (fingerprint 4567) than in 'a' (0123): "
        "its parameters or its formula differ"
    )
    # a row that raised before its surface was known has no fingerprint
    assert only_row(side("a", [1], fingerprint=None), side("b", [1]))["verdict"] == "identical"


def test_other_targets_are_refused_and_other_budgets_warned_of():
    a, b = side("a", [1], config={"rtol": 1e-6, "steps": 100}), side("b", [1], config={"rtol": 1e-3, "steps": 50})
    with pytest.raises(UsageError, match=r"rtol is 1e-06 in 'a' and 0\.001 in 'b'"):
        compare_results(a, b)
    b = side("b", [1], config={"rtol": [1e-6], "steps": 50})
    assert compare_results(a, b).sentences[0] == "Warning: steps is 100 in a and 50 in b."


def test_results_of_one_name_are_told_apart():
    found = compare_results(side("course", [1]), side("course", [2]))
    assert (found.a, found.b) == ("course (a)", "course (b)")


def test_problems_are_told_apart_by_their_parameters():
    parts = [[], []]
    for factor, sides in zip((1, 3), parts, strict=True):
        for condition in (10, 100):
            steps = np.arange(1, 9) * condition * (factor if condition == 100 else 1)
            sides.append(side("x", steps, problem=f"ellipse condition={condition}", fingerprint=str(condition)))
    frame = compare_results(joined("a", *parts[0]), joined("b", *parts[1])).frame.set_index("problem")
    assert frame["verdict"].to_dict() == {"ellipse condition=10": "identical", "ellipse condition=100": "worse"}
    assert frame["ratio"].tolist() == [1, 3]


def test_correction_is_over_all_rows():
    steps = np.arange(10, 18)
    a = joined("a", *(side("a", steps, solver=f"s{i}") for i in range(10)))
    b = joined("b", *(side("b", 2 * steps if i < 1 else steps[::-1], solver=f"s{i}") for i in range(10)))
    found = compare_results(a, b)
    row = found.frame.iloc[0]
    assert row["p_steps"] == 2 / 2**8
    assert row["holm_steps"] == pytest.approx(10 * 2 / 2**8)
    assert (row["verdict"], row["reason"]) == ("no difference shown", "p = 0.078, 0.0078 before correction")
    # 10 tests: 2 / 2^n * 10 < 0.05 from n = 9 on
    assert found.sentences[-1].startswith("Fewer than 9 pairs cannot show a difference here (10 of 10 rows)")


def draw(rng, count, factor=1.0, failing=0.15):
    steps = np.round(factor * np.exp(rng.normal(5, 0.6, count))) + 1
    return np.where(rng.random(count) < failing, INF, steps)


@pytest.mark.slow
def test_the_same_distribution_is_seldom_called_worse_or_better():
    rng = np.random.default_rng(0)
    verdicts = [only_row(side("a", draw(rng, 16)), side("b", draw(rng, 16)))["verdict"] for _ in range(200)]
    # each false alarm has a chance of at most 5 %; 99.9 % quantile of their number
    assert sum(v in ("worse", "better") for v in verdicts) <= stats.binom.ppf(0.999, 200, 0.05)


@pytest.mark.slow
def test_over_many_rows_at_once_a_false_alarm_is_still_seldom():
    rng = np.random.default_rng(1)
    alarms = 0
    for _ in range(40):
        a, b = (joined(n, *(side(n, draw(rng, 16), solver=f"s{i}") for i in range(6))) for n in "ab")
        alarms += not compare_results(a, b).regressions.empty
    assert alarms <= stats.binom.ppf(0.999, 40, 0.05)


def test_a_clear_difference_is_found():
    rng = np.random.default_rng(2)
    pairs = [(draw(rng, 16, failing=0), draw(rng, 16, 3.0, failing=0)) for _ in range(50)]
    verdicts = [only_row(side("a", a), side("b", b))["verdict"] for a, b in pairs]
    # log 3 is 1.3 standard deviations of a pair's difference: the t-test's power with 16 pairs is above 0.99
    assert verdicts.count("worse") >= 47
    assert "better" not in verdicts


def test_reasons_count_both_directions():
    steps = np.arange(100, 130)
    factors = np.where(np.arange(30) < 4, 0.9, 2.0)
    row = only_row(side("a", steps), side("b", np.round(steps * factors)))
    assert row["reason"].startswith("26 of 30 pairs slower, 4 faster, p = ")
    row = only_row(side("a", np.round(steps * factors)), side("b", steps))
    assert row["reason"].startswith("26 of 30 pairs faster, 4 slower, p = ")


def test_the_table_fits_a_terminal_of_eighty_columns():
    out = io.StringIO()
    Console(file=out, width=80).print(comparison_table(pictured(8)))
    words = out.getvalue().split()
    assert "…" not in out.getvalue()
    assert words.count("slower,") == words.count("faster,") == 2  # no word is cut
    assert {"difference", "identical", "main"} <= {*words}
    assert len(out.getvalue().splitlines()) <= 30


def test_the_table_shows_every_row():
    a = joined("a", side("a", [100] * 8), side("a", [INF] * 8, solver="adam"), side("a", [3], problem="rosenbrock"))
    b = joined("b", side("b", [250] * 8), side("b", [INF] * 8, solver="adam"), side("b", [3], solver="lion"))
    frame = compare_results(a, b).frame
    out = io.StringIO()
    Console(file=out, width=200).print(comparison_table(frame))
    lines = [" ".join(line.split()) for line in out.getvalue().splitlines()]
    assert "sgd 100 → 250 2.5 2.5–2.5 8/8 → 8/8 worse: 8 of 8 pairs slower, p = 0.0078" in lines
    assert "adam never → never 0/8 → 0/8 identical (gap 1 → 1)" in lines
    assert "sgd 3 → – 1/1 → – only in a" in lines
    assert "rosenbrock" in lines


# --- the picture ---


def pictured(count=60):
    """Rows of every kind: slower, faster, identical, lost, won, never reached by either, on one side only."""
    steps, never = np.arange(50, 66), np.full(16, INF)
    kinds = [(steps, 3 * steps), (5 * steps, steps), (steps, steps), (steps, never), (never, steps), (never, never)]
    kinds += [(steps, steps[::-1]), (steps, None)]
    sides = ([], [])
    for i in range(count):
        for one, name, given in zip(sides, "ab", kinds[i % 8], strict=True):
            if given is not None:
                one.append(side(name, given, problem=f"problem {i // 10}", solver=f"solver-{i % 10}"))
    return compare_results(joined("main", *sides[0]), joined("branch", *sides[1])).frame


def drawn(frame):
    (axes,) = figure(frame, "main", "branch").axes
    return axes, [text.get_text() for text in axes.texts]


def test_the_picture_has_a_line_for_every_row():
    axes, texts = drawn(pictured())
    assert [text for text in texts if text.startswith("problem")] == [f"problem {i}" for i in range(6)]
    assert sum(text.startswith("solver") for text in texts) == 60
    for words in ("worse: 3 × the steps", "better: 0.2 × the steps", "identical", "worse: target lost in 16 of 16"):
        assert words in texts
    for words in ("better: target won in 16 of 16", "identical: neither reaches the target", "only in main"):
        assert words in texts
    assert axes.get_xscale() == "log"


def test_filled_markers_are_differences_and_arrows_failures():
    axes, _ = drawn(pictured(8))
    found = []
    for line in axes.lines:
        if line.get_linestyle() == "None":
            filled = line.get_markerfacecolor() != "white"
            found.append((float(line.get_ydata()[0]), line.get_marker(), filled, float(line.get_xdata()[0])))
    dots = {y: (filled, x) for y, marker, filled, x in found if marker == "o"}
    assert dots == {1: (True, 3.0), 2: (True, 0.2), 3: (False, 1.0), 7: (False, dots[7][1])}
    arrows = {(y, marker, filled, x > 0.5) for y, marker, filled, x in found if marker != "o"}
    assert arrows == {(4, ">", True, True), (5, "<", True, False)}
    low, high = axes.get_xlim()
    assert low < 0.2
    assert high > 3


@pytest.mark.parametrize("count", [1, 2, 60])
def test_no_two_words_of_the_picture_overlap_and_none_is_cut(count):
    picture = figure(pictured(count), "main", "branch")
    canvas = FigureCanvasAgg(picture)
    canvas.draw()  # a legend places its words when it is drawn
    renderer = canvas.get_renderer()
    texts = [*picture.texts, *picture.axes[0].texts, *picture.legends[0].get_texts()]
    boxes = [text.get_window_extent(renderer) for text in texts]
    width, height = picture.get_size_inches() * picture.dpi
    for text, box in zip(texts, boxes, strict=True):
        assert box.x0 >= 0, text
        assert box.y0 >= 0, text
        assert box.x1 <= width, text
        assert box.y1 <= height, text
    for (one, box), (other, beside) in itertools.combinations(zip(texts, boxes, strict=True), 2):
        apart = box.x1 <= beside.x0 or beside.x1 <= box.x0 or box.y1 <= beside.y0 + 2 or beside.y1 <= box.y0 + 2
        assert apart, (one, other)


@pytest.mark.slow
def test_of_very_many_rows_the_differences_are_drawn():
    frame = pictured(300)
    _, texts = drawn(frame)
    assert sum(text.startswith("solver") for text in texts) == 120
    assert "identical" not in texts
    assert sum(text.startswith(("worse", "better")) for text in texts) == 120
    _, texts = drawn(frame[frame["verdict"] == "identical"].iloc[[0] * 130].reset_index(drop=True))
    assert texts.count("identical") == 120


def test_the_picture_repeats_byte_for_byte(tmp_path):
    frame = pictured(8)
    first, second = (save(figure(frame, "a", "b"), tmp_path / f"{i}.png").read_bytes() for i in range(2))
    assert first == second


# --- real results ---


def written(folder, **options):
    gdbench.run("ellipse", ["sgd", "adam"], out=folder, plots=False, steps=1500, **options)
    frames = read_frames(folder)
    return Comparable(folder.name, frames.runs, frames.table, read_yaml(folder / "config.yaml").values)


@pytest.mark.slow
def test_real_results(tmp_path):
    options = {"starts": 16, "rates": {"low": 1e-4, "high": 1.0, "num": 9}}
    base, again = written(tmp_path / "base", **options), written(tmp_path / "again", **options)
    assert set(compare_results(base, again).frame["verdict"]) == {"identical"}
    worse = written(tmp_path / "worse", starts=16, learning_rate=0.003)
    found = compare_results(base, worse)
    rows = found.frame.set_index("problem").loc["ellipse"].set_index("solver")
    assert rows["verdict"].to_dict() == {"sgd": "worse", "adam": "worse"}
    assert rows["pairs"].tolist() == [16, 16]
    # sgd's rate on a quadratic: at 0.003 instead of 0.01 about 3.3 times the steps, where they suffice at all
    assert rows.loc["sgd", "ratio"] > 3
    medians = [side.table.set_index(["problem", "solver"])["steps_to_target"]["ellipse"] for side in (base, worse)]
    for letter, steps in zip("ab", medians, strict=True):
        assert rows[f"steps_{letter}"].to_dict() == steps.to_dict()
    assert set(found.regressions["solver"]) == {"sgd", "adam"}
    other = written(tmp_path / "other", learning_rate=0.01, param={"ellipse.condition": 50})
    with pytest.raises(UsageError, match="'ellipse' is another surface in 'other'"):
        compare_results(base, other)
    with pytest.raises(UsageError, match=r"rtol is 1e-06 in 'base' and 0\.01 in 'loose'"):
        compare_results(base, written(tmp_path / "loose", learning_rate=0.01, rtol=1e-2))
