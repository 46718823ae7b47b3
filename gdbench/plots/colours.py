"""The colours of steps and of failures in heat maps and grids: viridis for steps, greys for what was not reached."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from gdbench.formatting import human
from gdbench.plots.scales import Scale, dress
from gdbench.plots.style import INK, MUTED, sign

# These greys differ clearly in lightness, and viridis has none of them.
FAILURE_COLOURS = {"budget": "#e4e7ea", "stationary": "#bcc3c9", "diverged": "#7b848c", "error": "#ffffff"}
FAILURE_COLOURS["stopped"] = FAILURE_COLOURS["budget"]
FAILED = {
    "budget": "not reached within the budget",
    "stationary": "stuck: the gradient vanishes",
    "diverged": "diverged",
    "error": "raised an error",
    "stopped": "stopped early: no lower held-out loss",
}


@dataclass(frozen=True)
class Shades:
    """Colours of positive numbers on a log scale from `low` (bright: good) to `high` (dark)."""

    low: float
    high: float

    @staticmethod
    def of(numbers: Any, least: float = 2.0, most: float = np.inf) -> Shades:
        """Return the shades for the finite ones of `numbers`, over a factor of `least` to `most` from the smallest."""
        finite = np.maximum(np.asarray(numbers, dtype=float), 1.0)
        finite = finite[np.isfinite(finite)]
        if not len(finite):
            return Shades(1.0, 10.0)
        low = float(finite.min())
        return Shades(low, float(np.clip(finite.max(), least * low, most * low)))

    def colours(self, numbers: np.ndarray, failures: np.ndarray) -> np.ndarray:
        """Return RGBA bytes `[k, 4]` of numbers `[k]`; where one is infinite, the grey of its failure."""
        place = np.log(np.clip(numbers, self.low, self.high) / self.low) / np.log(self.high / self.low)
        shown = _viridis(place)
        failed = ~np.isfinite(numbers)
        for kind, colour in FAILURE_COLOURS.items():
            shown[failed & (failures == kind)] = np.round(255 * np.array(to_rgba(colour)))
        return shown


def _viridis(place: np.ndarray) -> np.ndarray:
    """Return a colour map, bright at 0, dark at 1, without the darkest end: text and marks would vanish in it."""
    return np.asarray(matplotlib.colormaps["viridis"](1 - 0.92 * place, bytes=True))


def ink_on(colours: np.ndarray) -> np.ndarray:
    """Find which of the RGBA bytes `[k, 4]` need white text: those darker than a middle grey (WCAG's luminance)."""
    linear = (colours[:, :3] / 255.0) ** 2.2
    return np.where(linear @ np.array([0.2126, 0.7152, 0.0722]) < 0.22, "white", INK)


def failure_sign(kind: str) -> Line2D:
    """Return the legend entry of a failure's colour, with an outline for the palest."""
    found = sign("s", MUTED, FAILURE_COLOURS[kind], 9)
    found.set_markeredgewidth(0.5)
    return found


def colour_bar(figure: Figure, shades: Shades, label: str, more: bool = False) -> Axes:
    """Draw a scale where a `page` left room `below` its legend; `more` says that its end means more."""
    width, height = figure.get_size_inches()
    box = figure.legends[0].get_window_extent().transformed(figure.transFigure.inverted())
    long, gap = 1.8, 0.3 if figure.legends[0].get_texts() else 0.0
    axes = figure.add_axes((box.x0, box.y0 - (gap + long) / height, 0.16 / width, long / height))
    scale = Scale("log")
    low, high = np.log10(shades.low), np.log10(shades.high)
    axes.imshow(_viridis(np.linspace(1, 0, 256))[:, None], extent=(0, 1, low, high), aspect="auto", origin="upper")
    dress(axes.yaxis, scale, low, high)
    axes.set_xticks([])
    axes.yaxis.tick_right()
    axes.yaxis.set_label_position("right")
    axes.set_ylabel(label, fontsize=8.5, color=INK)
    if more:
        ticks = scale.ticks(low, high)
        axes.set_yticks(scale.place(ticks), [*(human(tick) for tick in ticks[:-1]), f"≥ {human(ticks[-1])}"])
    return axes
