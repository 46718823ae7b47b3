"""Register surfaces and solvers by name; tell a decorated function's traced numbers from its options."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

from gdbench.columns import AT, TAKEN
from gdbench.errors import UsageError, unknown

T = TypeVar("T")


class Registry(Generic[T]):
    """An ordered table of named things of one `kind` ("surface", "solver").

    Things with a prefix (`optax:`) in their names are made when they are first asked for; iteration leaves them out.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._things: dict[str, T] = {}
        self._makers: dict[str, Callable[[str], T]] = {}
        self._made: dict[str, T] = {}

    def add(self, name: str, thing: T) -> None:
        """Register `thing`; raise `UsageError` if the name is taken, so that no plug-in replaces ours unnoticed."""
        if name in self._things or self.makes(name):
            why = "is already registered" if name in self._things else "has a name that is not yours to give"
            raise UsageError(f"the {self.kind} '{name}' {why}; give yours another name")
        self._things[name] = thing

    def discard(self, name: str) -> None:
        """Forget `name`, if it is there."""
        self._things.pop(name, None)

    def add_prefix(self, prefix: str, make: Callable[[str], T]) -> None:
        """Register `make` for names that begin with `prefix`; it is called once for each name, and may raise."""
        self._makers[prefix] = make

    def makes(self, name: str) -> bool:
        """Decide whether `name` begins with a prefix, so that its maker can say what is wrong with it."""
        return any(name.startswith(prefix) for prefix in self._makers)

    def __getitem__(self, name: str) -> T:
        if name in self._things:
            return self._things[name]
        for prefix, make in self._makers.items():
            if name.startswith(prefix):
                # A name always returns the same object, because programs are compiled for the object.
                if name not in self._made:
                    self._made.setdefault(name, make(name.removeprefix(prefix)))
                return self._made[name]
        raise unknown(self.kind, name, self._things)

    def __contains__(self, name: object) -> bool:
        if name in self._things or not isinstance(name, str) or not self.makes(name):
            return name in self._things
        try:
            self[name]
        except UsageError:
            return False
        return True

    def __iter__(self) -> Iterator[str]:
        return iter(self._things)

    def __len__(self) -> int:
        return len(self._things)

    def values(self) -> list[T]:
        """Return everything registered, in the order of registration."""
        return list(self._things.values())


# No plug-in may call a setting so, because a column or key of that name exists already.
RESERVED = {
    "solver": {
        **dict.fromkeys(TAKEN, "a column of every result"),
        **dict.fromkeys(("self", "oracle", "x", "state"), "an argument of every step"),
    },
    "surface": {
        **dict.fromkeys(("start", "starts"), "where a file gives the starts of a surface"),
        **dict.fromkeys(
            "noise noise_decay batch_size shuffle holdout patience dtype steps rtol atol gtol".split(),
            "a condition of every run",
        ),
        "dimension": "the number of weights, which `any_dimension` makes settable",
        **dict.fromkeys(("self", "x"), "an argument of every surface"),
    },
}


def refuse_reserved(kind: str, thing: str, names: Iterable[str]) -> None:
    """Raise `UsageError` if a setting of the solver or surface `thing` has a name that means something else here."""
    for name in names:
        why = "a column of every result" if name.startswith(AT) else RESERVED[kind].get(name)
        if why is not None:
            raise UsageError(f"{kind} '{thing}': its setting '{name}' needs another name; '{name}' is {why}")


def as_number(value: Any, what: str) -> float:
    """Convert `value` to a finite float, or raise a `UsageError` that names `what`."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise UsageError(f"{what} must be a number, not {value!r}") from None
    if not math.isfinite(number):
        raise UsageError(f"{what} must be a finite number, not {value!r}")
    return number


def as_option(value: Any, default: Any, what: str) -> Any:
    """Convert `value` to the type of `default` (bool, int, float or str), or raise a `UsageError` that names `what`."""
    if isinstance(default, bool):
        words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
        if str(value).lower() in words:
            return words[str(value).lower()]
        raise UsageError(f"{what} must be true or false, not {value!r}")
    if isinstance(default, int):
        number = as_number(value, what)
        if number != int(number):
            raise UsageError(f"{what} must be a whole number, not {value!r}")
        return int(number)
    return as_number(value, what) if isinstance(default, float) else str(value)


def split_keywords(function: Callable[..., Any], what: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split the keyword-only arguments of `function` into floats, which are traced, and options, which are compiled in.

    A float without a default gets None, because the user has to give it. Annotations are not looked at.
    """
    floats: dict[str, Any] = {}
    options: dict[str, Any] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
            continue
        default = None if parameter.default is inspect.Parameter.empty else parameter.default
        if default is None or isinstance(default, float):
            floats[name] = default
        elif isinstance(default, int | bool | str):
            options[name] = default
        else:
            raise UsageError(f"{what}: the default of '{name}' must be a float, an int, a bool or a str")
    return floats, options
