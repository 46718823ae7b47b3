"""Names to things: the registries of surfaces and solvers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from gdbench.errors import UsageError, unknown

T = TypeVar("T")


class Registry(Generic[T]):
    """An ordered table of named things of one `kind` ("surface", "solver").

    Names that begin with a prefix (`optax:`) may be made when they are first asked for; iteration leaves them out.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._things: dict[str, T] = {}
        self._makers: dict[str, Callable[[str], T]] = {}
        self._made: dict[str, T] = {}

    def add(self, name: str, thing: T) -> None:
        """Register `thing`; raise `UsageError` if the name is taken, so that a plug-in cannot replace ours unseen."""
        if name in self._things or self.makes(name):
            why = "is already registered" if name in self._things else "has a name that is not yours to give"
            raise UsageError(f"the {self.kind} '{name}' {why}; give yours another name")
        self._things[name] = thing

    def discard(self, name: str) -> None:
        """Forget `name`, if it is there."""
        self._things.pop(name, None)

    def add_prefix(self, prefix: str, make: Callable[[str], T]) -> None:
        """Let `make` find what is asked for as `prefix` and a name; it is asked once for each, and may raise."""
        self._makers[prefix] = make

    def makes(self, name: str) -> bool:
        """Whether `name` begins with a prefix, so that its maker knows what is wrong with it."""
        return any(name.startswith(prefix) for prefix in self._makers)

    def __getitem__(self, name: str) -> T:
        if name in self._things:
            return self._things[name]
        for prefix, make in self._makers.items():
            if name.startswith(prefix):
                # one object for a name: programs are compiled for the object
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
        """Everything registered, in the order of registration."""
        return list(self._things.values())
