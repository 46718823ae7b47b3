"""Options that several commands have."""

from __future__ import annotations

import re
from typing import Annotated, Any

import typer

from gdbench.errors import UsageError
from gdbench.spec.yaml_file import parse_value

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON to stdout instead of a table.")]

PluginOption = Annotated[
    list[str] | None, typer.Option("--plugin", metavar="FILE", help="A Python file with surfaces or solvers (repeat).")
]

# the ends of a key that name a part of an axis or a range, and no hyperparameter
RANGES = ("log", "linear", "random", "one_minus_log")


def rates(text: str) -> dict[str, Any]:
    """`LOW,HIGH,NUM` as the grid of learning rates."""
    parts = text.split(",")
    if len(parts) != 3:
        raise UsageError(f"--rates takes LOW,HIGH,NUM such as 1e-6,10,64, not '{text}'")
    low, high = numbers(",".join(parts[:2]), "--rates")
    if not parts[2].strip().isdigit():
        raise UsageError(f"--rates: NUM must be a whole number, not '{parts[2]}'")
    return {"low": low, "high": high, "num": int(parts[2])}


def numbers(text: str, option: str) -> list[float]:
    """`X,Y,..` as numbers."""
    found = []
    for part in text.split(","):
        try:
            found.append(float(part))
        except ValueError:
            raise UsageError(f"{option}: '{part.strip()}' is not a number") from None
    return found


def pairs(texts: list[str] | None, option: str) -> dict[str, str] | None:
    """`KEY=VALUE` texts as a mapping; None where there is none."""
    if not texts:
        return None
    found = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key.strip() or not value.strip():
            raise UsageError(f"{option} takes KEY=VALUE, not '{text}'")
        found[key.strip()] = value.strip()
    return found


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
                below = dict.fromkeys(below)  # names without settings, of which one now gets some
            inner[part] = dict(below) if isinstance(below, dict) else {}
            inner = inner[part]
        inner[path[-1]] = parse_value(text)
        touched.add(path)
    return touched


def add_plugins(values: dict[str, Any], files: list[str] | None) -> set[tuple[Any, ...]]:
    """Add the plug-in `files` to a specification's `values`, so that they are recorded; the paths that were added."""
    if not files:
        return set()
    given = values.get("plugin") or []
    given = list(given) if isinstance(given, list) else [given]
    more = [file for file in dict.fromkeys(files) if file not in given]
    values["plugin"] = given + more
    return {("plugin", index) for index in range(len(given), len(given) + len(more))}


def _path(key: str, values: dict[str, Any]) -> tuple[str, ...]:
    """The keys that a dotted key leads down. Names of settings such as `adam.b1` hold a dot themselves."""
    # the dot in the name of a solver leads nowhere
    parts = re.split(r"(?<!\boptax:contrib)\.", key)
    above = 2 if parts[:2] == ["tune", "space"] else 1 if parts[0] in ("set", "param") else 0
    if not above or len(parts) <= above:
        return tuple(parts)
    name, last = ".".join(parts[above:]), ".".join(parts[above:-1])
    inner: Any = values
    for part in parts[:above]:
        inner = inner.get(part) if isinstance(inner, dict) else None
    for end in range(above + 1, len(parts) - 1):
        # down into a schedule: set.momentum.linear.end_value
        known = ".".join(parts[above:end])
        if isinstance(inner, dict) and isinstance(inner.get(known), dict) and parts[end] in inner[known]:
            return (*parts[:above], known, *parts[end:])
    if last and (parts[-1] in RANGES or (isinstance(inner, dict) and isinstance(inner.get(last), dict))):
        return (*parts[:above], last, parts[-1])
    return (*parts[:above], name)
