"""`gdbench theory`: its numbers against closed forms, what runs show beside them, files, picture, refusals."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from helpers.programs import program_of

from gdbench.cli.app import call
from gdbench.planning.request import request
from gdbench.plots import theory as drawing
from gdbench.runner import theory_report
from gdbench.runner.theory_report import DEEP, SENTENCES
from gdbench.solvers import SOLVERS
from gdbench.spec.run import RunSpec
from gdbench.spec.yaml_file import read_yaml
from gdbench.surfaces import SURFACES
from gdbench.surfaces.facts import facts_of
from gdbench.theory import closed_forms, predicted_rate
from gdbench.theory.best_settings import BEYOND, SolverAtMinimum, grid_of
from gdbench.theory.predicted_rate import rates_predicted


def report_on(values):
    return theory_report.report_on(request(RunSpec, {**values, **DEEP}))


@pytest.fixture(scope="module")
def heavy_ball():
    return report_on({"surface": ["ellipse"], "solver": ["momentum"], "steps": 4000})


@pytest.fixture(scope="module")
def plain():
    return report_on({"surface": ["ellipse"], "solver": ["sgd"], "steps": 4000})


def local_of(name, rule, fixed=(), param=None, **settings):
    program = program_of(name, rule, param=param, rtol=1e-6, **settings)
    facts = facts_of(program.surface)
    return SolverAtMinimum(program, rule, facts.minimisers[0], facts.hessians[0], frozenset(fixed))


def test_heavy_ball_on_the_ellipse(heavy_ball):
    found = heavy_ball.facts
    assert found["best"] == pytest.approx({"learning_rate": 4 / 11**2, "momentum": (9 / 11) ** 2}, rel=1e-12)
    # a double root: rounding of the setting splits it by the root of epsilon
    assert found["rate_predicted"] == pytest.approx(9 / 11, abs=5e-8)
    assert found["steps_per_decade"] == pytest.approx(np.log(10) / (2 * np.log(11 / 9)), rel=1e-6)
    assert found["edge"]["learning_rate"] == pytest.approx(2 * (1 + (9 / 11) ** 2) / 100, rel=1e-12)
    assert found["complex"]["smallest_eigenvalue"]["from"] == pytest.approx(4 / 11**2, rel=1e-12)
    assert found["quadratic"] is found["closed_form"] is True
    assert found["condition_number"] == pytest.approx(100, rel=1e-12)
    assert found["run"]["rate_observed"] == pytest.approx(9 / 11, rel=1e-3)
    assert (found["run"]["status"], found["run"]["rate_note"]) == ("reached", "")


def test_what_runs_show_is_what_theory_says(heavy_ball, plain):
    for report in (heavy_ball, plain):
        runs = report.grid[report.grid["status"].notna()]
        assert len(runs) > 20
        predicted, observed = runs["rate_predicted"], runs["rate_observed"]
        # theory decides which runs diverge
        np.testing.assert_array_equal(runs["status"] == "diverged", predicted > 1)
        steady = runs["rate_note"].eq("") & (predicted < 1)
        assert steady.mean() > 0.7
        np.testing.assert_allclose(observed[steady], predicted[steady], rtol=0.01)
        assert runs.loc[~steady & (predicted < 1), "rate_note"].isin(["not yet asymptotic", "double root"]).all()


def test_the_grid_is_the_closed_form_and_holds_the_best(heavy_ball):
    grid, best = heavy_ball.grid, heavy_ball.facts["best"]
    assert list(grid.columns[:3]) == ["learning_rate", "momentum", "rate_predicted"]
    closed = closed_forms.rate("momentum", [1.0, 100.0], grid["learning_rate"], grid["momentum"])
    np.testing.assert_allclose(grid["rate_predicted"], closed, rtol=1e-13)
    (row,) = grid[
        (grid["learning_rate"] == best["learning_rate"]) & (grid["momentum"] == best["momentum"])
    ].itertuples()
    assert row.rate_predicted == pytest.approx(grid["rate_predicted"].min(), abs=5e-8)
    assert row.status == "reached"
    assert grid["learning_rate"].max() > 4 / 100  # beyond every edge
    assert grid["momentum"].between(0, 1, inclusive="left").all()


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
def test_a_momentum_that_is_given_is_kept(momentum):
    local = local_of("ellipse", "momentum", ["momentum"], momentum=momentum)
    grid = grid_of(local)
    assert list(grid.axes) == ["learning_rate"]
    # of the rates that a heavy ball may have, the flat part is the root of its momentum
    lowest = max(momentum**0.5, 99 / 101 if momentum == 0 else 0)
    best = grid.rate[grid.best]
    if momentum == 0.5:
        scan = closed_forms.rate("momentum", [1, 100], np.geomspace(1e-4, 0.03, 200_001), momentum)
        lowest = scan.min()
    assert best == pytest.approx(lowest, rel=1e-6)
    edge = closed_forms.stability_edge("momentum", 100, momentum)
    assert grid.axes["learning_rate"][-1] == pytest.approx(BEYOND * edge, rel=0.1)


def test_other_conventions_have_the_closed_form_as_long_as_their_step_agrees():
    torch = report_on({"surface": ["ellipse"], "solver": ["momentum"], "set": {"convention": "torch"}, "steps": 300})
    assert torch.facts["closed_form"] is True
    assert torch.facts["rate_predicted"] == pytest.approx(9 / 11, abs=5e-8)


def test_weight_decay_is_a_larger_hessian():
    settings = {"convention": "torch", "weight_decay": 0.5}
    found = report_on({"surface": ["ellipse"], "solver": ["sgd"], "set": settings, "steps": 300})
    assert found.facts["closed_form"] is False
    grid = found.grid
    closed = closed_forms.rate("sgd", [1.5, 100.5], grid["learning_rate"])
    np.testing.assert_allclose(grid["rate_predicted"], closed, rtol=1e-10)
    # the best of a grid
    assert found.facts["rate_predicted"] == pytest.approx(99 / 102, rel=2e-3)
    steps = np.diff(np.log(grid["learning_rate"])).max()
    assert abs(np.log(found.facts["edge"]["learning_rate"] / (2 / 100.5))) <= steps


def test_a_solver_without_closed_form_is_looked_over_by_its_jacobian():
    local = local_of("ellipse", "aggmo")
    grid = grid_of(local)
    assert list(grid.axes) == ["learning_rate", "a"]
    assert grid.rate[grid.best] == np.nanmin(grid.rate)
    # not on the rim, so that the axes reach far enough
    assert all(0 < place < len(values) - 1 for place, values in zip(grid.best, grid.axes.values(), strict=True))
    program = program_of("ellipse", "aggmo", grid.best_setting["learning_rate"], rtol=1e-6, a=grid.best_setting["a"])
    facts = facts_of(program.surface)
    again = rates_predicted(program, facts.minimisers[0], facts.hessians[0]).rate
    assert again == pytest.approx([grid.rate[grid.best]], rel=1e-12)
    assert all(grid.best_setting[name] in values for name, values in grid.run_at.items())


def test_newton_has_nothing_to_choose():
    found = report_on({"surface": ["ellipse"], "solver": ["newton"]})
    assert found.facts["best"] == {}
    assert found.picture is None
    assert found.grid[["rate_predicted", "steps", "rate_note"]].to_numpy().tolist() == [[0.0, 1, "too few steps"]]


def test_a_surface_that_is_not_quadratic_has_theory_at_its_minimum():
    found = report_on({"surface": ["double-well"], "solver": ["sgd"], "steps": 300})
    curvature = 12 * facts_of(program_of("double-well", "sgd").surface).minimisers[0, 0] ** 2 - 4
    assert found.facts["quadratic"] is False
    assert found.facts["minima"] == 2
    assert found.facts["edge"]["learning_rate"] == pytest.approx(2 / curvature, rel=1e-12)
    assert found.facts["rate_predicted"] == pytest.approx(0, abs=1e-12)


# ---- the command


def test_the_command_writes_a_folder_and_prints_json(tmp_path, capsys):
    words = [
        "theory",
        "-f",
        "ellipse",
        "-s",
        "sgd",
        "--param",
        "condition=10",
        "--steps",
        "300",
        "--out",
        str(tmp_path),
    ]
    assert call([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["best"]["learning_rate"] == pytest.approx(2 / 11, rel=1e-12)
    assert told["rate_predicted"] == pytest.approx(9 / 11, rel=1e-12)
    folder = tmp_path / "theory-ellipse-sgd"
    assert sorted(path.name for path in folder.iterdir()) == [
        "config.yaml",
        "environment.json",
        "theory.csv",
        "theory.png",
    ]
    grid = pd.read_csv(folder / "theory.csv")
    closed = closed_forms.rate("sgd", [1.0, 10.0], grid["learning_rate"])
    np.testing.assert_allclose(grid["rate_predicted"], closed, rtol=1e-13)
    # what is written is the run at the best settings
    spec = RunSpec.model_validate(read_yaml(folder / "config.yaml").values)
    written = spec.model_dump()
    assert written["learning_rate"] == told["best"]["learning_rate"]
    assert (written["param"], written["steps"]) == ({"condition": "10"}, 300)
    assert call([*words, "--no-plots"]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["theory-ellipse-sgd", "theory-ellipse-sgd-2"]
    assert not (tmp_path / "theory-ellipse-sgd-2" / "theory.png").exists()
    out = capsys.readouterr().out
    for text in ("mu = 1 to L = 10", "condition number 10", "learning_rate 0.181818", "0.818182", "2/L"):
        assert text in out
    assert call([*words, "--name", "theory-ellipse-sgd"]) == 2
    assert call([*words, "--name", "theory-ellipse-sgd", "--force", "--no-plots"]) == 0


PLUGIN = """
import jax, jax.numpy as jnp
from gdbench import solver, surface

