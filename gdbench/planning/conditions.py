"""Cross the conditions of runs that a specification gives: budgets, targets, precision, batch sizes and noise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

import numpy as np

from gdbench.errors import SpecError
from gdbench.planning.axis_values import Setting, values_of
from gdbench.planning.run_grid import NOISE, NOISE_DECAY, Conditions
from gdbench.spec.axes import Axis
from gdbench.spec.sweep import SweepSpec
from gdbench.surfaces.base import Surface

# The keys of a specification that hold conditions, each an axis.
CONDITIONS = ("steps", "rtol", "atol", "gtol", "dtype", "batch_size", "patience")
WHOLE = ("steps", "batch_size", "patience")


def conditions_on(surface: Surface, spec: SweepSpec) -> Iterator[tuple[Conditions, dict[str, Any]]]:
    """Yield every combination of the conditions of runs on `surface`, and those of them that its problems are named by.

    A surface may have conditions of its own. Raises `SpecError` for mini-batches of a surface without examples.
    """
    block = spec.surface.get(surface.name, {})
    lists: dict[str, list[Any]] = {}
    for name in CONDITIONS:
        axis = block.get(name) or getattr(spec, name) or Axis("values", (0,))
        values = axis.values if name == "dtype" else values_of(Setting(axis, (name,)), spec.seed)
        lists[name] = [value.item() if isinstance(value, np.generic) else value for value in values]
    if any(lists["batch_size"]) and not surface.data:
        path = ("surface", surface.name, "batch_size") if "batch_size" in block else ("batch_size",)
        raise SpecError(f"surface '{surface.name}' has no examples to draw mini-batches from", path)
    for combination in product(*lists.values()):
        values = dict(zip(lists, combination, strict=True))
        naming = {name: values[name] for name in lists if len(lists[name]) > 1}
        values |= {name: int(values[name]) for name in WHOLE}
        # What makes gradients or their end random is named, also where it has one value.
        naming |= {name: values[name] for name in WHOLE if name in naming or (name != "steps" and values[name])}
        if not spec.shuffle and values["batch_size"]:
            naming["shuffle"] = False
        if spec.holdout is not None:
            naming["holdout"] = spec.holdout
        yield Conditions(targets=spec.ladder, shuffle=spec.shuffle, **values), naming


def with_noise(
    parameters: Mapping[str, np.ndarray], spec: SweepSpec
) -> tuple[dict[str, np.ndarray], dict[str, float | None]]:
    """Cross the swept `parameters` with those of noise and its decay that have several values; also return the others.

    parameters : by name, each `[problems]`.
    """
    crossed, single = dict(parameters), dict.fromkeys((NOISE, NOISE_DECAY))
    for name in single:
        axis = getattr(spec, name)
        if axis is None:
            continue
        values = values_of(Setting(axis, (name,)), spec.seed)
        if len(values) == 1:
            single[name] = float(values[0])
            continue
        problems = len(next(iter(crossed.values()))) if crossed else 1
        crossed = {other: np.repeat(column, len(values)) for other, column in crossed.items()}
        crossed[name] = np.tile(values, problems)
    return crossed, single
