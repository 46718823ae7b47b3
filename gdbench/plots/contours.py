"""The ground that paths are drawn on: contours or, in one dimension, the curve; the frame; the minimisers.

The record of a problem in `Frames.contours` has `dimension`, `kind` (plane, line, pca or none), `u` `[gu]`, `v` `[gv]`,
`loss` `[gv, gu]` (`[gu]` on a line), `minimisers` `[m, n]`, `minimum_loss` `[m]`, `f_star`, `loss_start`, `labels`,
`eigenvalues` `[n]` of the Hessian at the first minimiser (empty where unknown), and for pca `origin` `[n]`, `axes`
`[2, n]`, `share` `[2]`; of more than two weights the same of a random plane, as `random_NAME`. Keys that begin with
`regions.` are those of `gdbench.surfaces.decision_regions.regions_of`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap

from gdbench.formatting import human
from gdbench.plots.style import INK, note, set_ticks

GREYS = LinearSegmentedColormap.from_list("greys", ["#ffffff", "#eef0f2", "#cfd5da"])
LEVELS = 12
# A minimiser so near to a random plane, relative to its size, is shown in it.
NEAR = 1e-2
# Without a known minimum, positive heights that differ by more than this factor are log-spaced.
SPAN = 10.0
# A frame is drawn to scale unless one side is longer than this many times the other.
LONG = 2.5


@dataclass(frozen=True)
class Ground:
    """The frame of one surface and what is known inside it."""

    kind: str
    labels: tuple[str, str]
    low: np.ndarray  # [2]: the lower left corner of the frame.
    high: np.ndarray
    minimisers: np.ndarray  # [m, 2], in the coordinates of the frame.
    is_global: np.ndarray  # [m]
    origin: np.ndarray | None = None
    dual: np.ndarray | None = None  # [2, n]: the coordinates of a move from the origin are its products with these.
    share: float = np.nan  # The share of the paths' variance that lies in a random plane.

    def place(self, x: np.ndarray, loss: np.ndarray) -> np.ndarray:
        """Place weights `[k, n]` with losses `[k]` in the frame, `[k, 2]`: of many weights the nearest points."""
        if self.origin is not None and self.dual is not None:
            return (x - self.origin) @ self.dual.T
        if self.kind == "line" or x.shape[1] == 1:
            return np.column_stack([x[:, 0], loss])
        return x[:, :2]

    @property
    def ratio(self) -> float:
        """Width over height of the frame in its own units."""
        width, height = self.high - self.low
        return float(width / height)

    @property
    def to_scale(self) -> bool:
        """True if both axes are drawn in the same units; a long narrow frame would leave most of its panel empty."""
        return self.kind != "line" and 1 / LONG <= self.ratio <= LONG


def ground_of(surface: Mapping[str, Any], points: np.ndarray, losses: np.ndarray) -> Ground:
    """Return the frame of a surface, from its contours or, where there are none, from the drawn weights `[k, n]`."""
    kind = str(surface.get("kind", "none"))
    dimension = int(surface.get("dimension", points.shape[1]) or 1)
    names = [str(label) for label in surface.get("labels", [])] or [f"x{i}" for i in range(max(dimension, 2))]
    minimisers = np.asarray(surface.get("minimisers", []), dtype=float).reshape(-1, dimension)
    bottoms = np.resize(np.asarray(surface.get("minimum_loss", [np.nan]), dtype=float), len(minimisers))
    finite = bottoms[np.isfinite(bottoms)]
    slack = 1e-9 * (1 + abs(finite.min())) if len(finite) else 0.0
    is_global = ~(bottoms > (finite.min() if len(finite) else 0.0) + slack)
    if kind == "line" or (kind == "none" and dimension == 1):
        u = np.asarray(surface.get("u", points[:, 0] if points.size else [0, 1]), dtype=float)
        low, high = _heights(surface, losses)
        places = np.column_stack([minimisers[:, 0], bottoms])
        return Ground(
            "line",
            (names[0], "loss"),
            *_corners([u.min(), low], [u.max(), high]),
            minimisers=places,
            is_global=is_global,
        )
    if kind == "none":
        usable = points[np.isfinite(points).all(axis=1)][:, :2]
        usable = usable if len(usable) else np.array([[0.0, 0.0], [1.0, 1.0]])
        middle, reach = np.median(usable, axis=0), np.ptp(usable, axis=0) * 0.6
        corners = _corners(middle - reach, middle + reach)
        return Ground(kind, (names[0], names[1]), *corners, minimisers=minimisers[:, :2], is_global=is_global)
    u, v = np.asarray(surface["u"], dtype=float), np.asarray(surface["v"], dtype=float)
    corners = _corners([u.min(), v.min()], [u.max(), v.max()])
    if kind == "plane":
        return Ground(kind, (names[0], names[1]), *corners, minimisers=minimisers, is_global=is_global)
    origin, axes = np.asarray(surface["origin"], dtype=float), np.asarray(surface["axes"], dtype=float)
    # The axes of a random plane are not orthogonal, so its coordinates come from least squares.
    dual = np.linalg.solve(axes @ axes.T, axes) if kind == "random" else axes
    places = (minimisers - origin) @ dual.T
    if kind == "random":
        first, second = (f"random direction {i + 1} (1 = {surface.get('unit', 'its length')})" for i in (0, 1))
        off = np.linalg.norm(minimisers - origin - places @ axes, axis=1)
        near = off <= NEAR * (1 + np.linalg.norm(minimisers, axis=1))
        return Ground(
            kind,
            (first, second),
            *corners,
            minimisers=places[near],
            is_global=is_global[near],
            origin=origin,
            dual=dual,
            share=float(surface.get("share", np.nan)),
        )
    shares = np.resize(np.asarray(surface.get("share", np.nan), dtype=float), 2)
    labels = [
        f"principal component {i + 1}" + (f" ({100 * share:.0f} % of variance)" if np.isfinite(share) else "")
        for i, share in enumerate(shares)
    ]
    return Ground(
        kind, (labels[0], labels[1]), *corners, minimisers=places, is_global=is_global, origin=origin, dual=dual
    )


def _corners(low: Any, high: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return the corners of a frame, moved apart where they coincide: a frame without width cannot be drawn."""
    low, high = np.asarray(low, dtype=float), np.asarray(high, dtype=float)
    flat = ~(high - low > 1e-12 * (np.abs(low) + np.abs(high)))
    pad = np.where(flat, 0.5 * (1 + np.abs(low) * 1e-3), 0.0)
    return low - pad, high + pad


