"""Surfaces, solvers and starts as a specification writes them: names, names with settings, numbers, points."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

from gdbench.spec.axes import AXIS_SCHEMA, Axis, AxisError, axis_of, located, numbers_of, plain, shown
from gdbench.spec.schedule_parsing import SETTING_SCHEMA, setting_of
from gdbench.spec.schedules import Schedules

Points = list[list[float]]
Entry = dict[str, Any]
# keys below a surface that are no settings of its own, but conditions of the runs on it
UNDER_SURFACE = ("start", "starts", "batch_size")
BATCH_SIZE = numbers_of("batch_size", low=1, whole=True)


def _entry(kind: str, name: str, given: Any) -> Entry:
    """The settings of one surface or solver: axes, of a solver also schedules, of a surface conditions."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise AxisError(f"the settings of '{name}' must be a mapping such as {{learning_rate: [0.01, 0.1]}}", name)
    made: Entry = {}
    read: dict[str, Any] = dict.fromkeys(given, setting_of if kind == "solver" else axis_of)
    read |= {"start": _point, "starts": _starts, "batch_size": BATCH_SIZE} if kind == "surface" else {}
    for key, value in given.items():
        if kind == "solver" and key in UNDER_SURFACE:
            raise AxisError(f"unknown hyperparameter '{key}' of solver '{name}'; {key} goes below a surface", name, key)
        try:
            made[str(key)] = read[key](value)
        except AxisError as problem:
            raise AxisError(str(problem), name, key, *problem.path) from None
    if "start" in made and "starts" in made:
        raise AxisError("give start or starts, not both", name)
    return made


def _entries(kind: str, value: Any) -> dict[str, Entry]:
    """Surfaces or solvers, as `kind` says: a name, a list of names, or a mapping from a name to its settings."""
    if isinstance(value, str):
        value = [value]
    if isinstance(value, list | tuple):
        made: dict[str, Entry] = {}
        for index, name in enumerate(value):
            if not isinstance(name, str):
                raise AxisError("expected a name; settings of its own go into a mapping: {NAME: {KEY: VALUE}}", index)
            if name in made:
                raise AxisError(f"duplicate {kind} '{name}'", index)
            made[name] = {}
        return made
    if not isinstance(value, Mapping):
        raise AxisError("expected a name, a list of names, or a mapping from names to settings")
    return {str(name): _entry(kind, str(name), given) for name, given in value.items()}


def _written_entries(things: Mapping[str, Entry]) -> Any:
    if not any(things.values()):
        return list(things)
    return {
        name: {key: value.written() if isinstance(value, Axis | Schedules) else value for key, value in block.items()}
        for name, block in things.items()
    }


def _point(value: Any) -> list[float]:
    """One start: a list of finite numbers."""
    value = plain(value)
    items = value if isinstance(value, list | tuple) else [value]
    if not items or not all(isinstance(item, int | float) and not isinstance(item, bool) for item in items):
        raise AxisError("a start is a list of numbers such as [1, 0.5]")
    if not all(abs(item) <= 1e300 for item in items):
        raise AxisError("every number of a start must be finite")
    return [float(item) for item in items]


def _starts(value: Any) -> int | Points:
    """`32` or `{random: 32}` random starts in the surface's box, or a list of starts."""
    if isinstance(value, Mapping):
        if set(value) != {"random"}:
            raise AxisError("starts is a number, {random: N}, or a list of starts such as [[1, 1], [2, 0]]")
        value = value["random"]
        if isinstance(value, bool) or not isinstance(value, int):
            raise AxisError("the number of random starts must be a whole number", "random")
    value = plain(value)
    if isinstance(value, int) and not isinstance(value, bool):
        if not 1 <= value <= 1_000_000:
            raise AxisError(f"the number of starts must be from 1 to 1 000 000, not {shown(value)}")
        return value
    if not isinstance(value, list | tuple) or not value:
        raise AxisError("starts is a number, {random: N}, or a list of starts such as [[1, 1], [2, 0]]")
    made: Points = []
    seen: set[tuple[float, ...]] = set()
    for index, item in enumerate(value):
        try:
            made.append(_point(item))
        except AxisError as problem:
            raise AxisError(str(problem), index) from None
        if tuple(made[-1]) in seen:
            raise AxisError(f"duplicate start {made[-1]}", index)
        seen.add(tuple(made[-1]))
    return made


_STARTS_SCHEMA: dict[str, Any] = {
    "anyOf": [
        {"type": "integer", "minimum": 1, "maximum": 1_000_000},
        {
            "type": "object",
            "properties": {"random": {"type": "integer", "minimum": 1}},
            "required": ["random"],
            "additionalProperties": False,
        },
        {"type": "array", "items": {"anyOf": [{"type": "number"}, {"type": "array", "items": {"type": "number"}}]}},
    ]
}


def _entries_schema(kind: str) -> dict[str, Any]:
    conditions = {"start": {"type": "array", "items": {"type": "number"}}, "starts": _STARTS_SCHEMA}
    setting = AXIS_SCHEMA if kind == "surface" else SETTING_SCHEMA
    block: dict[str, Any] = {"type": "object", "additionalProperties": setting}
    block |= {"properties": conditions} if kind == "surface" else {}
    return {
        "anyOf": [
            {"type": "string"},
            {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
            {"type": "object", "additionalProperties": {"anyOf": [{"type": "null"}, block]}},
        ]
    }


def _of_kind(kind: str) -> Any:
    validator = PlainValidator(located(partial(_entries, kind)))
    return Annotated[
        dict[str, Entry], validator, PlainSerializer(_written_entries), WithJsonSchema(_entries_schema(kind))
    ]


Surfaces, Solvers = _of_kind("surface"), _of_kind("solver")
Starts = Annotated[Any, PlainValidator(located(_starts)), WithJsonSchema(_STARTS_SCHEMA)]
Start = Annotated[
    list[float],
    PlainValidator(located(_point)),
    WithJsonSchema({"type": "array", "items": {"type": "number"}, "minItems": 1}),
]
