"""The commands on stored results: `table`, `plot`, `compare`, `animate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gdbench.cli import console
from gdbench.cli.options import JsonOption
from gdbench.cli.report import report
from gdbench.errors import Regression, UsageError, unknown

if TYPE_CHECKING:
    import pandas as pd

    from gdbench.results.comparison import Comparable

ResultArgument = Annotated[Path, typer.Argument(metavar="RESULT", help="A result folder.")]
FORMATS = ("gif", "mp4")
LONGEST, FASTEST = 120.0, 50  # seconds; frames a second, of which a GIF can show no more


def table(result: ResultArgument, json: JsonOption = False) -> None:
    """Derive a result's tables again from its stored runs and print them.

    Nothing is computed; an unfinished result shows what its shards give.
    """
    from gdbench.results.files import write_frame
    from gdbench.runner.result import read_result

    frames = read_result(result, starts=False)
    if _tell_missing(result):
        write_frame(result, "table", frames.table)
        for name, frame in frames.summaries.items():
            write_frame(result, name, frame)
    report(frames, json=json)


def plot(
    result: ResultArgument,
    axes: Annotated[
        str | None, typer.Option(metavar="X,Y", help="The two settings of the heat maps, such as learning_rate,b1.")
    ] = None,
) -> None:
    """Draw a result again from its files.

    Nothing is computed.
    """
    from gdbench.runner.result import read_result

    frames = read_result(result, starts=False)
    _tell_missing(result)
    console.draw(frames, result, None if axes is None else _pair_of(frames.runs, axes))
    console.say(f"Written to {result}")


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
    from gdbench.cli.tables import comparison_table
    from gdbench.plots import comparison as drawing
    from gdbench.plots.files import save
    from gdbench.results.comparison import compare_results, named_alike
    from gdbench.results.files import write_frame

    sides = _finished(a), _finished(b)
    compared = compare_results(sides[0], named_alike(*sides))
    if json:
        rows = compared.frame.to_dict("records")
        console.print_json([{str(name): console.plain(value) for name, value in row.items()} for row in rows])
    else:
        console.show(comparison_table(compared.frame), wide=True)
        for sentence in compared.sentences:
            console.show(sentence)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        write_frame(out, "comparison", compared.frame)
        save(drawing.figure(compared.frame, compared.a, compared.b), out / "comparison.png")
        console.say(f"Written to {out}")
    if fail_on_regression and len(compared.regressions):
        worse = ", ".join(f"{row.solver} on {row.problem}" for row in compared.regressions.itertuples())
        raise Regression(f"'{b}' is worse than '{a}' for {worse}")


def animate(
    result: Annotated[Path, typer.Argument(metavar="RESULT", help="A result folder.")],
    format_: Annotated[
        str, typer.Option("--format", metavar="gif|mp4", help="gif, or mp4 where there is ffmpeg.")
    ] = "gif",
    surface: Annotated[
        list[str] | None, typer.Option("--surface", "-f", help="Only this surface of the result (repeat).")
    ] = None,
    solver: Annotated[
        list[str] | None, typer.Option("--solver", "-s", help="Only this solver of the result (repeat).")
    ] = None,
    seconds: Annotated[float, typer.Option(help="How long the film is, before it rests on its last picture.")] = 10.0,
    fps: Annotated[int, typer.Option(help="Frames a second.")] = 20,
) -> None:
    """Animate the paths of a result: every solver's point with a fading tail, on every surface.

    Writes animation.gif or animation.mp4 into the result folder, with the names of the surfaces and solvers chosen.
    """
    if format_ not in FORMATS:
        raise unknown("format", format_, FORMATS)
    if not 0 < seconds <= LONGEST:
        raise UsageError(f"--seconds must be above 0 and at most {LONGEST:g}, not {seconds:g}")
    if not 1 <= fps <= FASTEST:
        raise UsageError(f"--fps must be from 1 to {FASTEST}, not {fps}")

    from gdbench.plots.animation import film
    from gdbench.plots.files import words_in_name
    from gdbench.plots.movie import require_format, save_film
    from gdbench.runner.result import read_result

    require_format(format_)
    frames = read_result(result, starts=False)
    _tell_missing(result)
    if not len(frames.trajectory):
        raise UsageError(f"'{result}' holds no paths: its trajectory.csv is empty or not there yet")
    made = film(frames, surface or (), solver or (), seconds=seconds, fps=fps)
    name = words_in_name("animation", *(surface or ()), *(solver or ()))
    path = save_film(made, result / f"{name}.{format_}", fps=fps)
    console.say(f"Written to {path}")


def _tell_missing(folder: Path) -> bool:
    """Say which runs of a result are missing; return whether its runs stand in shards."""
    from gdbench.results import derive

    if not derive.has_shards(folder):
        return False
    stored, manifest, damaged = derive.stored_runs(folder)
    for path in damaged:
        console.say(f"damaged: '{path}' does not hold what its name says; its runs are left out")
    if stored.rows < manifest.runs:
        command = f"gdbench {manifest.kind}"
        console.say(f"{stored.rows} of {manifest.runs} runs are there; the same `{command}` computes the rest")
    return True


def _finished(folder: Path) -> Comparable:
    """Read one side of a comparison; raise `UsageError` where runs are missing."""
    from gdbench.results import derive
    from gdbench.results.comparison import Comparable
    from gdbench.runner.result import read_result
    from gdbench.spec.yaml_file import Document, read_yaml

    frames = read_result(folder)
    if derive.has_shards(folder):
        stored, manifest, _ = derive.stored_runs(folder)
        if stored.rows < manifest.runs:
            missing = f"{manifest.runs - stored.rows} of {manifest.runs} runs are missing"
            raise UsageError(f"'{folder}' is not finished: {missing}; the same `gdbench {manifest.kind}` goes on")
    config = folder / "config.yaml"
    document = read_yaml(config) if config.is_file() else Document(str(config), {})
    return Comparable(str(folder), frames.runs, frames.table, dict(document.values))


def _pair_of(runs: pd.DataFrame, text: str) -> tuple[str, str]:
    """Return the two settings that `X,Y` names, of which the runs must have several values each."""
    from gdbench.columns import PARAMETER, hyperparameters

    names = [*hyperparameters(runs), *(name for name in runs.columns if name.startswith(PARAMETER))]
    swept = [name for name in names if len(runs[name].dropna().unique()) > 1]
    pair = [part.strip() for part in text.split(",")]
    if len(pair) != 2 or pair[0] == pair[1]:
        raise UsageError(f"--axes takes two settings X,Y such as learning_rate,momentum, not '{text}'")
    for name in pair:
        if name not in swept:
            raise unknown("setting", name, swept, "with several values in this result")
    return pair[0], pair[1]
