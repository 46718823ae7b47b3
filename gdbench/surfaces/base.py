"""An error surface: a scalar function of a flat weight vector, and what is known of it."""

from __future__ import annotations

import hashlib
import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from jax import Array
from jaxtyping import Float, Int

from gdbench.errors import UsageError, unknown
from gdbench.registry import Registry, as_number, as_option, refuse_reserved, split_keywords

Points = Sequence[Sequence[float] | np.ndarray] | np.ndarray
Filters = Sequence[int] | np.ndarray | Callable[[int], Sequence[int] | np.ndarray] | None
ANY = range(1, sys.maxsize)


# With this lower limit a parameter may be 0 itself, because limits are excluded.
FROM_ZERO = float(np.nextafter(0.0, -1.0))


@dataclass(frozen=True, eq=False)
class Metric:
    """A measure of how well a model predicts: `function(x, *examples, **options)`, a number, larger being better.

    name : the second half of its columns' names, such as r2 in `train_r2`. parts : the arrays of the examples "train",
    over which f is a mean, and of the examples "test", if some are held out.
    """

    name: str
    function: Callable[..., Any]
    parts: Mapping[str, tuple[np.ndarray, ...]]


@dataclass(frozen=True, eq=False)
class Classifier:
    """A model that tells classes apart by two inputs, the first two columns of the first array of a surface's data.

    function : `function(x, points, **options)` returns for points `[p, 2]` the probability of the second class `[p]`,
    or those of all classes `[p, k]`. classes : their names, in the order in which the data number them. labels : the
    names of the two inputs.
    """

    function: Callable[..., Any]
    classes: tuple[str, ...]
    labels: tuple[str, str]


