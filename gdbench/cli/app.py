"""The command line. Heavy imports stand inside the commands, so that `--help` is instant."""

from __future__ import annotations

import os
import signal
import sys
from io import TextIOWrapper
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer

from gdbench import blas
from gdbench.cli import console, options, show, sweep, theory
from gdbench.cli.options import JsonOption, PluginOption
from gdbench.errors import GdbenchError, SpecError, UsageError

app = typer.Typer(
    name="gdbench",
    help="Benchmark optimizers on error surfaces: tuned with equal budgets, checked against closed forms.",
    add_completion=False,
    rich_markup_mode=None,  # panels would cost as much time as all the rest
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and leave.")] = False,
) -> None:
    if version:
        from gdbench import __version__

        typer.echo(f"gdbench {__version__}")
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command()
def run(
    surface: Annotated[
        list[str] | None, typer.Option("--surface", "-f", help="An error surface; repeat to compare.")
    ] = None,
    solver: Annotated[list[str] | None, typer.Option("--solver", "-s", help="A solver; repeat to compare.")] = None,
    data: Annotated[
        str | None, typer.Option(metavar="FILE", help="A CSV file, or sklearn:NAME: its regression is the surface.")
    ] = None,
    target: Annotated[str | None, typer.Option(metavar="COLUMN", help="The column of the data to predict.")] = None,
    model: Annotated[str | None, typer.Option(help="linear, logistic, softmax or mlp on the data [linear].")] = None,
    hidden: Annotated[str | None, typer.Option(metavar="N,N,..", help="Units of the mlp's hidden layers [8].")] = None,
    activation: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of the mlp's units: relu, or any of JAX [tanh].")
    ] = None,
    task: Annotated[str | None, typer.Option(help="Of the mlp: regression or classification.")] = None,
    weight_decay: Annotated[
        float | None, typer.Option(help="W: the loss of the data plus W/2 times the squared weights.")
    ] = None,
    preprocess: Annotated[
        str | None,
        typer.Option(metavar="LIST", help="raw,center,scale,standardize,minmax,whiten: a surface for each [raw]."),
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option(help="Fix the learning rate; without it every solver's is tuned.")
    ] = None,
    rates: Annotated[
        str | None, typer.Option(metavar="LOW,HIGH,NUM", help="The log grid for tuning [1e-6,10,64].")
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="A hyperparameter or schedule, NAME or SOLVER.NAME (repeat)."),
    ] = None,
    param: Annotated[
        list[str] | None,
        typer.Option("--param", metavar="KEY=VALUE", help="A surface parameter, NAME or SURFACE.NAME (repeat)."),
    ] = None,
    start: Annotated[str | None, typer.Option(metavar="X,Y,..", help="One start for every surface.")] = None,
    starts: Annotated[int | None, typer.Option(metavar="N", help="N random starts in each surface's box.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of the random starts [0].")] = None,
    steps: Annotated[int | None, typer.Option(help="The budget of steps of one run [10000].")] = None,
    rtol: Annotated[float | None, typer.Option(help="Target relative to the gap at the start [1e-6].")] = None,
    atol: Annotated[float | None, typer.Option(help="Absolute target [0].")] = None,
    gtol: Annotated[float | None, typer.Option(help="Gradient norm that counts as stationary [1e-12].")] = None,
    dtype: Annotated[str | None, typer.Option(help="float64 or float32 [float64].")] = None,
    noise: Annotated[
        float | None, typer.Option(help="Standard deviation added to every component of a gradient.")
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(help="Examples of the data that one step sees; all without it.")
    ] = None,
    noise_decay: Annotated[float | None, typer.Option(help="G: the noise shrinks as noise (1 + step)^(-G/2).")] = None,
    shuffle: Annotated[
        bool | None, typer.Option("--shuffle/--in-order", help="Mini-batches shuffled in every epoch, or in turn.")
    ] = None,
    holdout: Annotated[
        float | None, typer.Option(metavar="SHARE", help="Share of the data that training does not see.")
    ] = None,
    patience: Annotated[
        int | None, typer.Option(help="Stop a run after so many steps without a lower held-out loss.")
    ] = None,
    config: Annotated[
        str | None, typer.Option("--config", metavar="FILE", help="YAML with these options; a flag given here wins.")
    ] = None,
    plugin: PluginOption = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where result folders go.")] = Path("results"),
    name: Annotated[str | None, typer.Option(help="The result folder's name; made from the request if absent.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a result folder of the same name.")] = False,
    no_plots: Annotated[bool, typer.Option("--no-plots", help="Write tables only.")] = False,
    json: JsonOption = False,
) -> None:
    """Tune and run solvers on surfaces; draw and tabulate.

    Writes a result folder: the table, a row for every run, paths, curves, pictures, the complete configuration.
    """
    from gdbench.spec.run import RunSpec
    from gdbench.spec.validation import validated
    from gdbench.spec.yaml_file import read_yaml

    flags: dict[str, Any] = {
        "surface": surface,
        "solver": solver,
        "data": data,
        "target": target,
        "model": model,
        "hidden": hidden,
        "activation": activation,
        "task": task,
        "weight_decay": weight_decay,
        "preprocess": None if preprocess is None else [part.strip() for part in preprocess.split(",")],
        "learning_rate": learning_rate,
        "rates": None if rates is None else options.rates(rates),
        "set": options.pairs(set_, "--set"),
        "param": options.pairs(param, "--param"),
        "start": None if start is None else options.numbers(start, "--start"),
        "starts": starts,
        "seed": seed,
        "steps": steps,
        "rtol": rtol,
        "atol": atol,
        "gtol": gtol,
        "dtype": dtype,
        "noise": noise,
        "batch_size": batch_size,
        "noise_decay": noise_decay,
        "shuffle": shuffle,
        "holdout": holdout,
        "patience": patience,
        "plugin": plugin,
    }
    given = {key: value for key, value in flags.items() if value is not None}
    document = read_yaml(config) if config else None
    spec = validated(RunSpec, {**(document.values if document else {}), **given}, document, given)
    console.load_plugins(spec.plugin)
    console.use_compilation_cache()

    from gdbench.planning.plan import make_plan
    from gdbench.results.folder import create_folder, free_name

    try:
        plan = make_plan(spec)
    except SpecError as error:
        # what no flag has overridden stands in the file
        in_file = document is not None and (not error.path or str(error.path[0]) not in given)
        raise UsageError(f"{document.place(error.path)}: {error}" if in_file and document else str(error)) from None
    except UsageError as error:
        raise UsageError(f"{config}: {error}" if config and not given else str(error)) from None
    parent = Path(out)
    chosen = console.plain_name(name) if name is not None else free_name(parent, console.default_name(plan))
    folder = create_folder(parent / chosen, force=force)
    result = console.execute(plan, folder)
    # drawn before it is told: a reader who closes the pipe has the pictures all the same
    if not no_plots:
        console.draw(result, folder)
    console.report(result, plan, json=json)
    console.say(f"Written to {folder}")
    if result.failure:
        raise GdbenchError(result.failure)


