"""Format numbers for people: `number` and `whole` for a terminal, `human` and `short` for pictures."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd


def number(value: object, digits: int = 4) -> str:
    """Write a number for a terminal: 444, 40 012, 0.0198, 2.1e-07; nothing for what does not apply."""
    if value is None or value is pd.NA:
        return ""
    real = float(value)  # type: ignore[arg-type]
    if math.isnan(real):
        return ""
    if math.isinf(real):
        return "∞" if real > 0 else "-∞"
    # four digits of a thousand or more are a whole number
    whole = real == int(real) or abs(real) >= 10 ** (digits - 1)
    if whole and abs(real) < 1e6:
        return f"{real:,.0f}".replace(",", " ")
    return f"{real:.{digits}g}"


def whole(count: float | np.integer) -> str:
    """Write a count with its thousands apart: 1 048 576; one of more than twelve digits as 1.2e+30."""
    # an int may be larger than any float
    return f"{count:,.0f}".replace(",", " ") if count < 10**12 else f"{float(min(count, 10**300)):.2g}"


def speed(rate: float) -> str:
    """Write a rate with its thousand's prefix: 412 M, 87 k."""
    for size, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if rate >= 0.9995 * size:  # what three digits round up to the unit
            return f"{rate / size:.3g}{unit}"
    return f"{rate:.0f}"


def clock(seconds: float) -> str:
    """Write a span of time: 42 s, 3 min 10 s, 2 h 5 min."""
    left = round(seconds)
    if left < 60:
        return f"{left} s"
    if left < 3600:
        return f"{left // 60} min {left % 60} s"
    return f"{left // 3600} h {left % 3600 // 60} min"


def human(number: float, digits: int = 3) -> str:
    """Write a number for a picture: 0.01, 1e-4, 137, 10 000, 2.5e7."""
    number = float(number)
    if math.isnan(number):
        return "unknown"
    if math.isinf(number):
        return "∞" if number > 0 else "−∞"
    size = abs(number)
    if size >= 10**digits and number != round(number):
        size = float(f"{size:.{digits}g}")
    if 1000 <= size < 1e6 and size == round(size):
        text = f"{size:,.0f}".replace(",", "\u2009")
    elif size == 0 or 1e-3 <= size < 1e6:
        text = f"{size:.{digits}g}" if size < 10**digits else f"{size:.0f}"
    else:
        mantissa, exponent = f"{size:.{digits - 1}e}".split("e")
        mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
        text = f"{mantissa}e{int(exponent)}"
    return "−" + text if number < 0 else text


def short(steps: float) -> str:
    """Write steps for a picture in at most five signs: 137, 2 310, 41.5k, 137k, 2.5M."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if steps >= size:
            unit = size if letter != "k" else 1e3
            return f"{human(float(f'{steps / unit:.3g}'))}{letter}"
    return human(round(steps, 1) if steps < 100 else round(steps))


def count(number: float, noun: str = "step") -> str:
    """Write a number of things for a picture: `1 step`, `10 000 steps`."""
    return f"{human(number)} {noun}" + ("" if number == 1 else "s")
