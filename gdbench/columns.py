"""Name the columns of results, each once.

A surface is named by `surface`; the problem, which is a surface at its parameters, by `problem` (see `results.labels`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

# a parameter of a surface, a coordinate of a start, the first step at a relative target, the kind of a schedule
PARAMETER, START, AT, SCHEDULE = "surface.", "start.", "steps_at_", ".schedule"

PROBLEM = "problem"

# the size of a mini-batch, which is part of the problem where it is swept
BATCH = f"{PARAMETER}batch_size"

# Theory says this of a run; theory.csv has these columns beside its number.
RATES = ("rate_observed", "rate_predicted")
NOTED = (*RATES, "rate_note", "message")

# every row of runs.csv and of a shard has these
COLUMNS = (
    "run",
    "surface",
    "solver",
    "start",
    "seed",
    "status",
    *"steps steps_to_target loss_start loss_final loss_best gap distance grad_norm minimum".split(),
    *"value_evals grad_evals hess_evals".split(),
    *RATES,
    *"condition_number fingerprint message".split(),
)

# The lowest loss of a run on held-out examples, and its step.
HELD_OUT = ("held_out_loss", "held_out_step")

# The model of a run predicts this well, on the examples trained on and on those held out.
SCORES = ("train_r2", "test_r2", "train_accuracy", "test_accuracy")

WATCHED = (*HELD_OUT, *SCORES)

# The columns of runs that describe a run or its outcome; what is left are hyperparameters, parameters and starts.
CONTRACT = frozenset((PROBLEM, *COLUMNS, *WATCHED))

# table.csv: names, then settings, then these, then targets and scores, then the last
NAMES = (PROBLEM, "surface", "solver")
FIXED = (
    *NAMES,
    *"tuned trials tuning_runs tuning_steps tuning_edge tuning_starts tuning_success tuning_steps_to_target".split(),
    *"starts success status steps_to_target".split(),
)
LAST = ("loss_final", "gap", "distance", "minimum", *RATES, "rate_note", "condition_number", "message")

# curves.csv, and of random steps the losses since the step in the row before
CURVE = ("run", *NAMES, "start", "step", "loss", "gap")
RANGE = ("loss_low", "loss_median", "loss_high")

# No setting of a solver may be called like one of these.
TAKEN = tuple(dict.fromkeys((*COLUMNS, *WATCHED, *FIXED, *LAST)))

# Nothing can be drawn without these columns of each table: words, and numbers.
REQUIRED = {
    "runs": (("surface", "solver", "status"), ("run", "start", "steps", "steps_to_target", "loss_final")),
    "table": (("surface", "solver", "status"), ("steps_to_target", "rate_predicted")),
    "trajectory": ((), ("run", "step", "x0", "loss")),
    "curves": (("surface", "solver"), ("run", "start", "step", "loss", "gap")),
}


def hyperparameters(runs: pd.DataFrame) -> list[str]:
    """Return the columns of `runs` that are hyperparameters of a solver, in their order."""
    return [name for name in runs.columns if name not in CONTRACT and not name.startswith((PARAMETER, START, AT))]


def parameters(runs: pd.DataFrame) -> list[str]:
    """Return the columns of `runs` that are parameters of a surface, in their order."""
    return [name for name in runs.columns if name.startswith(PARAMETER)]


def ordered(names: Iterable[str]) -> list[str]:
    """Order the columns of runs: the fixed ones, targets, hyperparameters, parameters, starts."""
    names = list(names)
    watched = [name for name in WATCHED if name in names]
    others = [name for name in names if name not in CONTRACT]
    targets = [name for name in others if name.startswith(AT)]
    starts = [name for name in others if name.startswith(START)]
    of_surface = [name for name in others if name.startswith(PARAMETER)]
    of_solver = [name for name in others if name not in (*targets, *starts, *of_surface)]
    starts.sort(key=lambda name: int(name.removeprefix(START)))
    problem = [PROBLEM] if PROBLEM in names else []
    return [COLUMNS[0], *problem, *COLUMNS[1:], *watched, *targets, *of_solver, *of_surface, *starts]


def target_column(target: float) -> str:
    """Return the column for the first step at a relative target: `steps_at_1e-3`, `steps_at_0.25`."""
    exponent = round(-math.log10(target))
    return f"{AT}1e-{exponent}" if target == 10.0**-exponent and exponent > 0 else f"{AT}{target:g}"
