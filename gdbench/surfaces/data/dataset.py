"""Load a table of examples, a CSV file or a data set of scikit-learn, and check it.

A bad cell stops here with its file, column and line: nothing is dropped, filled in or guessed in silence. The one
exception is the row index that pandas and R write as a first column without a name (see `load`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from gdbench.errors import DataError, nearest, unknown
from gdbench.surfaces.data.csv_file import SEPARATORS, Table, read_csv

PREPROCESSINGS = ("raw", "center", "scale", "standardize", "minmax", "whiten")

MODELS = ("linear", "logistic", "softmax", "mlp")

TASKS = ("auto", "regression", "classification")

SKLEARN = ("breast_cancer", "diabetes", "digits", "iris", "moons", "wine")

MOONS = {"n_samples": 200, "noise": 0.2, "random_state": 0}  # the arguments of make_moons for `sklearn:moons`

CRESCENTS = ("outer", "inner")  # the two classes of moons

MOST_CLASSES = 100  # a target with more values measures something

LARGEST = 1e100  # E squares residuals and sums them: larger values would overflow

SHOWN = 20  # one sentence lists at most this many names or labels


@dataclass(frozen=True)
class Dataset:
    """N examples: their `features`, their `target`, and the names of both.

    `classes` is empty for regression; for classification it holds the labels, which `target` counts from 0.0.
    """

    name: str
    features: Float[np.ndarray, "N d"]
    target: Float[np.ndarray, "N"]
    feature_names: tuple[str, ...]
    target_name: str
    classes: tuple[str, ...] = ()


def load(source: str, target: str | None, model: str = "linear", task: str = "auto") -> Dataset:
    """Read `source` and check it: a CSV path, or `sklearn:NAME` with NAME one of `SKLEARN`.

    The first line of a CSV names the columns; the separator is a comma, a semicolon or a tab. `target` names
    the column to predict, every other column is a feature (True/False count as 1/0); `sklearn:` sets default to their
    own target. A first column that has no name (or pandas' "Unnamed: 0") and counts the rows from 0 or 1 is the row
    index of the program that wrote the file, not a measurement, and is left out. Empty cells, `?`, `NA` and pandas'
    other markers are missing values.

    linear predicts numbers, logistic one of exactly two labels, softmax one of two or more; an mlp follows `task`:
    with `auto` labels if the target is text, True/False or classes that scikit-learn names, else numbers. Labels are
    sorted (numbers by value, text alphabetically) into classes 0, 1, ..

    Raises DataError: unreadable file, absent or duplicate column, missing, non-numeric, infinite or huge (above
    1e100) value, not two classes, one or too many, fewer rows than features + 1 (but for an mlp).
    """
    if model not in MODELS:
        raise DataError(str(unknown("model", model, MODELS)))
    if task not in TASKS:
        raise DataError(str(unknown("task", task, TASKS)))
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
    if _classifies(table, target, model, task):
        values, classes = _classes(table, target, model)
    else:
        advice = "regression needs a numeric target (two labels fit model logistic, more of them softmax)"
        if model == "linear":
            advice = "the linear model needs a numeric target (two labels fit model logistic, more of them softmax)"
        values = _numbers(table, target, advice)
    advice = "only numeric columns are supported: drop the column or encode it as numbers"
    features = np.column_stack([_numbers(table, column, advice) for column in feature_names])
    if model != "mlp" and rows < len(feature_names) + 1:
        raise DataError(
            f"{table.label} has {rows} rows for {len(feature_names) + 1} weights ({len(feature_names)} features and "
            "the intercept): add rows or drop features"
        )
    return Dataset(name, features, values, feature_names, target, classes)


def design_matrix(dataset: Dataset) -> Float[np.ndarray, "N d+1"]:
    """Append a column of ones to the features, so that the intercept is the last weight."""
    return np.column_stack([dataset.features, np.ones(len(dataset.features))])


def _from_sklearn(name: str, target: str | None) -> Table:
    """Load a data set of scikit-learn; its own target is the column "target"."""
    if name not in SKLEARN:
        raise DataError(str(unknown("data set", name, SKLEARN, "of scikit-learn")))
    try:
        from sklearn import datasets
    except ImportError:
        raise DataError(f"sklearn:{name} needs scikit-learn: pip install 'gdbench[sklearn]'") from None
    bunch = _moons(datasets.make_moons) if name == "moons" else getattr(datasets, f"load_{name}")(as_frame=True)
    with_target = target in (None, "target")
    frame = bunch["frame"] if with_target else bunch["frame"].drop(columns="target")
    labels = tuple(str(label) for label in bunch.get("target_names", ())) if with_target else ()
    return Table(f"sklearn:{name}", frame, lambda row: (row + 1, {}), labels)


def _moons(generator: Callable[..., tuple[np.ndarray, np.ndarray]]) -> dict[str, Any]:
    """Make two noisy half circles that reach into each other; the upper one is `outer`."""
    import pandas as pd

    points, target = generator(**MOONS)
    return {
        "frame": pd.DataFrame({"x0": points[:, 0], "x1": points[:, 1], "target": target}),
        "target_names": CRESCENTS,
    }


def _listed(names: list[str]) -> str:
    """List the names in one line, cut if there are too many."""
    return ", ".join(names[:SHOWN]) + (f", .. ({len(names)} in all)" if len(names) > SHOWN else "")


def _absent(label: str, target: str, columns: list[str]) -> str:
    """Say that a target is no column, with the nearest column or all of them."""
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


def _numbers(table: Table, column: str, advice: str) -> Float[np.ndarray, "N"]:
    """Convert the column to float64; raise DataError unless every value is finite and at most LARGEST in size."""
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


def _classifies(table: Table, column: str, model: str, task: str) -> bool:
    """Decide whether the model predicts labels."""
    import pandas as pd

    if model != "mlp" or task != "auto":
        return model in ("logistic", "softmax") or task == "classification"
    series = table.frame[column]
    numeric = pd.api.types.is_numeric_dtype(series) and not pd.api.types.is_bool_dtype(series)
    return not numeric or bool(table.labels)


def _classes(table: Table, column: str, model: str) -> tuple[Float[np.ndarray, "N"], tuple[str, ...]]:
    """Code the column as 0.0, 1.0, .., and return the labels in that order too."""
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
    count = f"found {len(names)} classes" if len(names) > 1 else "found only one class"
    where = f"{table.label}, column '{column}'"
    if model == "logistic" and len(names) != 2:
        advice = "; more than two fit model softmax" if len(names) > 2 else ""
        raise DataError(
            f"{where}: the logistic model needs a target of exactly two classes, {count} ({_listed(names)}){advice}"
        )
    if not 2 <= len(names) <= MOST_CLASSES:
        raise DataError(
            f"{where}: classification needs a target of 2 to {MOST_CLASSES} classes, {count} ({_listed(names)})"
        )
    if len(table.labels) == len(names):
        names = list(table.labels)
    return codes.astype(np.float64), tuple(names)
