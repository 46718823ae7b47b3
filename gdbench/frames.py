"""Records to pandas frames: one row per run, per drawn step, per surface and solver."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from gdbench.engine import STATUSES, Records, Trajectory
from gdbench.plan import LADDER, Block
from gdbench.tuning import median

COLUMNS = (
    "run surface solver start seed status steps steps_to_target loss_start loss_final loss_best gap distance grad_norm "
    "minimum value_evals grad_evals hess_evals rate_observed rate_predicted condition_number fingerprint message"
).split()
TARGET_COLUMNS = [f"steps_at_1e-{k}" for k in range(1, len(LADDER) + 1)]
# a run has arrived in a minimum when it is this close to it, relative to the minimiser's size
ARRIVED = 1e-2
CURVE_POINTS_PER_DECADE = 20
# of one path in trajectory.csv: ten thousand steps of a hundred weights
PATH_NUMBERS = 1_000_000


def runs_of_block(block: Block, records: Records | None, message: str = "") -> pd.DataFrame:
    """The rows of a block's runs; without records they have the status `error` and the `message`."""
    program, count = block.program, len(block.program)
    facts = block.facts
    frame = pd.DataFrame({"run": block.first_run + np.arange(count)})
    frame["surface"], frame["solver"] = block.surface.name, block.solver.name
    frame["start"], frame["seed"] = block.start_index, program.seeds.astype(np.int64)
    empty = np.full(count, np.nan)
    if records is None:
        frame["status"] = "error"
        for name in COLUMNS[6:-2]:
            frame[name] = empty
        frame["minimum"] = pd.array([pd.NA] * count, dtype="Int64")
        for name in ("steps", "steps_to_target", "value_evals", "grad_evals", "hess_evals"):
            frame[name] = pd.array([pd.NA] * count, dtype="Int64")
    else:
        frame["status"] = np.array(STATUSES)[records.status]
        frame["steps"] = pd.array(records.steps, dtype="Int64")
        reached = frame["status"] == "reached"
        frame["steps_to_target"] = pd.array(records.steps, dtype="Int64")
        frame["steps_to_target"] = frame["steps_to_target"].where(reached)
        frame["loss_start"] = records.loss_start
        # a loss that is not a number is no better than an infinite one, and an empty cell would hide it
        frame["loss_final"] = np.where(np.isnan(records.loss_final), np.inf, records.loss_final)
        frame["loss_best"] = records.loss_best
        frame["gap"] = frame["loss_final"] - program.f_star
        distance, minimum = _arrival(records.x, block)
        frame["distance"], frame["grad_norm"] = distance, records.grad_norm
        frame["minimum"] = pd.array([pd.NA if m < 0 else m for m in minimum], dtype="Int64")
        for name in ("value_evals", "grad_evals", "hess_evals"):
            frame[name] = pd.array(getattr(records, name), dtype="Int64")
        frame["rate_observed"], frame["rate_predicted"] = empty, empty
    frame["condition_number"] = facts.condition_number if facts else np.nan
    frame["fingerprint"] = facts.fingerprint if facts else ""
    frame["message"] = message
    for name, value in {**program.settings, **program.solver_options}.items():
        frame[name] = value
    for name, value in program.surface_options.items():
        frame[f"surface.{name}"] = value
    if block.surface.any_dimension:
        frame["surface.dimension"] = program.dimension
    starts = pd.DataFrame(program.starts, columns=[f"start.{i}" for i in range(program.dimension)])
    return pd.concat([frame, starts], axis=1)


def _arrival(x: np.ndarray, block: Block) -> tuple[np.ndarray, np.ndarray]:
    """Distance `[runs]` to the nearest global minimiser, and the number of the minimum arrived in, -1 for none."""
    facts = block.facts
    count = len(x)
    if facts is None or not len(facts.minimisers):
        return np.full(count, np.nan), np.full(count, -1)
    with np.errstate(over="ignore", invalid="ignore"):
        all_distances = np.linalg.norm(x[:, None, :] - facts.minimisers[None], axis=2)
        global_distances = np.linalg.norm(x[:, None, :] - facts.global_minimisers[None], axis=2)
    all_distances = np.where(np.isfinite(all_distances), all_distances, np.inf)
    nearest = all_distances.argmin(axis=1)
    size = 1 + np.linalg.norm(facts.minimisers, axis=1)[nearest]
    arrived = all_distances[np.arange(count), nearest] <= ARRIVED * size
    distance = np.where(np.isfinite(global_distances), global_distances, np.inf).min(axis=1)
    return distance, np.where(arrived, nearest, -1)


