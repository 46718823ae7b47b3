"""Validate a specification: what pydantic finds wrong becomes one sentence with the key, the file and the line."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from gdbench.errors import UsageError, nearest
from gdbench.spec.yaml_file import Document, KeyPath, WrittenBack, overridden

# What pydantic says, in our words.
WORDS = {
    " or instance of \\w+": "",
    "should be a valid dictionary": "must be a mapping such as {KEY: VALUE}",
    "should be a valid list": "must be a list",
    "should be a valid string": "must be a text",
    "should be a valid number.*": "must be a number",
    "should be a valid integer.*": "must be a whole number",
    "should be": "must be",
    "greater than or equal to": "at least",
    "less than or equal to": "at most",
    "greater than": "above",
    "less than": "below",
}
BRANCHES = ("int", "float", "str", "bool", "function-plain[validate()]", "none")


Spec = TypeVar("Spec", bound=BaseModel)


def validated(
    model: type[Spec],
    values: Mapping[str, Any],
    document: Document | None = None,
    elsewhere: Collection[str | KeyPath] = (),
) -> Spec:
    """Return `values` as a `model`; a `UsageError` names the key path, what is wrong and the place in the `document`.

    The keys, or paths to keys, `elsewhere` do not stand there: flags that override the file.
    """
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        problem = _chosen(error.errors())
        # pydantic names the branch of a union as if it were a key
        path = [part for part in problem["loc"] if part not in BRANCHES and not str(part).startswith("list[")]
        path += problem.get("ctx", {}).get("path", [])
        in_file = document is not None and not overridden(path, elsewhere)
        sentence = _sentence(model, problem, path, in_file)
        if document is not None:
            raise document.error(sentence, path, elsewhere) from None
        # a key may hold line breaks, a sentence may not
        raise UsageError(" ".join(sentence.split())) from None


def _chosen(problems: Sequence[Any]) -> Any:
    """Return the first problem; of the branches of a union the one that got furthest, for it is what was meant."""
    first = problems[0]
    same = [problem for problem in problems if problem["loc"][:1] == first["loc"][:1]]
    return max(same, key=lambda problem: len([part for part in problem["loc"] if part not in BRANCHES]))


def _sentence(model: type[BaseModel], problem: Any, path: list[Any], in_file: bool) -> str:
    """Say one problem of a validation in one sentence."""
    dotted = ".".join(str(part) for part in path)
    if problem["type"] == "extra_forbidden":
        inner = model
        for part in path[:-1]:
            inner = _model_below(inner, str(part))
        known = list(inner.model_fields)
        close = nearest(str(path[-1]), known)
        return f"unknown key '{dotted}'; " + (
            f"did you mean '{close}'?" if close else f"choose from: {', '.join(known)}"
        )
    message = str(problem["msg"]).removeprefix("Value error, ").removeprefix("Input ")
    if problem["type"] not in ("axis", "value_error"):
        for theirs, ours in WORDS.items():
            message = re.sub(theirs, ours, message)
    message = message[0].lower() + message[1:]
    if not path:
        return message
    given = problem["input"]
    shown = ""
    if isinstance(given, int | float | str | bool) and problem["type"] != "axis":
        said = _short(given)
        shown = f", not {said}" if said not in message else ""
    name = dotted if in_file else dotted.replace("_", "-")
    # "steps must be .." says already which key it is
    if message.startswith(f"{dotted} "):
        return f"{name}{message.removeprefix(dotted)}{shown}"
    return f"{name} {message}{shown}" if message.startswith("must ") else f"{name}: {message}{shown}"


def _short(value: Any) -> str:
    try:
        said = repr(value)
    except ValueError:  # a whole number of too many digits
        return "so large a number"
    return said if len(said) <= 80 else f"{said[:77]}.."


def _model_below(model: type[BaseModel], key: str) -> type[BaseModel]:
    """Return the model of a field, or of the values of a mapping in between."""
    field = model.model_fields.get(key)
    if field is None:
        return model
    parts = [field.annotation, *get_args(field.annotation)]
    parts += [inner for part in parts for inner in get_args(part)]
    return next((part for part in parts if isinstance(part, type) and issubclass(part, BaseModel)), model)


def dump_config(spec: BaseModel) -> str:
    """Return the complete specification as YAML; running it again reproduces the numbers."""
    return yaml.dump(spec.model_dump(mode="json"), Dumper=WrittenBack, sort_keys=False, allow_unicode=True)