def _heights(surface: Mapping[str, Any], losses: np.ndarray) -> tuple[float, float]:
    """Return the range of losses that a curve is shown in: from its bottom to somewhat above the start."""
    curve = np.asarray(surface.get("loss", losses), dtype=float).ravel()
    curve = curve[np.isfinite(curve)]
    if not len(curve):
        return 0.0, 1.0
    low, high = float(curve.min()), float(curve.max())
    start = float(surface.get("loss_start", np.nan))
    if np.isfinite(start):
        high = min(high, max(low + 1.6 * (start - low), float(np.quantile(curve, 0.6))))
    pad = 0.06 * (high - low)
    return low - pad, high + pad


def draw_ground(axes: Axes, surface: Mapping[str, Any], ground: Ground) -> str:
    """Draw contours or curve into the frame and return a remark on the levels ('' where nothing could be drawn)."""
    axes.set_xlim(ground.low[0], ground.high[0])
    axes.set_ylim(ground.low[1], ground.high[1])
    axes.set_xlabel(ground.labels[0])
    axes.set_ylabel(ground.labels[1])
    set_ticks(axes.xaxis)
    set_ticks(axes.yaxis)
    remark = ""
    loss = np.asarray(surface.get("loss", []), dtype=float)
    if ground.kind == "line" and loss.size:
        axes.plot(np.asarray(surface["u"], dtype=float), loss, color="#9aa3ab", linewidth=2.2, zorder=1)
    elif ground.kind in ("plane", "pca", "random") and loss.size:
        remark = _contours(axes, surface, loss)
    for place, is_global in zip(ground.minimisers, ground.is_global, strict=True):
        face = INK if is_global else "white"
        edge = "white" if is_global else INK
        look: dict[str, Any] = {"markerfacecolor": face, "markeredgecolor": edge, "markeredgewidth": 0.9, "zorder": 6}
        # A minimiser on a bound lies on the edge, and is shown whole.
        outside = bool(np.any((place < ground.low) | (place > ground.high)))
        axes.plot(*place, "*", markersize=12, clip_on=outside, **look)
    return remark


