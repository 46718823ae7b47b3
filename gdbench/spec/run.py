"""Specify one run: a sweep in which every setting has one value."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from gdbench.spec.axes import Axis
from gdbench.spec.schedules import Schedules
from gdbench.spec.sweep import SweepSpec

# The relative targets at which a run's table tells the steps, unless `targets` names others.
LADDER = tuple(10.0**-k for k in range(1, 9))


class RunSpec(SweepSpec):
    """Everything that decides the numbers of a run; its keys are the command line's long options."""

    @model_validator(mode="after")
    def _single(self) -> RunSpec:
        for path, value in _settings(self):
            if len(value) > 1:
                sentence = "has several values; lists and ranges of values are for `gdbench sweep`"
                raise PydanticCustomError("axis", "{text}", {"text": sentence, "path": list(path)})
        return self

    @property
    def ladder(self) -> tuple[float, ...]:
        """The relative targets at which every run's steps are kept."""
        return super().ladder or LADDER


def _settings(spec: SweepSpec) -> Iterator[tuple[tuple[str, ...], Axis | Schedules]]:
    """Yield every axis and schedule of a specification with its key path."""
    for name in type(spec).model_fields:
        value = getattr(spec, name)
        if isinstance(value, Axis | Schedules):
            yield (name,), value
        elif name in ("set", "param"):
            yield from (((name, key), setting) for key, setting in value.items())
        elif name in ("surface", "solver"):
            for thing, entry in value.items():
                for key, setting in entry.items():
                    if isinstance(setting, Axis | Schedules):
                        yield (name, thing, key), setting
