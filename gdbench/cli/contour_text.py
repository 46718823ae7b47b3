"""Draw a contour in letters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gdbench.cli.sheets import _box_landscape
from gdbench.surfaces import Surface

# Shades from the minimum up, because colours of a terminal would carry no meaning here.
SHADES = " ·:-=+*#%@"


def contour_text(surface: Surface, columns: int = 64, rows: int = 20) -> str:
    """Draw a small contour for the terminal: shades from the minimum up, `o` the start, `x` the minimisers."""
    picture = _box_landscape(surface)
    marks = [(point, "x") for point in picture["minimisers"]]
    marks.append((surface.start_point(surface.dimension), "o"))
    if picture["kind"] == "line":
        return _profile_text(picture, marks, columns, rows)
    u, v, loss = picture["u"], picture["v"], picture["loss"]
    across = np.linspace(0, len(u) - 1, columns).round().astype(int)
    up = np.linspace(len(v) - 1, 0, rows).round().astype(int)
    grid = loss[np.ix_(up, across)]
    finite = loss[np.isfinite(loss)]
    if not len(finite):
        return "the surface is nowhere finite in its box"
    floor = finite.min() if np.isnan(picture["f_star"]) else picture["f_star"]
    with np.errstate(over="ignore"):
        height = np.log1p(np.maximum(grid - floor, 0) / max(np.median(finite - floor), 1e-300) * 100)
    height = np.where(np.isfinite(height), height, np.nan)
    top = np.nan_to_num(height).max()
    shade = np.nan_to_num(height / top * (len(SHADES) - 1) if top > 0 else height, nan=len(SHADES) - 1)
    lines = [[SHADES[int(level)] for level in row] for row in shade]
    for point, mark in marks:
        flat = point[:2] if picture["kind"] == "plane" else (point - picture["origin"]) @ picture["axes"].T
        column = round((flat[0] - u[0]) / (u[-1] - u[0]) * (columns - 1))
        row = round((v[-1] - flat[1]) / (v[-1] - v[0]) * (rows - 1))
        if 0 <= column < columns and 0 <= row < rows:
            lines[row][column] = mark
    names = picture["labels"] if picture["kind"] == "plane" else ["component 1", "component 2"]
    caption = f"{names[0]} {u[0]:.3g} to {u[-1]:.3g} across, {names[1]} {v[0]:.3g} to {v[-1]:.3g} up"
    return "\n".join(["".join(line).rstrip() for line in lines] + [f"o start  x minimiser  {caption}"])


def _profile_text(picture: Mapping[str, Any], marks: list[tuple[np.ndarray, str]], columns: int, rows: int) -> str:
    """Draw the curve of a one-dimensional surface."""
    u, loss = picture["u"], picture["loss"]
    across = np.linspace(0, len(u) - 1, columns).round().astype(int)
    heights = loss[across]
    scale = (heights - heights.min()) / max(float(np.ptp(heights)), 1e-300)
    lines = [[" "] * columns for _ in range(rows)]
    for column, height in enumerate(scale):
        lines[rows - 1 - round(height * (rows - 1))][column] = "·"
    for point, mark in marks:
        column = round((point[0] - u[0]) / (u[-1] - u[0]) * (columns - 1))
        if 0 <= column < columns:
            lines[rows - 1 - round(scale[column] * (rows - 1))][column] = mark
    caption = f"{picture['labels'][0]} {u[0]:.3g} to {u[-1]:.3g}, loss {loss.min():.3g} to {loss.max():.3g}"
    return "\n".join(["".join(line).rstrip() for line in lines] + [f"o start  x minimiser  {caption}"])
