"""Compare the definitions of one method: the paper's, torch's and optax's, and those that optax itself runs."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from gdbench.solvers import SOLVERS, Solver
from gdbench.solvers.base import CONVENTION, PAPER
from gdbench.solvers.optax_factories import CONTRIB, PREFIX
from gdbench.solvers.optax_rule import Rule
from gdbench.solvers.oracle import Oracle

# Solvers of ours that optax has as a setting of another: by optax's name.
INSIDE = {"sgd": ("momentum", "nesterov")}


def conventions_of(solver: Solver) -> list[dict[str, Any]]:
    """Return a row for each definition of a solver that has several; its first step is computed, not copied."""
    if not solver.variants:
        return []
    return [
        {
            "convention": convention,
            "note": one.note or "as published",
            "formula": one.formula,
            "hyperparameters": {**one.hyperparameters, **_options(one)},
            "state": state_of(one),
            "first_step": next(iter(first_steps(one)), None),
        }
        for convention, one in {PAPER: solver, **solver.variants}.items()
    ]


def _options(solver: Solver) -> dict[str, Any]:
    return {name: value for name, value in solver.options.items() if name != CONVENTION}


def first_steps(solver: Solver, count: int = 1) -> list[float]:
    """Compute the first steps of a solver at its defaults, with learning rate 1 and a gradient that is 1 everywhere.

    They start at x = 0, where no weight decay acts. The list is empty if a number has no default, or if the solver
    cannot run on f(x) = x.
    """
    settings = {name: 1.0 if name == "learning_rate" else value for name, value in solver.hyperparameters.items()}
    if None in settings.values():
        return []
    steps: list[float] = []
    with jax.enable_x64(True):
        x, oracle = jnp.zeros(1), Oracle(lambda x: jnp.sum(x))
        numbers = {name: jnp.asarray(value) for name, value in settings.items()}
        try:
            state = solver.initial_state(x, **numbers, **solver.options)
            for _ in range(count):
                before = x
                x, state = solver.step(oracle, x, state, **numbers, **solver.options)
                steps.append(float((x - before)[0]))
        except Exception:  # a plug-in may raise anything, and its runs will say so
            return []
    return steps if all(map(jnp.isfinite, steps)) else []


def state_of(solver: Solver) -> list[str]:
    """Return the names of what a solver remembers; for an optax solver, the leaves of optax's own state."""
    if not isinstance(solver.function, Rule):
        return list(solver.state)
    values = {name: 0.5 if value is None else value for name, value in solver.hyperparameters.items()}
    carried = jax.eval_shape(lambda x: solver.initial_state(x, **values, **solver.options), jnp.zeros(2))[0]
    names = [re.sub(r"^(\[\d+\]|\.)+|\['|'\]", "", path) or path for path in carried.leaves]
    return [*names, *(["params"] if carried.params is not None else [])]


def against_optax(solver: Solver) -> list[str]:
    """Say in sentences how optax's definition differs from ours, and what to beware of in optax's own."""
    if not isinstance(solver.function, Rule):
        return [_sentence(f"optax {_against(solver)}")] if "optax" in solver.variants else []
    name = solver.name.removeprefix(PREFIX).removeprefix(CONTRIB)
    named = [name.replace("_", "-"), *INSIDE.get(name, ())]
    sentences = []
    for ours in dict.fromkeys(named):
        if solver.name.startswith(PREFIX) and ours in SOLVERS:
            has_optax = "optax" in SOLVERS[ours].variants
            sentences.append(_sentence(_against(SOLVERS[ours]) if has_optax else f"ours is {ours}"))
    return sentences + _without_rate(solver.function.factory)


def _against(ours: Solver) -> str:
    theirs = ours.variants["optax"]
    same = (theirs.formula, theirs.hyperparameters, theirs.state) == (ours.formula, ours.hyperparameters, ours.state)
    return f"{'agrees with' if same else 'differs from'} ours ({ours.name}): {theirs.note}"


def _without_rate(factory: Any) -> list[str]:
    """Warn of an optax factory that has no learning rate by default, and then climbs."""
    rate = inspect.signature(factory).parameters.get("learning_rate")
    if rate is None or rate.default is not None:
        return []
    x = jnp.ones(1, jnp.float32)
    try:
        transformation = factory()
        step = float(transformation.update(x, transformation.init(x), x)[0][0])
    except Exception:  # a line search wants more than a gradient
        return []
    sentence = (
        f"Beware: by default optax takes no learning rate here, and climbs: its first step at g = 1 is {step:+.3g}."
    )
    return [sentence] if step > 0 else []


def _sentence(words: str) -> str:
    return words if words.endswith(".") else f"{words}."


def settings_in_words(settings: Mapping[str, Any]) -> str:
    """Write settings with their defaults in one line."""
    return ", ".join(f"{name} {'tuned' if value is None else value}" for name, value in settings.items())
