"""The command `run`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gdbench.cli import console
from gdbench.cli.options import ForceOption, JsonOption, NoPlotsOption, OutOption, QuietOption
from gdbench.cli.report import finish
from gdbench.cli.request import plan_of_options

if TYPE_CHECKING:
    from gdbench.planning.plan import Plan


def run(
    *,
    config: Annotated[
        str | None, typer.Option("--config", metavar="FILE", help="YAML with these options; a flag given here wins.")
    ] = None,
    out: OutOption = Path("results"),
    name: Annotated[str | None, typer.Option(help="The result folder's name; made from the request if absent.")] = None,
    force: ForceOption = False,
    no_plots: NoPlotsOption = False,
    quiet: QuietOption = False,
    json: JsonOption = False,
    **options: Any,
) -> None:
    """Tune and run solvers on surfaces; draw and tabulate.

    Writes a result folder: the table, a row for every run, paths, curves, pictures, the complete configuration. The
    same command goes on where it was stopped.
    """
    from gdbench.spec.run import RunSpec

    plan = plan_of_options(RunSpec, options, config)

    from gdbench.runner.benchmark import benchmark
    from gdbench.runner.progress import shown
    from gdbench.runner.shard_store import FolderStore

    folder = Path(out) / (_free_name(Path(out), plan) if name is None else console.plain_name(name))
    with shown(plan.runs, console.say, quiet=quiet) as listener:
        result = benchmark(plan, FolderStore(folder, force=force), listener=listener)
    finish(result, plan, folder, plots=not no_plots, json=json)


def _free_name(parent: Path, plan: Plan) -> str:
    """Return the folder of this very job if it was stopped, else a name that no folder has."""
    from gdbench.runner.shard_store import unfinished

    usual, number = default_name(plan), 1
    name = usual
    while (parent / name).exists() and not unfinished(parent / name, plan.spec):
        number += 1
        name = f"{usual}-{number}"
    return name


def default_name(plan: Plan) -> str:
    """Return a folder name that says what was asked: `ellipse-sgd+adam`, `ellipse+3more-sgd+5more`."""
    parts = [[item.name for item in plan.surfaces], [item.name for item in plan.solvers]]
    words = ["+".join(names) if len(names) <= 2 else f"{names[0]}+{len(names) - 1}more" for names in parts]
    return "-".join(words).replace("/", "_").replace(":", "-")