@surface(start=(0.5,), minimisers=[(1.0,), (-1.0,)])
def two_wells(x):
    return (x[0] ** 2 - 1) ** 2 * (1 + 0.5 * x[0])

@jax.custom_vjp
def same(x):
    return x

same.defvjp(lambda x: (x, None), lambda _, g: (g,))

@solver()
def backwards(oracle, x, *, learning_rate):
    return same(x) - learning_rate * oracle.grad(x)
"""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-f", "ellipse", "-s", "adam"], "no rate exists for solver 'adam' on surface 'ellipse': it is adaptive"),
        (["-f", "ellipse", "-s", "rmsprop"], "its eps"),
        (["-f", "ellipse", "-s", "backtracking"], "searches for the length of every step"),
        (["-f", "saddle", "-s", "sgd"], "no minimum of the surface is known"),
        (["-f", "two-wells", "-s", "sgd"], "2 minima are equally deep"),
        (["-f", "ellipse", "-s", "backwards"], "its step has no derivative"),
        (["-f", "ellipse", "-s", "sgd", "--set", "learning_rate=1"], "the learning rate is what theory chooses"),
        (["-f", "ellipse", "-s", "sgd", "-s", "adam"], "theory takes one solver (-s), not 2"),
        (["-s", "sgd"], "theory takes one surface (-f), not none"),
        (["-f", "elipse", "-s", "sgd"], "did you mean 'ellipse'"),
        (["-f", "ellipse", "-s", "sgd", "--set", "momentum=1"], "unknown hyperparameter 'momentum'"),
    ],
)
def test_where_there_is_nothing_to_compute_one_sentence_says_why(words, said, tmp_path, capsys):
    if {"two-wells", "backwards"} & {*words}:
        (tmp_path / "plugin.py").write_text(PLUGIN)
        words = [*words, "--plugin", str(tmp_path / "plugin.py")]
    try:
        assert call(["theory", *words, "--out", str(tmp_path / "results")]) == 2
    finally:
        SOLVERS.discard("backwards")
        SURFACES.discard("two-wells")
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert said in line
    assert not (tmp_path / "results").exists()


def test_every_reason_has_a_sentence():
    words = {value for name, value in vars(predicted_rate).items() if name.isupper() and isinstance(value, str)}
    assert words - {predicted_rate.NO_MINIMISER} == set(SENTENCES)


# ---- the picture


def legend(figure):
    return "\n".join(text.get_text() for text in figure.legends[0].get_texts())


def overlaps_nothing(figure):
    renderer = figure.canvas.get_renderer()
    page, box = figure.bbox, figure.legends[0].get_window_extent(renderer)
    boxes = [axes.get_tightbbox(renderer) for axes in figure.axes]
    assert not any(box.overlaps(other) for other in boxes)
    boxes += [box, *(text.get_window_extent(renderer) for text in figure.texts)]
    assert all(page.x0 <= b.x0 and page.y0 <= b.y0 and b.x1 <= page.x1 and b.y1 <= page.y1 for b in boxes)


def test_the_map_shows_runs_in_the_colour_of_their_rate(heavy_ball):
    figure = drawing.figure(heavy_ball.grid, heavy_ball.picture)
    overlaps_nothing(figure)
    axes = figure.axes[0]
    assert axes.get_title() == ""
    assert "best in theory: rate 0.818" in legend(figure)
    assert "2(1+m)/L" in legend(figure)
    (image,) = axes.images or [axes.collections[0]]
    cells = np.asarray(image.get_array())
    runs = heavy_ball.grid[heavy_ball.grid["status"].notna()]
    seen = runs[np.isfinite(runs["rate_observed"]) & (runs["status"] != "diverged")]
    (dots,) = [found for found in axes.collections if len(found.get_offsets()) == len(seen)]
    np.testing.assert_allclose(dots.get_offsets()[:, 0], np.log10(seen["learning_rate"]), rtol=1e-12)
    # where theory and practice agree, a run is as bright as the cell below it
    columns = np.unique(heavy_ball.grid["learning_rate"]).searchsorted(seen["learning_rate"])
    rows = np.unique(heavy_ball.grid["momentum"]).searchsorted(seen["momentum"])
    steady = (seen["rate_note"] == "").to_numpy()
    below = cells[rows, columns][steady].astype(float)
    assert np.abs(255 * dots.get_facecolors()[steady] - below).max() <= 12
    assert np.ptp(below, axis=0).max() > 100


def test_the_map_draws_the_edge_and_the_borders_of_complex_modes(heavy_ball):
    figure = drawing.figure(heavy_ball.grid, heavy_ball.picture)
    lines = [line for line in figure.axes[0].lines if len(line.get_xdata()) > 2]
    rates, momenta = (
        [convert(np.asarray(get())) for get in gets]
        for convert, gets in (
            (lambda x: 10**x, [line.get_xdata for line in lines[1::2]]),
            (lambda y: 1 - 10**-y, [line.get_ydata for line in lines[1::2]]),
        )
    )
    assert len(rates) == 3
    edge, fastest, everywhere = rates
    np.testing.assert_allclose(edge, 2 * (1 + momenta[0]) / 100, rtol=1e-9)
    np.testing.assert_allclose(fastest, (1 - np.sqrt(momenta[1])) ** 2 / 100, rtol=1e-6)
    # numpy's roots are complex on one side and real on the other
    for a, m in list(zip(everywhere, momenta[2], strict=True))[::97]:
        inside = a * (1 + 1e-4) if a < 4 / 11**2 else a * (1 - 1e-4)
        outside = a * (1 - 1e-4) if a < 4 / 11**2 else a * (1 + 1e-4)
        for rate, all_swing in ((inside, True), (outside, False)):
            roots = [np.roots([1, -(1 + m - rate * each), m]) for each in (1.0, 100.0)]
            assert all(np.abs(pair.imag).max() > 0 for pair in roots) == all_swing


def test_the_curve_shows_theory_runs_edge_and_best(plain):
    figure = drawing.figure(plain.grid, plain.picture)
    axes, words = figure.axes[0], legend(figure)
    renderer = figure.canvas.get_renderer()
    assert not figure.legends[0].get_window_extent(renderer).overlaps(axes.get_tightbbox(renderer))
    assert "edge 2/L = 0.02" in words
    assert "rate 0.9802" in words
    curve = max(axes.lines, key=lambda line: len(line.get_xdata()))
    closed = closed_forms.rate("sgd", [1.0, 100.0], 10 ** np.asarray(curve.get_xdata()))
    np.testing.assert_allclose(curve.get_ydata(), closed, rtol=1e-9)
    low, high = axes.get_ylim()
    assert low < 0.980198 < 1 < high
    shown = [len(found.get_offsets()) for found in axes.collections]
    assert sum(shown) == plain.grid["status"].notna().sum()  # nothing seen is left out


def test_a_rate_of_nothing_and_an_empty_grid_are_drawn():
    grid = pd.DataFrame(
        {"learning_rate": np.geomspace(0.01, 1, 9), "rate_predicted": np.abs(1 - np.geomspace(0.01, 1, 9))}
    )
    grid["status"], grid["rate_observed"] = None, np.nan
    picture = drawing.Picture("s", "sgd", ("learning_rate",), {"learning_rate": 1.0}, 0.0, (1.0, 1.0), is_closed=True)
    figure = drawing.figure(grid, picture)
    assert "rate 0," in legend(figure)
    assert figure.axes[0].get_ylim()[0] < 0


def test_a_run_that_ends_in_another_minimum_is_not_held_against_theory():
    found = report_on({"surface": ["multi-minima"], "solver": ["sgd"], "steps": 200})
    runs = found.grid[found.grid["status"].notna()]
    there = runs["rate_note"] == "another minimum"
    assert there.any()
    assert runs.loc[there, "rate_observed"].isna().all()
    assert found.facts["minima"] == 2
