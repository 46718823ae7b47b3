"""The command `animate`: the drawn runs of a result in motion."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gdbench.cli import console
from gdbench.errors import UsageError, unknown

FORMATS = ("gif", "mp4")
LONGEST, FASTEST = 120.0, 50  # seconds; frames a second, of which a GIF can show no more


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

    from gdbench.cli.report import read_result, tell_missing
    from gdbench.plots.animation import film
    from gdbench.plots.files import words_in_name
    from gdbench.plots.movie import require_format, save_film

    require_format(format_)
    frames = read_result(result)
    tell_missing(result)
    if not len(frames.trajectory):
        raise UsageError(f"'{result}' holds no paths: its trajectory.csv is empty or not there yet")
    made = film(frames, surface or (), solver or (), seconds=seconds, fps=fps)
    name = words_in_name("animation", *(surface or ()), *(solver or ()))
    path = save_film(made, result / f"{name}.{format_}", fps=fps)
    console.say(f"Written to {path}")
