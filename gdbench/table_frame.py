"""The table of a result, from its runs alone: a row per problem and solver, at the settings that won."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from gdbench.chosen import hyperparameters
from gdbench.tuning import choose, median

COLUMNS = (
    "run surface solver start seed status steps steps_to_target loss_start loss_final loss_best gap distance grad_norm "
    "minimum value_evals grad_evals hess_evals rate_observed rate_predicted condition_number fingerprint message"
).split()
AT = "steps_at_"
FIXED = (
    "surface solver tuned trials tuning_runs tuning_steps tuning_edge tuning_starts tuning_success "
    "tuning_steps_to_target starts success status steps_to_target"
).split()
LAST = "loss_final gap distance minimum rate_observed rate_predicted condition_number message".split()


def ordered(names: Iterable[str]) -> list[str]:
    """The columns of runs in their order: the fixed ones, targets, hyperparameters, parameters, starts."""
    others = [name for name in names if name not in COLUMNS]
    targets = [name for name in others if name.startswith(AT)]
    starts = [name for name in others if name.startswith("start.")]
    parameters = [name for name in others if name.startswith("surface.")]
    hyperparameters = [name for name in others if name not in (*targets, *starts, *parameters)]
    starts.sort(key=lambda name: int(name.removeprefix("start.")))
    return [*COLUMNS, *targets, *hyperparameters, *parameters, *starts]


def target_column(target: float) -> str:
    """The column for the first step at a relative target: `steps_at_1e-3`, `steps_at_0.25`."""
    exponent = round(-np.log10(target))
    return f"{AT}1e-{exponent}" if target == 10.0**-exponent and exponent > 0 else f"{AT}{target:g}"


def table_of(
    runs: pd.DataFrame,
    *,
    metric: str = "steps_to_target",
    searched: bool = False,
    tuning_starts: Mapping[str, int] | None = None,
) -> pd.DataFrame:
    """A row per problem (`surface`) and solver of `runs`, at its best settings.

    searched : the settings are points drawn over a space, so that none of them lies on the edge of a grid.
    tuning_starts : by problem, where some starts are held out: settings are chosen on the starts before that number,
    and all that is reported stands for those from it on.
    """
    settings = hyperparameters(runs)
    rows = []
    for (surface, solver), own in runs.groupby(["surface", "solver"], sort=False, observed=True):
        used = [name for name in settings if not own[name].isna().all()]
        # the rate first: of two equal settings the smaller rate wins
        used = sorted(used, key=lambda name: name != "learning_rate")
        held_out = (tuning_starts or {}).get(str(surface), 0)
        tuning = own[own["start"] < held_out] if held_out else own
        chosen, edge = choose(tuning, used, metric)
        trials = int(own[used].drop_duplicates().shape[0]) if used else 1
        row: dict[str, object] = {"surface": str(surface), "solver": str(solver)}
        row |= {name: chosen[name].iloc[0] for name in used}
        row["tuned"], row["trials"] = trials > 1, trials
        row["tuning_runs"], row["tuning_steps"] = len(tuning), int(tuning["steps"].fillna(0).sum())
        row["tuning_edge"] = "" if searched else edge
        if held_out:
            row["tuning_starts"] = held_out
            row["tuning_success"] = float((chosen["status"] == "reached").mean())
            row["tuning_steps_to_target"] = median(_steps(chosen["steps_to_target"]))
            chosen = _same_settings(own[own["start"] >= held_out], chosen, used)
        rows.append({**row, **_outcome(chosen)})
    return _in_order(rows)


def join_tables(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Tables as one, the settings right after the names."""
    return _in_order([row for part in parts for row in part.to_dict("records")])


def _in_order(rows: Sequence[Mapping[Any, object]]) -> pd.DataFrame:
    table = pd.DataFrame(rows)
    at = [name for name in table.columns if name.startswith(AT)]
    settings = [name for name in table.columns if name not in (*FIXED, *at, *LAST)]
    between = [name for name in FIXED[2:] if name in table.columns]
    return table[[*FIXED[:2], *settings, *between, *at, *LAST]]


def _same_settings(runs: pd.DataFrame, chosen: pd.DataFrame, settings: list[str]) -> pd.DataFrame:
    same = np.ones(len(runs), bool)
    for name in settings:
        value = chosen[name].iloc[0]
        same &= runs[name].isna().to_numpy() if pd.isna(value) else (runs[name] == value).fillna(False).to_numpy(bool)
    return runs[same]


def _outcome(chosen: pd.DataFrame) -> dict[str, object]:
    """What the runs at the chosen settings came to."""
    counts = chosen["status"].astype(str).value_counts()
    single = len(counts) == 1
    minimum = chosen["minimum"].mode(dropna=True)
    row: dict[str, object] = {"starts": len(chosen), "success": float((chosen["status"] == "reached").mean())}
    row["status"] = counts.index[0] if single else ", ".join(f"{count} {name}" for name, count in counts.items())
    row["steps_to_target"] = median(_steps(chosen["steps_to_target"]))
    for name in chosen.columns:
        if name.startswith(AT):
            row[name] = median(_steps(chosen[name]))
    for name in ("loss_final", "gap", "distance"):
        row[name] = median(chosen[name].astype(float))
    row["minimum"] = int(minimum.iloc[0]) if len(minimum) else pd.NA
    for name in ("rate_observed", "rate_predicted"):
        finite = chosen[name].astype(float).dropna()
        row[name] = median(finite) if len(finite) else np.nan
    row["condition_number"] = float(chosen["condition_number"].iloc[0])
    row["message"] = next((text for text in chosen["message"] if isinstance(text, str) and text), "")
    return row


def _steps(column: pd.Series) -> np.ndarray:
    """Steps `[runs]`, infinity where there are none."""
    return pd.to_numeric(column).to_numpy(dtype=float, na_value=np.inf)
