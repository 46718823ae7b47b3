"""The application: commands, exit codes, signals. Heavy imports stand inside commands, so that `--help` is instant."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from types import FrameType
from typing import Annotated

import typer

from gdbench import blas
from gdbench.cli import console
from gdbench.cli.options import with_options
from gdbench.cli.results import animate, compare, plot, table
from gdbench.cli.run import run
from gdbench.cli.show import list_, show
from gdbench.cli.sweep import schema, sweep
from gdbench.cli.theory import KEYS, theory
from gdbench.errors import GdbenchError

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


app.command("run")(run)
app.command("list")(list_)
app.command("show")(show)
app.command("sweep")(sweep)
app.command("schema")(schema)
app.command("table")(table)
app.command("plot")(plot)
app.command("animate")(animate)
app.command("compare")(compare)
app.command("theory")(theory)
# The commands whose options are made from the specification, with the keys that they take: None for all.
MADE_OPTIONS = {"run": (run, None), "theory": (theory, KEYS)}


def make_options(words: Sequence[str]) -> None:
    """Make the options of those commands that are among the `words` of a command line."""
    for name in MADE_OPTIONS.keys() & set(words):
        from gdbench.spec.run import RunSpec

        command, keys = MADE_OPTIONS[name]
        with_options(command, RunSpec, keys)


def call(arguments: list[str] | None = None) -> int:
    """Run one command line and return its exit code: 0 done, 1 a failure while running, 2 a usage error, 130 Ctrl-C."""
    try:
        make_options(sys.argv[1:] if arguments is None else arguments)
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
        console.say(
            "gdbench: interrupted; what had finished by then is kept in the result folder, and the same command goes on"
        )
        return 128 + signal.SIGTERM if _terminated else 130
    return code if isinstance(code, int) else 0


_terminated: list[int] = []


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Hear a request to end as Ctrl-C, so that it ends as cleanly; where that would be lost, a moment later.

    What is raised within a callback of the garbage collector (JAX has one) is printed and forgotten by Python; modules
    in C++ that are being imported abort.
    """
    if number == signal.SIGTERM:
        _terminated.append(number)
    collecting = {getattr(callback, "__code__", None) for callback in gc.callbacks}
    while frame is not None:
        if frame.f_code in collecting or frame.f_code.co_filename.startswith("<frozen importlib"):
            signal.setitimer(signal.ITIMER_REAL, 0.01)
            return
        frame = frame.f_back
    raise KeyboardInterrupt


def main() -> None:
    """Run the `gdbench` command."""
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
