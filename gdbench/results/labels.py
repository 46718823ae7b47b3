"""Label problems: `ellipse`, or `ellipse condition=10` where a parameter varies."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from gdbench.columns import PARAMETER, PROBLEM, parameters
from gdbench.errors import ResultError


def problem_labels(runs: pd.DataFrame, without: Sequence[str] = ()) -> pd.Series:
    """Name each row's problem: `ellipse`, or `ellipse condition=10` where the surface's rows differ in a parameter.

    Numbers are written with the fewest digits, six or more, that tell the surface's values apart. `without` are
    columns of parameters that the names leave out.
    """
    return _labels(runs, _words(runs.drop(columns=list(without))))


def label_runs(runs: pd.DataFrame) -> pd.DataFrame:
    """Return `runs` with the column `problem`; runs that have it stay as they are."""
    if PROBLEM in runs.columns:
        return runs
    labelled = runs.copy(deep=False)
    labelled.insert(list(runs.columns).index("surface"), PROBLEM, problem_labels(runs))
    return labelled


def label_table(table: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """Return a `table` of `runs` with the column `problem`, which those of older results lack.

    Raises ResultError where the table lacks a parameter by which its problems differ.
    """
    if PROBLEM in table.columns:
        return table
    words = _words(runs)
    for surface, columns in words.items():
        lacking = [name for name in columns if name not in table.columns]
        if lacking and (table["surface"].astype(str) == surface).any():
            raise ResultError(f"the table has no column '{lacking[0]}', in which the runs on '{surface}' differ")
    labels = _labels(table, words)
    return pd.concat([labels, table], axis=1)


def label_curves(curves: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """Return the `curves` of labelled `runs` with the column `problem`; those of older sweeps have it as `surface`."""
    if PROBLEM in curves.columns:
        return curves
    names = runs.loc[runs["run"].isin(curves["run"]), ["run", PROBLEM, "surface"]].set_index("run").astype(str)
    of_run = names.reindex(curves["run"]).set_axis(curves.index)
    # a sweep that lost a shard has curves of runs that are gone
    return curves.assign(**{name: of_run[name].fillna(curves["surface"]) for name in (PROBLEM, "surface")})


def _words(runs: pd.DataFrame) -> dict[str, dict[str, dict[object, str]]]:
    """Return, by surface and column, how each value of a parameter that varies on this surface is written."""
    words: dict[str, dict[str, dict[object, str]]] = {}
    for column in parameters(runs):
        if len(runs[column].unique()) < 2:
            continue
        pairs = runs[["surface", column]].drop_duplicates().dropna(subset=[column])
        for surface, values in pairs.groupby("surface", sort=False)[column]:
            distinct = list(dict.fromkeys(map(plain, values)))
            if len(distinct) > 1:
                words.setdefault(str(surface), {})[column] = dict(zip(distinct, _distinct(distinct), strict=True))
    return words


def _distinct(values: list[object]) -> list[str]:
    """Write the values as text, all different."""
    for digits in range(6, 17):
        texts = [f"{value:.{digits}g}" if isinstance(value, float) else str(value) for value in values]
        if len(set(texts)) == len(values):
            return texts
    return [str(value) for value in values]


def _labels(frame: pd.DataFrame, words: dict[str, dict[str, dict[object, str]]]) -> pd.Series:
    if not words:
        return frame["surface"].rename(PROBLEM)
    columns = [name for name in frame.columns if any(name in of_surface for of_surface in words.values())]
    number = frame.groupby(["surface", *columns], dropna=False, sort=False).ngroup()
    groups, _ = pd.factorize(number)  # by first appearance
    first = np.flatnonzero(~number.duplicated().to_numpy())
    names = []
    for surface, *values in frame[["surface", *columns]].iloc[first].itertuples(index=False, name=None):
        varies = words.get(str(surface), {})
        parts = [
            f"{column.removeprefix(PARAMETER)}={varies[column].get(plain(value), value)}"
            for column, value in zip(columns, values, strict=True)
            if column in varies and not pd.isna(value)
        ]
        names.append(" ".join([str(surface), *parts]))
    return pd.Series(pd.array(names, dtype="str").take(groups), index=frame.index, name=PROBLEM)


def plain(value: object) -> object:
    """Return a cell as a float or as text, whichever type its column was read as: 3, 3.0 and "3" are one value."""
    if isinstance(value, bool | np.bool_):
        return str(value)
    try:
        return float(value)  # type: ignore[arg-type]
    except ValueError:
        return str(value)
