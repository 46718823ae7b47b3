"""Paths in one dimension: markers on the curve, and below it the weight after each step, where paths do not overlap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from gdbench.plots.contours import Ground, draw_ground
from gdbench.plots.paths import Track, calmness, exit_of, inside, leaves
from gdbench.plots.style import GRID, INK, note, scale_steps, set_ticks, style_of


def draw_curve(axes: Axes, surface: Mapping[str, Any], ground: Ground, tracks: Sequence[Track], width: float) -> str:
    """Split the panel into the curve above and the steps below it, and return a remark for the subtitle."""
    box = axes.get_position()
    below = axes.get_figure(root=True).add_axes((box.x0, box.y0, box.width, box.height * 0.46))  # type: ignore[union-attr]
    axes.set_position((box.x0, box.y0 + box.height * 0.5, box.width, box.height * 0.5))
    draw_ground(axes, surface, ground)
    axes.set_xlabel("")
    axes.tick_params(labelbottom=False)
    below.set_xlim(*axes.get_xlim())
    set_ticks(below.xaxis)
    below.set(xlabel=ground.labels[0], ylabel="step (updates)")
    below.grid(**GRID)
    if not tracks:
        below.set_yticks([])
        note(below, "no path to draw")
        return ""
    scale_steps(below.yaxis, [float(np.nanmax(track.steps)) for track in tracks])
    below.invert_yaxis()
    reach = 10 * (ground.high[0] - ground.low[0])
    look: dict[str, Any]
    for track in tracks:
        style = style_of(track.solver)
        # A diverged weight of 1e300 would overflow in the renderer.
        weights = np.clip(track.points[:, 0], ground.low[0] - reach, ground.high[0] + reach)
        calm = calmness(track.points, ground)  # A weight that swings without end would fill the panel.
        look = {"color": style.colour, "linestyle": style.dashes, "linewidth": width * calm, "alpha": calm}
        below.plot(weights, track.steps, zorder=2 + calm, **look)
        look = {"marker": style.marker, "color": style.colour, "linestyle": "none", "zorder": 4}
        look |= {"markeredgecolor": "white", "markeredgewidth": 0.4, "markersize": style.size(2.8 + width)}
        at = track.marked
        axes.plot(*track.points[at][inside(track.points[at], ground)].T, **look)
        below.plot(weights[at], track.steps[at], **look)
        out = leaves(track, ground)
        place = exit_of(track.points, ground) if out else track.points[-1]
        if place is not None:
            look |= {"marker": "X" if out else style.marker, "markersize": style.size(4.5 + 2 * width), "zorder": 5}
            axes.plot(*place, clip_on=False, **look)
            if not out:
                below.plot(place[0], track.steps[-1], clip_on=False, **look)
    for track in tracks:
        axes.plot(*track.points[0], "o", markersize=8, markerfacecolor="white", markeredgecolor=INK, zorder=4.5)
    return "above: the loss, marked where the paths pass; below: the weight after each step"
