"""After the runs: replay the drawn ones, compare rates with theory, sample the landscape."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from gdbench.columns import NOTED, PROBLEM
from gdbench.engine.records import Trajectory
from gdbench.engine.stream import trace
from gdbench.engine.threads import cores
from gdbench.errors import one_line
from gdbench.planning.plan import Plan
from gdbench.planning.run_grid import Problem, RunGrid
from gdbench.results.selection import chosen_runs
from gdbench.spec.run import RunSpec
from gdbench.spec.sweep import SweepSpec
from gdbench.surfaces.base import Surface
from gdbench.surfaces.decision_regions import regions_of
from gdbench.surfaces.facts import Facts
from gdbench.surfaces.landscape import Landscape, landscape_of
from gdbench.surfaces.random_plane import random_plane_of
from gdbench.theory.drift import SENTENCE, drifts, last_inside
from gdbench.theory.observed_rate import rate_observed
from gdbench.theory.predicted_rate import NO_DERIVATIVE, rates_predicted
from gdbench.theory.rate_notes import Seen, note_of


@dataclass(frozen=True)
class Policy:
    """The amount of work once runs have ended.

    starts : chosen runs of every problem and solver that are replayed; None replays every run, chosen or not.
    problems : problems whose paths and landscape are kept: each costs a second, and nobody looks at more.
    regions : problems whose decision regions are kept: as many as have a picture of their own.
    path_numbers : numbers of one path in trajectory.csv.
    every_rate : whether the rates of all runs are predicted, not of the replayed ones alone.
    landscape : whether the landscape is sampled, for pictures.
    """

    starts: int | None
    problems: int
    regions: int
    path_numbers: int
    every_rate: bool
    landscape: bool = True


# A path of a run may hold ten thousand steps of a hundred weights.
RUN = Policy(starts=16, problems=10_000, regions=10_000, path_numbers=1_000_000, every_rate=True)
SWEEP = Policy(starts=3, problems=64, regions=20, path_numbers=50_000, every_rate=False)


def policy_of(spec: SweepSpec) -> Policy:
    """Return how much is looked at of what was asked for."""
    return RUN if isinstance(spec, RunSpec) else SWEEP


@dataclass
class Looked:
    """The findings after the runs: paths and grids by run, theory in parts, landscapes by problem."""

    paths: dict[int, Trajectory] = field(default_factory=dict)
    grids: dict[int, RunGrid] = field(default_factory=dict)
    parts: list[pd.DataFrame] = field(default_factory=list)
    contours: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def theory(self) -> pd.DataFrame:
        """A row per run that was compared with theory: run, rate_observed, rate_predicted, rate_note, message."""
        names = ["run", *NOTED]
        if not self.parts:
            return pd.DataFrame(columns=names)
        return pd.concat(self.parts, ignore_index=True)[names].sort_values("run", ignore_index=True)


@dataclass
class _Group:
    """The runs of one problem and solver: those that are compared with theory, and those that are replayed."""

    label: str
    grid: RunGrid
    problem: Problem
    compared: pd.DataFrame
    replayed: np.ndarray  # run numbers
    first_end: bool  # whether decision regions are drawn of its first run
    paths: dict[int, Trajectory] = field(default_factory=dict)

    def drawn(self) -> list[tuple[Trajectory, bool]]:
        """The replayed paths, each with whether its run reached the target."""
        reached = set(self.compared.loc[self.compared["status"] == "reached", "run"])
        return [(path, run in reached) for run, path in self.paths.items()]


def look(plan: Plan, runs: pd.DataFrame, table: pd.DataFrame, policy: Policy, threads: int | None = None) -> Looked:
    """Replay runs of every problem and solver, set theory beside them, and sample the landscape they lie on.

    runs, table : labelled, in the order of their numbers. What one problem and solver need is independent of the
    others, so that `threads` work side by side.
    """
    groups = list(_groups(plan, runs, table, policy))
    looked = Looked()
    with ThreadPoolExecutor(threads or cores()) as pool:
        for group, theory in zip(groups, pool.map(_compare, groups), strict=True):
            looked.paths |= group.paths
            looked.grids |= dict.fromkeys(group.paths, group.grid)
            looked.parts += [theory] if len(theory) else []
        if policy.landscape:
            by_label: dict[str, list[_Group]] = {}
            for group in groups:
                by_label.setdefault(group.label, []).append(group)
            known = {
                label: several
                for label, several in list(by_label.items())[: policy.problems]
                if several[0].problem.facts is not None
            }
            grounds = pool.map(lambda several: _landscape(several, plan.spec.seed), known.values())
            looked.contours = dict(zip(known, grounds, strict=True))
    return looked


def _groups(plan: Plan, runs: pd.DataFrame, table: pd.DataFrame, policy: Policy) -> Iterator[_Group]:
    """Yield the runs of every problem and solver that can be looked at."""
    firsts = np.array([grid.first_run for grid in plan.blocks])
    # A slice a problem and solver: of few columns, for there may be thousands.
    columns = ["run", PROBLEM, "solver", "status", "minimum"]
    chosen = (runs if policy.starts is None else chosen_runs(runs, table))[columns]
    numbers = runs["run"].to_numpy(np.int64)
    places: dict[str, int] = {}  # of every problem among the others
    with_regions: set[str] = set()
    for (problem_label, _), rows in chosen.groupby([PROBLEM, "solver"], sort=False, observed=True):
        label = str(problem_label)
        index = int(np.searchsorted(firsts, int(rows["run"].iloc[0]), side="right")) - 1
        grid = plan.blocks[index]
        rows = rows[rows["run"].between(grid.first_run, grid.first_run + len(grid) - 1)]
        place = int(grid.problem_index(rows["run"].to_numpy(np.int64)[:1] - grid.first_run)[0])
        problem = grid.problems[place]
        if problem.failure:
            continue
        places.setdefault(label, len(places))
        rows = rows[rows["status"] != "error"]  # their rows say why
        replayed = rows["run"].to_numpy(np.int64)[: policy.starts]
        if places[label] >= policy.problems:
            replayed = replayed[:0]
        compared = rows
        if policy.every_rate:
            size = len(grid) // grid.shape[0]
            begin = grid.first_run + place * size
            compared = runs[columns].iloc[np.searchsorted(numbers, begin) : np.searchsorted(numbers, begin + size)]
            compared = compared[compared["status"] != "error"]
        elif len(replayed):
            # Both rates are of the same runs, where there are paths: medians over others would not compare.
            compared = rows.head(len(replayed))
        regions = bool(len(replayed)) and grid.surface.classifier is not None
        if regions and label not in with_regions:
            regions = len(with_regions) < policy.regions
            with_regions |= {label} if regions else set()
        yield _Group(label, grid, problem, compared, replayed, regions)


def _compare(group: _Group) -> pd.DataFrame:
    """Replay a group's drawn runs and compare its runs with theory; a row of `Looked.theory` per compared run."""
    runs = group.compared
    if not len(runs):
        return pd.DataFrame(columns=["run", *NOTED])
    try:
        if len(group.replayed):
            group.paths = paths_of(group.grid, group.replayed)
        theory = compare_with_theory(group.grid, runs, group.paths)
    except Exception as error:  # the runs have been computed and stand
        group.paths = {}
        theory = pd.DataFrame({name: np.nan for name in NOTED}, index=runs.index)
        theory = theory.assign(rate_note="", message=f"not analysed: {one_line(error)}")
    return theory.assign(run=runs["run"].to_numpy(np.int64))


