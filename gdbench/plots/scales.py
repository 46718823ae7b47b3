"""Axes for swept settings: linear, logarithmic, or logarithmic in the distance to 1, as the values are spaced."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.axis import Axis
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from gdbench.formatting import human
from gdbench.plots.style import log_ticks


@dataclass(frozen=True)
class Scale:
    """The place of a value on an axis: v ("linear"), log10 v ("log") or -log10(1 - v) ("complement", for momentum)."""

    kind: str

    def place(self, values: np.ndarray | float) -> np.ndarray:
        """Return values as places on the axis."""
        values = np.asarray(values, dtype=float)
        if self.kind == "log":
            return np.log10(values)
        # Adding 0 turns the negative zero of value 0 into a zero.
        return -np.log10(1 - values) + 0.0 if self.kind == "complement" else values

    def value(self, places: np.ndarray | float) -> np.ndarray:
        """Return the values at places of the axis: the inverse of `place`."""
        places = np.asarray(places, dtype=float)
        if self.kind == "log":
            return 10.0**places
        return 1 - 10.0**-places if self.kind == "complement" else places

    def ticks(self, low: float, high: float) -> np.ndarray:
        """Return round values between two places."""
        if self.kind == "log":
            return log_ticks(10.0**low, 10.0**high, 6)
        if self.kind == "linear":
            values = np.asarray(MaxNLocator(6, steps=[1, 2, 5, 10]).tick_values(low, high))
        else:
            decades = 10.0 ** -np.arange(max(np.floor(low), 0), np.ceil(high) + 1)
            values = 1 - np.sort(np.concatenate([decades, decades / 2] if high - low < 3 else [decades]))[::-1]
        places = self.place(values)
        return values[(places >= low - 1e-9) & (places <= high + 1e-9)]


def scale_of(values: np.ndarray) -> Scale:
    """Return the scale on which distinct ascending values are spaced most evenly; of equals the simplest."""
    fits = {"linear": values, "log": values if values[0] > 0 else None}
    fits["complement"] = values if values[0] >= 0 and values[-1] < 1 else None
    spread = {}
    for kind, usable in fits.items():
        if usable is not None:
            gaps = np.diff(Scale(kind).place(usable))
            spread[kind] = float(gaps.std() / gaps.mean()) if len(gaps) else 0.0
    least = min(spread.values())
    return Scale(next(kind for kind, value in spread.items() if value <= least + 0.05))


def borders(places: np.ndarray) -> np.ndarray:
    """Return the edges `[n + 1]` of cells around ascending places `[n]`: halfway to the neighbours."""
    if len(places) == 1:
        return np.array([places[0] - 0.5, places[0] + 0.5])
    middle = (places[:-1] + places[1:]) / 2
    return np.concatenate([[2 * places[0] - middle[0]], middle, [2 * places[-1] - middle[-1]]])


def dress(axis: Axis, scale: Scale, low: float, high: float) -> None:
    """Set limits at two places of a scale, and ticks that name the values there."""
    axis.axes.set(**{f"{axis.axis_name}lim": (low, high)})  # type: ignore[attr-defined]
    ticks = scale.ticks(low, high)
    names = dict(zip(scale.place(ticks).tolist(), ticks.tolist(), strict=True))
    axis.set_major_locator(FixedLocator(list(names)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda place, _: human(names.get(place, float(scale.value(place))), 6)))
