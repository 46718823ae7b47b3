"""Theory beside practice for one solver on one surface: what the eigenvalues promise, and what runs show of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gdbench.errors import UsageError, one_line
from gdbench.planning.plan import Plan, make_plan
from gdbench.planning.run_grid import RunGrid
from gdbench.plots import theory as drawing
from gdbench.plots.files import save
from gdbench.results.files import write_frame
from gdbench.runner.analysis import Policy
from gdbench.runner.benchmark import benchmark
from gdbench.runner.preamble import write_preamble
from gdbench.spec.run import RunSpec
from gdbench.spec.sweep import SweepSpec
from gdbench.surfaces.facts import Facts, hessian_at
from gdbench.theory import closed_forms
from gdbench.theory import predicted_rate as reason
from gdbench.theory.best_settings import RATE, Grid, SolverAtMinimum, grid_of

# Runs go on until their distance has shrunk by a thousand million: so far down the slowest mode is alone.
DEEP = {"rtol": 1e-18, "gtol": 0.0}
USUAL = 1e-6
# Every run is replayed and compared, and no landscape is drawn.
EVERY_RUN = Policy(starts=None, problems=1, regions=0, path_numbers=1, every_rate=True, landscape=False)
# The note of a run that ended in a minimum which the theory is not about.
ANOTHER = "another minimum"
OBSERVED = ("status", "steps", "rate_observed", "rate_note")

SENTENCES = {
    reason.STOCHASTIC: "its steps are random, so that the iterate scatters about the minimum",
    reason.SCHEDULED: "a hyperparameter follows a schedule, so that no two steps are alike",
    reason.ON_BOUND: "the minimum lies on a bound, where iterates are put back",
    reason.NO_HESSIAN: "the surface has no second derivative at its minimum",
    reason.SINGULAR: "the Hessian at the minimum is singular, and along its flat direction no factor per step exists",
    reason.LINE_SEARCH: "it searches for the length of every step, and a length that jumps has no derivative",
    reason.NOT_FLOAT: "its state holds other numbers than floats, in which a step has no derivative",
    reason.TOO_LARGE: f"iterate and state are more than {reason.LARGEST} numbers, too many for eigenvalues",
    reason.NO_DERIVATIVE: "its step has no derivative at the minimum",
    reason.NOT_FIXED: "the minimum is no fixed point of it: a step moves on from there",
    reason.ADAPTIVE: "it is adaptive: its state changes the gain, so that no isolated fixed point exists",
    reason.EPS: "it is adaptive: its eps, which decides at the minimum, decides nothing at any distance from it",
    reason.NOT_SMOOTH: "its steps jump with the sign of the gradient instead of shrinking with it",
    reason.NOT_QUADRATIC: "even close to the minimum the loss is not quadratic",
}


@dataclass(frozen=True)
class Report:
    """The findings: `facts` in numbers and words, the `grid` with what runs showed, the `spec` of the best run."""

    facts: dict[str, Any]
    grid: pd.DataFrame
    spec: SweepSpec
    picture: drawing.Picture | None

    def write(self, folder: Path, *, plots: bool = True) -> None:
        """Write `config.yaml` of the best run, `environment.json`, `theory.csv` and `theory.png`."""
        write_preamble(folder, self.spec)
        write_frame(folder, "theory", self.grid)
        if plots and self.picture is not None:
            save(drawing.figure(self.grid, self.picture), folder / "theory.png")


def refuse_rate(values: Mapping[str, Any]) -> None:
    """Raise `UsageError` where a learning rate is set, which is what theory chooses."""
    if RATE in (values.get("set") or {}):
        raise UsageError("the learning rate is what theory chooses; `gdbench run --learning-rate` fixes it")


def report_on(plan: Plan) -> Report:
    """Set theory beside practice for the one surface and the one solver of a run's `plan`, whose targets are `DEEP`.

    Raises `UsageError` where no rate exists: the sentence says why.
    """
    spec = plan.spec
    block = plan.blocks[0]
    local, facts = _local(block, frozenset(name.rpartition(".")[2] for name in spec.set))
    try:
        grid = grid_of(local)
    except UsageError:
        raise
    except Exception as error:  # A plug-in's step may have no forward derivative.
        raise _no_rate(block, f"its step has no derivative: {one_line(error)}") from None
    if np.isnan(grid.rate).all():
        reasons, counts = np.unique(grid.reason.astype(str), return_counts=True)
        raise _no_rate(block, SENTENCES[str(reasons[counts.argmax()])])
    best = grid.best_setting
    chosen = RunSpec.model_validate({**spec.model_dump(), **_settings(spec, best)})
    frame = _with_runs(grid, _runs(plan, grid.run_at))
    row = frame.iloc[int(np.ravel_multi_index(grid.best, grid.rate.shape)) if best else 0]
    told = _facts(block, local, facts, grid, row)
    return Report(told, frame, chosen, _picture(told, local) if best else None)


def _no_rate(block: RunGrid, why: str) -> UsageError:
    return UsageError(f"no rate exists for solver '{block.solver.name}' on surface '{block.surface.name}': {why}")


def _local(block: RunGrid, fixed: frozenset[str]) -> tuple[SolverAtMinimum, Facts]:
    """Return the solver at the global minimum of the surface, and the facts of that surface."""
    if block.failure:
        raise UsageError(block.failure)
    facts = block.facts
    assert facts is not None
    if not len(facts.minimisers):
        raise _no_rate(block, "no minimum of the surface is known")
    spectra = np.linalg.eigvalsh(np.nan_to_num(facts.hessians[facts.is_global]))
    if not np.allclose(spectra, spectra[0], rtol=1e-6):
        raise _no_rate(block, f"{len(spectra)} minima are equally deep, and their eigenvalues differ")
    # No run shows a step that is linear only closer than a usual target, as RMSprop is below its eps.
    program = block.take(np.zeros(1, np.int64)).under(rtol=USUAL)
    return SolverAtMinimum(program, block.solver.name, facts.minimisers[0], facts.hessians[0], fixed), facts


def _settings(spec: SweepSpec, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys of a specification for `settings` of its solver."""
    others = {name: value for name, value in settings.items() if name != RATE}
    rate = {RATE: settings[RATE]} if RATE in settings else {}
    return {**rate, "set": {**spec.model_dump()["set"], **others}}


