"""Derive labels, the table and statistics from the stored runs of a sweep alone. No JAX is needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from gdbench.columns import AT, CURVE, NOTED, PROBLEM, RATES, START, hyperparameters
from gdbench.errors import ResultError
from gdbench.results.codes import setting_codes
from gdbench.results.files import write_frame
from gdbench.results.folder import CSV_ROWS, Frames, read_contours
from gdbench.results.labels import label_curves, label_runs
from gdbench.results.selection import METRICS, SCORED, chosen_runs, score_groups
from gdbench.results.shards import Entry, Manifest, StoredRuns, found_shards, to_frame, write_runs
from gdbench.results.statistics import expected_best_by_problem, summaries
from gdbench.results.table import numbered_groups, table_of, table_with_theory, tuning_and_reported
from gdbench.spec.run import RunSpec
from gdbench.spec.sweep import SweepSpec
from gdbench.spec.validation import validated
from gdbench.spec.yaml_file import read_yaml

# The columns of theory.csv that runs.parquet has too.
THEORY = (*RATES, "message")


def has_shards(folder: Path) -> bool:
    """Tell whether a folder holds shards: the result of a run or a sweep, finished or not."""
    return (folder / "manifest.json").is_file()


def stored_runs(folder: Path) -> tuple[StoredRuns, Manifest, list[Path]]:
    """Return the stored runs of a sweep, its manifest, and damaged shards, whose runs are missing."""
    manifest = Manifest.read(folder)
    whole, damaged = found_shards(folder, [entry.key for entry in manifest.shards])
    return StoredRuns.of(manifest, whole), manifest, damaged


def read_spec(folder: Path, kind: str) -> SweepSpec:
    """Return the specification of a stored result of a `kind`: "run" or "sweep"."""
    document = read_yaml(folder / "config.yaml")
    return validated(RunSpec if kind == "run" else SweepSpec, document.values, document)


def labelled_runs(stored: StoredRuns, *, starts: bool = False) -> pd.DataFrame:
    """Return all stored runs with their problem's label.

    `starts` asks for the coordinates of the starts too, which take most of the memory.
    """
    runs = stored.read([name for name in stored.schema().names if starts or not name.startswith(START)])
    if not len(runs):
        raise ResultError("there is no finished shard yet")
    labelled = label_runs(runs)
    labelled[PROBLEM] = labelled[PROBLEM].astype("category")
    return labelled


def with_theory(runs: pd.DataFrame, theory: pd.DataFrame) -> pd.DataFrame:
    """Fill in the rates and messages of those `runs`, in the order of their numbers, that are in `theory`."""
    theory = theory[theory["run"].isin(runs["run"])]  # of a sweep that lost a shard, some are missing
    if not len(theory):
        return runs
    rows = np.searchsorted(runs["run"].to_numpy(dtype=np.int64), theory["run"].to_numpy(dtype=np.int64))
    for name in RATES:
        values = runs[name].to_numpy(dtype=float, na_value=np.nan).copy()
        values[rows] = theory[name].to_numpy(dtype=float)
        runs[name] = values
    said = theory["message"].astype(object).fillna("").astype(str)  # read back, an empty column is one of numbers
    if (said != "").any():
        messages = runs["message"].astype(str).to_numpy(dtype=object)
        messages[rows[said != ""]] = said[said != ""]
        runs["message"] = pd.Categorical(messages)
    return runs


def with_notes(chosen: pd.DataFrame, theory: pd.DataFrame) -> pd.DataFrame:
    """Return `chosen` runs with the notes that `theory` has on their rates."""
    if "rate_note" not in theory.columns:  # of a sweep that was made before there were notes
        return chosen
    notes = theory.drop_duplicates("run").set_index("run")["rate_note"].reindex(chosen["run"].to_numpy(dtype=np.int64))
    return chosen.assign(rate_note=notes.astype(object).fillna("").astype(str).to_numpy())


def table_of_sweep(runs: pd.DataFrame, spec: SweepSpec, manifest: Manifest) -> pd.DataFrame:
    """Return the table of labelled runs."""
    return table_of(
        runs,
        metric=spec.tune.metric if spec.tune else "steps_to_target",
        searched=spec.tune is not None,
        tuning_starts={label: entry.tuning_starts for label, entry in _entries(runs, manifest).items()},
    )


def statistics_of(
    runs: pd.DataFrame, table: pd.DataFrame, spec: SweepSpec, manifest: Manifest
) -> dict[str, pd.DataFrame]:
    """Return profiles, ECDF, ERT and scores of the chosen runs, and what tuning was worth."""
    dimensions = {label: entry.dimension for label, entry in _entries(runs, manifest).items()}
    found = summaries(chosen_runs(runs, table), dimensions, seed=spec.seed)
    best = expected_best_by_problem(trials_of(runs, table, spec.tune.metric if spec.tune else "steps_to_target"))
    return {**found, "expected_best": best} if len(best) else found


def _entries(runs: pd.DataFrame, manifest: Manifest) -> dict[str, Entry]:
    """Return a shard of every problem: what it says of dimension and starts holds for all of the problem's."""
    known = runs.drop_duplicates(PROBLEM)
    return dict(zip(known[PROBLEM].astype(str), manifest.of_runs(known["run"].to_numpy(np.int64)), strict=True))


