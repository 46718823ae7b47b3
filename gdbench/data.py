"""Tables of examples: a CSV file or a data set of scikit-learn, checked, scaled, ready to be an error surface.

A bad cell stops here with its file, column and line: nothing is dropped, filled in or guessed in silence. The one
exception is the row index that pandas and R write as a first column without a name (see `load`).
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from gdbench.csv_table import SEPARATORS, Table, read_csv
from gdbench.errors import DataError, nearest, unknown

PREPROCESSINGS = ("raw", "center", "scale", "standardize")
MODELS = ("linear", "logistic")
SKLEARN = ("breast_cancer", "diabetes", "digits", "iris", "wine")
LARGEST = 1e100  # E squares residuals and sums them: larger values would overflow
SHOWN = 20  # names or labels that one sentence can list


@dataclass(frozen=True)
class Dataset:
    """N examples: `features` [N, d], `target` [N] (0.0 or 1.0 for logistic), and the names of both.

    `classes` is empty for the linear model; for the logistic one it holds the two labels, the first coded 0.
    """

    name: str
    features: np.ndarray
    target: np.ndarray
    feature_names: tuple[str, ...]
    target_name: str
    classes: tuple[str, ...] = ()


def load(source: str, target: str | None, model: str = "linear") -> Dataset:
    """Read `source` and check it: a CSV path, or `sklearn:NAME` with NAME one of `SKLEARN`.

    The first line of a CSV names the columns; the separator (comma, semicolon or tab) is found out. `target` names
    the column to predict, every other column is a feature (True/False count as 1/0); `sklearn:` sets default to their
    own target. A first column that has no name (or pandas' "Unnamed: 0") and counts the rows from 0 or 1 is the row
    index of the program that wrote the file, not a measurement, and is left out. Empty cells, `?`, `NA` and pandas'
    other markers are missing values.

    The logistic model wants exactly two labels, sorted (numbers by value, text alphabetically) into classes 0 and 1.

    Raises DataError: unreadable file, absent or duplicate column, missing, non-numeric, infinite or huge (above
    1e100) value, not two classes, fewer rows than weights (features + 1).
    """
    if model not in MODELS:
        raise DataError(str(unknown("model", model, MODELS)))
    name = Path(source).stem
    if source.startswith("sklearn:"):
        name = source.removeprefix("sklearn:")
        table = _from_sklearn(name, target)
        target = target or "target"
    elif name in SKLEARN and not os.path.exists(source):
        raise DataError(f"no file '{source}'; for scikit-learn's data set write 'sklearn:{name}'")
    else:
        table = read_csv(source)
    columns = [str(column) for column in table.frame.columns]
    if target is None:
        raise DataError(f"which column of {table.label} is the target? choose from: {_listed(columns)}")
    if target not in columns:
        raise DataError(_absent(table.label, target, columns))
    feature_names = tuple(column for column in columns if column != target)
    if not feature_names:
        names = ", ".join(SEPARATORS.values())
        raise DataError(f"{table.label} has only the column '{target}', no feature (accepted separators: {names})")
    rows = len(table.frame)
    if not rows:
        raise DataError(f"{table.label} has a header but no rows")
    _refuse_missing(table)
    classes: tuple[str, ...] = ()
    if model == "logistic":
        values, classes = _two_classes(table, target)
    else:
        values = _numbers(table, target, "the linear model needs a numeric target (two labels fit model logistic)")
    advice = "only numeric columns are supported: drop the column or encode it as numbers"
    features = np.column_stack([_numbers(table, column, advice) for column in feature_names])
    if rows < len(feature_names) + 1:
        raise DataError(
            f"{table.label} has {rows} rows for {len(feature_names) + 1} weights ({len(feature_names)} features and "
            "the intercept): add rows or drop features"
        )
    return Dataset(name, features, values, feature_names, target, classes)


def preprocess(dataset: Dataset, how: str, fitted_on: np.ndarray | None = None) -> Dataset:
    """Shift and scale every feature: `center` x - mean, `scale` x / std, `standardize` (x - mean) / std, or `raw`.

    The standard deviation is the population's (divided by N, as in scikit-learn). The target stays as it is. Mean and
    deviation are those of the examples `fitted_on`, a mask `[N]`; of all without it.
    Raises DataError for an unknown name, and for a constant column that would have to be divided by 0.
    """
    if how not in PREPROCESSINGS:
        raise DataError(str(unknown("preprocessing", how, PREPROCESSINGS)))
    if how == "raw":
        return dataset
    # a power of two near each column's largest value: exact to divide by, and no square can overflow
    exponent = np.frexp(np.abs(dataset.features).max(axis=0))[1]
    values = np.ldexp(dataset.features, -exponent)
    fitted = np.ones(len(values), bool) if fitted_on is None else fitted_on
    centered = values - values[fitted].mean(axis=0)
    centered -= centered[fitted].mean(axis=0)  # the first mean is rounded: with a mean of 1e9 that is visible
    # 0.1 repeated has a rounded mean and a std of 1e-17, so the range decides what is constant
    constant = np.ptp(values[fitted], axis=0) <= 10 * np.finfo(float).eps * np.abs(values).max(axis=0)
    if fitted.all():
        centered[:, constant] = 0.0
    if how == "center":
        return replace(dataset, features=np.ldexp(centered, exponent))
    if constant.any():
        column = int(np.argmax(constant))
        raise DataError(
            f"{dataset.name}: column '{dataset.feature_names[column]}' is constant (always "
            f"{dataset.features[0, column]:g}), so '{how}' would divide it by 0: drop the column, or use raw or center"
        )
    spread = np.sqrt(np.mean(centered[fitted] ** 2, axis=0))
    return replace(dataset, features=(values if how == "scale" else centered) / spread)


def design_matrix(dataset: Dataset) -> np.ndarray:
    """The features followed by a column of ones [N, d + 1]: the intercept is the last weight."""
    return np.column_stack([dataset.features, np.ones(len(dataset.features))])


def _from_sklearn(name: str, target: str | None) -> Table:
    """The frame of a scikit-learn loader, its own target under the name "target"."""
    if name not in SKLEARN:
        raise DataError(str(unknown("data set", name, SKLEARN, "of scikit-learn")))
    try:
        from sklearn import datasets
    except ImportError:
        raise DataError(f"sklearn:{name} needs scikit-learn: pip install 'gdbench[sklearn]'") from None
    bunch = getattr(datasets, f"load_{name}")(as_frame=True)
    own = target in (None, "target")
    frame = bunch.frame if own else bunch.frame.drop(columns="target")
    labels = tuple(str(label) for label in bunch.get("target_names", ())) if own else ()
    return Table(f"sklearn:{name}", frame, lambda row: (row + 1, {}), labels)


def _listed(names: list[str]) -> str:
    """The names in one line, cut when there are too many."""
    return ", ".join(names[:SHOWN]) + (f", .. ({len(names)} in all)" if len(names) > SHOWN else "")


def _absent(label: str, target: str, columns: list[str]) -> str:
    """The sentence for a target that is no column, with the nearest column or all of them."""
    if all(re.fullmatch(r"[-+.\deE]+", column) for column in columns):
        return f"{label} has no column '{target}'; line 1 should name the columns but holds only numbers"
    close = nearest(target, columns)
    hint = f"did you mean '{close}'?" if close else f"choose from: {_listed(columns)}"
    return f"{label} has no column '{target}'; {hint}"


def _refuse_missing(table: Table) -> None:
    """Raise DataError at the first column with a missing value."""
    counts = table.frame.isna().sum()
    if not counts.any():
        return
    column = str(counts.index[int(np.argmax(counts.to_numpy() > 0))])
    line, cells = table.locate(int(np.argmax(table.frame[column].isna().to_numpy())))
    cell = cells.get(column)
    why = " (the line is too short)" if cell is None else f" ('{cell}' counts as missing)" if cell else ""
    raise DataError(
        f"{table.label}, column '{column}', line {line}: the value is missing{why}; {counts[column]} missing in this "
        f"column, {counts.sum()} in the file: fill them in or drop those rows"
    )


def _numbers(table: Table, column: str, advice: str) -> np.ndarray:
    """The column as float64 [N], every value finite and at most LARGEST in size."""
    import pandas as pd

    series = table.frame[column]
    if not (pd.api.types.is_numeric_dtype(series) or pd.api.types.is_bool_dtype(series)):
        numbers = pd.to_numeric(series, errors="coerce")
        if numbers.isna().any():
            row = int(np.argmax(numbers.isna().to_numpy()))
            text = str(series.iloc[row])
            if re.fullmatch(r"[-+]?\d+(,\d+)+(\.\d*)?", text):
                advice = "write numbers with a decimal point and without thousands separators"
            text = text if len(text) <= 40 else text[:40] + ".."
            line = table.locate(row)[0]
            raise DataError(f"{table.label}, column '{column}', line {line}: '{text}' is not a number; {advice}")
        series = numbers
    values = series.to_numpy(dtype=np.float64)
    huge = ~(np.abs(values) <= LARGEST)
    if huge.any():
        row = int(np.argmax(huge))
        what = "is infinite" if np.isinf(values[row]) else f"is above {LARGEST:g} in size, its square would overflow"
        raise DataError(f"{table.label}, column '{column}', line {table.locate(row)[0]}: the value {what}")
    return values


def _two_classes(table: Table, column: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """The column coded 0.0 / 1.0 [N], and the two labels in that order."""
    import pandas as pd

    series = table.frame[column]
    if pd.api.types.is_bool_dtype(series):
        labels, codes = np.unique(series.to_numpy(dtype=bool), return_inverse=True)
        names = [str(label) for label in labels]
    elif pd.api.types.is_numeric_dtype(series):
        labels, codes = np.unique(_numbers(table, column, ""), return_inverse=True)
        names = [str(label) if label % 1 else f"{label:.0f}" for label in labels.tolist()]
    else:
        labels, codes = np.unique(series.astype(str).str.strip().to_numpy(dtype=object), return_inverse=True)
        names = [str(label) for label in labels]
    if len(names) != 2:
        many = f"{len(names)} classes" if len(names) > 1 else "only one class"
        raise DataError(
            f"{table.label}, column '{column}': the logistic model needs a target of exactly two classes, found {many} "
            f"({_listed(names)})"
        )
    if len(table.labels) == 2:
        names = list(table.labels)
    return codes.astype(np.float64), tuple(names)