@dataclass(frozen=True, eq=False)
class Surface:
    """A scalar function `function(x, *data, **parameters)` of the weights `x` `[n]`, and its facts.

    parameters : float keyword arguments with their defaults; traced, so that sweeping them compiles nothing.
    options : int, bool and str keyword arguments; each combination is compiled as a program of its own.
    start : the default start `[n]`, or a function of the dimension.
    limits : for a parameter, the two numbers between which it must lie, both excluded.
    minimisers : the known minimisers `[m, n]`, a global one first, or a function of the dimension, the parameters and
    the options.
    box : `(low, high)`, numbers, vectors or functions of the dimension: where random starts are drawn and where a
    picture looks.
    dimensions : the numbers of weights that make sense, if `any_dimension` leaves the choice.
    data : arrays handed to `function` after `x`; their first axis counts the examples, over which f is a mean.
    held_out : the same arrays of examples that f does not see; their loss is watched (see `Program.patience`).
    metric : how well the model predicts, if the surface is a model's.
    classifier : what the model predicts in the plane of its inputs, if it has two inputs and predicts classes.
    goal : `goal(x)` decides whether a run has `reached` what this surface is about, if no lowest loss can decide it;
    `goal_text` says the same in words: "|x1| > 1".
    bounds : `(low, high)`, numbers or vectors: every iterate is projected into them; None for no constraint.
    filters : for every weight `[n]` the number of the unit that it goes into, -1 for a bias or an intercept, or a
    function of the dimension; None if weights belong to no units. A picture scales random directions by it.
    follows : `follows(options)` returns the fields that the options decide, by name: dimension, data, goal, filters,
    and the options themselves in one spelling; it raises `UsageError` for wrong options.
    """

    name: str
    function: Callable[..., Any]
    start: Sequence[float] | Callable[[int], Points]
    parameters: Mapping[str, float] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    minimisers: Points | Callable[..., Points | None] | None = None
    limits: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    box: tuple[Any, Any] = (-2.0, 2.0)
    dimension: int = 2
    any_dimension: bool = False
    dimensions: range = ANY
    data: tuple[np.ndarray, ...] = ()
    held_out: tuple[np.ndarray, ...] = ()
    metric: Metric | None = None
    classifier: Classifier | None = None
    goal: Callable[[Any], Any] | None = None
    goal_text: str = ""
    bounds: tuple[Any, Any] | None = None
    filters: Filters = None
    follows: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = None
    labels: tuple[str, ...] = ()
    summary: str = ""
    formula: str = ""
    source: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        refuse_reserved("surface", self.name, (*self.parameters, *self.options))
        self.filter_numbers()  # raises for wrong ones before anything runs

    def start_point(self, dimension: int) -> Float[np.ndarray, "n"]:
        """Return the default start."""
        point = self.start(dimension) if callable(self.start) else self.start
        return np.asarray(point, dtype=np.float64).reshape(-1)

    def minimiser_points(self, dimension: int, parameters: Mapping[str, float]) -> Float[np.ndarray, "minimisers n"]:
        """Return the known minimisers at these parameters, global ones first; `[0, n]` if none is known."""
        points = self.minimisers
        if callable(points):
            points = points(dimension, **parameters, **self.options)
        if points is None:
            return np.zeros((0, dimension))
        return np.asarray(points, dtype=np.float64).reshape(-1, dimension)

    def box_bounds(self, dimension: int) -> tuple[Float[np.ndarray, "n"], Float[np.ndarray, "n"]]:
        """Return the lower and the upper corner of the box."""
        sides = (side(dimension) if callable(side) else side for side in self.box)
        low, high = (np.broadcast_to(np.asarray(side, dtype=np.float64), (dimension,)) for side in sides)
        return low, high

    def bounds_of(self, dimension: int) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
        """Return the lower and the upper bound of every weight; None without a constraint."""
        if self.bounds is None:
            return None
        low, high = (np.broadcast_to(np.asarray(side, dtype=np.float64), (dimension,)) for side in self.bounds)
        return tuple(low.tolist()), tuple(high.tolist())

    def filter_numbers(self) -> Int[np.ndarray, "n"]:
        """Return the number of every weight's filter, -1 for none; all weights are one filter if none are known."""
        filters = self.filters(self.dimension) if callable(self.filters) else self.filters
        if filters is None:
            return np.zeros(self.dimension, np.int64)
        numbers = np.asarray(filters)
        if numbers.shape != (self.dimension,) or numbers.dtype.kind not in "iu" or numbers.min(initial=0) < -1:
            raise UsageError(
                f"surface '{self.name}': filters must be {self.dimension} whole numbers from -1, one for each weight"
            )
        return numbers.astype(np.int64)

    def axis_labels(self, dimension: int) -> list[str]:
        """Return a name for every weight."""
        return list(self.labels) if len(self.labels) == dimension else [f"x{i}" for i in range(dimension)]

    def with_parameters(self, **values: Any) -> Surface:
        """Return the same surface with other defaults; raise `UsageError` for a name that it lacks."""
        parameters, options, dimension = dict(self.parameters), dict(self.options), self.dimension
        for name, value in values.items():
            if name == "dimension":
                dimension = self._checked_dimension(value)
            elif name in parameters:
                parameters[name] = self._checked_parameter(name, value)
            elif name in options:
                options[name] = as_option(value, options[name], f"option '{name}' of surface '{self.name}'")
            else:
                names = [*parameters, *options, *(["dimension"] if self.any_dimension else [])]
                raise unknown("parameter", name, names, f"of surface '{self.name}'")
        changed = replace(self, parameters=parameters, options=options, dimension=dimension)
        # The fields that follow are made anew only if options change: they may lack held-out examples by now.
        return changed if options == self.options else changed.settled()

    def settled(self) -> Surface:
        """Return the same surface with the fields that follow from its options."""
        return self if self.follows is None else replace(self, **self.follows(self.options))

    def _checked_parameter(self, name: str, value: Any) -> float:
        what = f"parameter '{name}' of surface '{self.name}'"
        number = as_number(value, what)
        low, high = self.limits.get(name, (-np.inf, np.inf))
        if not low < number < high:
            least = "at least 0" if low == FROM_ZERO else f"above {low:g}"
            bounds = least if np.isinf(high) else f"between {low:g} and {high:g}"
            raise UsageError(f"{what} must be {bounds}, not {number:g}")
        return number

    def _checked_dimension(self, value: Any) -> int:
        dimension = as_option(value, 1, f"the dimension of surface '{self.name}'")
        if dimension == self.dimension:
            return dimension
        if self.follows is not None:
            raise UsageError(f"surface '{self.name}' has dimension {self.dimension}: that follows from its options")
        if not self.any_dimension:
            raise UsageError(f"surface '{self.name}' has dimension {self.dimension} and no other")
        least, step = self.dimensions.start, self.dimensions.step
        if dimension not in self.dimensions:
            sound = f"at least {least}" if dimension < least else f"{least}, {least + step}, {least + 2 * step}, .."
            raise UsageError(f"the dimension of surface '{self.name}' must be {sound}, not {dimension}")
        return dimension

    def fingerprint(self, probe_values: Float[np.ndarray, "8"]) -> str:
        """Hash the name, the parameters and the surface's `probe_values` (see `probe_points`) to 12 hex digits.

        Values are rounded to nine significant digits first, so that the last bits of another processor change nothing.
        """
        values = ",".join(f"{value:.8e}" for value in np.asarray(probe_values, dtype=np.float64))
        settings = sorted({**self.parameters, **self.options}.items())
        text = f"{self.name}|{settings}|{self.dimension}|{values}"
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def probe_points(self) -> Float[np.ndarray, "8 n"]:
        """Return the fixed points of the box at which `fingerprint` reads the surface."""
        low, high = self.box_bounds(self.dimension)
        fractions = (np.arange(8)[:, None] * 0.618034 + np.arange(self.dimension)[None, :] * 0.754878) % 1.0
        return low + (high - low) * fractions

    def __call__(self, x: Float[Array, "n"], **parameters: Any) -> Float[Array, ""]:
        """Return the value at `x`."""
        return self.function(x, *self.data, **{**self.parameters, **self.options, **parameters})