def _contours(axes: Axes, surface: Mapping[str, Any], loss: np.ndarray) -> str:
    """Draw contours from the lowest height of the frame to the start's and beyond.

    They are log-spaced above the minimum. Without one, heights that are all positive are taken for errors, log-spaced
    above 0 where they differ much; else no height is the zero of a logarithm, and they are even.
    """
    finite = loss[np.isfinite(loss)]
    if not finite.size or np.ptp(finite) == 0:
        note(axes, "the surface is flat or not finite here", 0.08)
        return ""
    f_star, start = (float(surface.get(name, np.nan)) for name in ("f_star", "loss_start"))
    positive = finite.min() > 0 and start > SPAN * finite.min()
    if np.isfinite(f_star) or positive:
        base = f_star if np.isfinite(f_star) else 0.0
        levels, step = _log_levels(finite - base, start - base)
        least = 10.0 ** (levels[0] - step / 2)
        heights = np.nan_to_num(loss, nan=np.inf, posinf=np.inf) - base
        # Logarithms are contoured, not losses: interpolation between grid points is then true to the spacing.
        drawn = np.log10(np.clip(heights, least, 10.0 ** (levels[-1] + step)))
        what = "loss − f*" if np.isfinite(f_star) else "loss"
        ends = f"{what} from {human(10.0 ** levels[0], 2)} to {human(10.0 ** levels[-1], 2)}, log-spaced"
    else:
        levels, step = _even_levels(finite, start)
        drawn = np.clip(np.nan_to_num(loss, nan=np.inf, posinf=np.inf), levels[0] - step / 2, levels[-1] + step)
        ends = f"loss from {human(levels[0], 2)} to {human(levels[-1], 2)}, evenly spaced"
    u, v = np.asarray(surface["u"], dtype=float), np.asarray(surface["v"], dtype=float)
    bounds = np.concatenate([[levels[0] - step], levels, [levels[-1] + 2 * step]])
    axes.contourf(u, v, drawn, levels=bounds, cmap=GREYS, zorder=0)
    nowhere = np.isnan(loss)
    if nowhere.any():
        hatched = axes.contourf(u, v, nowhere * 1.0, levels=[0.5, 1.5], colors=["white"], hatches=["////"], zorder=0.7)
        hatched.set(edgecolor="#cfd5da", linewidth=0.0)
    if drawn.min() < levels[-1] and drawn.max() > levels[0]:
        axes.contour(u, v, drawn, levels=levels, colors="#9aa3ab", linewidths=0.5, linestyles="solid", zorder=0.5)
    return f"contours: {ends}, darker is higher{'; hatched: no loss there' if nowhere.any() else ''}"


def _log_levels(heights: np.ndarray, start: float) -> tuple[np.ndarray, float]:
    """Return levels as logarithms, and the step between them, for `heights` above the minimum and that of the start."""
    heights = heights[heights > 0]
    top = float(heights.max())
    # A start at the bottom or outside the frame would leave no room for levels: then the frame's median serves.
    start = start if start > heights.min() * 2 else float(np.median(heights))
    start = min(start, top)
    low = max(float(heights.min()), start * 1e-6)
    if not low < start:
        low = start / 10
    step = (np.log10(start) - np.log10(low)) / (LEVELS - 1)
    above = min(int((np.log10(top) - np.log10(start)) / step), LEVELS)
    return np.log10(low) + step * np.arange(LEVELS + above), step


def _even_levels(losses: np.ndarray, start: float) -> tuple[np.ndarray, float]:
    """Return levels and their distance, from the lowest loss to twice the start's height above it, or to the top."""
    low, top = float(losses.min()), float(losses.max())
    if low < start < top:
        top = min(top, start + (start - low))
    return np.linspace(low, top, LEVELS + 3)[1:-1], (top - low) / (LEVELS + 2)
