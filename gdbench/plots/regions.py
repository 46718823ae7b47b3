"""regions.png: which class a model of two inputs predicts where, a panel for what each solver has made of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from gdbench.formatting import human
from gdbench.plots.files import words_in_name
from gdbench.plots.style import INK, MUTED, PANELS, note, page, set_ticks, sheets, sign

# The keys of a surface's landscape that are about its regions begin with this.
PREFIX = "regions."
# One colour for each class. Purple and gold stay apart in all kinds of colour vision and in grey; the closest two of
# all eight are 27 apart in Lab, by Machado's simulation (2009) of protanopia, deuteranopia and tritanopia. Solvers have
# others.
CLASSES = ("#5b3a9e", "#c79a00", "#3aa59a", "#610505", "#ae94f9", "#67325a", "#d14747", "#2559f4")
# The strength of a class's colour where the model is no surer than a guess, and where it is certain.
FAINT, FULL = 0.05, 0.5
# The accuracies have a line of their own beside a name of more letters than these.
LONG = 17
# Each of so few examples is drawn large.
FEW = 30
# More examples would cover the regions.
EXAMPLES = 1000


@dataclass(frozen=True)
class Plane:
    """The predictions of all drawn runs on one surface, as `regions.regions_of` names them."""

    solvers: tuple[str, ...]  # One for every run.
    u: np.ndarray
    v: np.ndarray
    probability: np.ndarray  # [runs, classes, gv, gu]
    inputs: np.ndarray
    targets: np.ndarray
    held_out: np.ndarray
    accuracy: np.ndarray  # [runs, 2]
    classes: tuple[str, ...]
    labels: tuple[str, ...]

    @staticmethod
    def of(ground: Mapping[str, Any], solvers: Mapping[Any, str]) -> Plane:
        """Return the plane among the keys of a surface's ground; `solvers` by run."""
        fields: dict[str, Any] = {
            key.removeprefix(PREFIX): value for key, value in ground.items() if key.startswith(PREFIX)
        }
        rest = np.asarray(fields["probability"], dtype=float)
        return Plane(
            solvers=tuple(solvers[run] for run in np.asarray(fields["runs"]).tolist()),
            u=np.asarray(fields["u"], dtype=float),
            v=np.asarray(fields["v"], dtype=float),
            probability=np.concatenate([1 - rest.sum(axis=1, keepdims=True), rest], axis=1),
            inputs=np.asarray(fields["inputs"], dtype=float),
            targets=np.asarray(fields["targets"], dtype=int),
            held_out=np.asarray(fields["held_out"]) > 0,
            accuracy=np.asarray(fields["accuracy"], dtype=float),
            classes=tuple(map(str, fields["classes"])),
            labels=tuple(map(str, fields["labels"])),
        )


def figures(runs: pd.DataFrame, contours: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, Figure]]:
    """Draw `regions.png`, of several surfaces with such a plane `regions-NAME.png` for each of the first 20.

    Of more than 20 solvers the others are on further pages.
    """
    if not {"run", "solver"} <= {*runs.columns}:
        return
    solvers = dict(zip(runs["run"], runs["solver"].astype(str), strict=True))
    planes = {}
    for problem, ground in contours.items():
        if PREFIX + "runs" in ground and set(np.asarray(ground[PREFIX + "runs"]).tolist()) <= {*solvers}:
            planes[problem] = Plane.of(ground, solvers)
    for problem, plane in list(planes.items())[:PANELS]:
        kind = "regions" if len(planes) == 1 else words_in_name("regions", problem)
        numbers = [str(number) for number in range(len(plane.solvers))]
        for file, on_page, remark in sheets(kind, numbers, rest="trajectory.csv has the weights of all"):
            yield file, _sheet(problem, plane, [int(number) for number in on_page], remark)


def _sheet(problem: str, plane: Plane, runs: Sequence[int], remark: str) -> Figure:
    """Draw a page with a panel per solver."""
    several = len(plane.classes) > 2
    entries = [(sign("o", colour, size=7), _named(name)) for colour, name in zip(CLASSES, plane.classes, strict=False)]
    entries.append((sign("o", MUTED, size=6), "trained on"))
    if plane.held_out.any():
        entries.append((sign("D", MUTED, "white", 5.5), "held out"))
    line = "equally probable" if several else "probability ½"
    entries.append((Line2D([], [], color=INK, linewidth=1.5), line))
    title = f"Decision regions on {problem}{remark}"
    subtitle = "the class that each solver's last weights predict where: the stronger the colour, the more certain"
    if len(plane.inputs) > EXAMPLES:
        subtitle += f"; {human(EXAMPLES)} of the {human(len(plane.inputs))} examples are drawn"
    size = (4.6, 4.2) if len(runs) == 1 else (2.9, 2.6)
    # The page expects no title of a lone panel; a long name takes a line of its own.
    above = 0.3 * (len(runs) == 1) + 0.15 * any(len(plane.solvers[run]) > LONG for run in runs)
    figure, panels = page(len(runs), size, entries, title, subtitle, above=above)
    for axes, run in zip(panels, runs, strict=True):
        _panel(axes, plane, run, 1.0 if len(runs) > 1 else 1.4)
        _title(axes, plane.solvers[run], plane.accuracy[run], long=len(runs) > 1)
    return figure


