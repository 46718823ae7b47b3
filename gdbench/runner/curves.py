"""The course of the drawn runs at log-spaced steps: loss, and of data what held-out examples and the metric say."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from gdbench.engine.stream import Trajectory
from gdbench.planning.run_grid import Block
from gdbench.results.chosen import SCORES
from gdbench.surfaces.metrics import held_out_losses, scores_of

POINTS_PER_DECADE = 20
COLUMNS = ("run", "surface", "solver", "start", "step", "loss", "gap")
# where steps are random, of the losses since the step before; where there are held-out examples; of predictions
RANGE, HELD_OUT = ("loss_low", "loss_median", "loss_high"), "held_out_loss"


def log_spaced(last: int) -> np.ndarray:
    """Steps 0, 1, 2, .. `last`, thinned to equal distances on a log axis."""
    if last <= 0:
        return np.array([0])
    decades = np.log10(last)
    points = np.round(10 ** np.arange(0, decades, 1 / POINTS_PER_DECADE)).astype(np.int64)
    return np.unique(np.concatenate([[0], points, [last]]))


def curves_frame(runs: pd.DataFrame, paths: Mapping[int, Trajectory], blocks: Mapping[int, Block]) -> pd.DataFrame:
    """The drawn runs at log-spaced steps: `run, surface, solver, start, step, loss, gap`, and, where they apply:

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
        part = {"run": run, "surface": row["surface"], "solver": row["solver"], "start": row["start"], "step": steps}
        part |= {"loss": loss, "gap": loss - (problem.facts.f_star if problem.facts else np.nan)}
        if block.is_stochastic:
            part |= dict(zip(RANGE, ranges(path.loss, steps), strict=True))
        if problem.surface.held_out:
            part[HELD_OUT] = held_out_losses(problem.surface, x)
        parts.append(pd.DataFrame(part | scores_of(problem.surface, x)))
    if not parts:
        return pd.DataFrame(columns=list(COLUMNS))
    joined = pd.concat(parts, ignore_index=True)
    return joined[[name for name in (*COLUMNS, *RANGE, HELD_OUT, *SCORES) if name in joined.columns]]


def ranges(loss: np.ndarray, steps: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The lowest, median and highest of `loss` `[k]` from behind each of `steps` up to and with the next one.

    A loss that is not a number counts as an infinite one.
    """
    loss = np.where(np.isnan(loss), np.inf, loss)
    groups = np.split(loss, steps[:-1] + 1)
    # the lower of two in the middle: a loss that was there
    medians = [np.sort(group)[(len(group) - 1) // 2] for group in groups]
    return np.array([group.min() for group in groups]), np.array(medians), np.array([group.max() for group in groups])
