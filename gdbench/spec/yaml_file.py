"""YAML files read safely, and where in the file each key stands."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from gdbench.errors import UsageError, nearest

KeyPath = tuple[Any, ...]
# far more than any specification needs, and few enough to walk at once: aliases of aliases can stand for billions
NODES = 100_000
BYTES = 1_000_000
# of brackets in brackets: the reader looks a thousand characters ahead at each
DEPTH = 40


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

    def error(self, message: object, path: Sequence[Any] = (), elsewhere: Collection[str | KeyPath] = ()) -> UsageError:
        """The error for what is wrong at a key path, with its place unless that is `elsewhere`; always one line."""
        return UsageError(_line(str(message) if overridden(path, elsewhere) else f"{self.place(path)}: {message}"))


def read_yaml(path: str | Path) -> Document:
    """The mapping in a YAML file; a `UsageError` names the file and the line."""
    file = Path(path)
    try:
        with open(file, "rb") as stream:
            content = stream.read(BYTES + 1)  # a device may never end
        text = content.decode("utf-8")
    except FileNotFoundError:
        close = nearest(file.name, [p.name for p in file.parent.glob("*.y*ml")]) if file.parent.is_dir() else None
        hint = f"; did you mean '{file.parent / close}'?" if close else ""
        raise UsageError(_line(f"there is no file '{file}'{hint}")) from None
    except IsADirectoryError:
        raise UsageError(_line(f"'{file}' is a folder; name the YAML file in it")) from None
    except OSError as error:
        raise UsageError(_line(f"'{file}' cannot be read: {error.strerror or error}")) from None
    except ValueError as error:
        raise UsageError(_line(f"'{file}' cannot be read as text: {error}")) from None
    if len(content) > BYTES:
        raise UsageError(_line(f"'{file}' is too large for a specification: over {BYTES // 1_000_000} MB"))
    return parse_yaml(text, str(file))


def parse_yaml(text: str, name: str) -> Document:
    """The mapping in `text`, which stands in the file `name`."""
    lines: dict[KeyPath, int] = {}
    try:
        values = _constructed(text, lines, name)
        values = {} if values is None else values
    except UsageError:
        raise
    except yaml.reader.ReaderError as error:
        number = text.count("\n", 0, error.position) + 1
        shown = f"the character U+{ord(text[error.position]):04X}"
        raise UsageError(_line(f"{name}, line {number}: not valid YAML: {shown} has no place in it")) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark is not None else ""
        problem = getattr(error, "problem", None) or "cannot be parsed"
        if problem.startswith("but "):
            problem = f"{error.context}, {problem}"  # type: ignore[attr-defined]
        raise UsageError(_line(f"{name}{line}: not valid YAML: {problem}")) from None
    except RecursionError:
        raise UsageError(_line(f"{name}: nested too deeply, or an alias stands within itself")) from None
    if not isinstance(values, dict):
        raise UsageError(_line(f"{name}: expected a mapping of keys such as 'surface' and 'solver'"))
    return Document(name, values, lines)


def parse_value(text: str) -> Any:
    """One value as YAML has it: `500`, `1e-6`, `[sgd, adam]`, `{log: [1e-6, 10], num: 64}`; else the text itself."""
    try:
        return _constructed(text, {}, "the value")
    except Exception:  # whatever the reader cannot make of it, it is a text
        return text


def _constructed(text: str, lines: dict[KeyPath, int], name: str) -> Any:
    """What `text` holds, each key's line noted in `lines`; raises what the reader raises."""
    loader = _Loader(text)
    node = loader.get_single_node()
    if node is None:
        return None
    _walk(node, (), lines, name, [0])
    return loader.construct_document(node)


def overridden(path: Sequence[Any], elsewhere: Collection[str | KeyPath]) -> bool:
    """Whether what is wrong at a key path may come from one of the keys, or paths to keys, `elsewhere`."""
    paths = [(key,) if isinstance(key, str) else tuple(key) for key in elsewhere]
    return any(tuple(path[: len(other)]) == other[: len(path)] for other in paths)


def _line(text: str) -> str:
    return " ".join(text.split())


def _walk(node: Any, path: KeyPath, lines: dict[KeyPath, int], name: str, seen: list[int]) -> None:
    """Note the line of every key below `node`; refuse a key that is no text, or stands twice."""
    seen[0] += 1
    if seen[0] > NODES:
        raise UsageError(_line(f"{name}: too large for a specification: more than {NODES // 1000} 000 values"))
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
                raise UsageError(_line(f"{name}, line {line}: duplicate key '{dotted}', first on line {lines[here]}"))
            lines[here] = line
            _walk(value, here, lines, name, seen)


_TEXT, _MERGE = "tag:yaml.org,2002:str", "tag:yaml.org,2002:merge"


class _Loader(yaml.SafeLoader):
    """Safe YAML in which `1e-6` is a number, as everyone means it."""

    def fetch_flow_collection_start(self, token: Any) -> None:
        """A bracket opens."""
        if self.flow_level >= DEPTH:
            raise yaml.scanner.ScannerError(problem="nested too deeply", problem_mark=self.get_mark())
        super().fetch_flow_collection_start(token)

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        """The value of a node; one that cannot be made, such as `2001-13-45`, is an error with a line."""
        try:
            return super().construct_object(node, deep=deep)
        except (yaml.YAMLError, RecursionError):
            raise
        except Exception as error:  # the constructors raise many kinds: ValueError, IndexError, KeyError, OverflowError
            shown = node.value if isinstance(node, yaml.ScalarNode) else "a list or mapping"
            problem = f"'{shown[:40]}' cannot be read as {node.tag.rpartition(':')[2]}"
            raise yaml.constructor.ConstructorError(problem=problem, problem_mark=node.start_mark) from error


def _refuse(loader: _Loader, node: Any) -> Any:
    tag = node.tag.replace("tag:yaml.org,2002:", "!!")
    raise yaml.constructor.ConstructorError(problem=f"the tag '{tag}' is not allowed", problem_mark=node.start_mark)


class WrittenBack(yaml.SafeDumper):
    """Writes what `read_yaml` reads as the same: the text `1e-6` in quotes, rare line breaks escaped."""

    def represent_str(self, data: str) -> Any:
        """A text."""
        style = '"' if len(data.splitlines()) > 1 or data.splitlines() != [data] else None
        return self.represent_scalar(_TEXT, data, style=style)


WrittenBack.add_representer(str, WrittenBack.represent_str)


_EXPONENT = ("tag:yaml.org,2002:float", re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+0123456789."))
_Loader.add_constructor(None, _refuse)
for _known in (_Loader, WrittenBack):
    _known.add_implicit_resolver(*_EXPONENT)
