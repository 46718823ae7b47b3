"""Schedules as a specification writes them: `{cosine: {init_value: 0.1, decay_steps: 1000}}` or `cosine:0.1,1000`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Annotated, Any

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

from gdbench.errors import nearest
from gdbench.spec.axes import AXIS_SCHEMA, SPACINGS, Axis, AxisError, axis_of, located, numbers_of, plain, shown
from gdbench.spec.schedules import JUMPS, KINDS, NEEDED, NUMBERED, Schedule, Schedules, is_scheduled, is_text, jumps

_EXAMPLE = "{cosine: {decay_steps: 1000}}"


def setting_of(value: Any) -> Axis | Schedules:
    """The axis or the schedules that `value` stands for; a text stays an axis, see `schedules_of`."""
    if isinstance(value, Axis | Schedules):
        return value
    value = plain(value)
    if _is_schedule(value):
        return Schedules((_from_mapping(value),))
    if isinstance(value, list | tuple) and any(map(_is_schedule, value)):
        return _alternatives(value)
    return axis_of(value)


def schedules_of(setting: Axis | Schedules) -> Schedules | None:
    """The schedules of a hyperparameter's setting, also where they are written as texts; None for plain numbers.

    Whether a text is a schedule depends on what it is given to: an option may be called `constant` too.
    """
    if isinstance(setting, Schedules):
        return setting
    return _alternatives(setting.values) if is_scheduled(setting) else None


def _is_schedule(value: Any) -> bool:
    """Whether a mapping is a schedule, or was meant to be one: what an axis calls `linear` is a list."""
    if not isinstance(value, Mapping):
        return False
    if any(key in KINDS and (key not in SPACINGS or _holds(inner)) for key, inner in value.items()):
        return True
    if len(value) != 1 or not isinstance(next(iter(value.values())), Mapping):
        return False
    key = str(next(iter(value)))
    return key not in SPACINGS and nearest(key, (*SPACINGS, *KINDS)) not in ("log", "random")


def _holds(inner: Any) -> bool:
    return inner is None or isinstance(inner, Mapping)


def _alternatives(items: Sequence[Any]) -> Schedules:
    """Schedules in a list; the plain numbers in it are one constant schedule."""
    found: list[Schedule | None] = []
    constants: list[Any] = []
    for index, item in enumerate(items):
        try:
            if _is_schedule(item):
                found.append(_from_mapping(item))
            elif is_text(item):
                found.append(_from_text(item))
            elif isinstance(item, int | float | str):
                found += [None] if not constants else []
                constants.append(item)
            else:
                raise AxisError(f"expected a number or a schedule such as {_EXAMPLE}, not {shown(item)}")
        except AxisError as problem:
            raise AxisError(str(problem), *([index] if len(items) > 1 else []), *problem.path) from None
    constant = Schedule("constant", {"value": axis_of(constants)}) if constants else None
    choices = [choice or constant for choice in found]
    kinds = [choice.kind for choice in choices if choice]
    for index, kind in enumerate(kinds):
        if kind in kinds[:index]:
            raise AxisError(f"duplicate schedule '{kind}': give its numbers as lists")
    return Schedules(tuple(choice for choice in choices if choice))


def _kind_of(name: str, *path: str) -> str:
    if name not in KINDS:
        close = nearest(name, KINDS)
        hint = f"did you mean '{close}'?" if close else f"choose from: {', '.join(KINDS)}"
        raise AxisError(f"unknown schedule '{shown(name)[1:-1]}'; {hint}", *path)
    return name


def _from_mapping(value: Mapping[Any, Any]) -> Schedule:
    kind = next((key for key in value if key in KINDS), next(iter(value)))
    if len(value) > 1:
        other = next(key for key in value if key != kind)
        raise AxisError(f"unknown key '{other}' beside the schedule '{kind}'", str(other))
    _kind_of(str(kind), str(kind))
    given = value[kind]
    if not _holds(given):
        raise AxisError(
            f"the numbers of the schedule '{kind}' are a mapping such as {_example(kind)}, not {shown(given)}", kind
        )
    numbers: dict[str, Axis] = {}
    for name, part in _with_jumps(kind, given or {}):
        if name in numbers:
            raise AxisError(f"duplicate number '{name}' of the schedule '{kind}'", kind)
        try:
            numbers[name] = axis_of(part)
        except AxisError as problem:
            raise AxisError(str(problem), kind, name, *problem.path) from None
    return Schedule(kind, numbers)


def _with_jumps(kind: str, given: Mapping[Any, Any]) -> Iterator[tuple[str, Any]]:
    """The numbers of a schedule under their own names."""
    for name, value in given.items():
        if kind == "piecewise" and name in JUMPS:
            items = plain(value)
            if not isinstance(items, list | tuple) or not 1 <= len(items) <= 99:
                raise AxisError(
                    f"'{name}' is a list, as in {_example(kind)}, of 1 to 99, not {shown(value)}", kind, name
                )
            yield from ((f"{JUMPS[name]}{index}", item) for index, item in enumerate(items, start=1))
        else:
            yield _number_name(kind, str(name), kind, str(name)), value


def _number_name(kind: str, name: str, *path: str) -> str:
    known = list(KINDS[kind])
    if name in known or (kind == "piecewise" and NUMBERED.fullmatch(name)):
        return name
    known += [*JUMPS, *jumps([])] if kind == "piecewise" else []
    if name == "staircase" and kind == "exponential":
        raise AxisError("the schedule 'exponential' in steps is the schedule 'staircase'", *path)
    close = nearest(name, known)
    hint = f"did you mean '{close}'?" if close else f"choose from: {', '.join(known)}"
    raise AxisError(f"unknown number '{shown(name)[1:-1]}' of the schedule '{kind}'; {hint}", *path)


def _example(kind: str) -> str:
    if kind == "piecewise":
        return "{boundaries: [100, 500], scales: [0.1, 0.1]}"
    needed = [name for name, default in KINDS[kind].items() if default == NEEDED]
    values = {"decay_steps": 1000, "transition_steps": 1000, "warmup_steps": 100, "power": 2}
    return "{" + ", ".join(f"{name}: {values.get(name, 0.1)}" for name in needed) + "}"


def _from_text(text: str) -> Schedule:
    """`KIND:NUMBER,..,NAME=NUMBER,..`: numbers in the order of optax, then others by name."""
    head, _, rest = text.partition(":")
    kind = _kind_of(head.strip())
    places: Iterator[str] = iter(KINDS[kind])
    if kind == "piecewise":
        places = chain(places, jumps(["scale99"]))
    numbers: dict[str, Axis] = {}
    named = False
    for part in rest.split(",") if rest.strip() else ():
        name, equals, written = (piece.strip() for piece in part.rpartition("="))
        if equals:
            named, name = True, _number_name(kind, name)
        elif named:
            raise AxisError(f"'{shown(text)[1:-1]}': a number without a name must not follow one with a name")
        else:
            name = next(places, "")
            if not name:
                raise AxisError(f"the schedule '{kind}' has only {len(KINDS[kind])} numbers: {', '.join(KINDS[kind])}")
        if name in numbers:
            raise AxisError(f"duplicate number '{name}' of the schedule '{kind}'")
        try:
            numbers[name] = axis_of(float(written))
        except ValueError as error:
            said = str(error) if isinstance(error, AxisError) else f"must be a number, not '{shown(written)[1:-1]}'"
            raise AxisError(f"'{name}' of the schedule '{kind}' {said}") from None
    return Schedule(kind, numbers)


def _schedule_schema(kind: str) -> dict[str, Any]:
    numbers: dict[str, Any] = {"type": "object", "properties": dict.fromkeys(KINDS[kind], AXIS_SCHEMA)}
    numbers["additionalProperties"] = AXIS_SCHEMA if kind == "piecewise" else False
    if kind == "piecewise":
        numbers["properties"] |= {key: {"type": "array", "items": AXIS_SCHEMA, "minItems": 1} for key in JUMPS}
    return {
        "type": "object",
        "properties": {kind: {"anyOf": [{"type": "null"}, numbers]}},
        "required": [kind],
        "additionalProperties": False,
    }


SCHEDULE_SCHEMA: dict[str, Any] = {
    "description": "a schedule with numbers called as in optax, each a value or an axis: {cosine: {decay_steps: 1000}}",
    "anyOf": [_schedule_schema(kind) for kind in KINDS],
}
SETTING_SCHEMA: dict[str, Any] = {
    "description": "a value, an axis, a schedule, or a list of values and schedules",
    "anyOf": [
        AXIS_SCHEMA,
        SCHEDULE_SCHEMA,
        {"type": "array", "items": {"anyOf": [{"type": ["number", "string"]}, SCHEDULE_SCHEMA]}, "minItems": 1},
    ],
}

# what a model declares of a solver's settings
AnySetting = Annotated[
    Axis | Schedules,
    PlainValidator(located(setting_of)),
    PlainSerializer(lambda setting: setting.written()),
    WithJsonSchema(SETTING_SCHEMA),
]


def scheduled_axis(what: str, *, low: float, open_low: bool) -> Any:
    """The type of a hyperparameter with a key of its own: an axis as `number_axis` has it, or schedules."""
    plain_axis = numbers_of(what, low=low, open_low=open_low)

    def parse(value: Any) -> Axis | Schedules:
        items = value if isinstance(value, list | tuple) else [value]
        written = any(is_text(item) for item in items)
        found = _alternatives(items) if written else setting_of(value)
        return found if isinstance(found, Schedules) else plain_axis(found)

    return Annotated[
        Axis | Schedules,
        PlainValidator(located(parse)),
        PlainSerializer(lambda setting: setting.written()),
        WithJsonSchema(SETTING_SCHEMA),
    ]
