"""YAML files read safely, and where in the file each key stands."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from gdbench.errors import UsageError, nearest

KeyPath = tuple[Any, ...]
# far more than any specification needs, and few enough to walk at once: aliases of aliases can stand for billions
NODES = 100_000


@dataclass(frozen=True)
class Document:
    """The mapping in a file, and the line of every key in it."""

    name: str
    values: dict[str, Any]
    lines: Mapping[KeyPath, int] = field(default_factory=dict)

    def place(self, path: Sequence[Any]) -> str:
        """`FILE, line N` of the key path, or of the innermost part of it that stands in the file."""
        for length in range(len(path), 0, -1):
            line = self.lines.get(tuple(path[:length]))
            if line is not None:
                return f"{self.name}, line {line}"
        return self.name


def read_yaml(path: str | Path) -> Document:
    """The mapping in a YAML file; a `UsageError` names the file and the line."""
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        close = nearest(file.name, [p.name for p in file.parent.glob("*.y*ml")]) if file.parent.is_dir() else None
        hint = f"; did you mean '{file.parent / close}'?" if close else ""
        raise UsageError(f"there is no file '{file}'{hint}") from None
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise UsageError(f"'{file}' cannot be read as text: {error}") from None
    return parse_yaml(text, str(file))


def parse_yaml(text: str, name: str) -> Document:
    """The mapping in `text`, which stands in the file `name`."""
    lines: dict[KeyPath, int] = {}
    loader = _Loader(text) if not _unreadable(text) else None
    try:
        if loader is None:
            yaml.safe_load(text)  # raises with the reader's own words
        assert loader is not None
        node = loader.get_single_node()
        _walk(node, (), lines, name, [0])
        values = {} if node is None else loader.construct_document(node)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark is not None else ""
        problem = getattr(error, "problem", None) or "cannot be parsed"
        raise UsageError(_line(f"{name}{line}: not valid YAML: {problem}")) from None
    except (ValueError, RecursionError, TypeError, AttributeError) as error:
        raise UsageError(_line(f"{name}: not valid YAML: {error}")) from None
    if not isinstance(values, dict):
        raise UsageError(f"{name}: expected a mapping of keys such as 'surface' and 'solver'")
    return Document(name, values, lines)


def parse_value(text: str) -> Any:
    """One value as YAML has it: `500`, `1e-6`, `[sgd, adam]`, `{log: [1e-6, 10], num: 64}`; else the text itself."""
    try:
        return yaml.load(text, Loader=_Loader)
    except (yaml.YAMLError, ValueError, RecursionError):
        return text


def _unreadable(text: str) -> bool:
    """Whether the text holds characters that YAML has no place for, which its reader refuses at once."""
    return yaml.reader.Reader.NON_PRINTABLE.search(text) is not None


def _line(text: str) -> str:
    return " ".join(text.split())


def _walk(node: Any, path: KeyPath, lines: dict[KeyPath, int], name: str, seen: list[int]) -> None:
    """Note the line of every key below `node`; refuse a key that is no text, or stands twice."""
    seen[0] += 1
    if seen[0] > NODES:
        raise UsageError(f"{name}: too large for a specification: more than {NODES:,} values".replace(",", " "))
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            lines[(*path, index)] = item.start_mark.line + 1
            _walk(item, (*path, index), lines, name, seen)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode) or key.tag not in (_TEXT, _MERGE):
                shown = key.value if isinstance(key, yaml.ScalarNode) else "a list or mapping"
                raise UsageError(_line(f"{name}, line {line}: a key must be text, not {shown}; put it in quotes"))
            here = (*path, key.value)
            if here in lines and key.tag == _TEXT:
                dotted = ".".join(map(str, here))
                raise UsageError(_line(f"{name}, line {line}: the key '{dotted}' stands on line {lines[here]} already"))
            lines[here] = line
            _walk(value, here, lines, name, seen)


_TEXT, _MERGE = "tag:yaml.org,2002:str", "tag:yaml.org,2002:merge"


class _Loader(yaml.SafeLoader):
    """Safe YAML in which `1e-6` is a number, as everyone means it."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"),
    list("-+0123456789."),
)
