"""Define the kinds of schedules, and the numbers that each takes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gdbench.spec.axes import Axis

# Every schedule has its numbers in the order of optax, the base first, each with its default: NEEDED if there is none,
# ABSENT if the schedule does without. A warm-up's `init_value` comes last, because nearly always it is 0.
NEEDED, ABSENT = "needed", "absent"
_EXPONENTIAL: dict[str, float | str] = {
    "init_value": NEEDED,
    "transition_steps": NEEDED,
    "decay_rate": NEEDED,
    "transition_begin": 0.0,
    "end_value": ABSENT,
}
KINDS: dict[str, dict[str, float | str]] = {
    "constant": {"value": NEEDED},
    "cosine": {"init_value": NEEDED, "decay_steps": NEEDED, "alpha": 0.0, "exponent": ABSENT},
    "linear": {"init_value": NEEDED, "end_value": NEEDED, "transition_steps": NEEDED, "transition_begin": 0.0},
    "polynomial": {
        "init_value": NEEDED,
        "end_value": NEEDED,
        "power": NEEDED,
        "transition_steps": NEEDED,
        "transition_begin": 0.0,
    },
    "exponential": _EXPONENTIAL,
    "staircase": _EXPONENTIAL,
    "piecewise": {"init_value": NEEDED},
    "warmup": {"peak_value": NEEDED, "warmup_steps": NEEDED, "init_value": 0.0},
    "warmup-cosine": {
        "peak_value": NEEDED,
        "warmup_steps": NEEDED,
        "decay_steps": NEEDED,
        "end_value": 0.0,
        "exponent": ABSENT,
        "init_value": 0.0,
    },
    "inverse-sqrt": {"init_value": NEEDED, "timescale": 1.0},
}
# The numbers that `piecewise` has once for every jump, by the lists that stand for them.
JUMPS = {"boundaries": "boundary", "scales": "scale"}
NUMBERED = re.compile(r"(boundary|scale)([1-9]\d?)")


@dataclass(frozen=True)
class Schedule:
    """A change of a hyperparameter from step to step: a kind of `KINDS` and its numbers as far as they are given."""

    kind: str
    numbers: Mapping[str, Axis]

    @property
    def base(self) -> str:
        """The name of the number that stands for the hyperparameter itself."""
        return next(iter(KINDS[self.kind]))

    @property
    def others(self) -> dict[str, float | str]:
        """The numbers that it takes besides the base, with their defaults as in `KINDS`."""
        names = {name: default for name, default in KINDS[self.kind].items() if name != self.base}
        return {**names, **dict.fromkeys(jumps(self.numbers), NEEDED)} if self.kind == "piecewise" else names

    def written(self) -> Any:
        """Return the schedule as a file has it; reading that back gives this schedule."""
        return {self.kind: {name: axis.written() for name, axis in self.numbers.items()}}


@dataclass(frozen=True)
class Schedules:
    """The schedules that a hyperparameter may follow, each of another kind; nearly always a single one."""

    choices: tuple[Schedule, ...]
    spacing = "schedule"
    values: tuple[Any, ...] = ()

    def __len__(self) -> int:
        """Count the settings of all schedules; a base that is left out counts as one value."""
        return self.count(1)

    def count(self, base: int) -> int:
        """Count the settings of all schedules; a base that is left out stands for `base` values."""
        total = 0
        for choice in self.choices:
            product = 1 if choice.base in choice.numbers else base
            for axis in choice.numbers.values():
                product *= len(axis)
            total += product
        return total

    @property
    def lack_base(self) -> bool:
        """True if one of them is given no base."""
        return any(choice.base not in choice.numbers for choice in self.choices)

    def written(self) -> Any:
        """Return the schedules as a file has them."""
        several = [choice.written() for choice in self.choices]
        return several[0] if len(several) == 1 else several


def jumps(names: Sequence[str] | Mapping[str, Any]) -> list[str]:
    """Return boundary1, scale1, boundary2, .. up to the last jump that one of the `names` belongs to."""
    numbers = [int(match[2]) for name in names if (match := NUMBERED.fullmatch(name))]
    return [f"{what}{number}" for number in range(1, max(numbers, default=1) + 1) for what in JUMPS.values()]


def is_number(name: str) -> bool:
    """Return whether some schedule has a number of that name."""
    return bool(NUMBERED.fullmatch(name)) or any(name in numbers for numbers in KINDS.values())


def is_text(value: Any) -> bool:
    """Return whether a value is a text that a hyperparameter would read as a schedule, right or wrong."""
    return isinstance(value, str) and (":" in value or value.strip() in KINDS)


def is_scheduled(setting: Axis | Schedules) -> bool:
    """Return whether a hyperparameter's setting is schedules, also as texts."""
    return isinstance(setting, Schedules) or any(map(is_text, setting.values))