def _landscape(groups: Sequence[_Group], seed: int) -> dict[str, Any]:
    """Sample the landscape of one problem around the paths of all its solvers, and what their models predict where."""
    problem = groups[0].problem
    assert problem.facts is not None
    drawn = [path for group in groups for path in group.drawn()]
    ends = {run: path.x[-1] for group in groups if group.first_end for run, path in list(group.paths.items())[:1]}
    ground = landscape_around(problem.surface, problem.facts, drawn, seed)
    return {**ground, **regions_of(problem.surface, ends)}


def paths_of(grid: RunGrid, runs: Sequence[int] | np.ndarray) -> dict[int, Trajectory]:
    """Return every iterate of `runs`, by the run's number, replayed bit for bit."""
    rows = np.asarray(runs, dtype=np.int64) - grid.first_run
    return dict(zip((int(run) for run in runs), trace(grid.take(rows)), strict=True))


def compare_with_theory(grid: RunGrid, runs: pd.DataFrame, paths: Mapping[int, Trajectory]) -> pd.DataFrame:
    """Return the predicted rates of `runs` and the observed ones of those with a path, at the minimum arrived in.

    A run that arrived nowhere is compared with the first minimum. Columns `rate_predicted`, `rate_observed`,
    `rate_note` (see `note_of`) and `message`, on the index of `runs`; all empty where no minimum is known.
    """
    numbers = runs["run"].to_numpy(dtype=np.int64)
    rows = numbers - grid.first_run
    arrived = runs["minimum"].notna().to_numpy()
    minimum = runs["minimum"].fillna(0).to_numpy(dtype=int)
    status = runs["status"].astype(str).to_numpy()
    problem = grid.problem_index(rows)
    predicted, seen = np.full(len(runs), np.nan), np.full(len(runs), np.nan)
    notes, messages = (np.full(len(runs), "", dtype=object) for _ in range(2))
    precision = np.finfo(grid.conditions.dtype)
    for which in np.unique(problem):
        facts = grid.problems[which].facts
        if facts is None or not len(facts.minimisers):
            continue
        for number in np.unique(minimum[problem == which]):
            own = np.flatnonzero((problem == which) & (minimum == number))
            program, point, hessian = grid.take(rows[own]), facts.minimisers[number], facts.hessians[number]
            reasons = np.full(len(own), NO_DERIVATIVE, dtype=object)
            try:
                predicted[own], reasons = rates_predicted(program, point, hessian)
            except Exception as error:  # a plug-in whose step has no forward derivative: its runs stand all the same
                messages[own] = f"no predicted rate: {one_line(error)}"
            floor = facts.minimum_losses[number]
            # the loss is known to the rounding of its largest term only; below that the gap is noise
            resolution = 64 * precision.eps * abs(floor) + precision.tiny
            for place, index in enumerate(own):
                path, look = paths.get(int(numbers[index])), None
                if path is not None and not grid.is_stochastic:
                    gaps = path.loss - floor
                    seen[index] = rate_observed(gaps, resolution)
                    if status[index] == "budget" and drifts_off(path, facts, grid.surface):
                        messages[index] = SENTENCE
                    one = program.take(np.array([place]))
                    look = Seen(one, point, hessian, path, gaps, resolution, status[index], bool(arrived[index]))
                rates = seen[index], predicted[index]
                notes[index] = note_of(look, *rates, reasons[place], status[index] == "reached")
    found = {"rate_predicted": predicted, "rate_observed": seen, "rate_note": notes, "message": messages}
    return pd.DataFrame(found, index=runs.index)


