"""The runs that a table speaks of, against a row-by-row search, and the names of problems."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest

import gdbench
from gdbench.columns import COLUMNS, CONTRACT, WATCHED, hyperparameters
from gdbench.results.selection import chosen_runs


def cells_equal(left, right):
    if pd.isna(left) or pd.isna(right):
        return bool(pd.isna(left) and pd.isna(right))
    return type(left) is type(right) and left == right


def slow_search(runs, table):
    """The definition, row by row."""
    shared = [name for name in hyperparameters(runs) if name in table]
    found = []
    for place, run in enumerate(runs.to_dict("records")):
        for row in table.to_dict("records"):
            equal = all(cells_equal(run[name], row[name]) for name in ("problem", "solver", *shared))
            if equal and run["start"] >= np.nan_to_num(row.get("tuning_starts", 0)):
                found.append(place)
    return found


def example():
    """Runs with floats, whole numbers, flags, words and empties among their hyperparameters."""
    rows = []
    for problem in ("ellipse", "rosenbrock"):
        for start in range(3):
            for rate in (0.1, np.nextafter(0.1, 1), 1 / 3, 1e-300):
                rows.append({"solver": "sgd", "learning_rate": rate})
                rows += [{"solver": "momentum", "learning_rate": rate, "momentum": m} for m in (0.0, 0.9)]
                rows += [{"solver": "lbfgs", "memory": m, "nesterov": n} for m in (3, 10) for n in (True, False)]
                rows += [{"solver": "mixed", "option": o} for o in ("a", "3", "True", "")]
            for row in rows[-44:]:
                row |= {"problem": problem, "surface": problem, "start": start}
    runs = pd.DataFrame(rows).assign(status="reached", seed=0)
    runs["memory"] = runs["memory"].astype("Int64")
    return runs.assign(**{"surface.condition": 10.0, "start.0": runs["start"] * 1.0, "steps_at_1e-1": 3.0})


def as_csv(frame):
    return pd.read_csv(io.StringIO(frame.to_csv(index=False)), keep_default_na=False, na_values=[""])


TABLE = pd.DataFrame(
    [
        {"problem": "ellipse", "solver": "sgd", "learning_rate": 0.1},
        {"problem": "ellipse", "solver": "momentum", "learning_rate": 1 / 3, "momentum": 0.0},
        {"problem": "ellipse", "solver": "lbfgs", "memory": 10, "nesterov": True},
        {"problem": "rosenbrock", "solver": "lbfgs", "memory": 3, "nesterov": False},
        {"problem": "rosenbrock", "solver": "mixed", "option": "a"},
        {"problem": "rosenbrock", "solver": "sgd", "learning_rate": 0.2},  # nobody ran this
    ]
).astype({"memory": "Int64"})


def test_hyperparameters_are_what_no_contract_names():
    assert {"problem", *COLUMNS, *WATCHED} == CONTRACT
    assert hyperparameters(example()) == ["learning_rate", "momentum", "memory", "nesterov", "option"]


def test_chosen_rows_against_a_search_row_by_row():
    runs = example()
    found = chosen_runs(runs, TABLE)
    assert found.index.tolist() == slow_search(runs, TABLE)
    assert found["solver"].value_counts().to_dict() == {"lbfgs": 24, "mixed": 12, "momentum": 3, "sgd": 3}
    pd.testing.assert_frame_equal(found, runs.loc[found.index])


@pytest.mark.parametrize("written", ["runs", "table", "both"])
def test_the_types_that_a_csv_gives_change_nothing(written):
    runs, table = example(), TABLE
    expected = chosen_runs(runs, table).index.tolist()
    runs = as_csv(runs) if written != "table" else runs
    table = as_csv(table) if written != "runs" else table
    assert chosen_runs(runs, table).index.tolist() == expected


def test_parquet_changes_nothing(tmp_path):
    runs = example()
    runs["nesterov"] = runs["nesterov"].astype("boolean")
    runs.to_parquet(tmp_path / "runs.parquet")
    read = pd.read_parquet(tmp_path / "runs.parquet")
    assert chosen_runs(read, TABLE).index.tolist() == slow_search(example(), TABLE)


def test_neighbouring_floats_are_two_settings():
    runs = example()
    above = np.nextafter(0.1, 1)
    assert {0.1, above} < set(runs["learning_rate"])
    table = TABLE.iloc[:1].assign(learning_rate=above)
    assert set(chosen_runs(runs, table)["learning_rate"]) == {above}


def test_only_held_out_starts_count():
    runs, table = example(), TABLE.assign(tuning_starts=[2, np.nan, 0, 1, 3, 0])
    found = chosen_runs(runs, table)
    assert found.index.tolist() == slow_search(runs, table)
    starts = found.groupby(["problem", "solver"])["start"].agg(set).to_dict()
    assert starts[("ellipse", "sgd")] == {2}
    assert starts[("ellipse", "momentum")] == {0, 1, 2}
    assert starts[("rosenbrock", "lbfgs")] == {1, 2}
    assert ("rosenbrock", "mixed") not in starts


def test_a_table_without_settings_takes_every_run():
    runs = example()
    found = chosen_runs(runs, TABLE[["problem", "solver"]].iloc[:1])
    assert found.index.tolist() == runs.index[(runs["problem"] == "ellipse") & (runs["solver"] == "sgd")].tolist()


@pytest.mark.parametrize("empty", ["runs", "table"])
def test_nothing_gives_nothing(empty):
    runs = example() if empty == "table" else example().iloc[:0]
    table = TABLE if empty == "runs" else TABLE.iloc[:0]
    found = chosen_runs(runs, table.assign(tuning_starts=1))
    assert len(found) == 0
    assert found.columns.tolist() == runs.columns.tolist()


def test_a_million_rows():
    rng = np.random.default_rng(0)
    count = 1_000_000
    runs = pd.DataFrame({"problem": "ellipse", "solver": rng.choice(["sgd", "adam"], count), "start": np.arange(count)})
    runs["learning_rate"] = rng.choice(np.geomspace(1e-6, 10, 64), count)
    runs["momentum"] = np.where(runs["solver"] == "sgd", np.nan, rng.random(count))
    rate, momentum = runs["learning_rate"].iloc[0], runs.loc[runs["solver"] == "adam", "momentum"].iloc[-1]
    rate_of_adam = runs.loc[runs["momentum"] == momentum, "learning_rate"].iloc[0]
    table = pd.DataFrame({"problem": "ellipse", "solver": ["sgd", "adam"], "learning_rate": [rate, rate_of_adam]})
    table["momentum"], table["tuning_starts"] = [np.nan, momentum], [1000, 0]
    wanted = (runs["solver"] == "sgd") & (runs["learning_rate"] == rate) & (runs["start"] >= 1000)
    wanted |= (runs["solver"] == "adam") & (runs["momentum"] == momentum)
    assert chosen_runs(runs, table).index.tolist() == runs.index[wanted].tolist()
    assert wanted.sum() > 1000


def test_the_rows_of_a_real_result():
    result = gdbench.run(["ellipse", "rosenbrock"], ["sgd", "adam"], starts=3, steps=200, rates={"num": 5})
    found = chosen_runs(result.runs, result.table).astype({"problem": str, "solver": str})
    assert found.groupby(["problem", "solver"]).size().tolist() == [3, 3, 3, 3]
    success = found.assign(reached=found["status"] == "reached").groupby(["problem", "solver"])["reached"].mean()
    told = result.table.set_index(["problem", "solver"])["success"].sort_index()
    assert success.tolist() == told.tolist()
