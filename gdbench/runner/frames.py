"""Turn records into pandas frames: one row per run, per drawn step, per surface and solver."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from gdbench.columns import COLUMNS, CURVE, HELD_OUT, PARAMETER, RANGE, SCHEDULE, SCORES, START, ordered, target_column
from gdbench.engine.records import Records, Trajectory
from gdbench.planning.run_grid import NOISE, NOISE_DECAY, Problem, RunGrid
from gdbench.statuses import Status
from gdbench.surfaces.metrics import held_out_losses, scores_of

# A run has arrived in a minimum when it is this close to it, relative to the minimiser's size.
ARRIVED = 1e-2

# One path in trajectory.csv has at most so many numbers: ten thousand steps of a hundred weights.
PATH_NUMBERS = 1_000_000


def runs_of_rows(
    block: RunGrid, rows: np.ndarray, records: Records | None, message: str | np.ndarray = ""
) -> pd.DataFrame:
    """Return the rows of a block's runs; without records, with the status `error` and `message`, one or `[rows]`."""
    count, problem = len(rows), block.problem_index(rows)
    problems = block.problems
    frame = pd.DataFrame({"run": block.first_run + rows})
    frame["surface"], frame["solver"] = block.surface.name, block.solver.name
    frame["start"], frame["seed"] = block.start_index(rows), block.seeds[rows % len(block.seeds)]
    empty = np.full(count, np.nan)
    messages = np.full(count, "", dtype=object)
    messages[:] = message
    if records is None:
        frame["status"] = "error"
        for name in COLUMNS[6:-2]:
            frame[name] = empty
        frame["minimum"] = pd.array([pd.NA] * count, dtype="Int64")
        for name in ("steps", "steps_to_target", "value_evals", "grad_evals", "hess_evals"):
            frame[name] = pd.array([pd.NA] * count, dtype="Int64")
    else:
        status = np.array(Status.words())[records.status]
        frame["status"] = status
        messages[status == "error"] = _errors(block, records)[status == "error"]
        frame["steps"] = pd.array(records.steps, dtype="Int64")
        frame["steps_to_target"] = pd.arrays.IntegerArray(records.steps.astype(np.int64), status != "reached")
        frame["loss_start"] = records.loss_start
        # A loss that is not a number is no better than an infinite one, and an empty cell would hide it.
        frame["loss_final"] = np.where(np.isnan(records.loss_final), np.inf, records.loss_final)
        frame["loss_best"] = records.loss_best
        f_star = np.array([item.facts.f_star if item.facts else np.nan for item in problems])
        frame["gap"] = frame["loss_final"] - f_star[problem]
        distance, minimum = _arrival(records.x, problem, problems)
        frame["distance"], frame["grad_norm"] = distance, records.grad_norm
        frame["minimum"] = pd.arrays.IntegerArray(minimum, minimum < 0)
        for name in ("value_evals", "grad_evals", "hess_evals"):
            frame[name] = pd.array(getattr(records, name), dtype="Int64")
        frame["rate_observed"], frame["rate_predicted"] = empty, empty
        if records.held_out_loss is not None:
            frame["held_out_loss"], frame["held_out_step"] = records.held_out_loss, records.held_out_step
        for name, scores in scores_of(block.surface, records.x).items():
            frame[name] = scores
    numbers = np.array([item.facts.condition_number if item.facts else np.nan for item in problems])
    prints = np.array([item.facts.fingerprint if item.facts else "" for item in problems], dtype=object)
    frame["condition_number"], frame["fingerprint"], frame["message"] = numbers[problem], prints[problem], messages
    columns: dict[str, Any] = {}
    for level, target in enumerate(block.conditions.targets):
        columns[target_column(target)] = records.hits[:, level] if records is not None else np.full(count, np.inf)
    columns |= {**block.settings_of(rows), **block.fixed, **block.options}
    columns |= {f"{name}{SCHEDULE}": kind for name, kind in block.schedules.items()}
    columns |= {f"{PARAMETER}{name}": value for name, value in _surface_settings(block, problem).items()}
    starts = block.starts[block.start_index(rows)]
    columns |= {f"{START}{i}": starts[:, i] for i in range(starts.shape[1])}
    return pd.concat([frame, pd.DataFrame(columns, index=frame.index)], axis=1)


def _surface_settings(block: RunGrid, problem: np.ndarray) -> dict[str, Any]:
    """Return parameters, options, dimension and swept conditions, which together name a problem."""
    settings: dict[str, Any] = {**block.surface.parameters, **block.surface.options}
    noise = {NOISE: block.noise, NOISE_DECAY: block.noise_decay}
    settings |= {name: value for name, value in noise.items() if value is not None}
    settings |= {name: values[problem] for name, values in block.parameters.items()}
    if block.surface.any_dimension:
        settings["dimension"] = block.surface.dimension
    return {**settings, **block.swept_conditions}


def _errors(block: RunGrid, records: Records) -> np.ndarray:
    """Say what is wrong with runs of the status `error`: nothing raised, so a number is missing."""
    at_start = f"surface '{block.surface.name}' is not a number at the start"
    at_step = f"solver '{block.solver.name}' made the weights not a number in its first step"
    return np.where(np.isnan(records.loss_start), at_start, at_step).astype(object)