def trials_of(runs: pd.DataFrame, table: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return a row per setting tried, with the columns problem, solver, tuning, loss, reported.

    tuning : steps, or the loss that tuning goes by; reported : steps on the starts held out.
    """
    groups, pairs = numbered_groups(runs)
    held_out: Mapping[tuple[str, str], float] = {}
    if "tuning_starts" in table.columns:
        counts = pd.to_numeric(table["tuning_starts"]).fillna(0)
        held_out = dict(zip(zip(table[PROBLEM], table["solver"], strict=True), counts, strict=True))
    bounds = np.array([held_out.get(pair, 0) for pair in pairs])
    tunes, reports = tuning_and_reported(runs, groups, bounds)
    codes = setting_codes(runs, groups, hyperparameters(runs))
    runs = runs[list(SCORED)]
    scored = score_groups(runs[tunes], groups[tunes], codes[tunes], metric)
    reported = score_groups(runs[reports], groups[reports], codes[reports]) if bounds.any() else scored
    steps = pd.Series(reported["steps"].to_numpy(), reported["setting"]).reindex(scored["setting"])
    problems, solvers = (pd.array(list(names), dtype="str") for names in zip(*pairs, strict=True))
    own = scored["group"].to_numpy()
    trials = pd.DataFrame({PROBLEM: problems.take(own), "solver": solvers.take(own)})
    trials["loss"] = scored["loss"]
    trials["tuning"] = scored["steps" if METRICS[metric] == "steps" else "loss"]
    trials["reported"] = steps.to_numpy(dtype=float)
    several = np.bincount(own)[own] > 1
    return pd.DataFrame(trials[several].reset_index(drop=True))


def finished_tables(
    runs: pd.DataFrame, table: pd.DataFrame, theory: pd.DataFrame, spec: SweepSpec, manifest: Manifest
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, pd.DataFrame]]:
    """Return runs and table with what `theory` says of them, and the statistics of a sweep.

    The runs lose their ladder of targets unless the specification names `targets`: the table tells it.
    """
    runs = with_theory(runs, theory)
    # No setting is chosen by a rate or message, so that this is the table of these runs.
    table = table_with_theory(table, with_notes(chosen_runs(runs, table), theory))
    summaries = statistics_of(runs, table, spec, manifest) if manifest.kind == "sweep" else {}
    hidden = hidden_columns(spec)
    return runs[[name for name in runs.columns if not hidden or not name.startswith(hidden)]], table, summaries


def hidden_columns(spec: SweepSpec) -> str:
    """Return the prefix of the columns that runs are shown without: the ladder, unless the user named `targets`."""
    return "" if spec.targets else AT


def write_stored_runs(folder: Path, stored: StoredRuns, theory: pd.DataFrame, *, without: str = "") -> None:
    """Write `runs.parquet`, and `runs.csv` where the rows are few enough for one.

    without : the prefix of columns that are left out, "" for none.
    """

    def fill(table: pa.Table) -> pa.Table:
        runs = table.column("run").to_numpy()
        rows_of_theory = theory[(theory["run"] >= runs[0]) & (theory["run"] <= runs[-1])]
        rows = rows_of_theory["run"].to_numpy(np.int64) - runs[0]
        for name in THEORY if len(rows_of_theory) else ():
            values = table.column(name).to_numpy(zero_copy_only=False).copy()
            told = rows_of_theory[name].to_numpy()
            kept = pd.notna(told) & (told != "")
            values[rows[kept]] = told[kept]
            column = pa.array(values, table.schema.field(name).type, from_pandas=True)
            table = table.set_column(table.schema.get_field_index(name), name, column)
        return table

    schema = pa.schema([field for field in stored.schema() if not without or not field.name.startswith(without)])
    write_runs(folder / "runs.parquet", stored, schema, fill)
    if stored.rows <= CSV_ROWS:
        write_frame(folder, "runs", to_frame(pa.concat_tables(map(fill, stored.tables(schema)))))
    else:
        (folder / "runs.csv").unlink(missing_ok=True)


def read_frames_of_shards(folder: Path, *, starts: bool = False) -> Frames:
    """Return the frames of a folder with shards, all labelled; of an unfinished job what its shards give.

    `starts` asks for the coordinates of the starts too.
    """
    stored, manifest, _ = stored_runs(folder)
    spec = read_spec(folder, manifest.kind)
    theory = read_theory(folder)
    runs = labelled_runs(stored, starts=starts)
    runs, table, summaries = finished_tables(runs, table_of_sweep(runs, spec, manifest), theory, spec, manifest)
    return Frames(
        runs=runs,
        table=table,
        trajectory=read_optional(folder, "trajectory", ["run", "step", "x0", "loss"]),
        curves=label_curves(read_optional(folder, "curves", CURVE), runs),
        contours=read_contours(folder),
        summaries=summaries,
        theory=theory,
        spec=spec,
        manifest=manifest,
    )


def read_theory(folder: Path) -> pd.DataFrame:
    """Return theory.csv, in which an empty note or message is a text; without rows where it has not been written."""
    theory = read_optional(folder, "theory", ["run", *NOTED])
    texts = [name for name in ("rate_note", "message") if name in theory.columns]  # older sweeps have no notes
    return theory.assign(**{name: theory[name].astype(object).fillna("").astype(str) for name in texts})


def read_optional(folder: Path, name: str, columns: Sequence[str]) -> pd.DataFrame:
    """Return a table of the folder, empty where it has not been written yet."""
    path = folder / f"{name}.csv"
    if not path.is_file():
        return pd.DataFrame(columns=list(columns))
    return pd.read_csv(path, keep_default_na=False, na_values=[""])
