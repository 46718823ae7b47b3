"""A solver: an update rule, `init` and `step`, over an oracle."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from jax import Array
from jaxtyping import Float

from gdbench.errors import UsageError, unknown
from gdbench.registry import Registry, refuse_reserved, split_keywords

# Decay rates: they lie in [0, 1), and what matters is their distance from 1.
DECAYS = ("momentum", "decay", "b1", "b2", "b3", "rho", "beta", "betas_0", "betas_1", "beta3")
CONVENTION, PAPER = "convention", "paper"


@dataclass(frozen=True, eq=False)
class Solver:
    """An update rule `function(oracle, x, *state, **hyperparameters) -> x, *state`.

    hyperparameters : float keyword arguments with their defaults, None where the user must give one; all traced.
    options : int, bool and str keyword arguments; each combination is compiled as a program of its own.
    optional : settings that are absent unless given: None for a hyperparameter, a value of its type for an option.
    init : `init(x)` returns the state before the first step: one value, or a tuple with one per entry of `state`. It is
    handed the hyperparameters and options that it has keyword arguments for; with `**settings` it is handed all.
    variants : the same method as other libraries define it, by the value of the option `convention`.
    note : how a variant differs from the paper's definition.
    package : the other package that decides the numbers, such as optax.
    """

    name: str
    function: Callable[..., Any]
    init: Callable[..., Any] | None = None
    hyperparameters: Mapping[str, float | None] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    state: tuple[str, ...] = ()
    summary: str = ""
    formula: str = ""
    source: str = ""
    note: str = ""
    package: str = ""
    variants: dict[str, Solver] = field(default_factory=dict)
    optional: Mapping[str, Any] = field(default_factory=dict)
    # `replace` must make a new one, so this is no argument of the initialiser
    _resolved: dict[tuple[str, ...], Solver] = field(default_factory=dict, repr=False, init=False)

    def __post_init__(self) -> None:
        refuse_reserved("solver", self.name, (*self.hyperparameters, *self.options, *self.optional))

    @property
    def init_settings(self) -> tuple[str, ...]:
        """The hyperparameters and options that the first state depends on."""
        if self.init is None:
            return ()
        try:
            taken = inspect.signature(self.init).parameters
        except (TypeError, ValueError):  # a function written in C has no signature, and takes none of our settings
            return ()
        every = any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in taken.values())
        return tuple(name for name in (*self.hyperparameters, *self.options) if every or name in taken)

    @property
    def known_settings(self) -> list[str]:
        """The hyperparameters and options of all variants, the paper's first, with those that may be absent."""
        several = (self, *self.variants.values())
        return list(
            dict.fromkeys(name for one in several for name in (*one.hyperparameters, *one.options, *one.optional))
        )

    def resolved(self, given: Iterable[str]) -> Solver:
        """Return the solver with those of its `optional` settings that are named in `given`, which then need a value.

        The same names return the same object, because programs are compiled for the object.
        """
        chosen = set(given)
        names = tuple(name for name in self.optional if name in chosen)
        if not names:
            return self
        if names not in self._resolved:
            numbers = {name: None for name in names if self.optional[name] is None}
            resolved = replace(
                self,
                hyperparameters={**self.hyperparameters, **numbers},
                options={**self.options, **{name: self.optional[name] for name in names if name not in numbers}},
                optional={name: kind for name, kind in self.optional.items() if name not in names},
            )
            self._resolved.setdefault(names, resolved)
        return self._resolved[names]

    def variant(self, convention: str) -> Solver:
        """Return the solver as `convention` defines it; a `UsageError` names the conventions that exist."""
        if convention == self.options.get(CONVENTION, PAPER):
            return self
        if convention not in self.variants:
            raise unknown("convention", convention, [PAPER, *self.variants], f"of solver '{self.name}'")
        return self.variants[convention]

    def convention(
        self,
        name: str,
        *,
        note: str,
        init: Callable[..., Any] | None = None,
        formula: str = "",
        source: str = "",
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Make a function the update rule under the convention `name`, and return the function unchanged.

        Formula and source are the paper's unless given; `note` says in one sentence what differs.
        """

        def make(function: Callable[..., Any]) -> Callable[..., Any]:
            variant = _made(function, init, self.name, formula or self.formula, source or self.source, note)
            self._add(name, replace(variant, summary=self.summary))
            return function

        return make

    def alike(self, name: str, *, note: str, **defaults: float) -> None:
        """Declare that the convention `name` is the paper's update with these `defaults`."""
        self._add(name, replace(self, hyperparameters={**self.hyperparameters, **defaults}, note=note, variants={}))

    def _add(self, name: str, variant: Solver) -> None:
        assert isinstance(self.options, dict)
        self.options.setdefault(CONVENTION, PAPER)
        self.variants[name] = replace(variant, options={**variant.options, CONVENTION: name})

    def require_possible(self, name: str, values: Iterable[float]) -> None:
        """Raise `UsageError` if one of the `values` of hyperparameter `name` is impossible.

        A decay rate (`DECAYS`) lies in [0, 1): at 1 nothing is ever forgotten, and Adam divides by 0. `eps` is not
        negative. A solver with a default outside these bounds means something else by the name, and is not checked.
        """
        default = self.hyperparameters[name]
        for value in values if name in DECAYS or name == "eps" else ():
            if not _possible(name, value) and (default is None or _possible(name, default)):
                bounds = "at least 0 and below 1" if name in DECAYS else "at least 0"
                raise UsageError(f"hyperparameter '{name}' of solver '{self.name}' must be {bounds}, not {value:g}")

    def initial_state(self, x: Float[Array, "n"], **settings: Any) -> tuple[Any, ...]:
        """Return the state before the first step, one entry per name in `state`; `settings` may hold others too."""
        if self.init is None:
            return ()
        state = self.init(x, **{name: settings[name] for name in self.init_settings})
        return (state,) if len(self.state) == 1 else tuple(state)

    def step(
        self, oracle: Any, x: Float[Array, "n"], state: tuple[Any, ...], **settings: Any
    ) -> tuple[Float[Array, "n"], tuple[Any, ...]]:
        """Make one update, and return the new iterate and the new state."""
        settings.pop(CONVENTION, None)  # it has chosen this variant, whose function does not take it
        result = self.function(oracle, x, *state, **settings)
        if not self.state:
            return (result[0] if isinstance(result, tuple) else result), ()
        if not isinstance(result, tuple) or len(result) != 1 + len(self.state):
            raise UsageError(
                f"solver '{self.name}' must return x and {len(self.state)} state entries ({', '.join(self.state)})"
            )
        return result[0], tuple(result[1:])


def _possible(name: str, value: float) -> bool:
    return value >= 0 and (value < 1 or name not in DECAYS)


SOLVERS: Registry[Solver] = Registry("solver")


def solver(
    *,
    init: Callable[..., Any] | None = None,
    name: str | None = None,
    formula: str = "",
    source: str = "",
    note: str = "",
    register: bool = True,
) -> Callable[[Callable[..., Any]], Solver]:
    """Make a solver of a function `f(oracle, x, *state, *, learning_rate, ...)` and register it under its name.

    The positional arguments after `oracle` and `x` name the entries of the state; `init(x)` returns their first values.
    """

    def make(function: Callable[..., Any]) -> Solver:
        title = name or function.__name__.replace("_", "-")
        new = _made(function, init, title, formula, source, note)
        if register:
            SOLVERS.add(title, new)
        return new

    return make


def _made(
    function: Callable[..., Any], init: Callable[..., Any] | None, title: str, formula: str, source: str, note: str
) -> Solver:
    positional = [
        key
        for key, parameter in inspect.signature(function).parameters.items()
        if parameter.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
    ]
    if len(positional) < 2:
        raise UsageError(f"solver '{title}': its first two arguments must be the oracle and x")
    if (init is None) != (len(positional) == 2):
        raise UsageError(f"solver '{title}': arguments after the oracle and x are its state, and need `init`")
    hyperparameters, options = split_keywords(function, f"solver '{title}'")
    if CONVENTION in options:
        raise UsageError(
            f"solver '{title}': 'convention' is the option that chooses a variant; give yours another name"
        )
    return Solver(
        name=title,
        function=function,
        init=init,
        hyperparameters=hyperparameters,
        options=options,
        state=tuple(positional[2:]),
        summary=(inspect.getdoc(function) or "").split("\n")[0],
        formula=formula,
        source=source,
        note=note,
    )
