"""Problems are named by their surface and by the parameters in which its runs differ."""

from __future__ import annotations

import io
import math

import numpy as np
import pandas as pd
import pytest

from gdbench.errors import ResultError
from gdbench.results.labels import label_curves, label_runs, label_table, problem_labels


def as_csv(frame):
    return pd.read_csv(io.StringIO(frame.to_csv(index=False)), keep_default_na=False, na_values=[""])


def test_labels_name_what_varies_and_nothing_else():
    runs = pd.DataFrame(
        {
            "surface": ["ellipse", "ellipse", "ellipse", "rosenbrock", "sphere", "sphere"],
            "surface.condition": [10.0, 100.0, 1e6, math.nan, math.nan, math.nan],
            "surface.angle": [0.5, 0.5, 0.5, math.nan, math.nan, math.nan],
            "surface.a": [math.nan] * 3 + [1.0] + [math.nan] * 2,
            "surface.dimension": [math.nan] * 4 + [2, 30],
            "surface.kind": [None] * 4 + ["round", "flat"],
        },
        index=[5, 4, 3, 2, 1, 0],
    )
    labels = problem_labels(runs)
    assert labels.tolist() == [
        "ellipse condition=10",
        "ellipse condition=100",
        "ellipse condition=1e+06",
        "rosenbrock",
        "sphere dimension=2 kind=round",
        "sphere dimension=30 kind=flat",
    ]
    assert labels.index.tolist() == runs.index.tolist()


def test_labels_have_the_digits_that_tell_values_apart():
    values = [1.0, 1 + 2**-30, 2.5]
    labels = problem_labels(pd.DataFrame({"surface": "ellipse", "surface.condition": values}))
    assert labels.nunique() == 3
    assert labels.tolist() == [f"ellipse condition={value:.10g}" for value in values]
    neighbours = [0.1, np.nextafter(0.1, 1)]
    assert problem_labels(pd.DataFrame({"surface": "e", "surface.c": neighbours})).nunique() == 2


@pytest.mark.parametrize("read", [lambda frame: frame, as_csv])
def test_runs_and_table_get_the_same_labels_and_only_once(read):
    runs = pd.DataFrame({"surface": "ellipse", "surface.condition": [1, 10, 10, 1], "solver": "sgd", "start": 0})
    table = pd.DataFrame({"surface": ["ellipse", "ellipse"], "surface.condition": [10.0, 1.0], "solver": "sgd"})
    labelled = label_runs(runs)
    names = ["ellipse condition=1", "ellipse condition=10", "ellipse condition=10", "ellipse condition=1"]
    assert labelled["problem"].tolist() == names
    told = label_table(read(table), labelled)
    assert list(told.columns) == ["problem", *table.columns]
    assert told["problem"].tolist() == ["ellipse condition=10", "ellipse condition=1"]
    assert labelled["surface"].tolist() == ["ellipse"] * 4
    assert told["surface"].tolist() == ["ellipse"] * 2
    assert label_runs(labelled) is labelled
    assert label_table(told, labelled) is told
    assert "problem" not in runs
    pd.testing.assert_frame_equal(labelled.drop(columns="problem"), runs)


def test_a_table_needs_the_parameters_that_differ_and_no_others():
    runs = pd.DataFrame({"surface": ["ellipse", "ellipse"], "surface.condition": [1.0, 10.0], "surface.angle": 0.5})
    with pytest.raises(ResultError, match=r"no column 'surface\.condition', in which the runs on 'ellipse' differ"):
        label_table(pd.DataFrame({"surface": ["ellipse"]}), runs)
    assert label_table(pd.DataFrame({"surface": ["ellipse"]}), runs.iloc[:1])["problem"].tolist() == ["ellipse"]


def test_curves_of_an_older_sweep_get_their_problem_from_the_runs():
    runs = label_runs(pd.DataFrame({"run": [0, 1, 2], "surface": "ellipse", "surface.condition": [1, 10, 10]}))
    curves = pd.DataFrame(
        {"run": [2, 2, 0, 9], "surface": ["ellipse condition=10"] * 2 + ["ellipse condition=1", "gone"]}
    )
    told = label_curves(curves, runs)
    assert told["problem"].tolist() == curves["surface"].tolist()
    assert told["surface"].tolist() == ["ellipse", "ellipse", "ellipse", "gone"]
    assert label_curves(told, runs) is told
    assert "problem" in label_curves(curves.iloc[:0], runs)


def test_a_label_can_leave_parameters_out():
    runs = pd.DataFrame({"surface": "e", "surface.batch_size": [1, 2, 1], "surface.a": [1.0, 1.0, 2.0]})
    assert problem_labels(runs, without=["surface.batch_size"]).tolist() == ["e a=1", "e a=1", "e a=2"]
