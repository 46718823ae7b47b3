"""Names to things: the registries of surfaces and solvers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

from gdbench.errors import UsageError, unknown

T = TypeVar("T")


class Registry(Generic[T]):
    """An ordered table of named things of one `kind` ("surface", "solver")."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._things: dict[str, T] = {}

    def add(self, name: str, thing: T) -> None:
        """Register `thing`; raise `UsageError` if the name is taken, so that a plug-in cannot replace ours unseen."""
        if name in self._things:
            raise UsageError(f"the {self.kind} '{name}' is already registered; give yours another name")
        self._things[name] = thing

    def discard(self, name: str) -> None:
        """Forget `name`, if it is there."""
        self._things.pop(name, None)

    def __getitem__(self, name: str) -> T:
        try:
            return self._things[name]
        except KeyError:
            raise unknown(self.kind, name, self._things) from None

    def __contains__(self, name: object) -> bool:
        return name in self._things

    def __iter__(self) -> Iterator[str]:
        return iter(self._things)

    def __len__(self) -> int:
        return len(self._things)

    def values(self) -> list[T]:
        """Everything registered, in the order of registration."""
        return list(self._things.values())
