"""Pictures of sweeps: what theory draws into them, how runs are grouped, what the maps and grids show."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgba

from gdbench.formatting import short
from gdbench.plots import colours, files, grid, heatmap, scales, sensitivity, style
from gdbench.results.statistics import by_setting
from gdbench.results.statistics.medians import median
from gdbench.surfaces import SURFACES
from gdbench.surfaces.facts import facts_of
from gdbench.surfaces.landscape import landscape_of
from gdbench.theory import closed_forms as edges

HYPERPARAMETERS = [("sgd", 0.0), *((solver, m) for solver in ("momentum", "nesterov") for m in (0.0, 0.3, 0.9, 0.999))]


def companion(solver, eigenvalue, rate, m):
    """One step of `solver` on `eigenvalue x^2 / 2` as a matrix on (x, v): v <- m v + rate grad; x <- x - v."""
    if solver == "sgd":
        return np.array([[1 - rate * eigenvalue]])
    seen = m if solver == "nesterov" else 0.0  # the gradient is taken at x - seen v
    velocity = np.array([rate * eigenvalue, m - rate * eigenvalue * seen])
    return np.array([np.array([1.0, 0.0]) - velocity, velocity])


def radius(solver, eigenvalues, rate, m):
    return max(np.abs(np.linalg.eigvals(companion(solver, each, rate, m))).max() for each in eigenvalues)


@pytest.mark.parametrize(("solver", "m"), HYPERPARAMETERS)
@pytest.mark.parametrize("largest", [0.01, 1.0, 250.0])
def test_a_solver_diverges_just_beyond_its_edge(solver, m, largest):
    edge = float(edges.stability_edge(solver, largest, m))
    assert radius(solver, [largest], edge, m) == pytest.approx(1, rel=1e-9)
    assert radius(solver, [largest], 1.001 * edge, m) > 1
    assert radius(solver, [largest, 0.1 * largest], 0.999 * edge, m) < 1


@pytest.mark.parametrize("solver", ["sgd", "momentum", "nesterov"])
@pytest.mark.parametrize("condition", [1.0, 3.0, 100.0])
def test_no_setting_converges_faster_than_the_best(solver, condition):
    eigenvalues = [2.0, 2.0 * condition]
    rate, m = edges.best_setting(solver, *eigenvalues)
    best = radius(solver, eigenvalues, rate, m)
    for scale in np.geomspace(0.5, 1.8, 41):
        for other in [m] if solver == "sgd" else np.linspace(0, 0.99, 45):
            # the best setting has a double root, which rounding splits by the root of epsilon
            assert radius(solver, eigenvalues, rate * scale, other) >= best - 1e-7


def test_theory_is_silent_where_it_knows_nothing():
    assert np.isnan(edges.stability_edge("adam", 1.0, 0.9))
    np.testing.assert_array_equal(np.isnan(edges.stability_edge("momentum", [1, 0, -1, np.nan], 0.5)), [0, 1, 1, 1])
    np.testing.assert_array_equal(np.isnan(edges.stability_edge("nesterov", 1.0, [0, 1, -0.5, np.nan])), [0, 1, 1, 1])
    for solver, low, high in [("adam", 1.0, 2.0), ("momentum", 0.0, 2.0), ("sgd", -1.0, 2.0), ("sgd", np.nan, np.nan)]:
        assert np.isnan(edges.best_setting(solver, low, high)).all()


def test_eigenvalues_reach_the_pictures():
    surface = SURFACES["ellipse"]
    facts = facts_of(surface)
    contours = {"ellipse": landscape_of(surface, facts, [], 1.0)}
    low, high = edges.extremes(contours, "ellipse")
    assert high / low == pytest.approx(facts.condition_number, rel=1e-12)
    assert low == pytest.approx(np.linalg.eigvalsh(facts.hessians[0])[0], rel=1e-12)
    unknown = landscape_of(surface, replace(facts, hessians=np.full((1, 2, 2), np.nan)), [], 1.0)
    assert unknown["eigenvalues"].shape == (0,)
    assert np.isnan(edges.extremes({"ellipse": unknown}, "ellipse")).all()
    assert np.isnan(edges.extremes(contours, "another")).all()
    assert np.isnan(edges.extremes({"flat": {"eigenvalues": np.array([np.nan, 1.0])}}, "flat")).all()
    assert edges.extremes({"valley": {"eigenvalues": np.array([1e-16, 1.0])}}, "valley") == (0.0, 1.0)


RATES = np.geomspace(1e-3, 10, 25)
MOMENTA = np.linspace(0, 0.95, 12)


def quadratic_sweep(solver, eigenvalues, rates, momenta, starts=3, surface="ellipse", problem=""):
    """Runs of `solver` on a diagonal quadratic, by the recurrence, at all pairs of rate and momentum given."""
    eigenvalues = np.asarray(eigenvalues)[:, None]
    rate, m, start = (
        np.repeat(rates, starts),
        np.repeat(momenta, starts),
        np.tile(np.arange(starts), len(rates)),
    )
    x = np.random.default_rng(0).normal(size=(starts, len(eigenvalues)))[start].T
    v, first, budget = np.zeros_like(x), None, 500
    steps, status = np.full(len(rate), np.nan), np.full(len(rate), "budget", dtype=object)
    first = np.sum(eigenvalues * x**2, axis=0)
    with np.errstate(all="ignore"):
        for k in range(1, budget + 1):
            seen = x - m * v if solver == "nesterov" else x
            v = m * v + rate * eigenvalues * seen
            x = x - v
            loss = np.sum(eigenvalues * x**2, axis=0)
            going = status == "budget"
            status[going & ~(loss <= 1e6 * (1 + first))] = "diverged"
            steps[going & (loss <= 1e-6 * first)] = k
            status[going & (loss <= 1e-6 * first)] = "reached"
    runs = pd.DataFrame(
        {
            "problem": problem or surface,
            "surface": surface,
            "solver": solver,
            "start": start,
            "status": status.astype(str),
        }
    )
    runs = runs.assign(steps_to_target=steps, learning_rate=rate)
    return runs if solver == "sgd" else runs.assign(momentum=m)


def all_pairs(rates, momenta):
    first, second = np.meshgrid(rates, momenta, indexing="ij")
    return first.ravel(), second.ravel()


@pytest.fixture(scope="module")
def momentum_map():
    return quadratic_sweep("momentum", [1.0, 10.0], *all_pairs(RATES, MOMENTA))


@pytest.fixture(scope="module")
def contours():
    return {"ellipse": {"eigenvalues": np.array([1.0, 10.0])}}


def chosen_of(runs):
    """The row of the table at the setting with the fewest steps."""
    best = runs.assign(steps_to_target=runs["steps_to_target"].fillna(np.inf)).sort_values("steps_to_target").iloc[:1]
    return best.assign(success=1.0, status="reached").drop(columns="start")


def drawn(figures):
    with style.look(), np.errstate(all="ignore"):
        return dict(figures)


def legend(figure):
    return "\n".join(text.get_text() for text in figure.legends[0].get_texts())


def overlaps_nothing(figure):
    renderer = figure.canvas.get_renderer()
    page, box = figure.bbox, figure.legends[0].get_window_extent(renderer)
    boxes = [axes.get_tightbbox(renderer) for axes in figure.axes]
    if figure.legends[0].get_texts():
        assert not any(box.overlaps(other) for other in boxes)
    boxes += [box, *(text.get_window_extent(renderer) for text in figure.texts)]
    assert all(page.x0 <= b.x0 and page.y0 <= b.y0 and b.x1 <= page.x1 and b.y1 <= page.y1 for b in boxes)


def test_runs_grouped_at_once_equal_runs_grouped_one_by_one():
    random = np.random.default_rng(1)
    n = 600
    runs = pd.DataFrame({"solver": random.choice(["a", "b"], n), "learning_rate": random.choice([0.1, 1.0, np.nan], n)})
    runs["option"] = random.choice([True, False], n)
    runs["status"] = random.choice(["reached", "diverged", "budget", "stationary"], n, p=[0.5, 0.3, 0.1, 0.1])
    hits = pd.Series(random.integers(1, 50, n), dtype="Int64")
    runs["steps_to_target"] = hits.where(runs["status"] == "reached")
    keys = ["solver", "learning_rate", "option"]
    points = by_setting.by_setting(runs, keys).set_index(keys)
    assert len(points) == 12
    for key, own in runs.groupby(keys, dropna=False):
        steps = own["steps_to_target"].astype(float).fillna(np.inf)
        point = points.loc[[key]].iloc[0]
        assert point["median"] == median(steps)
        assert point["starts"] == len(own)
        assert point["fastest"] == steps.min()
        assert point["slowest"] == steps[np.isfinite(steps)].max()
        assert point["failed"] == pytest.approx(np.isinf(steps).mean())
        assert point["lost"] == pytest.approx((own["status"] == "diverged").mean())
        failures = own["status"][own["status"] != "reached"].value_counts()
        assert failures[point["failure"]] == failures.max()


def test_quartiles_count_failures_as_infinite():
    runs = pd.DataFrame({"solver": "a", "status": "reached", "steps_to_target": [1.0, 2, 3, 4, np.nan]})
    point = by_setting.by_setting(runs, ["solver"]).iloc[0]
    assert point[["quartile_1", "median", "quartile_3"]].tolist() == [2, 3, 4]
    point = by_setting.by_setting(runs.assign(steps_to_target=[1.0, 2, 3, np.nan, np.nan]), ["solver"]).iloc[0]
    assert point[["quartile_1", "median", "quartile_3"]].tolist() == [2, 3, np.inf]
    assert point["slowest"] == 3
    assert len(by_setting.by_setting(runs.iloc[:0], ["solver"])) == 0


def test_a_map_draws_every_setting_in_its_place(momentum_map, contours):
    figures = drawn(heatmap.figures(momentum_map, chosen_of(momentum_map), contours))
    assert list(figures) == ["heatmap-ellipse-momentum.png"]
    figure = figures["heatmap-ellipse-momentum.png"]
    axes = figure.axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("learning rate", "momentum")
    cells = axes.images[0].get_array()
    assert cells.shape == (len(MOMENTA), len(RATES), 4)
    theory = edges.stability_edge("momentum", 10.0, MOMENTA)
    grey = np.round(255 * np.array(to_rgba(colours.FAILURE_COLOURS["diverged"])))
    for i, edge in enumerate(theory):
        diverged = (cells[i] == grey).all(axis=1)
        # at most one cell beyond the edge has not had the steps to leave
        assert not diverged[edge > RATES].any()
        assert diverged[1.5 * edge < RATES].all()
    overlaps_nothing(figure)


def test_a_map_shows_what_was_chosen_and_what_theory_says(momentum_map, contours):
    table = chosen_of(momentum_map)
    figure = drawn(heatmap.figures(momentum_map, table, contours))["heatmap-ellipse-momentum.png"]
    words = legend(figure)
    for part in (
        "chosen setting",
        "2(1+m)/L",
        "fastest on a quadratic",
        "learning rate 0.231, momentum 0.27",
        "diverged",
    ):
        assert part in words
    line = next(line for line in figure.axes[0].lines if len(line.get_xdata()) == 200)
    rate, m = 10 ** np.asarray(line.get_xdata()), np.asarray(line.get_ydata())
    np.testing.assert_allclose(rate, 2 * (1 + m) / 10, rtol=1e-12)
    ring = next(line for line in figure.axes[0].lines if line.get_marker() == "o")
    assert 10 ** ring.get_xdata()[0] == pytest.approx(table["learning_rate"].iloc[0])
    assert ring.get_ydata()[0] == pytest.approx(table["momentum"].iloc[0])
    silent = drawn(heatmap.figures(momentum_map.assign(solver="adam"), pd.DataFrame(), contours))
    assert "theory" not in legend(silent["heatmap-ellipse-adam.png"])


def test_scattered_settings_are_points(contours):
    random = np.random.default_rng(2)
    rates, momenta = 10 ** random.uniform(-3, 1, 80), 1 - 10 ** random.uniform(-3, 0, 80)
    runs = quadratic_sweep("momentum", [1.0, 10.0], rates, momenta)
    (found,) = heatmap.maps_of(runs)
    assert not found.is_grid
    figure = drawn(heatmap.figures(runs, chosen_of(runs), contours))["heatmap-ellipse-momentum.png"]
    places = figure.axes[0].collections[0].get_offsets()
    np.testing.assert_allclose(np.sort(places[:, 0]), np.sort(np.log10(rates)), rtol=1e-12)
    np.testing.assert_allclose(np.sort(places[:, 1]), np.sort(-np.log10(1 - momenta)), rtol=1e-9)
    overlaps_nothing(figure)
    points = sensitivity.by_rate(runs)
    assert points["scattered"].all()
    line = sensitivity.joined(points.sort_values("learning_rate"))
    assert line["learning_rate"].is_monotonic_increasing
    assert len(line) == len(np.unique(np.floor(2 * np.log10(rates))))
    assert line["median"].min() == points["median"].min()


def test_of_the_other_hyperparameters_the_best_counts():
    runs = pd.DataFrame(list(itertools.product(range(1, 5), range(1, 5), (0.5, 0.9))), columns=["a", "b", "c"])
    runs = runs.assign(
        problem="s", surface="s", solver="x", status="reached", steps_to_target=10 * runs["a"] + runs["b"] + runs["c"]
    )
    (found,) = heatmap.maps_of(runs)
    assert found.axes == ("a", "b")
    np.testing.assert_array_equal(found.points["median"], 10 * found.points["a"] + found.points["b"] + 0.5)
    assert heatmap.maps_of(runs, ("b", "a"))[0].axes == ("b", "a")
    assert heatmap.maps_of(runs, ("a", "c")) == []  # two values make no axis
    assert heatmap.maps_of(runs, ("a", "nothing")) == []


def test_a_parameter_of_a_surface_is_an_axis_over_its_problems():
    conditions = (1.0, 3.0, 10.0, 30.0, 100.0)
    names = {k: f"ellipse condition={k:g}" for k in conditions}
    parts = [quadratic_sweep("sgd", [1.0, k], RATES, 0 * RATES, problem=names[k]) for k in conditions]
    runs = pd.concat([part.assign(**{"surface.condition": k}) for part, k in zip(parts, conditions, strict=True)])
    table = pd.concat([chosen_of(part) for part in parts])
    contours = {names[k]: {"eigenvalues": np.array([1.0, k])} for k in conditions}
    figures = drawn(heatmap.figures(runs.reset_index(drop=True), table, contours))
    (axes, _) = figures["heatmap-ellipse-sgd.png"].axes
    assert axes.get_ylabel() == "condition"
    line = next(line for line in axes.lines if len(line.get_xdata()) == len(conditions))
    np.testing.assert_allclose(10 ** np.asarray(line.get_xdata()), 2 / np.array(conditions), rtol=1e-12)
    ring = next(line for line in axes.lines if line.get_marker() == "o")
    np.testing.assert_allclose(10 ** np.asarray(ring.get_xdata()), table["learning_rate"], rtol=1e-12)


def test_many_maps_share_pages(momentum_map, contours):
    few = pd.concat([momentum_map.assign(problem=f"s{i}", surface=f"s{i}") for i in range(3)], ignore_index=True)
    assert list(drawn(heatmap.figures(few, pd.DataFrame(), contours))) == [
        "heatmap.png",
        *(f"heatmap-s{i}-momentum.png" for i in range(3)),
    ]
    small = momentum_map[momentum_map["learning_rate"].isin(RATES[:4]) & momentum_map["momentum"].isin(MOMENTA[:4])]
    many = pd.concat([small.assign(problem=f"s{i}", surface=f"s{i}") for i in range(70)], ignore_index=True)
    figures = drawn(heatmap.figures(many, pd.DataFrame(), contours))
    assert list(figures) == ["heatmap.png", "heatmap-page2.png", "heatmap-page3.png"]
    assert [len(figure.axes) for figure in figures.values()] == [21, 21, 21]
    assert "the first 60 of 70" in figures["heatmap.png"].texts[0].get_text()


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([0.1, 0.2, 0.3, 0.4], "linear"),
        ([1e-3, 1e-2, 0.1, 1.0], "log"),
        ([0.0, 0.9, 0.99, 0.999], "complement"),
        ([0.0, 1.0, 10.0, 100.0], "linear"),
        ([-1.0, 0.0, 1.0, 2.0], "linear"),
        ([0.5], "linear"),
    ],
)
def test_an_axis_follows_the_spacing_of_its_values(values, kind):
    scale = scales.scale_of(np.array(values))
    assert scale.kind == kind
    places = scale.place(np.array(values))
    np.testing.assert_allclose(scale.value(places), values, rtol=1e-12, atol=1e-15)
    sides = scales.borders(places)
    assert (sides[:-1] < places).all()
    assert (places < sides[1:]).all()
    ticks = scale.ticks(sides[0], sides[-1])
    assert len(ticks) >= 2
    assert (np.diff(ticks) > 0).all()


def result_table(surfaces, solvers):
    random = np.random.default_rng(3)
    rows = [{"problem": surface, "solver": solver} for surface in surfaces for solver in solvers]
    table = pd.DataFrame(rows).assign(steps_to_target=random.integers(10, 90000, len(rows)).astype(float))
    return table.assign(success=1.0, status="reached")


def test_the_grid_says_who_was_fastest_and_how_the_others_failed():
    table = result_table(["ellipse", "rosenbrock"], ["sgd", "momentum", "adam"])
    table["steps_to_target"] = [100, 200, np.inf, 41500, 41500, np.inf]
    table["success"] = [1, 0.75, 0, 1, 1, 0.25]
    table["status"] = ["reached", "12 reached, 4 budget", "diverged", "reached", "reached", ""]
    table.loc[5, "status"] = "9 stationary, 4 reached, 3 diverged"
    (figure,) = drawn(grid.figures(table)).values()
    words = [text.get_text() for text in figure.axes[0].texts]
    assert words == ["100", "200", "75 %", "diverged", "41.5k", "41.5k", "stuck", "25 %"]
    cells = np.asarray(figure.axes[0].images[0].get_array())
    np.testing.assert_array_equal(cells[0, 0], cells[1, 0])  # the fastest of every row
    np.testing.assert_array_equal(cells[1, 0], cells[1, 1])
    assert not np.array_equal(cells[0, 0], cells[0, 1])
    assert "diverged" in legend(figure)
    assert "stuck" in legend(figure)
    assert "error" not in legend(figure)
    overlaps_nothing(figure)


@pytest.mark.parametrize(("surfaces", "solvers"), [(2, 2), (30, 17)])
def test_the_grid_fits_its_page(surfaces, solvers):
    table = result_table([f"surface parameter={10**i}" for i in range(surfaces)], style.SOLVERS[:solvers])
    (figure,) = drawn(grid.figures(table)).values()
    overlaps_nothing(figure)
    renderer = figure.canvas.get_renderer()
    width = figure.axes[0].get_window_extent(renderer).width / solvers
    assert all(text.get_window_extent(renderer).width < width for text in figure.axes[0].texts)


def test_a_grid_with_holes_and_a_grid_without_solutions():
    table = result_table(["a", "b", "c"], ["sgd", "adam"])
    holed = table.drop(index=[1]).assign(steps_to_target=[5.0, np.inf, np.inf, 0.0, 7.0])
    (figure,) = drawn(grid.figures(holed.drop(columns=["success", "status"]))).values()
    assert [text.get_text() for text in figure.axes[0].texts] == ["5", "not reached", "not reached", "0", "7"]
    assert drawn(grid.figures(table[table["problem"] == "a"])) == {}
    assert drawn(grid.figures(table[table["solver"] == "sgd"])) == {}
    many = result_table([f"s{i}" for i in range(95)], ["sgd", "adam"])
    assert list(drawn(grid.figures(many))) == ["grid.png", "grid-page2.png", "grid-page3.png"]


@pytest.mark.parametrize(
    ("steps", "text"), [(0, "0"), (5.5, "5.5"), (137, "137"), (2310, "2\u2009310"), (41500, "41.5k"), (2.5e6, "2.5M")]
)
def test_steps_are_short_in_a_cell(steps, text):
    assert short(steps) == text


def test_the_edge_of_divergence_is_where_theory_puts_it(contours):
    rates = np.geomspace(1e-2, 1, 81)
    parts = [quadratic_sweep(solver, [1.0, 10.0], rates, 0 * rates + 0.9) for solver in ("momentum", "nesterov")]
    parts.append(quadratic_sweep("sgd", [1.0, 10.0], rates, 0 * rates))
    runs = pd.concat(parts, ignore_index=True)
    table = pd.concat([chosen_of(part) for part in parts])
    points = sensitivity.by_rate(runs)
    (figure,) = drawn(sensitivity.figures(runs, table, contours)).values()
    assert "sgd 2/L" in legend(figure)
    assert "most runs diverge" in legend(figure)
    for solver in ("sgd", "momentum", "nesterov"):
        theory = float(edges.stability_edge(solver, 10.0, 0.0 if solver == "sgd" else 0.9))
        seen = sensitivity.divergence_edge(points[points["solver"] == solver])
        # just beyond the edge 500 steps are not enough to grow a million times
        assert theory <= seen <= 1.1 * theory
    upright = [line.get_xdata()[0] for line in figure.axes[0].lines if list(line.get_ydata()) == [0, 1]]
    np.testing.assert_allclose(sorted(upright), [2 * 1.9 / 28, 0.2, 0.38], rtol=1e-12)


def test_only_the_last_unbroken_divergence_is_an_edge():
    points = pd.DataFrame({"learning_rate": [3.0, 1.0, 2.0, 4.0], "lost": [0.6, 1.0, 0.4, 0.9]})
    assert sensitivity.divergence_edge(points) == 3
    assert np.isnan(sensitivity.divergence_edge(points.assign(lost=0.5)))
    assert sensitivity.divergence_edge(points.assign(lost=1.0)) == 1


def test_many_starts_have_quartiles_and_many_solvers_no_bands():
    rates = np.geomspace(1e-2, 1, 5)
    runs = quadratic_sweep("sgd", [1.0, 10.0], rates, 0 * rates, starts=20)
    (figure,) = drawn(sensitivity.figures(runs, chosen_of(runs), {})).values()
    assert "the middle half" in figure.texts[1].get_text()
    assert len(figure.axes[0].collections) == 1
    many = pd.concat([runs.assign(solver=name) for name in style.SOLVERS[:17]], ignore_index=True)
    (figure,) = drawn(sensitivity.figures(many, chosen_of(many), {})).values()
    assert "band" not in figure.texts[1].get_text()
    assert len(figure.axes[0].collections) == 0
    overlaps_nothing(figure)


def test_pages_hold_at_most_twenty_panels():
    names = [f"s{i}" for i in range(28)]
    assert style.sheets("kind", names[:20]) == [("kind.png", names[:20], "")]
    pages = style.sheets("kind", names)
    assert [(file, len(shown)) for file, shown, _ in pages] == [("kind.png", 14), ("kind-page2.png", 14)]
    assert [name for _, shown, _ in pages for name in shown] == names
    pages = style.sheets("kind", [str(i) for i in range(500)])
    assert [len(shown) for _, shown, _ in pages] == [20, 20, 20]
    assert pages[0][2] == " (page 1 of 3, the first 60 of 500; table.csv has all)"


def test_maps_and_grids_repeat_byte_for_byte(momentum_map, contours, tmp_path):
    table = result_table(["ellipse", "b"], ["momentum", "sgd"])
    written = []
    for folder in ("first", "second"):
        (tmp_path / folder).mkdir()
        figures = {**drawn(heatmap.figures(momentum_map, table, contours)), **drawn(grid.figures(table))}
        with style.look():
            written.append(
                [files.save(figure, tmp_path / folder / name).read_bytes() for name, figure in figures.items()]
            )
    assert len(written[0]) == 2
    assert written[0] == written[1]


def test_frames_without_sweeps_draw_no_maps(momentum_map):
    for runs in (pd.DataFrame(), momentum_map.iloc[:0], momentum_map[momentum_map["momentum"] == 0]):
        assert drawn(heatmap.figures(runs, pd.DataFrame(), {})) == {}
    nothing = momentum_map.assign(learning_rate=np.nan)
    assert drawn(sensitivity.figures(nothing, pd.DataFrame(), {})) == {}
    failed = momentum_map.assign(status="error", steps_to_target=np.nan)
    (figure,) = drawn(heatmap.figures(failed, pd.DataFrame(), {})).values()
    assert "raised an error" in legend(figure)
