"""Make solvers of optax: `optax:lion` by name, and any other transformation through `from_optax`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from gdbench.errors import UsageError, one_line
from gdbench.solvers.base import SOLVERS, Solver
from gdbench.solvers.optax_factories import (
    PACKAGE,
    PLUG_IN,
    PREFIX,
    Parameters,
    factory_of,
    library,
    parameters_of,
    release,
)
from gdbench.solvers.optax_rule import RATE, SIGN, Carried, Rule
from gdbench.solvers.oracle import Evaluations, Oracle

# This value stands for a number without a default while a step is only tried.
STAND_IN = 0.5


def from_optax(
    factory: Callable[..., Any],
    *,
    name: str,
    summary: str = "",
    formula: str = "",
    source: str = "",
    register: bool = True,
) -> Solver:
    """Make a solver of `factory(**hyperparameters)`, which returns any optax transformation; register it under `name`.

    Float parameters of the factory are hyperparameters, traced where they can be; int, bool and str are options; None
    is a setting that is absent unless given. `learning_rate` has no default: it is tuned, or fixed. Raises `UsageError`
    if optax is missing, a parameter is not a number, or no step can be traced.
    """
    library()
    made = replace(_solver(factory, f"solver '{name}'", name), formula=formula, source=source)
    if summary:
        made = replace(made, summary=summary)
    if register:
        SOLVERS.add(name, made)
    return made


def _named(name: str) -> Solver:
    """Make the solver `optax:name`."""
    factory, what = factory_of(name), f"'{PREFIX}{name}'"
    part = "learning_rate" not in parameters_of(factory, what).hyperparameters or "scale_by_" in name
    made = _solver(factory, what, PREFIX + name, part=part)
    return replace(made, source=f"optax {release()}, optax.{name}")


def _solver(factory: Callable[..., Any], what: str, name: str, *, part: bool = False) -> Solver:
    """Make the solver of a factory; a `part` of an optimizer may climb, and then something must follow it."""
    settings = parameters_of(factory, what)
    rule = Rule(factory, settings.tuples, settings.own)
    notes = _tried(rule, settings, what)
    ending = _ending(rule, settings, what) if part else ""
    if ending:
        rule = replace(rule, ending=ending)
        notes = [f"a part of an optimizer, which climbs: optax.{ending} follows it", *notes]
    if ending == RATE:
        settings.hyperparameters = {"learning_rate": None, **settings.hyperparameters}
    for whole, entries in settings.tuples.items():
        notes.append(f"{' and '.join(entries)} are the entries of {whole}")
    if isinstance(factory, partial):
        given = ", ".join(f"{name}={value!r}" for name, value in factory.keywords.items())
        notes.append(f"it is {factory.func.__module__.partition('.')[0]}.{factory.func.__name__} at {given}")
    if settings.left:
        notes.append(f"only a plug-in can set {' and '.join(settings.left)}, no number")
    return Solver(
        name=name,
        function=rule,
        init=rule.init,
        hyperparameters=settings.hyperparameters,
        options=settings.options,
        optional=settings.optional,
        state=("optax_state",),
        summary=(inspect.getdoc(factory.func if isinstance(factory, partial) else factory) or "").split("\n")[0],
        note="; ".join(notes),
        package=PACKAGE,
    )


def _tried(rule: Rule, settings: Parameters, what: str) -> list[str]:
    """Trace a step and say in words what it asks for; numbers that cannot be traced become options of `settings`.

    Raises `UsageError` if no step can be traced, whatever the numbers are.
    """
    numbers = [*settings.hyperparameters, *(name for name, kind in settings.optional.items() if kind is None)]

    def trial(traced: list[str]) -> list[str]:
        with jax.enable_x64(True):
            fixed = {name: value for name, value in _values(settings).items() if name not in traced}
            x, number = jnp.ones(2), jnp.ones(())
            notes: list[str] = []

            def step(x: Float[Array, "n"], given: Any) -> None:
                oracle, given = Oracle(lambda x: jnp.sum(x)), {**fixed, **given}
                carried = rule.init(x, **given)
                rule(oracle, x, carried, **given)
                notes.extend(_words(oracle.evaluations, carried))

            jax.eval_shape(step, x, dict.fromkeys(traced, number))
        return notes

    try:
        notes = trial(list(settings.hyperparameters))
        return trial(numbers) if len(numbers) > len(settings.hyperparameters) else notes
    except Exception:  # a Python branch on a traced number may raise anything
        try:
            notes = trial([])
        except Exception as error:
            raise UsageError(f"{what} cannot make a step here: {one_line(error)}") from None
    for name in numbers:
        try:
            trial([name])
        except Exception:
            settings.freeze(name)
    return notes


def _values(settings: Parameters) -> dict[str, Any]:
    """Return a value for every setting that is not absent."""
    given = {name: STAND_IN if value is None else value for name, value in settings.hyperparameters.items()}
    return {**given, **settings.options}


def _words(evaluations: Evaluations, carried: Carried) -> list[str]:
    """Say what a step asks for besides the gradient, and which of its points is the iterate."""
    looped = evaluations.looped is not None
    words = {
        "its gradients are taken at a point of its own, and the iterate is the average at which optax.contrib."
        "schedule_free_eval_params evaluates": carried.params is not None and not hasattr(carried.params, "slow"),
        "the iterate is the slow point": hasattr(carried.params, "slow"),
        "asks for the value as well, in every step": evaluations.value > 0,
        "what it evaluates by itself is counted": looped,
        "its random numbers follow from the run's seed and the step": evaluations.key,
    }
    return [sentence for sentence, true in words.items() if true]


def _ending(rule: Rule, settings: Parameters, what: str) -> str:
    """Decide what must follow a transformation to make it descend, by three steps on a slope of 1."""
    given, x = _values(settings), jnp.ones(2)
    oracle = Oracle(lambda x: jnp.sum(x))
    carried = rule.init(x, **given)
    jax.eval_shape(lambda: rule(oracle, x, carried, **given))
    if oracle.evaluations.looped is not None:
        raise UsageError(f"{what} searches along the direction of another transformation: {PLUG_IN}")
    for _ in range(3):  # rprop does not move in its first step
        x, carried = rule(oracle, x, carried, **given)
    if float(jnp.sum(x)) <= 2:
        return ""
    return SIGN if "learning_rate" in settings.hyperparameters else RATE


SOLVERS.add_prefix(PREFIX, _named)