def join_runs(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """All runs in one frame: the fixed columns, then hyperparameters, then `surface.NAME`, then `start.i`."""
    runs = pd.concat(parts, ignore_index=True).sort_values("run", ignore_index=True)
    others = [name for name in runs.columns if name not in COLUMNS]
    starts = [name for name in others if name.startswith("start.")]
    parameters = [name for name in others if name.startswith("surface.")]
    hyperparameters = [name for name in others if name not in starts and name not in parameters]
    return runs[[*COLUMNS, *hyperparameters, *parameters, *sorted(starts, key=lambda name: int(name[6:]))]]


def trajectory_frame(paths: Mapping[int, Trajectory]) -> pd.DataFrame:
    """Every step of the drawn runs: `run, step, x0.., loss, grad_norm`; a very large path is thinned evenly."""
    parts = []
    for run, path in paths.items():
        stride = -(-path.x.size // PATH_NUMBERS)
        steps = np.unique(np.append(np.arange(0, len(path.loss), stride), len(path.loss) - 1))
        columns = {"run": np.full(len(steps), run), "step": steps}
        columns |= {f"x{i}": path.x[steps, i] for i in range(path.x.shape[1])}
        parts.append(pd.DataFrame({**columns, "loss": path.loss[steps], "grad_norm": path.grad_norm[steps]}))
    if not parts:
        return pd.DataFrame(columns=["run", "step", "x0", "loss", "grad_norm"])
    joined = pd.concat(parts, ignore_index=True)
    weights = sorted((name for name in joined.columns if name[0] == "x"), key=lambda name: int(name[1:]))
    return joined[["run", "step", *weights, "loss", "grad_norm"]]


def log_spaced(last: int) -> np.ndarray:
    """Steps 0, 1, 2, .. `last`, thinned to equal distances on a log axis."""
    if last <= 0:
        return np.array([0])
    decades = np.log10(last)
    points = np.round(10 ** np.arange(0, decades, 1 / CURVE_POINTS_PER_DECADE)).astype(np.int64)
    return np.unique(np.concatenate([[0], points, [last]]))


def curves_frame(runs: pd.DataFrame, paths: Mapping[int, Trajectory], f_star: Mapping[int, float]) -> pd.DataFrame:
    """The loss at log-spaced steps of the drawn runs: `run, surface, solver, start, step, loss, gap`."""
    parts = []
    for run, path in paths.items():
        steps = log_spaced(len(path.loss) - 1)
        row = runs.loc[run]
        loss = path.loss[steps]
        parts.append(
            pd.DataFrame(
                {
                    "run": run,
                    "surface": row["surface"],
                    "solver": row["solver"],
                    "start": row["start"],
                    "step": steps,
                    "loss": loss,
                    "gap": loss - f_star[run],
                }
            )
        )
    names = ["run", "surface", "solver", "start", "step", "loss", "gap"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=names)


def table_row(block: Block, runs: pd.DataFrame, hits: np.ndarray, chosen: pd.DataFrame, edge: str) -> dict[str, object]:
    """The row of `table.csv` for a block: its `runs`, their `hits` `[runs, targets]`, and the `chosen` runs."""
    of_chosen = hits[chosen["run"].to_numpy() - block.first_run]
    steps = chosen["steps_to_target"].astype("Float64").fillna(np.inf)
    counts = chosen["status"].value_counts()
    single = len(counts) == 1
    minimum = chosen["minimum"].mode(dropna=True)
    trials = runs["learning_rate"].nunique() if "learning_rate" in runs else 1
    row: dict[str, object] = {"surface": block.surface.name, "solver": block.solver.name}
    row["tuned"] = trials > 1
    row["trials"], row["tuning_runs"] = trials, len(runs)
    row["tuning_steps"] = int(runs["steps"].fillna(0).sum())
    row["tuning_edge"] = edge
    row["starts"] = len(chosen)
    row["success"] = float((chosen["status"] == "reached").mean())
    row["status"] = counts.index[0] if single else ", ".join(f"{count} {name}" for name, count in counts.items())
    row["steps_to_target"] = median(steps)
    for column, name in enumerate(TARGET_COLUMNS):
        row[name] = median(pd.Series(of_chosen[:, column]))
    for name in ("loss_final", "gap", "distance"):
        row[name] = median(chosen[name].astype(float))
    row["minimum"] = int(minimum.iloc[0]) if len(minimum) else pd.NA
    for name in ("rate_observed", "rate_predicted"):
        finite = chosen[name].astype(float).dropna()
        row[name] = median(finite) if len(finite) else np.nan
    row["condition_number"] = block.facts.condition_number if block.facts else np.nan
    row["message"] = chosen["message"].iloc[0]
    settings = {**block.program.settings, **block.program.solver_options}
    return {**row, **{name: chosen[name].iloc[0] for name in settings}}


def table_frame(rows: Sequence[Mapping[str, object]]) -> pd.DataFrame:
    """The table with the settings right after the names."""
    table = pd.DataFrame(list(rows))
    fixed = [name for name in table.columns if name in _FIXED]
    return table[[*fixed[:2], *[name for name in table.columns if name not in _FIXED], *fixed[2:]]]


_FIXED = {
    *"surface solver tuned trials tuning_runs tuning_steps tuning_edge starts success status steps_to_target".split(),
    *TARGET_COLUMNS,
    *"loss_final gap distance minimum rate_observed rate_predicted condition_number message".split(),
}
