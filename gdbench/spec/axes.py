"""Read axes: the ways in which a specification names many values where one would do."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from gdbench.errors import nearest

Scalar = bool | int | float | str
SPACINGS = ("log", "linear", "random")
DISTRIBUTIONS = ("uniform", "log_uniform", "normal")
MOST = 1_000_000
_MANY = "1 000 000"


@dataclass(frozen=True)
class Axis:
    """The values of one key; a single value is an axis of length 1.

    `spacing` is "values" (as listed), "log" or "linear" (`num` from low to high, both included), or a distribution of
    `DISTRIBUTIONS` from which `num` are drawn: between `low` and `high`, or normal with mean `low` and standard
    deviation `high`.
    """

    spacing: str
    values: tuple[Scalar, ...] = ()
    low: float = math.nan
    high: float = math.nan
    num: int = 0

    def __len__(self) -> int:
        return len(self.values) or self.num

    @property
    def is_random(self) -> bool:
        """True if the values are drawn."""
        return self.spacing in DISTRIBUTIONS

    def written(self) -> Any:
        """Return the axis as a specification has it; reading that back gives this axis."""
        if self.spacing == "values":
            return self.values[0] if len(self.values) == 1 else list(self.values)
        ends = [self.low, self.high]
        if self.is_random:
            return {"random": {self.spacing: ends}, "num": self.num}
        return {self.spacing: ends, "num": self.num}


class AxisError(ValueError):
    """An axis is wrong; `path` leads to the key below which it is."""

    def __init__(self, message: str, *path: str | int) -> None:
        super().__init__(message)
        self.path = path


def axis_of(value: Any) -> Axis:
    """Read an axis: a scalar, a list of them, or a mapping with `log`, `linear` or `random`."""
    if isinstance(value, Axis):
        return value
    value = plain(value)
    if isinstance(value, Mapping):
        return _spaced(value)
    items = value if isinstance(value, list | tuple) else [value]
    if not items:
        raise AxisError("a list of values must not be empty")
    if len(items) > MOST:
        raise AxisError(f"at most {_MANY} values, not {len(items)}")
    for index, item in enumerate(items):
        if not isinstance(item, bool | int | float | str):
            raise AxisError(
                f"expected a number, a text, a list of them, or a mapping such as {{log: [1e-6, 10], num: 64}}, not "
                f"{shown(item)}",
                *([index] if items is value else []),
            )
        if isinstance(item, float) and not math.isfinite(item):
            raise AxisError(f"every number must be finite, not {item!r}")
        if isinstance(item, int) and not isinstance(item, bool) and abs(item) > 2**63:
            raise AxisError("a whole number must fit 64 bits")
    # Two runs of one name would count twice. 1 and 1.0 are one value; true and 1 are two.
    seen = set()
    for item in items:
        if (isinstance(item, bool), item) in seen:
            raise AxisError(f"duplicate value {item!r}")
        seen.add((isinstance(item, bool), item))
    return Axis("values", tuple(items))


def plain(value: Any) -> Any:
    """Convert arrays, numpy scalars and ranges to the lists and numbers of a YAML file."""
    if isinstance(value, range):
        return list(value)
    if isinstance(value, list | tuple):
        return [item.tolist() if hasattr(item, "tolist") else item for item in value]
    return value.tolist() if hasattr(value, "tolist") else value


def _spaced(value: Mapping[Any, Any]) -> Axis:
    keys = [*SPACINGS, "num"]
    for key in value:
        if key not in keys:
            close = nearest(str(key), keys)
            hint = f"did you mean '{close}'?" if close else f"choose from: {', '.join(keys)}"
            raise AxisError(f"unknown key '{key}' of an axis; {hint}", str(key))
    kinds = [key for key in SPACINGS if key in value]
    if len(kinds) != 1:
        raise AxisError(f"an axis has exactly one of {', '.join(SPACINGS)}, such as {{log: [1e-6, 10], num: 64}}")
    kind, ends = kinds[0], value[kinds[0]]
    if "num" not in value:
        raise AxisError(f"'{kind}' needs 'num', the number of values")
    num, ends = plain(value["num"]), plain(ends)
    if isinstance(num, bool) or not isinstance(num, int) or not 1 <= num <= MOST:
        raise AxisError(f"num must be a whole number from 1 to {_MANY}, not {shown(num)}", "num")
    path: tuple[str, ...] = (kind,)
    if kind == "random":
        if not isinstance(ends, Mapping) or len(ends) != 1 or next(iter(ends)) not in DISTRIBUTIONS:
            written = next(iter(ends)) if isinstance(ends, Mapping) and len(ends) == 1 else None
            close = nearest(str(written), DISTRIBUTIONS) if written is not None else None
            hint = f"; did you mean '{close}'?" if close else ""
            raise AxisError(f"random takes one of {', '.join(DISTRIBUTIONS)}: {{log_uniform: [1e-6, 10]}}{hint}", kind)
        kind = next(iter(ends))
        path, ends = (*path, kind), plain(ends[kind])
    low, high = _ends(ends, path)
    if kind == "normal":
        if high < 0:
            raise AxisError("a standard deviation must not be negative", *path)
    elif low > high:
        raise AxisError(f"the low end ({low:g}) must not be above the high end ({high:g})", *path)
    if kind in ("log", "log_uniform") and low <= 0:
        raise AxisError(f"a log axis needs numbers above 0, not {low:g}", *path)
    if num > 1 and (high == 0 if kind == "normal" else low == high):
        raise AxisError(f"{num} values from {low:g} to {high:g} are all the same: give 'num: 1', or the value", *path)
    return Axis(kind, (), low, high, num)


def _ends(ends: Any, path: tuple[str, ...]) -> tuple[float, float]:
    is_pair = isinstance(ends, list | tuple) and len(ends) == 2
    if not is_pair or not all(isinstance(end, int | float) and not isinstance(end, bool) for end in ends):
        raise AxisError(f"expected two numbers [LOW, HIGH], not {shown(ends)}", *path)
    try:
        low, high = float(ends[0]), float(ends[1])
    except OverflowError:
        raise AxisError("a number is too large", *path) from None
    if not (abs(low) <= 1e300 and abs(high) <= 1e300):
        raise AxisError("both numbers must be finite, and at most 1e300 in size", *path)
    return low, high


def shown(value: Any) -> str:
    """Write a value for a sentence, cut where it is long."""
    try:
        text = repr(value)
    except ValueError:  # A whole number may have too many digits.
        return "so large a number"
    return text if len(text) <= 40 else f"{text[:37]}.."


def located(parse: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return `parse` for pydantic: its `AxisError` keeps the path at which it stands."""

    def validate(value: Any) -> Any:
        try:
            return parse(value)
        except AxisError as problem:
            # The text goes in as a value, so that braces in it are no template.
            raise PydanticCustomError("axis", "{text}", {"text": str(problem), "path": list(problem.path)}) from None

    return validate


