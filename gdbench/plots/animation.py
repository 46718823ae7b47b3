"""The drawn runs in motion: every solver's point with a fading tail over the ground of each surface, frame by frame."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text

from gdbench.columns import PROBLEM
from gdbench.errors import UsageError, unknown
from gdbench.formatting import human
from gdbench.plots.contours import Ground, draw_ground
from gdbench.plots.paths import CROWD, Track, exit_of, inside, leaves, pulled_in, scenes_of, solvers_of
from gdbench.plots.style import INK, handle, in_order, look, names, page, style_of
from gdbench.plots.trajectory import signs
from gdbench.results.folder import Frames

# More panels side by side are too small to follow.
MOST_PANELS = 12
# A moving picture has half the resolution of a still, and a quarter of its bytes.
DPI = 80
# A tail stays for this share of the film's length.
TAIL = 0.08
# A tail has at most so many vertices: more would differ by less than the width of its line.
VERTICES = 24
# A tail shorter than this share of the frame's width or height cannot be seen.
SHORT = 0.002
# Up to so many steps all go by at one speed.
SLOW = 12


def pace(last: float, frames: int) -> np.ndarray:
    """Return the step, with its fraction, that each of `frames` shows, from 0 to `last`.

    Up to SLOW steps evenly, else log-spaced from the first step on, `(1 + last)^t - 1` for t from 0 to 1: the first ten
    steps take as long as the last nine tenths.
    """
    share = np.linspace(0.0, 1.0, frames) if frames > 1 else np.array([1.0])
    if last <= SLOW:
        return last * share
    steps = np.expm1(np.log1p(last) * share)
    steps[-1] = last  # Rounding may miss it.
    return steps


@dataclass(frozen=True)
class Walker:
    """A drawn run on its way: where it is at any step."""

    track: Track
    points: np.ndarray  # The track's, but far ones are pulled near the frame.
    size: np.ndarray  # Width and height of the frame.
    gone: float  # After this step it never comes back into the frame.
    exit: np.ndarray | None  # It left the frame here.

    @staticmethod
    def of(track: Track, ground: Ground) -> Walker:
        """Return the walker of a track in a frame."""
        out = leaves(track, ground)
        held = np.flatnonzero(inside(track.points, ground))
        gone = float(track.steps[held[-1]]) if out and len(held) else np.inf
        place = exit_of(track.points, ground) if out else None
        return Walker(track, pulled_in(track.points, ground), ground.high - ground.low, gone, place)

    def at(self, steps: np.ndarray) -> np.ndarray:
        """Return the points `[k, 2]` at steps `[k]`: between iterates on a straight line, after the last one there."""
        return np.column_stack([np.interp(steps, self.track.steps, self.points[:, i]) for i in range(2)])

    def tail(self, first: float, last: float) -> np.ndarray:
        """Return the way from one step to another, with a corner at every iterate, or at evenly spaced ones of many.

        `[k, 2]`; `[0, 2]` where it is too short to be seen.
        """
        between = self.track.steps[(self.track.steps > first) & (self.track.steps < last)]
        if len(between) > VERTICES:
            between = between[np.linspace(0, len(between) - 1, VERTICES).astype(int)]
        corners = self.at(np.concatenate([[first], between, [min(last, float(self.track.steps[-1]))]]))
        spread = np.nanmax(np.ptp(corners, axis=0) / self.size) if np.isfinite(corners).all() else np.inf
        return corners if spread > SHORT else corners[:0]

    def arrived(self, step: float) -> bool:
        """Decide whether it has met its target by then."""
        return self.track.status == "reached" and step >= self.track.steps[-1]


@dataclass
class Panel:
    """The moving parts of the panel of one surface."""

    axes: Axes
    name: str
    has_target: bool
    walkers: list[Walker]
    tails: LineCollection
    heads: list[Line2D]
    title: Text

    @staticmethod
    def on(axes: Axes, name: str, surface: Mapping[str, Any], ground: Ground, tracks: Sequence[Track]) -> Panel:
        """Draw the ground, which stays, and make what moves on it."""
        draw_ground(axes, surface, ground)
        if ground.to_scale:
            axes.set_aspect("equal", adjustable="box", anchor="NW")
        for track in tracks:
            axes.plot(*track.points[0], "o", markersize=8, markerfacecolor="white", markeredgecolor=INK, zorder=2)
        tails = LineCollection([], linewidths=2.2, capstyle="butt", animated=True)
        axes.add_collection(tails, autolim=False)
        heads = []
        for track in tracks:
            style = style_of(track.solver)
            (head,) = axes.plot([], [], style.marker, color=style.colour, markersize=style.size(7.0), animated=True)
            head.set(markeredgecolor="white", markeredgewidth=0.7, clip_on=False)
            heads.append(head)
        walkers = [Walker.of(track, ground) for track in tracks]
        has_target = any(track.status == "reached" for track in tracks) or np.isfinite(surface.get("f_star", np.nan))
        return Panel(axes, name, bool(has_target), walkers, tails, heads, axes.set_title(name, animated=True))

    def move(self, first: float, step: float) -> None:
        """Move everything to `step`, with tails that begin at the step `first`."""
        segments, colours = [np.empty((0, 2, 2))], [np.empty((0, 4))]
        for walker, head in zip(self.walkers, self.heads, strict=True):
            (place,) = walker.at(np.array([step]))
            style, gone = style_of(walker.track.solver), walker.exit is not None and step > walker.gone
            marker = "X" if gone else style.marker
            if head.get_marker() != marker:
                head.set(marker=marker, markersize=6.0 if gone else style.size(7.0))
            place_of_head = walker.exit if gone and walker.exit is not None else place
            head.set_data(place_of_head[:, None])
            head.set_visible(gone or _in_axes(place, self.axes))
            corners = walker.tail(first, step) if first < walker.track.steps[-1] else place[None][:0]
            if len(corners):
                segments.append(np.stack([corners[:-1], corners[1:]], axis=1))
                fade = np.linspace(0.0, 1.0, len(corners))[1:, None]
                colours.append(np.hstack([np.tile(to_rgb(style.colour), (len(fade), 1)), fade]))
        self.tails.set_segments(list(np.concatenate(segments)))
        self.tails.set_color(np.concatenate(colours))  # type: ignore[arg-type]
        if self.has_target:
            there = sum(walker.arrived(step) for walker in self.walkers)
            self.title.set_text(f"{self.name}: {there} of {len(self.walkers)} at the target")

    def draw(self) -> None:
        """Draw what moves."""
        for artist in (self.tails, *self.heads):
            self.axes.draw_artist(artist)


def _in_axes(point: np.ndarray, axes: Axes) -> bool:
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    return bool(left <= point[0] <= right and low <= point[1] <= high)


class Sign:
    """A text that is drawn anew only when its words change: letters cost more than all that moves."""

    def __init__(self, text: Text, canvas: Any) -> None:
        self.text, self.canvas, self.shown, self.picture = text, canvas, "", None

    def draw(self) -> None:
        """Draw it over the ground, or copy what was drawn before."""
        words = self.text.get_text()
        if words == self.shown and self.picture is not None:
            self.canvas.restore_region(self.picture)
            return
        renderer = self.canvas.get_renderer()
        self.text.draw(renderer)
        self.shown, self.picture = words, self.canvas.copy_from_bbox(self.text.get_window_extent(renderer).padded(2))


@dataclass
class Film:
    """An animation that has been set up: its figure, and the step that each frame shows."""

    figure: Figure
    counter: Text
    panels: list[Panel]
    steps: np.ndarray
    begins: np.ndarray = field(init=False)  # Each frame's tails begin at this step.

    def __post_init__(self) -> None:
        behind = max(1, round(TAIL * len(self.steps)))
        self.begins = np.concatenate([np.zeros(min(behind, len(self.steps))), self.steps[:-behind]])

    def frames(self, which: Sequence[int] | np.ndarray | None = None) -> Iterator[np.ndarray]:
        """Yield the pictures one after the other, RGBA bytes `[height, width, 4]`, overwritten by the next one.

        All of them, or those numbered `which`. The ground is drawn once; each frame draws over it what moves.
        """
        canvas: Any = self.figure.canvas
        canvas.draw()
        ground = canvas.copy_from_bbox(self.figure.bbox)
        signs = [Sign(text, canvas) for text in (self.counter, *(panel.title for panel in self.panels))]
        last = human(float(self.steps[-1]))
        chosen = np.arange(len(self.steps)) if which is None else np.asarray(which)
        for first, step in zip(self.begins[chosen], self.steps[chosen], strict=True):
            canvas.restore_region(ground)
            self.counter.set_text(f"Step {human(float(np.floor(step + 1e-9)), 9)} of {last}")
            for panel in self.panels:
                panel.move(first, step)
                panel.draw()
            for sign in signs:
                sign.draw()
            yield np.asarray(canvas.buffer_rgba())


def film(
    frames: Frames, surfaces: Sequence[str] = (), solvers: Sequence[str] = (), *, seconds: float = 10.0, fps: int = 20
) -> Film:
    """Set up the animation of a result's drawn runs: all, or those of the named surfaces and solvers.

    Raises `UsageError` for a name that the result lacks, with the nearest one, and where nothing can be animated.
    """
    problems = in_order(names(frames.table, PROBLEM), names(frames.runs, PROBLEM), frames.contours)
    pairs = frames.runs[[PROBLEM, "surface"]].drop_duplicates().astype(str)
    chosen = _chosen("surface", surfaces, problems, dict(zip(pairs[PROBLEM], pairs["surface"], strict=True)))
    order = _chosen("solver", solvers, names(frames.runs, "solver"), {})
    runs = frames.runs[frames.runs["solver"].astype(str).isin(order)]
    all_scenes = scenes_of(runs, frames.table, frames.trajectory, frames.contours, chosen)
    scenes = {name: (ground, tracks) for name, (ground, tracks, _) in all_scenes.items() if tracks}
    if not scenes:
        raise UsageError("no paths to animate: trajectory.csv holds none of these runs")
    if len(scenes) > MOST_PANELS:
        raise UsageError(f"{len(scenes)} surfaces are too many side by side; choose up to {MOST_PANELS} with --surface")
    with look(), np.errstate(all="ignore"):
        return _film(frames.contours, scenes, order, max(round(seconds * fps), 2))


def _film(
    contours: Mapping[str, Mapping[str, Any]],
    scenes: Mapping[str, tuple[Ground, list[Track]]],
    order: Sequence[str],
    frames: int,
) -> Film:
    tracks = [track for _, panel_tracks in scenes.values() for track in panel_tracks]
    last = max(float(track.steps[-1]) for track in tracks)
    solvers = solvers_of(tracks)
    entries = [(handle(solver), solver) for solver in order if solver in solvers]
    outside = any(leaves(track, ground) for ground, panel_tracks in scenes.values() for track in panel_tracks)
    entries += signs([ground for ground, _ in scenes.values()], tracks, outside)
    subtitle = "all at the same step, at their chosen settings"
    if last > SLOW:
        subtitle += "; the later, the more steps a second (log pace)"
    single, tiled = len(scenes) == 1, len(scenes) > 1 and len(solvers) > CROWD
    size = (4.8, 4.6) if single else (4.4, 3.2) if tiled else (3.3, 2.9)
    figure, places = page(len(scenes), size, entries, " ", subtitle, above=0.3 if single else 0.0, tiled=tiled)
    figure.set_dpi(DPI)
    # Pixels are whole and even in number: video has colours for every second one only.
    figure.set_size_inches(*(2 * np.ceil(figure.get_size_inches() * DPI / 2) / DPI))
    panels = [
        Panel.on(axes, name, contours.get(name, {}), ground, panel_tracks)
        for axes, (name, (ground, panel_tracks)) in zip(places, scenes.items(), strict=True)
    ]
    counter = figure.texts[0]
    counter.set_animated(True)
    return Film(figure, counter, panels, pace(last, frames))


def _chosen(kind: str, asked: Sequence[str], available: Sequence[str], surface_of: Mapping[str, str]) -> list[str]:
    """Return the available names that were asked for, all if none was; a surface stands for all its problems."""
    chosen = []
    for name in asked:
        matches = [label for label in available if name in (label, surface_of.get(label))]
        if not matches:
            raise unknown(kind, name, available, "in this result")
        chosen += matches
    return in_order(chosen) if asked else list(available)
