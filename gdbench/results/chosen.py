"""Which runs a table speaks of, and what its problems are called: frames in, frames out."""

from __future__ import annotations

import numpy as np
import pandas as pd

from gdbench.errors import ResultError

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
EMPTY, ABSENT = 0, -1


def hyperparameters(runs: pd.DataFrame) -> list[str]:
    """The columns of `runs` that are hyperparameters of a solver, in their order."""
    return [name for name in runs.columns if name not in CONTRACT and not name.startswith(OTHERS)]


def chosen_runs(runs: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """The rows of `runs` at each (surface, solver)'s chosen settings as `table` names them, in the order of `runs`.

    All hyperparameters that both frames have must be equal: an empty cell equals an empty one only, a number its exact
    value, whichever type its column was read as. Where the table's `tuning_starts` is above 0 only the held-out starts
    count: `start >= tuning_starts`. `surface` is the problem's name in both (see `label_problems`).
    """
    rows, run_key, table_key = np.arange(len(runs)), np.zeros(len(runs), np.int64), np.zeros(len(table), np.int64)
    for name in ["surface", "solver", *(name for name in hyperparameters(runs) if name in table.columns)]:
        found, given = _codes(runs[name].iloc[rows], table[name])
        base = int(given.max(initial=0)) + 1
        # numbered anew after every column: a product over all columns would overflow
        known, table_key = np.unique(table_key * base + given, return_inverse=True)
        key = pd.Index(known).get_indexer(pd.Index(run_key * base + found))
        keep = (found != ABSENT) & (key >= 0)
        rows, run_key = rows[keep], key[keep].astype(np.int64)
    if "tuning_starts" in table.columns:
        held_out = np.zeros(int(table_key.max(initial=-1)) + 1)
        held_out[table_key] = pd.to_numeric(table["tuning_starts"]).to_numpy(dtype=float, na_value=0.0)
        rows = rows[runs["start"].to_numpy()[rows] >= held_out[run_key]]
    return runs.iloc[rows]


def problem_labels(runs: pd.DataFrame) -> pd.Series:
    """The unique name of each row's problem: `ellipse`, or `ellipse condition=10` where its rows differ in a parameter.

    Numbers are written with the fewest digits, six or more, that tell the surface's values apart.
    """
    return _labels(runs, _words(runs))


def label_problems(runs: pd.DataFrame, table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Both frames with `surface` replaced by the problem's label; frames that are labelled already stay as they are.

    Raises ResultError where the table lacks a parameter by which its problems differ.
    """
    words = _words(runs)
    for surface, columns in words.items():
        lacking = [name for name in columns if name not in table.columns]
        if lacking and (table["surface"].astype(str) == surface).any():
            raise ResultError(f"the table has no column '{lacking[0]}', in which the runs on '{surface}' differ")
    return runs.assign(surface=_labels(runs, words)), table.assign(surface=_labels(table, words))


def _words(runs: pd.DataFrame) -> dict[str, dict[str, dict[object, str]]]:
    """By surface and column, how each value of a parameter that varies on this surface is written."""
    words: dict[str, dict[str, dict[object, str]]] = {}
    for column in (name for name in runs.columns if name.startswith(PARAMETER)):
        pairs = runs[["surface", column]].drop_duplicates().dropna(subset=[column])
        for surface, values in pairs.groupby("surface", sort=False)[column]:
            plain = list(dict.fromkeys(_plain(value) for value in values))
            if len(plain) > 1:
                words.setdefault(str(surface), {})[column] = dict(zip(plain, _distinct(plain), strict=True))
    return words


def _distinct(values: list[object]) -> list[str]:
    """The values as text, all different."""
    for digits in range(6, 17):
        texts = [f"{value:.{digits}g}" if isinstance(value, float) else str(value) for value in values]
        if len(set(texts)) == len(values):
            return texts
    return [str(value) for value in values]


def _labels(frame: pd.DataFrame, words: dict[str, dict[str, dict[object, str]]]) -> pd.Series:
    if not words:
        return frame["surface"]
    columns = [name for name in frame.columns if any(name in of_surface for of_surface in words.values())]
    number = frame.groupby(["surface", *columns], dropna=False, sort=False).ngroup()
    groups, _ = pd.factorize(number)  # by first appearance
    first = np.flatnonzero(~number.duplicated().to_numpy())
    names = []
    for surface, *values in frame[["surface", *columns]].iloc[first].itertuples(index=False, name=None):
        varies = words.get(str(surface), {})
        parts = [
            f"{column.removeprefix(PARAMETER)}={varies[column].get(_plain(value), value)}"
            for column, value in zip(columns, values, strict=True)
            if column in varies and not pd.isna(value)
        ]
        names.append(" ".join([str(surface), *parts]))
    return pd.Series(pd.array(names, dtype="str").take(groups), index=frame.index, name="surface")


def _plain(value: object) -> object:
    """A cell as a float or as text, whichever type its column was read as: 3, 3.0 and "3" are one value."""
    if isinstance(value, bool | np.bool_):
        return str(value)
    try:
        return float(value)  # type: ignore[arg-type]
    except ValueError:
        return str(value)


def _codes(column: pd.Series, choices: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Both columns as whole numbers, equal where the cells are: 0 for an empty one, -1 for what `choices` lacks."""
    given = _factorised(choices)
    known = given[1].drop_duplicates()  # a column of mixed types may hold 3 and "3"

    def numbered(codes: np.ndarray, values: pd.Index) -> np.ndarray:
        places = known.get_indexer(values)
        # the code of an empty cell is -1: the last number
        return np.append(np.where(places < 0, ABSENT, places + 1), EMPTY)[codes]

    return numbered(*_factorised(column)), numbered(*given)


def _factorised(column: pd.Series) -> tuple[np.ndarray, pd.Index]:
    """For each cell the place of its value, -1 for an empty one, and the values."""
    codes, uniques = pd.factorize(column)
    if pd.api.types.is_numeric_dtype(uniques.dtype) and not pd.api.types.is_bool_dtype(uniques.dtype):
        return codes, pd.Index(np.asarray(uniques, dtype=float))
    return codes, pd.Index([_plain(value) for value in uniques], dtype=object)
