"""trajectory.png: the path of every drawn run over the contours of its surface."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from gdbench.columns import PROBLEM, SCHEDULE
from gdbench.formatting import count, human, whole
from gdbench.plots.contours import Ground, draw_ground, ground_of
from gdbench.plots.files import file_name
from gdbench.plots.one_weight import draw_curve
from gdbench.plots.paths import (
    CALMEST,
    ENDLESS,
    Track,
    calmness,
    exit_of,
    inside,
    leaves,
    scenes_of,
    solvers_of,
    within_reach,
)
from gdbench.plots.style import INK, MUTED, PANELS, handle, in_order, names, note, only, page, sheets, sign, style_of
from gdbench.results.statistics import floats
from gdbench.theory.drift import DRIFTS

Scene = tuple[Ground, list[Track], pd.DataFrame]
# The longer side of a panel that stands alone, in inches, is at least this.
SIDE = 4.6
LONGEST = "contours: loss − f* from 1.2e-10 to 3.4e-10, log-spaced, darker is higher"
CROWDED = "marked after 1, 10, 100, .. steps"


def figures(
    runs: pd.DataFrame, table: pd.DataFrame, trajectory: pd.DataFrame, contours: Mapping[str, Mapping[str, Any]]
) -> Iterator[tuple[str, Figure]]:
    """Draw `trajectory.png`; for several surfaces it is a grid, and each has a `trajectory-NAME.png` of its own.

    Of more than 60 surfaces the first 60 are drawn, on grids of at most 20; the first 20 have a page of their own.
    """
    problems = in_order(names(table, PROBLEM), names(runs, PROBLEM), contours)
    yield from pages("trajectory", "Paths on every surface", problems, runs, table, trajectory, contours)


def pages(
    kind: str,
    title: str,
    problems: Sequence[str],
    runs: pd.DataFrame,
    table: pd.DataFrame,
    trajectory: pd.DataFrame,
    contours: Mapping[str, Mapping[str, Any]],
) -> Iterator[tuple[str, Figure]]:
    """Draw the pictures `KIND.png` and `KIND-NAME.png` of `problems`; `title` is that of the grid."""
    sheet = sheets(kind, problems)
    scenes = scenes_of(runs, table, trajectory, contours, [name for _, on_page, _ in sheet for name in on_page])
    if len(problems) > 1:
        for file, on_page, remark in sheet:
            page_scenes = {name: scenes[name] for name in on_page}
            yield file, _grid(kind, title, contours, page_scenes, names(runs, "solver"), remark)
    for name, scene in list(scenes.items())[:PANELS]:
        file = f"{kind}.png" if len(problems) == 1 else file_name(kind, name)
        yield file, _single(name, contours.get(name, {}), scene)


def _title(name: str, ground: Ground) -> str:
    """Say what is drawn: of many weights, in which plane."""
    if ground.kind == "random":
        return f"Paths on {name}: a random plane with {percent(ground.share)} of their variance"
    return f"Paths on {name}" + (": the plane of their principal components" if ground.kind == "pca" else "")


def _single(name: str, surface: Mapping[str, Any], scene: Scene) -> Figure:
    """Draw one surface on a page of its own; the legend tells how each solver fared."""
    ground, tracks, rows = scene
    entries = []
    for solver in names(rows, "solver"):
        solver_tracks = [track for track in tracks if track.solver == solver]
        entries.append((handle(solver), _label(solver, solver_tracks, ground, only(rows, "solver", solver))))
    crowded = any(not track.stride for track in tracks)
    # The panel is not much lower than its legend.
    side = float(np.clip((0.24 if crowded else 0.36) * len(entries), SIDE, 6.2))
    size = (side, side)
    if ground.to_scale:
        size = (side, side / ground.ratio) if ground.ratio > 1 else (side * ground.ratio, side)
    elif ground.kind == "line":
        size = (side * 1.15, side * 1.1)
    entries += signs([ground], tracks, any(leaves(track, ground) for track in tracks))
    around = "around the end of the best run" if ground.kind == "random" else ""
    around = f"filter-normalised, {around}" if "filter" in ground.labels[0] else around
    words = [around, CROWDED if crowded else ""]
    # The words need room now; those on the levels are known only once these are drawn.
    room = "; ".join(filter(None, [*words, LONGEST])) if around else " "
    figure, (axes,) = page(1, size, entries, _title(name, ground), room)
    words.insert(1, _panel(axes, surface, ground, tracks, 1.0 if crowded else 1.5))
    figure.texts[-1].set_text("; ".join(filter(None, words)))
    return figure


def surface_figure(name: str, formula: str, surface: Mapping[str, Any], start: np.ndarray, loss_start: float) -> Figure:
    """Draw a surface without paths: its contours or curve, the start `[n]` and the minimisers."""
    ground = ground_of(surface, start[None], np.array([loss_start]))
    entries = [(sign("o", INK, "white", 8.5), "start"), *signs([ground], [], False)]
    figure, (axes,) = page(1, (SIDE, SIDE), entries, name, formula if len(formula) <= 100 else " ")
    draw_ground(axes, surface, ground)
    place = ground.place(start[None], np.array([loss_start]))[0]
    axes.plot(*place, "o", markersize=8, markerfacecolor="white", markeredgecolor=INK, zorder=5)
    return figure


def _grid(
    kind: str,
    title: str,
    contours: Mapping[str, Mapping[str, Any]],
    scenes: Mapping[str, Scene],
    order: Sequence[str],
    remark: str,
) -> Figure:
    """Draw all surfaces side by side, with one legend."""
    tracks = [track for _, panel_tracks, _ in scenes.values() for track in panel_tracks]
    solvers = [solver for solver in order if solver in solvers_of(tracks)]
    entries = [(handle(solver), solver) for solver in solvers]
    outside = any(leaves(track, ground) for ground, panel_tracks, _ in scenes.values() for track in panel_tracks)
    entries += signs([ground for ground, _, _ in scenes.values()], tracks, outside)
    of = f" of the first {PANELS} surfaces" if remark else ""
    crowded = any(not track.stride for track in tracks)
    subtitle = f"{CROWDED}; " if crowded else ""
    subtitle += "contours log-spaced above the minimum, darker is higher; "
    subtitle += f"settings and outcomes{of}: {kind}-NAME.png"
    size = (3.9, 3.0) if crowded else (2.9, 2.6)
    figure, panels = page(len(scenes), size, entries, title + remark, subtitle, tiled=crowded)
    for axes, (problem, (ground, panel_tracks, _)) in zip(panels, scenes.items(), strict=True):
        _panel(axes, contours.get(problem, {}), ground, panel_tracks, 0.9 if crowded else 1.2)
        axes.set_title(problem + (f": {percent(ground.share)} of variance" if ground.kind == "random" else ""))
        axes.set_xlabel(_short(axes.get_xlabel()))
        axes.set_ylabel(_short(axes.get_ylabel()))
    return figure


def _short(label: str) -> str:
    """Shorten an axis label so that it fits a small panel."""
    if label.startswith("random direction"):
        return label.split(" (")[0]
    return label.replace("principal component", "PC").replace(" of variance", "")


def percent(share: float) -> str:
    """Write a share as people do; a small one with its first digits, for it is not nothing."""
    if not np.isfinite(share):
        return "an unknown share"
    return f"{human(100 * share, 2) if share < 0.1 else f'{100 * share:.0f}'} %"


def signs(grounds: Sequence[Ground], tracks: Sequence[Track], outside: bool) -> list[tuple[Line2D, str]]:
    """Return the legend entries of the marks that occur."""
    entries = []
    if tracks:
        entries.append((sign("o", INK, "white", 8.5), "start"))
    if any(ground.is_global.any() for ground in grounds):
        entries.append((sign("*", INK, INK, 12), "minimum"))
    if any((~ground.is_global).any() for ground in grounds):
        entries.append((sign("*", INK, "white", 12), "local minimum"))
    if outside:
        entries.append((sign("X", MUTED, size=7.5), "leaves the frame"))
    return entries


def _label(solver: str, tracks: Sequence[Track], ground: Ground, rows: pd.DataFrame) -> str:
    """Write two lines for the legend: solver and learning rate, then the outcome and the distance between markers."""
    if not tracks:
        failed = (rows["status"] == "error").any() if "status" in rows.columns else False
        return f"{solver}\n" + ("raised an error, no path" if failed else "no path drawn")
    rate, stride = tracks[0].number("learning_rate"), tracks[0].stride
    first = solver + (f" · lr {human(rate)}" if np.isfinite(rate) else "")
    kind = tracks[0].run.get(f"learning_rate{SCHEDULE}")
    first += f", {kind}" if isinstance(kind, str) else ""
    if stride:
        first += " · marker every step" if stride == 1 else f" · marker every {human(stride)} steps"
    first += "\n" if stride else " · "  # In a crowd each has one line.
    if len(rows) <= 1:
        return first + _outcome(tracks[0], ground)
    hits = np.nan_to_num(floats(rows, "steps_to_target"), nan=np.inf)
    reached = np.isfinite(hits)
    median = np.median(hits)
    steps = f", median {whole(median)} steps" if np.isfinite(median) else ""
    drawn = f" ({len(tracks)} drawn)" if len(tracks) < len(rows) else ""
    return f"{first}{reached.sum()} of {len(rows)} starts reached{steps}{drawn}"


def _outcome(track: Track, ground: Ground) -> str:
    """Say how a run ended, in words."""
    steps, loss = track.number("steps"), track.number("loss_final")
    steps = float(track.steps[-1]) if np.isnan(steps) else steps
    outside = ", leaves the frame" if leaves(track, ground) else ""
    ending = f", loss {human(loss)}" if np.isfinite(loss) else ""
    if track.status == "reached":
        return count(steps) + outside
    if track.status == "diverged":
        return f"diverged after {count(steps)}{outside}"
    if track.status == "stationary":
        return f"stuck after {count(steps)}{ending}{outside}"
    if track.status == "error":
        return f"raised an error after {count(steps)}"
    if track.status == "stopped":
        return f"stopped early after {count(steps)}{ending}{outside}"
    if str(track.run.get("message")).startswith(DRIFTS):
        return f"not reached in {count(steps)}{ending}, {DRIFTS}"
    return f"not reached in {count(steps)}{ending}{outside}"


def _panel(axes: Axes, surface: Mapping[str, Any], ground: Ground, tracks: Sequence[Track], width: float) -> str:
    """Draw the ground and the paths; returns the remark for the subtitle."""
    if len(tracks) > len(solvers_of(tracks)):
        width *= 0.6  # Several starts need thinner lines.
    if ground.kind == "line":
        return draw_curve(axes, surface, ground, tracks, width)
    remark = draw_ground(axes, surface, ground)
    if not tracks:
        note(axes, "no path to draw", 0.92)
    if ground.to_scale:
        axes.set_aspect("equal", adjustable="box", anchor="NW")
    for track in tracks:
        style = style_of(track.solver)
        path = within_reach(track.points, ground)
        calm = calmness(path, ground)
        if calm <= CALMEST:
            path = path[:ENDLESS]  # The path swings without end, and its beginning says more than a filled panel.
        axes.plot(*path.T, color="white", linewidth=width * calm + 1.4, alpha=0.7 * calm**2, zorder=3)
        axes.plot(*path.T, color=style.colour, linewidth=width * calm, linestyle=style.dashes, alpha=calm, zorder=3.5)
        marked = track.points[track.marked]
        axes.plot(
            *marked[inside(marked, ground)].T,
            style.marker,
            color=style.colour,
            zorder=4,
            markersize=style.size(2.8 + width),
            markeredgecolor="white",
            markeredgewidth=0.4,
        )
        out = leaves(track, ground)
        place = exit_of(track.points, ground) if out else track.points[-1]
        if place is not None:
            axes.plot(
                *place,
                "X" if out else style.marker,
                color=style.colour,
                clip_on=False,
                zorder=5,
                markersize=style.size(4.5 + 2 * width),
                markeredgecolor="white",
                markeredgewidth=0.8,
            )
    for track in tracks:
        axes.plot(*track.points[0], "o", markersize=8, markerfacecolor="white", markeredgecolor=INK, zorder=4.5)
    return remark
