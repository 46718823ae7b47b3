"""Label problems: `ellipse`, or `ellipse condition=10` where a parameter varies."""

from __future__ import annotations

import numpy as np
import pandas as pd

from gdbench.columns import PARAMETER
from gdbench.errors import ResultError


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
