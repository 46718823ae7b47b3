"""Search for the settings of a solver that theory predicts to be best at a minimum, on a grid of predicted rates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
from jaxtyping import Float

from gdbench.engine.program import Program
from gdbench.solvers.base import DECAYS
from gdbench.theory import closed_forms
from gdbench.theory.predicted_rate import Prediction, rates_predicted

RATE = "learning_rate"
# The points of each axis, by the number of axes and whether a closed form gives the rate; a Jacobian costs more.
POINTS = {(1, True): (241,), (2, True): (121, 81), (1, False): (97,), (2, False): (41, 25)}
# With more weights eigenvalues take long, and every axis without a closed form gets 1 / THIN of its points.
MANY_WEIGHTS, THIN = 24, 3
# About this many values of the only axis are run, or of each of two.
RUN_OF_ONE_AXIS, RUN_OF_EACH_OF_TWO = 25, 9
# Without a closed form these learning rates are searched for one that converges.
WIDE = np.geomspace(1e-6, 100.0, 129)
# An axis begins this factor below the best learning rate, and ends this factor beyond the edge of stability.
BELOW, BEYOND = 100.0, 1.3


@dataclass(frozen=True)
class SolverAtMinimum:
    """A solver at a minimum: the `program` of one run, the `minimiser`, and the `hessian` there.

    name : the solver's name, by which closed forms know it. fixed : the hyperparameters that the user has chosen.
    """

    program: Program
    name: str
    minimiser: Float[np.ndarray, "n"]
    hessian: Float[np.ndarray, "n n"]
    fixed: frozenset[str] = frozenset()

    @cached_property
    def settings(self) -> dict[str, float]:
        """Every hyperparameter of the run."""
        return {name: float(np.asarray(value).flat[0]) for name, value in self.program.hyperparameters.items()}

    @cached_property
    def eigenvalues(self) -> Float[np.ndarray, "n"]:
        """The eigenvalues of the Hessian, ascending."""
        return np.linalg.eigvalsh(self.hessian)

    @cached_property
    def axes(self) -> tuple[str, ...]:
        """The hyperparameters to optimise: the learning rate and one decay or, failing that, another positive one."""
        free = [name for name in self.settings if name not in self.fixed]
        decays = [name for name in DECAYS if name in free]
        positive = [name for name in free if name not in (RATE, "eps", *decays) and self.settings[name] > 0]
        return (*(name for name in free if name == RATE), *(decays or positive)[:1])

    @cached_property
    def is_closed(self) -> bool:
        """True if a closed form gives the rates: it knows the name, and the solver's own step agrees with it."""
        if self.name not in closed_forms.FORMULAS or RATE not in self.axes or {*self.axes} - {RATE, "momentum"}:
            return False
        rates, momenta = np.repeat([0.07, 0.6, 1.3], 3) / self.eigenvalues[-1], np.tile([0.1, 0.6, 0.83], 3)
        probes = {RATE: rates} | ({"momentum": momenta} if "momentum" in self.axes else {})
        theirs, ours = self._by_jacobian(probes).rate, self._by_formula(probes)
        finite = np.isfinite(theirs)
        return bool(finite.any() and np.allclose(theirs[finite], ours[finite], rtol=1e-6))

    @property
    def thin(self) -> int:
        """The stride through the points: with many weights only every third one is computed."""
        return THIN if len(self.minimiser) > MANY_WEIGHTS and not self.is_closed else 1

    def rates(self, settings: Mapping[str, Float[np.ndarray, "k"]]) -> Prediction:
        """Predict the rates at `settings`; a setting that is not among them is the run's."""
        if not self.is_closed:
            return self._by_jacobian(settings)
        rates = self._by_formula(settings)
        return Prediction(rates, np.full(len(rates), "", dtype=object))

    def _by_formula(self, settings: Mapping[str, Float[np.ndarray, "k"]]) -> Float[np.ndarray, "k"]:
        momentum = settings.get("momentum", self.settings.get("momentum", 0.0))
        return closed_forms.rate(self.name, self.eigenvalues, settings[RATE], momentum)

    def _by_jacobian(self, settings: Mapping[str, Float[np.ndarray, "k"]]) -> Prediction:
        count = len(next(iter(settings.values()))) if settings else 1
        program = replace(
            self.program,
            hyperparameters={**self.settings, **settings},
            starts=np.repeat(self.program.starts[:1], count, axis=0),
            seeds=np.repeat(self.program.seeds[:1], count),
            f_star=np.repeat(self.program.f_star[:1], count),
        )
        return rates_predicted(program, self.minimiser, self.hessian)