_SCALAR: dict[str, Any] = {"type": ["number", "boolean", "string"]}
_ENDS = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}
_NUM = {"type": "integer", "minimum": 1, "maximum": MOST}


def _mapping(properties: Mapping[str, Any], required: list[str]) -> dict[str, Any]:
    return {"type": "object", "properties": dict(properties), "required": required, "additionalProperties": False}


AXIS_SCHEMA: dict[str, Any] = {
    "description": "a value, a list, or {log|linear: [LOW, HIGH], num: N}, {random: {..: [LOW, HIGH]}, num: N}",
    "anyOf": [
        _SCALAR,
        {"type": "array", "items": _SCALAR, "minItems": 1, "uniqueItems": True},
        _mapping({"log": _ENDS, "num": _NUM}, ["log", "num"]),
        _mapping({"linear": _ENDS, "num": _NUM}, ["linear", "num"]),
        _mapping(
            {
                "random": {"anyOf": [_mapping({name: _ENDS}, [name]) for name in DISTRIBUTIONS]},
                "num": _NUM,
            },
            ["random", "num"],
        ),
    ],
}

# The type of a key that takes any values, for a model; see `number_axis` for numbers within bounds.
AnyAxis = Annotated[Axis, PlainValidator(located(axis_of)), PlainSerializer(Axis.written), WithJsonSchema(AXIS_SCHEMA)]


def numbers_of(
    what: str, *, low: float = -math.inf, open_low: bool = False, whole: bool = False
) -> Callable[[Any], Axis]:
    """Return what reads an axis of numbers from `low` (above it, if `open_low`); `what` names them in an error."""

    def parse(value: Any) -> Axis:
        axis = axis_of(value)
        numbers = axis.values if axis.spacing == "values" else (axis.low, axis.high)
        for number in numbers:
            if isinstance(number, bool | str):
                raise AxisError(f"{what} must be a number, not {number!r}")
            if whole and axis.spacing != "values":
                raise AxisError(f"{what} must be a whole number or a list of them, not a range")
            if whole and number != int(number):
                raise AxisError(f"{what} must be a whole number, not {number!r}")
            if number > 1e300:
                raise AxisError(f"{what} must be at most 1e300, not {number!r}")
            if number < low or (open_low and number <= low):
                raise AxisError(f"{what} must be {'above' if open_low else 'at least'} {low:g}, not {number!r}")
        if axis.spacing == "normal" and low > -math.inf:
            raise AxisError(f"{what} must be {'above' if open_low else 'at least'} {low:g}, which a normal is not")
        if axis.spacing == "values":
            kind = int if whole else float
            return Axis("values", tuple(kind(number) for number in axis.values))
        return axis

    return parse


def number_axis(what: str, *, low: float = -math.inf, open_low: bool = False, whole: bool = False) -> Any:
    """Return the type of a key that takes numbers from `low`, for a model; see `numbers_of`."""
    parse = numbers_of(what, low=low, open_low=open_low, whole=whole)
    return Annotated[Axis, PlainValidator(located(parse)), PlainSerializer(Axis.written), WithJsonSchema(AXIS_SCHEMA)]