def require_number(name: str, shape: tuple[int, ...]) -> None:
    """Raise `UsageError` if the value of surface `name` is not a single number."""
    if shape != ():
        raise UsageError(f"surface '{name}' returned an array of shape {shape}, expected one number")


SURFACES: Registry[Surface] = Registry("surface")


def surface(
    *,
    start: Sequence[float] | Callable[[int], Points],
    name: str | None = None,
    minimisers: Points | Callable[..., Points | None] | None = None,
    limits: Mapping[str, tuple[float, float]] | None = None,
    box: tuple[Any, Any] = (-2.0, 2.0),
    dimension: int | None = None,
    any_dimension: bool = False,
    dimensions: range = ANY,
    data: Sequence[Any] = (),
    goal: Callable[[Any], Any] | None = None,
    goal_text: str = "",
    bounds: tuple[Any, Any] | None = None,
    filters: Filters = None,
    follows: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = None,
    labels: Sequence[str] = (),
    summary: str = "",
    formula: str = "",
    source: str = "",
    note: str = "",
    register: bool = True,
) -> Callable[[Callable[..., Any]], Surface]:
    """Make a surface of a function `f(x, *data, *, float_parameter=1.0, ...)` and register it under its name.

    The name is the function's, with `-` for `_`, and the summary its docstring's first line, unless given;
    `dimension` is the length of `start`.
    """

    def make(function: Callable[..., Any]) -> Surface:
        title = name or function.__name__.replace("_", "-")
        parameters, options = split_keywords(function, f"surface '{title}'")
        missing = [key for key, value in parameters.items() if value is None]
        if missing:
            raise UsageError(f"surface '{title}': parameter '{missing[0]}' needs a default")
        if callable(start):
            size = 2 if dimension is None else dimension
        else:
            size = len(start)
            if dimension not in (None, size):
                raise UsageError(f"surface '{title}': its start has {size} numbers and its dimension is {dimension}")
        made = Surface(
            name=title,
            function=function,
            start=start,
            parameters=parameters,
            options=options,
            minimisers=minimisers,
            limits=dict(limits or {}),
            box=box,
            dimension=size,
            any_dimension=any_dimension,
            dimensions=dimensions,
            data=tuple(np.asarray(array, dtype=np.float64) for array in data),
            goal=goal,
            goal_text=goal_text,
            bounds=bounds,
            filters=filters,
            follows=follows,
            labels=tuple(labels),
            summary=summary or (inspect.getdoc(function) or "").split("\n")[0],
            formula=formula,
            source=source,
            note=note,
        ).settled()
        if register:
            SURFACES.add(title, made)
        return made

    return make