def _runs(plan: Plan, settings: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Run the product of `settings` to its end, and compare every run with theory."""
    listed = {name: values.tolist() for name, values in settings.items()}
    spec = SweepSpec.model_validate({**plan.spec.model_dump(), **_settings(plan.spec, listed)})
    wanted = make_plan(spec, plan.surfaces, plan.solvers)
    result = benchmark(wanted, policy=EVERY_RUN)
    facts = wanted.blocks[0].facts
    assert facts is not None
    assert result.theory is not None
    runs = result.runs.reset_index(drop=True)
    compared = result.theory.set_index("run").reindex(runs["run"].to_numpy(np.int64)).reset_index(drop=True)
    # A run that ended in another minimum is compared with theory there, and not with the one that is asked about.
    minimum = runs["minimum"]
    other = minimum.notna().to_numpy() & ~facts.is_global[minimum.fillna(0).to_numpy(dtype=int)]
    observed = compared["rate_observed"].astype(float).mask(other)
    return runs.assign(rate_observed=observed, rate_note=compared["rate_note"].mask(other, ANOTHER))


def _with_runs(grid: Grid, runs: pd.DataFrame) -> pd.DataFrame:
    """Return the points of `grid`, with what was observed at those that were run."""
    frame = grid.frame()
    places = [np.searchsorted(values, runs[name].to_numpy(float)) for name, values in grid.axes.items()]
    rows = np.ravel_multi_index(tuple(places), grid.rate.shape) if places else np.zeros(1, np.int64)
    return frame.join(runs[list(OBSERVED)].set_axis(frame.index[rows]))


def _is_quadratic(block: RunGrid, hessian: np.ndarray) -> bool:
    """Decide whether the Hessian is the same all over the box."""
    surface = block.problems[0].surface
    others = np.array([hessian_at(surface, point) for point in surface.probe_points()[:4]])
    return bool(np.abs(others - hessian).max() <= 1e-9 * np.abs(hessian).max())


def _facts(block: RunGrid, local: SolverAtMinimum, facts: Facts, grid: Grid, row: pd.Series) -> dict[str, Any]:
    """Collect all findings, as JSON has them."""
    low, high = float(local.eigenvalues[0]), float(local.eigenvalues[-1])
    best, settings = grid.best_setting, {**local.settings, **grid.best_setting}
    momentum, rate = settings.get("momentum", 0.0), float(row["rate_predicted"])
    surface = block.problems[0].surface
    told: dict[str, Any] = {
        "surface": surface.name,
        "solver": block.solver.name,
        "parameters": {**surface.parameters, **surface.options},
        "settings": {**{name: value for name, value in local.settings.items() if name not in best}, **block.options},
        "dimension": surface.dimension,
        "quadratic": _is_quadratic(block, local.hessian),
        "minima": len(facts.minimisers),
        "smallest_eigenvalue": low,
        "largest_eigenvalue": high,
        "condition_number": high / low,
        "closed_form": local.is_closed,
        "edge": None,
        "best": best,
        "rate_predicted": rate,
        "steps_per_decade": float(closed_forms.steps_per_decade(rate)),
        "complex": None,
        "run": {
            "status": row["status"],
            "steps": int(row["steps"]),
            "rate_observed": float(row["rate_observed"]),
            "rate_note": row["rate_note"],
        },
    }
    if local.is_closed:
        edge = float(closed_forms.stability_edge(local.name, high, momentum))
        told["edge"] = {"formula": closed_forms.FORMULAS[local.name], RATE: edge}
        if local.name != "sgd":
            names = ("largest_eigenvalue", "smallest_eigenvalue")
            begins = [float(closed_forms.complex_between(local.name, each, momentum)[0]) for each in (high, low)]
            ends = [float(closed_forms.complex_between(local.name, each, momentum)[1]) for each in (high, low)]
            told["complex"] = {name: {"from": a, "to": b} for name, a, b in zip(names, begins, ends, strict=True)}
    elif RATE in grid.axes:
        line = grid.rate.reshape(len(grid.axes[RATE]), -1)[:, grid.best[1] if len(grid.best) > 1 else 0]
        repels = np.flatnonzero(line[grid.best[0] :] >= 1)
        if len(repels):
            told["edge"] = {"formula": "", RATE: float(grid.axes[RATE][grid.best[0] + repels[0]])}
    return told


def _picture(told: Mapping[str, Any], local: SolverAtMinimum) -> drawing.Picture:
    return drawing.Picture(
        surface=told["surface"],
        solver=told["solver"],
        axes=tuple(told["best"]),
        best=told["best"],
        rate=told["rate_predicted"],
        extremes=(told["smallest_eigenvalue"], told["largest_eigenvalue"]),
        momentum=local.settings.get("momentum", 0.0),
        is_closed=told["closed_form"],
        is_quadratic=told["quadratic"],
    )
