"""How often XLA compiles while a job is done, and which numbers of a program make it compile again: none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import numpy as np

from gdbench.engine.program import Program
from gdbench.engine.records import Records
from gdbench.engine.stream import execute, trace

SETTINGS = ("hyperparameters", "parameters")

compiled: list[str] = []
jax.monitoring.register_event_duration_secs_listener(
    lambda event, _, **__: compiled.append(event) if event.endswith("backend_compile_duration") else None
)


def compilations(job: Callable[[], Any]) -> int:
    """How many programs XLA compiles while `job` is done."""
    before = len(compiled)
    job()
    return len(compiled) - before


def others(value: Any) -> list[Any]:
    """Values to try in place of a setting's, near ones first: a bound shows only when it is reached."""
    return [0.97 * value + 1e-9, 0.5 * value + 1e-3, 1e-3 * value, 1e-6 * value, 1e3 * value + 1]


def assert_no_number_compiles_again(program: Program, arrive: tuple[str, ...] = ()) -> None:
    """Other numbers of any kind compile nothing; those of the kinds in `arrive` change where runs end.

    `program` has two runs. A kind is "starts" or one of `SETTINGS`.
    """

    def same(records: Records) -> bool:
        return np.array_equal(records.x, first.x) and np.array_equal(records.loss_final, first.loss_final)

    first = execute(program)
    trace(program)
    changed = {
        "starts": replace(program, starts=program.starts * 0.9 + 0.01),
        "seeds": replace(program, seeds=program.seeds + 7),
        "f_star": replace(program, f_star=np.full(2, np.nan)),
        "rtol": program.under(rtol=1e-3, atol=1e-2, gtol=1e-3, targets=(0.5, 0.25), steps=33),
        "more": program.take(np.array([0, 1, 1, 0, 1] * 40)),
    }
    found = {}
    for what, other in changed.items():
        assert compilations(lambda o=other, w=what: found.update({w: execute(o)})) == 0, what
    assert "starts" not in arrive or not same(found["starts"])
    assert compilations(lambda: trace(changed["starts"])) == 0
    for kind in SETTINGS:
        settings = getattr(program, kind)
        for name, value in settings.items():
            for number in others(value):
                other = replace(program, **{kind: {**settings, name: number}})
                assert compilations(lambda o=other, w=name: found.update({w: execute(o)})) == 0, name
                if kind not in arrive or not same(found[name]):
                    break
            else:
                raise AssertionError(f"{name} changes nothing")
