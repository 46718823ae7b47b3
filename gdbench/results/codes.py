"""Number the combinations of cells, so that equal rows have equal numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from gdbench.results.labels import plain

EMPTY, ABSENT = 0, -1


def setting_codes(runs: pd.DataFrame, groups: np.ndarray, settings: Sequence[str]) -> np.ndarray:
    """Number every distinct combination of group and `settings`, `[runs]`, from 0, in the order of all these.

    An empty cell equals an empty one and comes last.
    """
    codes = groups
    for name in settings:
        places, values = pd.factorize(runs[name], sort=True)
        if len(values) > (places >= 0).all():  # else all cells are alike
            codes = codes * (len(values) + 1) + np.where(places < 0, len(values), places)
            # numbered anew after every column: a product over all columns would overflow
            codes = pd.factorize(codes, sort=True)[0]
    return codes if codes is not groups else pd.factorize(codes, sort=True)[0]


def codes_by_appearance(runs: pd.DataFrame, columns: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Number the combinations of `columns` as they first appear, `[runs]`; return with each its first row.

    An empty cell is a value too: that of a solver without this hyperparameter.
    """
    codes, _ = pd.factorize(setting_codes(runs, np.zeros(len(runs), np.int64), columns))
    return codes, np.unique(codes, return_index=True)[1]


def matching_codes(column: pd.Series, choices: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Number the cells of both columns, equal where the cells are: 0 for an empty one, -1 for what `choices` lacks.

    A number equals its exact value, whichever type its column was read as.
    """
    chosen = _factorised(choices)
    known = chosen[1].drop_duplicates()  # a column of mixed types may hold 3 and "3"

    def numbered(codes: np.ndarray, values: pd.Index) -> np.ndarray:
        places = known.get_indexer(values)
        # the code of an empty cell is -1: the last number
        return np.asarray(np.append(np.where(places < 0, ABSENT, places + 1), EMPTY)[codes])

    return numbered(*_factorised(column)), numbered(*chosen)


def _factorised(column: pd.Series) -> tuple[np.ndarray, pd.Index]:
    """Return for each cell the place of its value, -1 for an empty one, and the values."""
    codes, uniques = pd.factorize(column)
    if pd.api.types.is_numeric_dtype(uniques.dtype) and not pd.api.types.is_bool_dtype(uniques.dtype):
        return codes, pd.Index(np.asarray(uniques, dtype=float))
    return codes, pd.Index([plain(value) for value in uniques], dtype=object)
