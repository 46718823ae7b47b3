"""Compute the values of the axes that a specification gives its settings."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from gdbench.errors import SpecError
from gdbench.registry import as_number
from gdbench.spec.axes import Axis
from gdbench.spec.schedules import Schedules

T = TypeVar("T")
# The hyperparameter that has keys of its own in a specification: `learning_rate`, and `rates` for its grid.
RATE = "learning_rate"


@dataclass(frozen=True)
class Setting:
    """The axis or schedules that a specification gives a setting, and the key path at which they stand.

    base : where a schedule that is written without a base takes it from.
    """

    axis: Axis | Schedules
    path: tuple[Any, ...]
    base: Setting | None = None

    @property
    def name(self) -> str:
        """The key path in words."""
        return ".".join(map(str, self.path))

    @property
    def count(self) -> int:
        """The number of values, those of all schedules together."""
        if isinstance(self.axis, Schedules):
            return self.axis.count(self.base.count if self.base is not None else 1)
        return len(self.axis)


def values_of(setting: Setting, seed: int) -> np.ndarray:
    """Compute the values `[length]` of an axis of numbers; random ones follow from the seed and the key path alone.

    Raises `SpecError` where one is no number, or two are equal: two runs of one name would count twice.
    """
    assert isinstance(setting.axis, Axis)
    values = _numbers(setting.axis, setting, seed)
    if len(np.unique(values)) < len(values):
        raise SpecError(f"'{setting.name}': two of its {len(values)} values are the same number", setting.path)
    return values


def _numbers(axis: Axis, setting: Setting, seed: int) -> np.ndarray:
    if axis.spacing == "values":
        for value in axis.values:
            if isinstance(value, bool):
                raise SpecError(f"'{setting.name}' must be a number, not {value!r}", setting.path)
        what = f"'{setting.name}'"
        return np.array([at_path(setting.path, as_number, value=value, what=what) for value in axis.values])
    if axis.spacing == "log":
        return np.geomspace(axis.low, axis.high, axis.num)
    if axis.spacing == "linear":
        return np.linspace(axis.low, axis.high, axis.num)
    generator = np.random.default_rng([seed, zlib.crc32("/".join(map(str, setting.path)).encode())])
    if axis.spacing == "normal":
        return generator.normal(axis.low, axis.high, axis.num)
    uniform = generator.random(axis.num)
    if axis.spacing == "log_uniform":
        low, high = np.log(axis.low), np.log(axis.high)
        return np.clip(np.exp(low + (high - low) * uniform), axis.low, axis.high)
    return axis.low + (axis.high - axis.low) * uniform


def at_path(path: tuple[Any, ...], call: Callable[..., T], **values: Any) -> T:
    """Return `call(**values)`; whatever it raises becomes a `SpecError` at the key path."""
    try:
        return call(**values)
    except SpecError:
        raise
    except Exception as error:
        raise SpecError(str(error), path) from None