def _named(label: str) -> str:
    """Name a class in the legend, where a bare number would say nothing."""
    return f"class {label}" if label.lstrip("-").replace(".", "").isdecimal() else label


def _title(axes: Axes, solver: str, accuracy: np.ndarray, long: bool) -> None:
    """Write the solver at the left, its accuracies at the right, or below a name that leaves no room."""
    parts = [f"{name} {human(100 * share)} %" for name, share in zip(("train", "test"), accuracy, strict=True)]
    words = ", ".join(part for part, share in zip(parts, accuracy, strict=True) if np.isfinite(share))
    below = long and len(solver) > LONG
    axes.set_title(words, loc="left" if below else "right", fontsize=8.5, fontweight="normal", color=MUTED)
    look: dict[str, Any] = {"fontsize": 10, "fontweight": "bold", "color": INK, "textcoords": "offset points"}
    axes.annotate(solver, (0, 1), xytext=(0, 20 if below else 6), xycoords="axes fraction", **look)


def _panel(axes: Axes, plane: Plane, run: int, width: float) -> None:
    """Draw the regions, the boundaries between them and the examples."""
    u, v, chances = plane.u, plane.v, plane.probability[run]
    axes.set(xlabel=plane.labels[0], ylabel=plane.labels[1], xlim=(u[0], u[-1]), ylim=(v[0], v[-1]))
    set_ticks(axes.xaxis)
    set_ticks(axes.yaxis)
    if np.isfinite(chances).all():
        half = (u[1] - u[0]) / 2, (v[1] - v[0]) / 2
        extent = (u[0] - half[0], u[-1] + half[0], v[0] - half[1], v[-1] + half[1])
        axes.imshow(shades(chances), origin="lower", extent=extent, aspect="auto", interpolation="bilinear", zorder=0)
        axes.set(xlim=(u[0], u[-1]), ylim=(v[0], v[-1]))
        for lead in leads(chances):
            if lead.min() < 0 < lead.max():
                axes.contour(u, v, lead, levels=[0.0], colors=INK, linewidths=1.1 * width, zorder=1)
    else:
        note(axes, "the weights overflow: no prediction", 0.93)
    count = len(plane.inputs)
    # The drawn examples are evenly spaced, so that as large a share of each part is drawn.
    drawn = np.isin(np.arange(count), np.linspace(0, count - 1, min(count, EXAMPLES)).astype(int))
    width *= 2.0 if len(plane.inputs) <= FEW else 1.0
    for number, colour in zip(range(len(plane.classes)), CLASSES, strict=False):
        of_class = (plane.targets == number) & drawn
        for rows, marker, size in ((of_class & ~plane.held_out, "o", 3.6), (of_class & plane.held_out, "D", 3.9)):
            axes.plot(
                *plane.inputs[rows].T,
                marker,
                color=colour,
                markersize=size * width,
                markerfacecolor=colour if marker == "o" else "white",
                markeredgecolor="white" if marker == "o" else colour,
                markeredgewidth=0.5 if marker == "o" else 1.2,
                zorder=2 if marker == "o" else 3,
                clip_on=False,
            )


def shades(chances: np.ndarray) -> np.ndarray:
    """Colour probabilities `[classes, gv, gu]`, `[gv, gu, 3]`: the likeliest class's colour, paler towards a guess."""
    classes, colours = len(chances), np.array([to_rgb(colour) for colour in CLASSES])
    certain = (chances.max(axis=0) - 1 / classes) / (1 - 1 / classes)
    strength = (FAINT + (FULL - FAINT) * np.clip(certain, 0, 1))[..., None]
    return 1 - strength * (1 - colours[chances.argmax(axis=0)])


def leads(chances: np.ndarray) -> list[np.ndarray]:
    """Return how much likelier each class is than the others, `[gv, gu]`; 0 on its boundary. Of two, one is enough."""
    margins = [chances[i] - np.delete(chances, i, axis=0).max(axis=0) for i in range(len(chances))]
    return margins[1:] if len(margins) == 2 else margins
