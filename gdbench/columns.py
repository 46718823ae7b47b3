"""Name the columns of results once."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

# how well the model of a run predicts, on the examples trained on and on those held out
SCORES = ("train_r2", "test_r2", "train_accuracy", "test_accuracy")

# The columns of `runs` that describe a run or its outcome; what is left are hyperparameters, parameters and starts.
CONTRACT = frozenset(
    "run surface solver start seed status steps steps_to_target loss_start loss_final loss_best gap distance "
    "grad_norm minimum value_evals grad_evals hess_evals rate_observed rate_predicted condition_number fingerprint "
    "message held_out_loss held_out_step".split()
) | set(SCORES)

PARAMETER = "surface."

OTHERS = (PARAMETER, "start.", "steps_at_")


def hyperparameters(runs: pd.DataFrame) -> list[str]:
    """The columns of `runs` that are hyperparameters of a solver, in their order."""
    return [name for name in runs.columns if name not in CONTRACT and not name.startswith(OTHERS)]


COLUMNS = (
    "run surface solver start seed status steps steps_to_target loss_start loss_final loss_best gap distance grad_norm "
    "minimum value_evals grad_evals hess_evals rate_observed rate_predicted condition_number fingerprint message"
).split()

# where examples are held out, and where a model predicts
HELD_OUT = ("held_out_loss", "held_out_step")

WATCHED = (*HELD_OUT, *SCORES)

AT = "steps_at_"

FIXED = (
    "surface solver tuned trials tuning_runs tuning_steps tuning_edge tuning_starts tuning_success "
    "tuning_steps_to_target starts success status steps_to_target"
).split()

LAST = "loss_final gap distance minimum rate_observed rate_predicted rate_note condition_number message".split()


def ordered(names: Iterable[str]) -> list[str]:
    """The columns of runs in their order: the fixed ones, targets, hyperparameters, parameters, starts."""
    names = list(names)
    watched = [name for name in WATCHED if name in names]
    others = [name for name in names if name not in (*COLUMNS, *WATCHED)]
    targets = [name for name in others if name.startswith(AT)]
    starts = [name for name in others if name.startswith("start.")]
    parameters = [name for name in others if name.startswith("surface.")]
    hyperparameters = [name for name in others if name not in (*targets, *starts, *parameters)]
    starts.sort(key=lambda name: int(name.removeprefix("start.")))
    return [*COLUMNS, *watched, *targets, *hyperparameters, *parameters, *starts]


def target_column(target: float) -> str:
    """The column for the first step at a relative target: `steps_at_1e-3`, `steps_at_0.25`."""
    exponent = round(-np.log10(target))
    return f"{AT}1e-{exponent}" if target == 10.0**-exponent and exponent > 0 else f"{AT}{target:g}"