@dataclass(frozen=True)
class Grid:
    """The predicted `rate` over the product of `axes`, with the reason if there is none; `best` is an index into it."""

    axes: dict[str, np.ndarray]
    rate: np.ndarray
    reason: np.ndarray
    best: tuple[int, ...]

    @property
    def best_setting(self) -> dict[str, float]:
        """The settings of the smallest rate."""
        return {name: float(values[i]) for (name, values), i in zip(self.axes.items(), self.best, strict=True)}

    @property
    def run_at(self) -> dict[str, np.ndarray]:
        """The values of every axis that are run in all combinations, the best one among them."""
        wanted = RUN_OF_ONE_AXIS if len(self.axes) == 1 else RUN_OF_EACH_OF_TWO
        chosen = {}
        for (name, values), place in zip(self.axes.items(), self.best, strict=True):
            stride = max(1, len(values) // wanted)
            chosen[name] = values[place % stride :: stride]
        return chosen

    def frame(self) -> pd.DataFrame:
        """Return a row for each point: its settings and rate_predicted."""
        points = np.meshgrid(*self.axes.values(), indexing="ij")
        columns = {name: values.ravel() for name, values in zip(self.axes, points, strict=True)}
        return pd.DataFrame({**columns, "rate_predicted": self.rate.ravel()})


def grid_of(local: SolverAtMinimum) -> Grid:
    """Compute the grid over the axes of `local`, around the best settings; the best has the smallest rate.

    If a closed form gives the best settings, they are on the grid.
    """
    if not local.axes:
        only = local.rates({})
        return Grid({}, only.rate.reshape(()), only.reason.reshape(()), ())
    anchors = _anchors(local)
    counts = [count // local.thin for count in POINTS[len(local.axes), local.is_closed]]
    axes = {name: _axis(name, *anchors[name], count) for name, count in zip(local.axes, counts, strict=True)}
    points = np.meshgrid(*axes.values(), indexing="ij")
    prediction = local.rates({name: values.ravel() for name, values in zip(axes, points, strict=True)})
    rate = prediction.rate.reshape(points[0].shape)
    smallest = int(np.argmin(np.where(np.isnan(rate), np.inf, rate)))
    best = [int(place) for place in np.unravel_index(smallest, rate.shape)]
    if local.is_closed:  # at a double root rounding makes a neighbour look as good
        best = [int(np.abs(values - anchors[name][0]).argmin()) for name, values in axes.items()]
    return Grid(axes, rate, prediction.reason.reshape(rate.shape), tuple(best))


def _anchors(local: SolverAtMinimum) -> dict[str, tuple[float, float, float]]:
    """Return for every axis a value that must be on it, and the two values between which it reaches."""
    momentum = local.settings.get("momentum", 0.0)
    if local.is_closed:
        low, high = local.eigenvalues[0], local.eigenvalues[-1]
        momenta = [momentum] if "momentum" not in local.axes else [0.0, 1 - 1e-9]
        best = dict(zip((RATE, "momentum"), closed_forms.best_setting(local.name, low, high), strict=True))
        edge = float(closed_forms.stability_edge(local.name, high, momenta).max())
        if local.name != "sgd" and "momentum" not in local.axes:
            best[RATE] = _fastest(local, edge)
    else:
        best = dict(local.settings)
        best[RATE], edge = _best_of_wide(local) if RATE in local.axes else (np.nan, np.nan)
    reach = {RATE: (best[RATE] / BELOW, BEYOND * edge)}
    for name in (name for name in local.axes if name != RATE):
        is_decay = name in DECAYS
        reach[name] = (0.0, 1 - min(0.02, (1 - best[name]) / 8)) if is_decay else (best[name] / 10, 10 * best[name])
    return {name: (best[name], *reach[name]) for name in local.axes}


def _fastest(local: SolverAtMinimum, edge: float) -> float:
    """Find the learning rate of the smallest rate, by ever finer grids below the edge of stability."""
    low, high = edge / 1e9, edge
    for _ in range(12):
        rates = np.geomspace(low, high, 64)
        place = int(local.rates({RATE: rates}).rate.argmin())
        low, high = rates[max(place - 1, 0)], rates[min(place + 1, 63)]
    return float(rates[place])


def _best_of_wide(local: SolverAtMinimum) -> tuple[float, float]:
    """Find the best learning rate of a wide grid, and the first beyond it at which the minimum repels."""
    rates = WIDE[:: local.thin]
    factors = local.rates({RATE: rates}).rate
    if np.isnan(factors).all():
        return 1.0, BELOW
    best = int(np.nanargmin(factors))
    repels = np.flatnonzero(factors[best:] >= 1)
    return float(rates[best]), float(rates[best + repels[0]] if len(repels) else rates[-1])


def _axis(name: str, anchor: float, low: float, high: float, count: int) -> Float[np.ndarray, "points"]:
    """Return about `count` ascending values, `anchor` among them: even in log value, for decays in log(1 - value)."""
    if name not in DECAYS:
        step = np.log(high / low) / (count - 1)
        return anchor * np.exp(
            step * np.arange(np.floor(np.log(low / anchor) / step), np.log(high / anchor) / step + 1)
        )
    step = np.log((1 - low) / (1 - high)) / (count - 1)
    places = np.arange(-np.floor(np.log((1 - low) / (1 - anchor)) / step), np.log((1 - anchor) / (1 - high)) / step + 1)
    return np.where(places == 0, anchor, 1 - (1 - anchor) * np.exp(-step * places))
