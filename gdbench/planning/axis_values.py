"""The values of the axes that a specification gives."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from gdbench.errors import SpecError
from gdbench.registry import as_number


@dataclass(frozen=True)
class Setting:
    """The axis or schedules that a specification gives a setting, and the key path at which it stands."""

    axis: Any
    path: tuple[Any, ...]

    @property
    def name(self) -> str:
        """The key path in words."""
        return ".".join(map(str, self.path))


def values_of(given: Setting, seed: int) -> np.ndarray:
    """The values `[length]` of an axis of numbers; random ones follow from the seed and the key path alone.

    Raises `SpecError` where one is no number, or two are equal: two runs of one name would count twice.
    """
    values = _values_of(given, seed)
    if len(np.unique(values)) < len(values):
        raise SpecError(f"'{given.name}': two of its {len(values)} values are the same number", given.path)
    return values


def _values_of(given: Setting, seed: int) -> np.ndarray:
    axis = given.axis
    if axis.spacing == "values":
        for value in axis.values:
            if isinstance(value, bool):
                raise SpecError(f"'{given.name}' must be a number, not {value!r}", given.path)
        return np.array([_at(given.path, as_number, value=value, what=f"'{given.name}'") for value in axis.values])
    if axis.spacing == "log":
        return np.geomspace(axis.low, axis.high, axis.num)
    if axis.spacing == "linear":
        return np.linspace(axis.low, axis.high, axis.num)
    generator = np.random.default_rng([seed, zlib.crc32("/".join(map(str, given.path)).encode())])
    if axis.spacing == "normal":
        return generator.normal(axis.low, axis.high, axis.num)
    uniform = generator.random(axis.num)
    if axis.spacing == "log_uniform":
        low, high = np.log(axis.low), np.log(axis.high)
        return np.clip(np.exp(low + (high - low) * uniform), axis.low, axis.high)
    return axis.low + (axis.high - axis.low) * uniform


def _at(path: tuple[Any, ...], call: Any, **values: Any) -> Any:
    try:
        return call(**values)
    except SpecError:
        raise
    except Exception as error:
        raise SpecError(str(error), path) from None
