"""The commands around sweeps and results: `sweep`, `schema`, `table`, `plot`, `compare`; `animate` has its own file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from gdbench.cli import console, options, report
from gdbench.cli.animate import animate
from gdbench.cli.options import JsonOption, PluginOption
from gdbench.errors import GdbenchError, Regression, SpecError, UsageError, unknown

EXECUTORS = ("local", "dask")
ResultArgument = Annotated[Path, typer.Argument(metavar="RESULT", help="A result folder.")]


def sweep(
    config: Annotated[str, typer.Argument(metavar="CONFIG", help="A YAML file; any value in it may be a list.")],
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Override a key of the file, such as steps=500 (repeat)."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and compute nothing.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")] = False,
    executor: Annotated[str, typer.Option(help="local, or dask for many machines.")] = "local",
    scheduler: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="A Dask scheduler, tcp://HOST:PORT; a local cluster without.")
    ] = None,
    workers: Annotated[int | None, typer.Option(metavar="N", help="Processes of the local Dask cluster.")] = None,
    threads: Annotated[int | None, typer.Option(metavar="N", help="Threads; one a core without it.")] = None,
    plugin: PluginOption = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where result folders go.")] = Path("results"),
    name: Annotated[str | None, typer.Option(help="The result folder's name; the file's if absent.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace another result of that name.")] = False,
    no_plots: Annotated[bool, typer.Option("--no-plots", help="Write tables only.")] = False,
    json: JsonOption = False,
) -> None:
    """Run every combination in a YAML file; resumable.

    The same command goes on where it was stopped, whatever stopped it, and computes only what is missing.
    """
    if executor not in EXECUTORS:
        raise unknown("executor", executor, EXECUTORS)
    if executor != "dask" and (scheduler is not None or workers is not None):
        raise UsageError("--scheduler and --workers are for --executor dask")
    for option, count in (("--workers", workers), ("--threads", threads)):
        if count is not None and count < 1:
            raise UsageError(f"{option} must be at least 1, not {count}")
    folder = Path(out) / _folder_name(config, name)

    from gdbench import plugins
    from gdbench.spec.sweep import SweepSpec
    from gdbench.spec.validation import validated
    from gdbench.spec.yaml_file import read_yaml

    document = read_yaml(config)
    touched = options.override(document.values, set_) | options.add_plugins(document.values, plugin)
    spec = validated(SweepSpec, document.values, document, touched)
    console.load_plugins([])
    for index, file in enumerate(spec.plugin):
        try:
            plugins.load_file(file)
        except UsageError as error:
            raise document.error(error, ("plugin", index), touched) from None
    console.use_compilation_cache()

    from gdbench.cli import plan_table
    from gdbench.planning.plan import make_plan
    from gdbench.runner import progress
    from gdbench.runner.sweeping import SweepFolder, compute_here, sweep_into

    try:
        plan = make_plan(spec)
    except SpecError as error:
        raise document.error(error, error.path, touched) from None
    except UsageError as error:
        raise document.error(error) from None
    if dry_run:
        work = SweepFolder(plan, folder)
        facts, rows = plan_table.plan_facts(work), plan_table.plan_rows(work)
        if json:
            console.print_json({**facts, "blocks": rows})
        else:
            report.show_plan(facts, rows)
        return
    if executor == "dask":
        from gdbench.runner.dask_cluster import compute_on_dask

        compute = compute_on_dask(scheduler, workers)
    else:
        compute = compute_here(threads)
    with progress.shown(plan.runs, console.say, quiet=quiet) as told:
        result = sweep_into(plan, folder, compute=compute, progress=told, force=force)
    if not no_plots:
        console.draw(result, folder)
    report.report_sweep(result, plan, as_json=json)
    console.say(f"Written to {folder}")
    if result.failure:
        raise GdbenchError(result.failure)


def _folder_name(config: str, name: str | None) -> str:
    """What the result folder is called: `name`, or what the file is called."""
    if name is not None:
        return console.plain_name(name)
    stem = Path(config).stem
    if stem in ("", ".", ".."):
        raise UsageError(f"'{config}' gives the result folder no name: give it one with --name")
    return stem


def schema() -> None:
    """Print the JSON Schema of a sweep's YAML file, for editors."""
    from gdbench.spec.sweep import json_schema

    console.print_json(json_schema())


def table(result: ResultArgument, json: JsonOption = False) -> None:
    """Derive a result's tables again from its stored runs and print them.

    Nothing is computed; an unfinished sweep shows what its shards give.
    """
    report.retabulate(result, as_json=json)


def plot(
    result: ResultArgument,
    axes: Annotated[
        str | None, typer.Option(metavar="X,Y", help="The two settings of the heat maps, such as learning_rate,b1.")
    ] = None,
) -> None:
    """Draw a result again from its files.

    Nothing is computed.
    """
    report.draw_again(result, axes)


def compare(
    a: Annotated[Path, typer.Argument(metavar="A", help="A result folder: what is compared with.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="A result folder: what is judged.")],
    fail_on_regression: Annotated[
        bool, typer.Option("--fail-on-regression", help="Exit with 3 where B is worse than A.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write comparison.csv and comparison.png there.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Compare two results, surface by surface and solver by solver.

    Steps, success and final gap side by side, with ratio, interval, test and verdict; paired by start and seed.
    """
    comparison = report.compare(a, b, out, as_json=json)
    if fail_on_regression and len(comparison.regressions):
        worse = ", ".join(f"{row.solver} on {row.surface}" for row in comparison.regressions.itertuples())
        raise Regression(f"'{b}' is worse than '{a}' for {worse}")


COMMANDS: dict[str, Any] = {"sweep": sweep, "schema": schema, "table": table, "plot": plot, "animate": animate}
COMMANDS |= {"compare": compare}
