"""Find optax's factories by name, and sort their parameters into numbers and options."""

from __future__ import annotations

import importlib
import inspect
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from types import ModuleType
from typing import Any

from gdbench.errors import UsageError, nearest

PACKAGE, PREFIX, CONTRIB = "optax", "optax:", "contrib."
# No user sets these: random numbers follow from a run's seed and the step.
OWN = ("key", "random_seed", "seed")
PLUG_IN = "make it a solver in a plug-in with gdbench.from_optax (docs/add-a-solver.md)"


@dataclass
class Parameters:
    """The parameters of a factory, sorted by what they are to a solver.

    hyperparameters : numbers to trace, None where one must be given. options : int, bool and str.
    optional : absent unless given: None for a number to trace, a value of its type for an option.
    tuples : a parameter that is a tuple, by the names of its entries: `betas` is `betas_0` and `betas_1`.
    own : those of `OWN` that it takes. left : parameters that are no numbers and keep the factory's default.
    """

    hyperparameters: dict[str, float | None] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    optional: dict[str, Any] = field(default_factory=dict)
    tuples: dict[str, tuple[str, ...]] = field(default_factory=dict)
    own: tuple[str, ...] = ()
    left: tuple[str, ...] = ()

    def add(self, name: str, value: Any) -> None:
        """Add a setting of the type of its default `value`."""
        (self.hyperparameters if isinstance(value, float) else self.options)[name] = value

    def freeze(self, name: str) -> None:
        """Make a number an option, because the factory looks at it in Python, so that it cannot be traced."""
        if name in self.optional:
            self.optional[name] = 0.0
        else:
            value = self.hyperparameters.pop(name)
            if value is None:
                raise UsageError(f"'{name}' is looked at in Python, so it needs a default that is a number")
            self.options[name] = value


def library() -> ModuleType:
    """Return the package optax. Raises `UsageError` if it is not installed."""
    try:
        return importlib.import_module(PACKAGE)
    except ImportError:
        raise UsageError("solvers of optax need optax: pip install 'gdbench[optax]'") from None


def release() -> str:
    """Return optax's version."""
    return version(PACKAGE)


def factory_of(name: str) -> Callable[..., Any]:
    """Return the factory that optax calls `name` (`lion`, `contrib.prodigy`); a `UsageError` suggests the nearest."""
    optax = library()
    inside = importlib.import_module("optax.contrib") if name.startswith(CONTRIB) else optax
    factory = getattr(inside, name.removeprefix(CONTRIB), None) if not name.startswith("_") else None
    if factory is not None and is_factory(factory):
        return factory
    names = list(factories())
    close = nearest(name, names)
    rated = [each for each in names if "." not in each and "learning_rate" in _signature(factory_of(each))]
    hint = f"did you mean '{PREFIX}{close}'?" if close else f"its optimizers are {', '.join(rated)}"
    raise UsageError(f"optax has no optimizer '{name}'; {hint}")


def factories() -> Iterator[str]:
    """Yield the names of all factories of optax, then of optax.contrib, each sorted."""
    for prefix, inside in (("", library()), (CONTRIB, importlib.import_module("optax.contrib"))):
        for name in sorted(vars(inside)):
            if not name.startswith("_") and is_factory(getattr(inside, name)):
                yield prefix + name


def is_factory(thing: Any) -> bool:
    """Decide whether `thing` is annotated to return a gradient transformation, or is of contrib and not annotated."""
    if inspect.isclass(thing) or not callable(thing):
        return False
    try:
        signature = inspect.signature(thing)
    except (TypeError, ValueError):
        return False
    if signature.return_annotation is not inspect.Signature.empty:
        return "GradientTransformation" in str(signature.return_annotation)
    # dog and dowg are not annotated
    return thing.__module__.startswith("optax.contrib") and "learning_rate" in signature.parameters


def parameters_of(factory: Callable[..., Any], what: str) -> Parameters:
    """Sort the parameters of `factory`; raise `UsageError`, which names it `what`, for one that nobody can set.

    A float default is a number to trace, and so is a parameter that may be a float and has no default, or None.
    `learning_rate` never has a default here.
    """
    parameters = Parameters()
    for name, parameter in _signature(factory).items():
        default = parameter.default
        if parameter.kind is parameter.VAR_KEYWORD:
            continue
        if parameter.kind is parameter.VAR_POSITIONAL:
            raise UsageError(f"{what} is made of other transformations: {PLUG_IN}")
        if name in OWN:
            parameters.own = (*parameters.own, name)
        elif name == "learning_rate":
            parameters.hyperparameters[name] = None
        elif isinstance(default, bool | int | float | str):
            parameters.add(name, default)
        elif isinstance(default, tuple) and default and all(isinstance(v, bool | int | float | str) for v in default):
            parameters.tuples[name] = tuple(f"{name}_{place}" for place in range(len(default)))
            for entry, value in zip(parameters.tuples[name], default, strict=True):
                parameters.add(entry, value)
        else:
            _sort_by_annotation(parameters, name, parameter, what)
    return parameters


def _sort_by_annotation(parameters: Parameters, name: str, parameter: inspect.Parameter, what: str) -> None:
    """Sort a parameter by its annotation, because its default (None, no number, or none) does not tell its type."""
    kind = _plain_type(parameter.annotation)
    if parameter.default is None and kind is not None:
        parameters.optional[name] = None if kind is float else kind()
    elif parameter.default is not inspect.Parameter.empty:
        parameters.left = (*parameters.left, name)
    elif kind is float:
        parameters.hyperparameters[name] = None
    else:
        raise UsageError(f"{what} needs '{name}', which is no number: {PLUG_IN}")


def _signature(factory: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(factory, eval_str=True).parameters
    except NameError:  # an annotation names what only type checkers import
        return inspect.signature(factory).parameters


def _plain_type(annotation: Any) -> type | None:
    """Return the type of a setting that is annotated so; None for masks, callables and trees."""
    if annotation is inspect.Parameter.empty:
        return float
    if isinstance(annotation, str):
        return float if "float" in annotation else None
    kinds = set(_alternatives(annotation))
    if any(typing.get_origin(kind) in (Iterable, Mapping) for kind in kinds):
        return None
    return next((kind for kind in (float, int, bool, str) if kind in kinds), None)


def _alternatives(annotation: Any) -> Iterator[Any]:
    origin = typing.get_origin(annotation)
    if origin in (typing.Union, types.UnionType):
        for one in typing.get_args(annotation):
            yield from _alternatives(one)
    elif origin is typing.Literal:
        yield from {type(value) for value in typing.get_args(annotation)}
    else:
        yield annotation
