"""Name once how a run can end."""

from __future__ import annotations

from enum import IntEnum


class Status(IntEnum):
    """The way a run ended: a number in the engine, a word in the column `status`."""

    REACHED = 0
    DIVERGED = 1
    STATIONARY = 2
    BUDGET = 3
    ERROR = 4
    STOPPED = 5

    @property
    def word(self) -> str:
        """The word in the column `status`."""
        return self.name.lower()

    @classmethod
    def words(cls) -> tuple[str, ...]:
        """Return the word of every status, in the order of their numbers."""
        return tuple(status.word for status in cls)
