"""The loss at which a target is met, exactly."""

from __future__ import annotations

import numpy as np


def threshold(f_star: np.ndarray, tolerance: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """The largest number `t` of `dtype` with `t - f_star <= tolerance`; NaN where either is unknown.

    A lane then compares its loss with one number, and the comparison agrees exactly with the definition of the target.
    """

    def meets(numbers: np.ndarray) -> np.ndarray:
        return numbers - f_star <= tolerance

    with np.errstate(over="ignore", invalid="ignore"):
        guess = (f_star + tolerance).astype(dtype)
        for _ in range(2):
            guess = np.where(guess - f_star > tolerance, np.nextafter(guess, dtype.type(-np.inf)), guess)
        for _ in range(2):
            above = np.nextafter(guess, dtype.type(np.inf))
            guess = np.where(meets(above), above, guess)
        above = np.nextafter(guess, dtype.type(np.inf))
        if np.any((guess - f_star > tolerance) | (meets(above) & (above > guess))):
            # the tolerance cancels f_star, and the difference is rounded far more coarsely than the sum: bisect
            low, high = (np.full(guess.shape, end) for end in _places(np.array([-np.inf, np.inf], dtype)))
            for _ in range(8 * dtype.itemsize):
                middle = (low >> 1) + (high >> 1) + (low & high & 1)
                met = meets(_number(middle, dtype))
                low, high = np.where(met, middle, low), np.where(met, high, middle)
            guess = np.where(np.isnan(guess), guess, _number(low, dtype))
    return guess


def _places(numbers: np.ndarray) -> np.ndarray:
    """The place of every number in the order of all numbers of its type, as an integer."""
    bits = numbers.view(f"i{numbers.itemsize}").astype(np.int64)
    return np.where(bits < 0, np.iinfo(f"i{numbers.itemsize}").min - bits, bits)


def _number(places: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """The inverse of `_places`."""
    kind = f"i{dtype.itemsize}"
    return np.where(places < 0, np.iinfo(kind).min - places, places).astype(kind).view(dtype)