def _arrival(x: np.ndarray, problem: np.ndarray, problems: Sequence[Problem]) -> tuple[np.ndarray, np.ndarray]:
    """Return the distance `[runs]` to the nearest global minimiser, and the number of the minimum arrived in or -1."""
    distance, minimum = np.full(len(x), np.nan), np.full(len(x), -1, np.int64)
    for number in np.unique(problem):
        facts, rows = problems[number].facts, np.flatnonzero(problem == number)
        if facts is None or not len(facts.minimisers):
            continue
        with np.errstate(over="ignore", invalid="ignore"):
            distances = np.stack([np.linalg.norm(x[rows] - point, axis=1) for point in facts.minimisers], axis=1)
        distances = np.where(np.isfinite(distances), distances, np.inf)
        nearest = distances.argmin(axis=1)
        size = 1 + np.linalg.norm(facts.minimisers, axis=1)[nearest]
        arrived = distances[np.arange(len(rows)), nearest] <= ARRIVED * size
        # No minimiser is global where the loss is not a number at the minimisers themselves.
        distance[rows] = distances[:, facts.is_global].min(axis=1, initial=np.inf)
        minimum[rows] = np.where(arrived, nearest, -1)
    return distance, minimum


def join_runs(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Join all runs in one frame: the fixed columns, then hyperparameters, then `surface.NAME`, then `start.i`."""
    runs = pd.concat(parts, ignore_index=True).sort_values("run", ignore_index=True)
    return runs[ordered(runs.columns)]


def trajectory_frame(paths: Mapping[int, Trajectory], most: int = PATH_NUMBERS) -> pd.DataFrame:
    """Return every step of drawn runs: `run, step, x0.., loss, grad_norm`; a path of over `most` numbers is thinned."""
    parts = []
    for run, path in paths.items():
        stride = -(-path.x.size // most)
        steps = np.unique(np.append(np.arange(0, len(path.loss), stride), len(path.loss) - 1))
        columns = {"run": np.full(len(steps), run), "step": steps}
        columns |= {f"x{i}": path.x[steps, i] for i in range(path.x.shape[1])}
        parts.append(pd.DataFrame({**columns, "loss": path.loss[steps], "grad_norm": path.grad_norm[steps]}))
    if not parts:
        return pd.DataFrame(columns=["run", "step", "x0", "loss", "grad_norm"])
    joined = pd.concat(parts, ignore_index=True)
    weights = sorted((name for name in joined.columns if name[0] == "x"), key=lambda name: int(name[1:]))
    return joined[["run", "step", *weights, "loss", "grad_norm"]]


POINTS_PER_DECADE = 20


def log_spaced(last: int) -> np.ndarray:
    """Return steps 0, 1, 2, .. `last`, thinned to equal distances on a log axis."""
    if last <= 0:
        return np.array([0])
    decades = np.log10(last)
    points = np.round(10 ** np.arange(0, decades, 1 / POINTS_PER_DECADE)).astype(np.int64)
    return np.unique(np.concatenate([[0], points, [last]]))


def curves_frame(runs: pd.DataFrame, paths: Mapping[int, Trajectory], blocks: Mapping[int, RunGrid]) -> pd.DataFrame:
    """Return the drawn runs at log-spaced steps, with the columns of `CURVE` and, where they apply:

    `loss_low`, `loss_median`, `loss_high` over all steps since the one in the row before, of runs with noise or
    mini-batches; `held_out_loss`; `train_r2`, `test_r2`, `train_accuracy`, `test_accuracy`.
    blocks : the block of every run in `paths`.
    """
    parts = []
    for run, path in paths.items():
        block, row = blocks[run], runs.loc[run]
        problem = block.problems[int(block.problem_index(np.array([run - block.first_run]))[0])]
        steps = log_spaced(len(path.loss) - 1)
        x, loss = path.x[steps], path.loss[steps]
        part = {name: row[name] for name in CURVE[:5]} | {"step": steps}
        part |= {"loss": loss, "gap": loss - (problem.facts.f_star if problem.facts else np.nan)}
        if block.is_stochastic:
            part |= dict(zip(RANGE, ranges(path.loss, steps), strict=True))
        if problem.surface.held_out:
            part[HELD_OUT[0]] = held_out_losses(problem.surface, x)
        parts.append(pd.DataFrame(part | scores_of(problem.surface, x)))
    if not parts:
        return pd.DataFrame(columns=list(CURVE))
    joined = pd.concat(parts, ignore_index=True)
    return joined[[name for name in (*CURVE, *RANGE, HELD_OUT[0], *SCORES) if name in joined.columns]]


def ranges(loss: np.ndarray, steps: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the lowest, median and highest `loss` `[k]` after each of `steps`, up to and with the next one.

    A loss that is not a number counts as an infinite one.
    """
    loss = np.where(np.isnan(loss), np.inf, loss)
    groups = np.split(loss, steps[:-1] + 1)
    # The lower of two in the middle is a loss that occurred; their mean is not.
    medians = [np.sort(group)[(len(group) - 1) // 2] for group in groups]
    return np.array([group.min() for group in groups]), np.array(medians), np.array([group.max() for group in groups])
