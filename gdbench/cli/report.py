"""Print a result, a run's or a sweep's, on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gdbench.cli import console
from gdbench.errors import GdbenchError

if TYPE_CHECKING:
    import pandas as pd

    from gdbench.planning.plan import Plan
    from gdbench.results.folder import Frames
    from gdbench.runner.result import Result

# A terminal is shown this many rows of a table or plan.
MOST_ROWS = 120
# With more surfaces than this no surface gets a line of its own.
MOST_FINDINGS = 24


def finish(result: Result, plan: Plan, folder: Path, *, plots: bool, json: bool) -> None:
    """Draw and print a result whose tables are written; raise `GdbenchError` where runs failed.

    It is drawn before it is told: a reader who closes the pipe has the pictures all the same.
    """
    if plots:
        console.draw(result, folder)
    report(result, plan, json=json)
    console.say(f"Written to {folder}")
    if result.failure:
        raise GdbenchError(result.failure)


def report(frames: Frames, plan: Plan | None = None, *, json: bool) -> None:
    """Print the table and, in words, findings, condition numbers, target, tuning budget and notes on the data.

    plan : where it is known, what its surfaces say of themselves is printed too.
    """
    from gdbench.cli import sentences, tables

    if json:
        rows = frames.table.to_dict("records")
        console.print_json([{str(name): console.plain(value) for name, value in row.items()} for row in rows])
        return
    swept = swept_settings(frames.runs)
    console.show(tables.results_table(frames.table.head(MOST_ROWS), swept), wide=True)
    if len(frames.table) > MOST_ROWS:
        console.show(f".. and {len(frames.table) - MOST_ROWS} more rows in table.csv")
    console.show("")
    scores = frames.summaries.get("scores")
    if scores is not None and len(scores) > 1 and len(frames.table["problem"].unique()) > 1:
        console.show(tables.scores_table(scores))
        console.show("")
    tell_findings(frames.table)
    for sentence in sentences.condition_sentences(frames.table):
        console.show(sentence)
    spec = frames.spec
    if spec is not None:
        console.show(sentences.sweep_target_sentence(spec.rtol.values, spec.atol.values, spec.steps.values))
        trial = "setting" if any(swept.values()) or spec.tune else "learning rate"
        each = "run" if len(frames.runs["seed"].unique()) > 1 else "start"
        metric = spec.tune.metric if spec.tune else "steps_to_target"
        console.show(sentences.budget_sentence(frames.table, metric, trial, each))
    if plan is not None:
        tell_surfaces(frames.table, plan)


def tell_findings(table: pd.DataFrame) -> None:
    """Print what the table shows, in one line for each of a few surfaces."""
    from gdbench.results.findings import finding

    if len(table) < 2 or table["solver"].nunique() < 2 or table["problem"].nunique() > MOST_FINDINGS:
        return
    for problem, rows in table.groupby("problem", observed=True, sort=False):
        console.show(f"{problem}: {finding(rows)}.")
    console.show("")


def tell_surfaces(table: pd.DataFrame, plan: Plan) -> None:
    """Print what `reached` means where no lowest loss says it, and what is to be said of a user's own data."""
    from gdbench.cli import sentences

    goals = {one.name: one.goal_text or "its goal is met" for one in plan.surfaces if one.goal is not None}
    for sentence in sentences.other_target_sentences(table, goals):
        console.show(sentence)
    for surface in plan.surfaces:
        if surface.note and surface.metric is not None:
            console.show(f"{surface.name}: {surface.note}")


def swept_settings(runs: pd.DataFrame) -> dict[str, list[str]]:
    """By solver, the hyperparameters but for the learning rate of which several values were tried."""
    from gdbench.columns import hyperparameters

    names = [name for name in hyperparameters(runs) if name != "learning_rate"]
    counts = runs.groupby("solver", observed=True, sort=False)[names].nunique()
    return {str(solver): [name for name in names if row[name] > 1] for solver, row in counts.iterrows()}
