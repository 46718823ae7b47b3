"""What is looked at once runs have ended: the paths of the drawn ones, theory beside them, the ground they lie on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from gdbench.engine.records import Trajectory
from gdbench.engine.stream import trace
from gdbench.errors import one_line
from gdbench.planning.run_grid import RunGrid
from gdbench.surfaces.base import Surface
from gdbench.surfaces.facts import Facts
from gdbench.surfaces.landscape import Landscape, landscape_of
from gdbench.surfaces.random_plane import random_plane_of
from gdbench.theory.drift import SENTENCE, drifts, last_inside
from gdbench.theory.observed_rate import rate_observed
from gdbench.theory.predicted_rate import NO_DERIVATIVE, rates_predicted
from gdbench.theory.rate_notes import Seen, note_of


def paths_of(block: RunGrid, runs: Sequence[int] | np.ndarray) -> dict[int, Trajectory]:
    """Every iterate of `runs`, by the run's number, replayed bit for bit."""
    rows = np.asarray(runs, dtype=np.int64) - block.first_run
    return dict(zip((int(run) for run in runs), trace(block.take(rows)), strict=True))


def compare_with_theory(block: RunGrid, runs: pd.DataFrame, paths: Mapping[int, Trajectory]) -> pd.DataFrame:
    """The predicted rates of `runs` and the observed ones of those with a path, both at the minimum arrived in.

    A run that arrived nowhere is compared with the first minimum. Columns `rate_predicted`, `rate_observed`,
    `rate_note` (see `note_of`) and `message`, on the index of `runs`; all empty where no minimum is known.
    """
    numbers = runs["run"].to_numpy(dtype=np.int64)
    rows = numbers - block.first_run
    arrived = runs["minimum"].notna().to_numpy()
    minimum = runs["minimum"].fillna(0).to_numpy(dtype=int)
    status = runs["status"].astype(str).to_numpy()
    problem = block.problem_index(rows)
    predicted, seen = np.full(len(runs), np.nan), np.full(len(runs), np.nan)
    notes, messages = (np.full(len(runs), "", dtype=object) for _ in range(2))
    precision = np.finfo(block.conditions.dtype)
    for which in np.unique(problem):
        facts = block.problems[which].facts
        if facts is None or not len(facts.minimisers):
            continue
        for number in np.unique(minimum[problem == which]):
            own = np.flatnonzero((problem == which) & (minimum == number))
            program, point, hessian = block.take(rows[own]), facts.minimisers[number], facts.hessians[number]
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
                if path is not None and not block.is_stochastic:
                    gaps = path.loss - floor
                    seen[index] = rate_observed(gaps, resolution)
                    if status[index] == "budget" and drifts_off(path, facts, block.surface):
                        messages[index] = SENTENCE
                    one = program.take(np.array([place]))
                    look = Seen(one, point, hessian, path, gaps, resolution, status[index], bool(arrived[index]))
                rates = seen[index], predicted[index]
                notes[index] = note_of(look, *rates, reasons[place], status[index] == "reached")
    found = {"rate_predicted": predicted, "rate_observed": seen, "rate_note": notes, "message": messages}
    return pd.DataFrame(found, index=runs.index)


def drifts_off(path: Trajectory, facts: Facts, surface: Surface) -> bool:
    """Whether a run that did not reach its target moves away from every known minimum, out of the box."""
    return drifts(path.x, path.loss, facts.minimisers, *surface.box_bounds(surface.dimension))


def ground_of(surface: Surface, facts: Facts, paths: Iterable[tuple[Trajectory, bool]], seed: int) -> Landscape:
    """What pictures of `surface` need, framed around `paths`, each with whether it reached the target.

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
