"""Options of the commands: made from the specification, and how their texts are read."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gdbench.errors import UsageError
from gdbench.spec.yaml_file import parse_value

if TYPE_CHECKING:
    from gdbench.spec.sweep import SweepSpec

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON to stdout instead of a table.")]

PluginOption = Annotated[
    list[str] | None, typer.Option("--plugin", metavar="FILE", help="A Python file with surfaces or solvers (repeat).")
]

OutOption = Annotated[Path, typer.Option(metavar="DIR", help="Where result folders go.")]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace another result of that name.")]
NoPlotsOption = Annotated[bool, typer.Option("--no-plots", help="Write tables only.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")]

# A key that ends so names a part of an axis or a range, and no hyperparameter.
RANGES = ("log", "linear", "random", "one_minus_log")


def with_options(function: Callable[..., Any], model: type[SweepSpec], keys: Collection[str] | None = None) -> None:
    """Give a command that takes `**options` an option for every key of the specification `model`, or for `keys`.

    Name, type, help and default all come from the model. It is done when a command is called and not when this file is
    imported, for the models take longer to import than `--help` may.
    """
    from gdbench.spec.sweep import default_text, flags

    added = []
    for name, flag in flags(model).items():
        if keys is not None and name not in keys:
            continue
        field = model.model_fields[name]
        words = str(field.description)
        default = default_text(field.get_default(call_default_factory=True))
        words = (
            (words[0].upper() if words[0].isascii() else words[0])
            + words[1:]
            + (f" [{default}]" if default else "")
            + "."
        )
        several = flag.form in ("repeat", "pairs")
        kind: Any = list[flag.type] if several else flag.type  # type: ignore[name-defined]
        option = typer.Option(*(flag.names or (f"--{name.replace('_', '-')}",)), metavar=flag.metavar, help=words)
        annotation = Annotated[kind | None, option]
        added.append(Parameter(name, Parameter.KEYWORD_ONLY, default=None, annotation=annotation))
    parameters = signature(function, eval_str=True).parameters.values()
    others = [item for item in parameters if item.kind is not Parameter.VAR_KEYWORD and item.name not in flags(model)]
    function.__signature__ = Signature([*added, *others])  # type: ignore[attr-defined]


def read_options(options: Mapping[str, Any], model: type[SweepSpec]) -> dict[str, Any]:
    """Return the values of those options of the specification that were given, read as their keys want them."""
    from gdbench.spec.sweep import flags

    values = {}
    for name, flag in flags(model).items():
        value, option = options.get(name), f"--{name.replace('_', '-')}"
        if value is None or value == []:
            continue
        if flag.form == "list":
            value = [part.strip() for part in value.split(",")]
        elif flag.form == "numbers":
            value = numbers(value, option)
        elif flag.form == "pairs":
            value = pairs(value, option)
        elif flag.form == "rates":
            value = rates(value)
        values[name] = value
    return values


def rates(text: str) -> dict[str, Any]:
    """Read `LOW,HIGH,NUM` as the grid of learning rates."""
    parts = text.split(",")
    if len(parts) != 3:
        raise UsageError(f"--rates takes LOW,HIGH,NUM such as 1e-6,10,64, not '{text}'")
    low, high = numbers(",".join(parts[:2]), "--rates")
    if not parts[2].strip().isdigit():
        raise UsageError(f"--rates: NUM must be a whole number, not '{parts[2]}'")
    return {"low": low, "high": high, "num": int(parts[2])}


def numbers(text: str, option: str) -> list[float]:
    """Read `X,Y,..` as numbers."""
    values = []
    for part in text.split(","):
        try:
            values.append(float(part))
        except ValueError:
            raise UsageError(f"{option}: '{part.strip()}' is not a number") from None
    return values


def pairs(texts: list[str] | None, option: str) -> dict[str, str] | None:
    """Read `KEY=VALUE` texts as a mapping; None where there is none."""
    if not texts:
        return None
    values = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key.strip() or not value.strip():
            raise UsageError(f"{option} takes KEY=VALUE, not '{text}'")
        values[key.strip()] = value.strip()
    return values


def override(values: dict[str, Any], texts: list[str] | None) -> set[tuple[Any, ...]]:
    """Set `KEY=VALUE` in a specification's `values`, VALUE as YAML has it; KEY may lead down: `tune.trials`.

    Returns the paths of the keys that were set.
    """
    touched: set[tuple[Any, ...]] = set()
    for key, text in (pairs(texts, "--set") or {}).items():
        path = _path(key, values)
        inner = values
        for part in path[:-1]:
            below = inner.get(part)
            if isinstance(below, str):
                below = [below]
            if isinstance(below, list) and all(isinstance(name, str) for name in below):
                below = dict.fromkeys(below)  # These were names without settings, and one now gets some.
            inner[part] = dict(below) if isinstance(below, dict) else {}
            inner = inner[part]
        inner[path[-1]] = parse_value(text)
        touched.add(path)
    return touched


def add_plugins(values: dict[str, Any], files: list[str] | None) -> set[tuple[Any, ...]]:
    """Add the plug-in `files` to a specification's `values`, which records them; return the paths that were added."""
    if not files:
        return set()
    listed = values.get("plugin") or []
    listed = list(listed) if isinstance(listed, list) else [listed]
    more = [file for file in dict.fromkeys(files) if file not in listed]
    values["plugin"] = listed + more
    return {("plugin", index) for index in range(len(listed), len(listed) + len(more))}


def _path(key: str, values: dict[str, Any]) -> tuple[str, ...]:
    """Split a dotted key into the keys that it leads down. Names of settings such as `adam.b1` hold a dot too."""
    # The dot in the name of a solver leads nowhere.
    parts = re.split(r"(?<!\boptax:contrib)\.", key)
    above = 2 if parts[:2] == ["tune", "space"] else 1 if parts[0] in ("set", "param") else 0
    if not above or len(parts) <= above:
        return tuple(parts)
    name, last = ".".join(parts[above:]), ".".join(parts[above:-1])
    inner: Any = values
    for part in parts[:above]:
        inner = inner.get(part) if isinstance(inner, dict) else None
    for end in range(above + 1, len(parts) - 1):
        # The key leads down into a schedule: set.momentum.linear.end_value.
        prefix = ".".join(parts[above:end])
        if isinstance(inner, dict) and isinstance(inner.get(prefix), dict) and parts[end] in inner[prefix]:
            return (*parts[:above], prefix, *parts[end:])
    if last and (parts[-1] in RANGES or (isinstance(inner, dict) and isinstance(inner.get(last), dict))):
        return (*parts[:above], last, parts[-1])
    return (*parts[:above], name)
