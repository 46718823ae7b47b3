"""What the command line does around the main job: plug-ins, compiled programs kept, progress, tables, pictures."""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gdbench.errors import GdbenchError, UsageError

if TYPE_CHECKING:
    import pandas as pd

    from gdbench.planning.plan import Plan
    from gdbench.runner.result import Result

WIDE = 200
# surfaces of which each gets a line
MOST_FINDINGS = 24


def load_plugins(files: list[str]) -> None:
    """Load the plug-ins of installed packages and the named files."""
    from gdbench import plugins

    for problem in plugins.load_installed():
        say(problem)
    for file in files:
        plugins.load_file(file)


def use_compilation_cache() -> None:
    """Keep compiled programs in the user's cache folder; the process is ours, so its JAX configuration is too."""
    import jax

    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = Path(os.environ.get("GDBENCH_CACHE") or home / "gdbench") / "xla"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return  # a read-only home costs compile time, nothing else
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def plain_name(name: str) -> str:
    """`name`, if it is one of a folder and leads nowhere else."""
    if Path(name).name != name or name in ("", ".", ".."):
        raise UsageError(f"--name must be a plain folder name, not '{name}'; --out says where it goes")
    return name


def default_name(plan: Plan) -> str:
    """A folder name that says what was asked: `ellipse-sgd+adam`, `ellipse+3more-sgd+5more`."""
    parts = [[item.name for item in plan.surfaces], [item.name for item in plan.solvers]]
    words = ["+".join(names) if len(names) <= 2 else f"{names[0]}+{len(names) - 1}more" for names in parts]
    return "-".join(words).replace("/", "_").replace(":", "-")


def execute(plan: Plan, folder: Path) -> Result:
    """Run the plan under a progress line; tables are on disk before anything is drawn, also after Ctrl-C."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from gdbench.results.files import write_frame
    from gdbench.results.labels import unlabelled
    from gdbench.runner.benchmark import benchmark
    from gdbench.runner.result import write_preamble, write_tables

    write_preamble(folder, plan.spec)
    console = Console(stderr=True)
    columns = (TextColumn("runs"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("runs", total=plan.runs)
        result = benchmark(
            plan,
            on_advance=lambda count: progress.update(task, advance=count),
            on_partial=lambda runs: write_frame(folder, "runs", unlabelled(runs)),
        )
    write_tables(folder, result)
    return result


def report(result: Result, plan: Plan, *, json: bool) -> None:
    """Print the table and, in words, condition numbers, target, tuning budget and what is to be said of the data."""
    from gdbench.cli import sentences, tables

    if json:
        print_json([{name: plain(value) for name, value in row.items()} for row in result.table.to_dict("records")])
        return
    spec = plan.spec
    show(tables.results_table(result.table), wide=True)
    show("")
    tell_findings(result.table)
    for sentence in sentences.condition_sentences(result.table):
        show(sentence)
    show(sentences.target_sentence(spec.rtol, spec.atol, spec.steps))
    show(sentences.budget_sentence(result.table))
    tell_surfaces(result.table, plan)


def tell_findings(table: pd.DataFrame) -> None:
    """Print what the table shows, in one line for each of a few surfaces."""
    from gdbench.results.findings import finding

    if len(table) < 2 or table["solver"].nunique() < 2 or table["problem"].nunique() > MOST_FINDINGS:
        return
    for problem, rows in table.groupby("problem", observed=True, sort=False):
        show(f"{problem}: {finding(rows)}.")
    show("")


def tell_surfaces(table: pd.DataFrame, plan: Plan) -> None:
    """Print what `reached` means where no lowest loss says it, and what is to be said of a user's own data."""
    from gdbench.cli import sentences

    goals = {one.name: one.goal_text or "its goal is met" for one in plan.surfaces if one.goal is not None}
    for sentence in sentences.other_target_sentences(table, goals):
        show(sentence)
    for surface in plan.surfaces:
        if surface.note and surface.metric is not None:
            show(f"{surface.name}: {surface.note}")


def draw(frames: Any, folder: Path, axes: tuple[str, str] | None = None) -> None:
    """Draw the pictures of a result whose tables are written already."""
    from gdbench import plots

    try:
        plots.draw(frames, folder, axes)
    except GdbenchError:
        raise
    except Exception as error:  # the tables are written by now, and a sentence serves better than a traceback
        reason = error.strerror if isinstance(error, OSError) else None
        reason = reason or f"{type(error).__name__}: {error}"
        raise GdbenchError(f"the tables are in '{folder}', but drawing failed: {reason}") from error


def width() -> int:
    """The terminal's width; a file or a pipe has none to fit, and gets a wide one."""
    from rich.console import Console

    console = Console()
    return console.width if console.is_terminal or "COLUMNS" in os.environ else WIDE


def show(what: Any, *, wide: bool = False) -> None:
    """Print a rich table or a sentence to stdout; `wide` rather leaves the terminal's edge than cut a number."""
    from rich.console import Console

    # names may hold brackets and colons, which rich would take for its own markup
    console = Console(width=max(width(), WIDE) if wide else width(), markup=False, emoji=False)
    console.print(what, highlight=False, soft_wrap=isinstance(what, str))


def plain(value: Any) -> Any:
    """A cell as JSON has it: null for what does not apply, is not a number, or is infinite."""
    import pandas as pd

    if pd.isna(value):
        return None
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and math.isinf(value) else value


def print_json(what: Any) -> None:
    """Print JSON to stdout."""
    import json as encoder

    print(encoder.dumps(what, indent=2, ensure_ascii=False))


def say(text: str) -> None:
    """Print a message to stderr."""
    print(text, file=sys.stderr)
