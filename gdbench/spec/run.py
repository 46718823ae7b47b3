"""Specify one run: a sweep in which every setting has one value."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from gdbench.spec.axes import Axis
from gdbench.spec.schedules import Schedules
from gdbench.spec.sweep import SweepSpec
from gdbench.spec.validation import validated
from gdbench.spec.yaml_file import Document

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


def make_spec(values: Mapping[str, Any], where: str = "", elsewhere: Collection[str] = ()) -> RunSpec:
    """Return the specification of `values`; a `UsageError` names the key, what is wrong, and `where` it stands.

    The keys `elsewhere` do not stand there: flags that override a file.
    """
    return validated(RunSpec, values, Document(where, {}) if where else None, elsewhere)
