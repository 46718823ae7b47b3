"""What the command line prints of a sweep and of stored results."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from gdbench.cli import console
from gdbench.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

    from gdbench.planning.plan import Plan
    from gdbench.results.comparison import Comparison
    from gdbench.results.folder import Frames
    from gdbench.runner.result import Result

# rows of a table or plan that a terminal is shown
MOST_ROWS = 120


def show_plan(facts: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    """Print what a sweep would do."""
    from rich.table import Table

    from gdbench.formatting import whole

    shown = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("surface", "solver", "axes", "runs"):
        shown.add_column(name, justify="right" if name == "runs" else "left")
    for row in rows[:MOST_ROWS]:
        shown.add_row(row["surface"], row["solver"], row["axes"], whole(row["runs"]))
    console.show(shown, wide=True)
    if len(rows) > MOST_ROWS:
        console.show(f".. and {len(rows) - MOST_ROWS} more rows")
    console.show("")
    damaged = f", {facts['shards_damaged']} damaged" if facts["shards_damaged"] else ""
    console.show(
        f"{whole(facts['runs'])} runs in {facts['programs']} compiled programs, at most "
        f"{whole(facts['most_steps'])} steps."
    )
    console.show(
        f"{facts['shards']} shards, {facts['shards_stored']} of them stored already{damaged}; about "
        f"{facts['bytes'] / 1e6:.3g} MB on disk in {facts['folder']}."
    )


def report_sweep(frames: Result, plan: Plan, *, as_json: bool) -> None:
    """Print the table of a sweep and what it means, in words."""
    _report(frames, as_json=as_json)
    if not as_json:
        console.tell_surfaces(frames.table, plan)


def _report(frames: Frames, *, as_json: bool) -> None:
    from gdbench.cli import sentences, tables
    from gdbench.spec.sweep import SweepSpec

    if as_json:
        rows = frames.table.to_dict("records")
        console.print_json([{str(name): console.plain(value) for name, value in row.items()} for row in rows])
        return
    console.show(tables.results_table(frames.table.head(MOST_ROWS), swept_settings(frames.runs)), wide=True)
    if len(frames.table) > MOST_ROWS:
        console.show(f".. and {len(frames.table) - MOST_ROWS} more rows in table.csv")
    console.show("")
    scores = frames.summaries.get("scores")
    if scores is not None and len(scores) > 1 and len(frames.table["problem"].unique()) > 1:
        console.show(tables.scores_table(scores))
        console.show("")
    console.tell_findings(frames.table)
    for sentence in sentences.condition_sentences(frames.table):
        console.show(sentence)
    spec = getattr(frames, "spec", None)
    if isinstance(spec, SweepSpec):
        console.show(sentences.sweep_target_sentence(spec.rtol.values, spec.atol.values, spec.steps.values))
        console.show(
            sentences.budget_sentence(
                frames.table, spec.tune.metric if spec.tune else "steps_to_target", "setting", "run"
            )
        )


def swept_settings(runs: pd.DataFrame) -> dict[str, list[str]]:
    """By solver, the hyperparameters but for the learning rate of which several values were tried."""
    from gdbench.columns import hyperparameters

    names = [name for name in hyperparameters(runs) if name != "learning_rate"]
    counts = runs.groupby("solver", observed=True, sort=False)[names].nunique()
    return {str(solver): [name for name in names if row[name] > 1] for solver, row in counts.iterrows()}


def read_result(folder: Path, *, starts: bool = False) -> Frames:
    """The frames of a result folder, of a run or a sweep; of a sweep the starts' coordinates only if asked for."""
    from gdbench.results.derive import is_sweep, read_sweep
    from gdbench.results.folder import read_frames

    return read_sweep(folder, starts=starts) if is_sweep(folder) else read_frames(folder)


def tell_missing(folder: Path) -> bool:
    """Say which runs of a sweep are missing; whether the folder is that of a sweep."""
    from gdbench.results import derive

    if not derive.is_sweep(folder):
        return False
    stored, manifest, damaged = derive.stored_runs(folder)
    for path in damaged:
        console.say(f"damaged: '{path}' does not hold what its name says; its runs are left out")
    if stored.rows < manifest.runs:
        console.say(f"{stored.rows} of {manifest.runs} runs are there; `gdbench sweep` computes the rest")
    return True


def draw_again(folder: Path, axes: str | None) -> None:
    """Draw a stored result; `axes` are the two settings of its heat maps, `X,Y`."""
    frames = read_result(folder)
    tell_missing(folder)
    console.draw(frames, folder, None if axes is None else _pair_of(frames.runs, axes))
    console.say(f"Written to {folder}")


def _pair_of(runs: pd.DataFrame, text: str) -> tuple[str, str]:
    """Two settings of which the runs have several values each."""
    from gdbench.columns import PARAMETER, hyperparameters
    from gdbench.errors import unknown

    names = [*hyperparameters(runs), *(name for name in runs.columns if name.startswith(PARAMETER))]
    swept = [name for name in names if len(runs[name].dropna().unique()) > 1]
    pair = [part.strip() for part in text.split(",")]
    if len(pair) != 2 or pair[0] == pair[1]:
        raise UsageError(f"--axes takes two settings X,Y such as learning_rate,momentum, not '{text}'")
    for name in pair:
        if name not in swept:
            raise unknown("setting", name, swept, "with several values in this result")
    return pair[0], pair[1]


def retabulate(folder: Path, *, as_json: bool) -> None:
    """Derive the tables of a sweep again from its shards and print them; of a run, print the stored one."""
    from gdbench.results.files import write_frame

    frames = read_result(folder)
    if tell_missing(folder):
        write_frame(folder, "table", frames.table)
        for name, frame in frames.summaries.items():
            write_frame(folder, name, frame)
    _report(frames, as_json=as_json)


def compare(a: Path, b: Path, out: Path | None, *, as_json: bool) -> Comparison:
    """Print how `b` compares with `a`, and write it into the folder `out` where one is given."""
    from gdbench.cli.tables import comparison_table
    from gdbench.plots import comparison as drawing
    from gdbench.plots.files import save
    from gdbench.results import comparison as of
    from gdbench.results import derive
    from gdbench.results.files import write_frame
    from gdbench.spec.run import read_config

    sides = []
    for folder in (a, b):
        frames = read_result(folder, starts=True)
        if derive.is_sweep(folder):
            stored, manifest, _ = derive.stored_runs(folder)
            if stored.rows < manifest.runs:
                missing = f"{manifest.runs - stored.rows} of {manifest.runs} runs are missing"
                raise UsageError(f"'{folder}' is not finished: {missing}; the same `gdbench sweep` goes on")
        config = read_config(folder / "config.yaml") if (folder / "config.yaml").is_file() else {}
        sides.append(of.Comparable(str(folder), frames.runs, frames.table, config))
    found = of.compare_results(sides[0], of.named_alike(*sides))
    if as_json:
        rows = found.frame.to_dict("records")
        console.print_json([{str(name): console.plain(value) for name, value in row.items()} for row in rows])
    else:
        console.show(comparison_table(found.frame), wide=True)
        for sentence in found.sentences:
            console.show(sentence)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        write_frame(out, "comparison", found.frame)
        picture = drawing.figure(found.frame, found.a, found.b)
        save(picture, out / "comparison.png")
        console.say(f"Written to {out}")
    return found