def drifts_off(path: Trajectory, facts: Facts, surface: Surface) -> bool:
    """Tell whether a run that did not reach its target moves away from every known minimum, out of the box."""
    return drifts(path.x, path.loss, facts.minimisers, *surface.box_bounds(surface.dimension))


def landscape_around(surface: Surface, facts: Facts, paths: Iterable[tuple[Trajectory, bool]], seed: int) -> Landscape:
    """Sample what pictures of `surface` need, framed around `paths`, each with whether it reached the target.

    A path that diverges or swings without end leaves the frame rather than setting it: of a run that did not arrive,
    start and end count, of one that drifts off its last point near the box; of more than two weights, where components
    are of whole paths, all of one that came down. Of those there is also a random plane, drawn with `seed`.
    """
    all_paths = list(paths)
    many = surface.dimension > 2
    shown: list[tuple[Any, Any]] = []
    for path, reached in all_paths:
        ends = [0] if path.loss[-1] > path.loss[0] or not np.isfinite(path.loss[-1]) else [0, -1]
        if surface.dimension <= 2 and not reached and drifts_off(path, facts, surface):
            ends = [0, last_inside(path.x, *surface.box_bounds(surface.dimension))]
        shown.append((path.x[ends], path.loss[ends]))
    shown += [(path.x, path.loss) for path, reached in all_paths if reached or (many and path.loss[-1] < path.loss[0])]
    start = max((float(path.loss[0]) for path, _ in all_paths), default=np.nan)
    whole = [(path.x, path.loss) for path, _ in all_paths]
    return landscape_of(surface, facts, shown, start) | random_plane_of(surface, facts, whole, seed, start)
