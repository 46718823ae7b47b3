"""Errors for the user: what is wrong, where, and the nearest valid choice."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Any


class GdbenchError(Exception):
    """The base of every error that the command line prints as one sentence.

    exit_code : the process ends with it: 1 for a failure while running, 2 for a usage error.
    """

    exit_code = 1


class UsageError(GdbenchError):
    """The request itself is wrong: an unknown name, an impossible number, a file that is not there."""

    exit_code = 2


class SpecError(UsageError):
    """A value of a specification is wrong; `path` says which, as the keys that lead to it."""

    def __init__(self, message: str, path: Sequence[Any] = ()) -> None:
        super().__init__(message)
        self.path = tuple(path)


class DataError(UsageError):
    """A table cannot become an error surface: a missing value, an absent column, too few rows."""


class ResultError(UsageError):
    """A result folder cannot be written or read."""


class Regression(GdbenchError):
    """A result is worse than the one that it is compared with."""

    exit_code = 3


def nearest(name: str, choices: Iterable[str]) -> str | None:
    """Return the valid choice closest in spelling to `name`, or None if nothing is close."""
    by_lower = {choice.lower(): choice for choice in choices}
    matches = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.5)
    return by_lower[matches[0]] if matches else None


def unknown(kind: str, name: str, choices: Iterable[str], where: str = "") -> UsageError:
    """Make the error for a name that is not among `choices`; it suggests the nearest one, or else lists all."""
    choices = sorted(choices)
    close = nearest(name, choices)
    hint = f"did you mean '{close}'?" if close else f"choose from: {', '.join(choices) or '(none)'}"
    place = f" {where}" if where else ""
    return UsageError(f"unknown {kind} '{name}'{place}; {hint}")


def one_line(error: BaseException) -> str:
    """Write an exception in one line: ours as it is, any other as `raised TYPE: message`."""
    lines = str(error).strip().split("\n")
    if isinstance(error, GdbenchError):
        return lines[0]
    return f"raised {type(error).__name__}" + (f": {lines[0]}" if lines[0] else "")
