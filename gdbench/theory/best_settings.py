"""Where theory looks for the best settings of a solver at a minimum: the axes, the predicted rate at every point."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from gdbench.engine.program import Program
from gdbench.solvers.base import DECAYS
from gdbench.theory import closed_forms
from gdbench.theory.predicted_rate import Prediction, rates_predicted

RATE = "learning_rate"
# points of an axis that stands alone, and of two; fewer where a Jacobian is needed at each
POINTS = {(1, True): (241,), (2, True): (121, 81), (1, False): (97,), (2, False): (41, 25)}
# above so many weights eigenvalues take long, and every axis without a closed form gets a third of the points
MANY_WEIGHTS, THIN = 24, 3
# of so many points of an axis about one is run
RUN_ALONE, RUN_BESIDE = 25, 9
# where a solver without a closed form is looked for a rate that converges
WIDE = np.geomspace(1e-6, 100.0, 129)
# how far below the best learning rate an axis begins, and how far beyond the edge of stability it ends
BELOW, BEYOND = 100.0, 1.3


@dataclass(frozen=True)
class SolverAtMinimum:
    """A solver at a minimum: the `program` of one run, the `minimiser` `[n]`, the `hessian` `[n, n]` there.

    name : the solver's, by which closed forms know it; fixed : hyperparameters that the user has chosen.
    """

    program: Program
    name: str
    minimiser: np.ndarray
    hessian: np.ndarray
    fixed: frozenset[str] = frozenset()

    @cached_property
    def settings(self) -> dict[str, float]:
        """Every hyperparameter of the run."""
        return {name: float(np.asarray(value).flat[0]) for name, value in self.program.hyperparameters.items()}

    @cached_property
    def eigenvalues(self) -> np.ndarray:
        """Those of the Hessian, ascending `[n]`."""
        return np.linalg.eigvalsh(self.hessian)

    @cached_property
    def axes(self) -> tuple[str, ...]:
        """What theory chooses: the learning rate, and what is kept of the past or else another one that has a size."""
        free = [name for name in self.settings if name not in self.fixed]
        kept = [name for name in DECAYS if name in free]
        sized = [name for name in free if name not in (RATE, "eps", *kept) and self.settings[name] > 0]
        return (*(name for name in free if name == RATE), *(kept or sized)[:1])

    @cached_property
    def is_closed(self) -> bool:
        """Whether a closed form gives the rates: it knows the name, and the solver's own step agrees with it."""
        if self.name not in closed_forms.FORMULAS or RATE not in self.axes or {*self.axes} - {RATE, "momentum"}:
            return False
        rates, momenta = np.repeat([0.07, 0.6, 1.3], 3) / self.eigenvalues[-1], np.tile([0.1, 0.6, 0.83], 3)
        probes = {RATE: rates} | ({"momentum": momenta} if "momentum" in self.axes else {})
        theirs, ours = self._by_jacobian(probes).rate, self._by_formula(probes)
        known = np.isfinite(theirs)
        return bool(known.any() and np.allclose(theirs[known], ours[known], rtol=1e-6))

    @property
    def thin(self) -> int:
        """Of so many points one is looked at."""
        return THIN if len(self.minimiser) > MANY_WEIGHTS and not self.is_closed else 1

    def rates(self, settings: Mapping[str, np.ndarray]) -> Prediction:
        """The rates at `settings`, each `[k]`; those that are not among them are the run's."""
        if not self.is_closed:
            return self._by_jacobian(settings)
        found = self._by_formula(settings)
        return Prediction(found, np.full(len(found), "", dtype=object))

    def _by_formula(self, settings: Mapping[str, np.ndarray]) -> np.ndarray:
        momentum = settings.get("momentum", self.settings.get("momentum", 0.0))
        return closed_forms.rate(self.name, self.eigenvalues, settings[RATE], momentum)

    def _by_jacobian(self, settings: Mapping[str, np.ndarray]) -> Prediction:
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
    """The predicted `rate` over the product of `axes`, with the reason where there is none; `best` is a place in it."""

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
        """Values of every axis, the best one among them: what their product gives is run."""
        wanted = RUN_ALONE if len(self.axes) == 1 else RUN_BESIDE
        found = {}
        for (name, values), place in zip(self.axes.items(), self.best, strict=True):
            stride = max(1, len(values) // wanted)
            found[name] = values[place % stride :: stride]
        return found

    def frame(self) -> pd.DataFrame:
        """A row per point: the settings, rate_predicted."""
        points = np.meshgrid(*self.axes.values(), indexing="ij")
        columns = {name: values.ravel() for name, values in zip(self.axes, points, strict=True)}
        return pd.DataFrame({**columns, "rate_predicted": self.rate.ravel()})


def grid_of(local: SolverAtMinimum) -> Grid:
    """The grid over the axes of `local`, around the best settings; the best is the smallest rate on it.

    Where a closed form names the best settings, they are on the grid.
    """
    if not local.axes:
        found = local.rates({})
        return Grid({}, found.rate.reshape(()), found.reason.reshape(()), ())
    anchors = _anchors(local)
    counts = [count // local.thin for count in POINTS[len(local.axes), local.is_closed]]
    axes = {name: _axis(name, *anchors[name], count) for name, count in zip(local.axes, counts, strict=True)}
    points = np.meshgrid(*axes.values(), indexing="ij")
    found = local.rates({name: values.ravel() for name, values in zip(axes, points, strict=True)})
    rate = found.rate.reshape(points[0].shape)
    smallest = int(np.argmin(np.where(np.isnan(rate), np.inf, rate)))
    best = [int(place) for place in np.unravel_index(smallest, rate.shape)]
    if local.is_closed:  # rounding makes a neighbour as good where a root is double
        best = [int(np.abs(values - anchors[name][0]).argmin()) for name, values in axes.items()]
    return Grid(axes, rate, found.reason.reshape(rate.shape), tuple(best))


def _anchors(local: SolverAtMinimum) -> dict[str, tuple[float, float, float]]:
    """By axis a value that must be on it, and between which values it reaches."""
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
        best[RATE], edge = _found(local) if RATE in local.axes else (np.nan, np.nan)
    reach = {RATE: (best[RATE] / BELOW, BEYOND * edge)}
    for name in (name for name in local.axes if name != RATE):
        kept = name in DECAYS
        reach[name] = (0.0, 1 - min(0.02, (1 - best[name]) / 8)) if kept else (best[name] / 10, 10 * best[name])
    return {name: (best[name], *reach[name]) for name in local.axes}


def _fastest(local: SolverAtMinimum, edge: float) -> float:
    """The learning rate of the smallest rate, by ever finer grids below the edge of stability."""
    low, high = edge / 1e9, edge
    for _ in range(12):
        rates = np.geomspace(low, high, 64)
        place = int(local.rates({RATE: rates}).rate.argmin())
        low, high = rates[max(place - 1, 0)], rates[min(place + 1, 63)]
    return float(rates[place])


def _found(local: SolverAtMinimum) -> tuple[float, float]:
    """The best learning rate of a wide grid, and the first beyond it that repels."""
    rates = WIDE[:: local.thin]
    found = local.rates({RATE: rates}).rate
    if np.isnan(found).all():
        return 1.0, BELOW
    best = int(np.nanargmin(found))
    repels = np.flatnonzero(found[best:] >= 1)
    return float(rates[best]), float(rates[best + repels[0]] if len(repels) else rates[-1])


def _axis(name: str, anchor: float, low: float, high: float, count: int) -> np.ndarray:
    """About `count` ascending values, `anchor` among them: even in log value, or in log(1 - value) for what is kept."""
    if name not in DECAYS:
        step = np.log(high / low) / (count - 1)
        return anchor * np.exp(
            step * np.arange(np.floor(np.log(low / anchor) / step), np.log(high / anchor) / step + 1)
        )
    step = np.log((1 - low) / (1 - high)) / (count - 1)
    places = np.arange(-np.floor(np.log((1 - low) / (1 - anchor)) / step), np.log((1 - anchor) / (1 - high)) / step + 1)
    return np.where(places == 0, anchor, 1 - (1 - anchor) * np.exp(-step * places))