for _name, _command in {**show.COMMANDS, **sweep.COMMANDS, "theory": theory.theory}.items():
    app.command(_name)(_command)


def call(arguments: list[str] | None = None) -> int:
    """Run one command line and return its exit code: 0 done, 1 a failure while running, 2 a usage error, 130 Ctrl-C."""
    try:
        code = app(arguments, standalone_mode=False)
        sys.stdout.flush()
    except GdbenchError as error:
        console.say(f"gdbench: {error}")
        return error.exit_code
    except BrokenPipeError:
        return 1
    except MemoryError:
        console.say("gdbench: out of memory; ask for fewer runs at once")
        return 1
    except OSError as error:
        console.say(f"gdbench: '{error.filename}': {error.strerror}" if error.filename else f"gdbench: {error}")
        return 1
    except Exception as error:
        # typer's own errors carry their sentence; which class they are depends on typer's version
        if not hasattr(error, "format_message"):
            if os.environ.get("GDBENCH_TRACEBACK"):
                raise
            lines = str(error).strip().split("\n")
            console.say(
                f"gdbench: a defect of gdbench: {type(error).__name__}: {lines[0]} (GDBENCH_TRACEBACK=1 shows where)"
            )
            return 1
        console.say(f"gdbench: {error.format_message().rstrip('.')}. Try 'gdbench --help'.")
        return getattr(error, "exit_code", 2)
    if code == 130:
        console.say("gdbench: interrupted; what had finished by then is kept in the result folder")
        return 128 + signal.SIGTERM if _terminated else 130
    return code if isinstance(code, int) else 0


_terminated: list[int] = []


def _interrupt(number: int, frame: FrameType | None) -> None:
    """A request to end is heard as Ctrl-C is, so that it ends as cleanly; where that would be lost, a moment later."""
    if number == signal.SIGTERM:
        _terminated.append(number)
    while frame is not None:
        # JAX's part of a garbage collection: Python prints and forgets what is raised there; modules in C++ that are
        # being imported abort
        if frame.f_code.co_name == "_xla_gc_callback" or frame.f_code.co_filename.startswith("<frozen importlib"):
            signal.setitimer(signal.ITIMER_REAL, 0.01)
            return
        frame = frame.f_back
    raise KeyboardInterrupt


def main() -> None:
    """The `gdbench` command."""
    blas.one_thread_from_the_start()
    signal.signal(signal.SIGTERM, _interrupt)
    if hasattr(signal, "setitimer"):
        signal.signal(signal.SIGALRM, _interrupt)
        signal.signal(signal.SIGINT, _interrupt)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that lacks a sign shows a question mark for it
    code = call()
    sys.stdout.flush()
    sys.stderr.flush()
    # at once: programs still running in other threads after Ctrl-C must not hold up the end
    os._exit(code)
