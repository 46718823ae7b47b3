"""Refuse a specification that asks for too much, before anything runs.

`require_few` bounds the runs, and what is made for each of them: programs, problems and starts. `require_memory` bounds
the bytes that runs on a surface with data take.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from itertools import islice, product

import jax
import numpy as np

from gdbench.compilation import numbers_held
from gdbench.engine.carry import DRAWN
from gdbench.engine.lane_count import lane_count
from gdbench.engine.step import Step
from gdbench.errors import SpecError, UsageError
from gdbench.formatting import many
from gdbench.planning.axis_values import Setting
from gdbench.planning.conditions import CONDITIONS
from gdbench.planning.run_grid import RunGrid
from gdbench.planning.starts import count_starts
from gdbench.solvers.base import Solver
from gdbench.spec.schedules import Schedules
from gdbench.spec.sweep import SweepSpec
from gdbench.surfaces.base import Surface

MOST_RUNS = 10**10

# Each program is compiled.
MOST_PROGRAMS = 10_000

# Each problem of a surface has facts of its own, which take a millisecond or more.
MOST_PROBLEMS = 100_000

# All starts together hold at most this many numbers: 400 MB.
MOST_NUMBERS = 5 * 10**7

# Half the memory of a computer of 16 GiB; the same everywhere, so that a file that runs here runs there.
LIMIT = 8 * 2**30

# A path stands in the memory as it comes from the engine, joined, and as a table.
COPIES = 3

Settings = Mapping[str, Setting]


def require_few(
    spec: SweepSpec,
    surfaces: Sequence[Surface],
    solvers: Sequence[Solver],
    parameters: Sequence[Settings],
    hyperparameters: Sequence[Settings],
) -> None:
    """Raise `UsageError` where a sweep has more runs, programs, problems or weights than can be meant.

    parameters : the settings of each surface; hyperparameters : of each solver. Nothing is computed but products of
    lengths.
    """
    common = {name: len(axis) for name in CONDITIONS if (axis := getattr(spec, name)) is not None}
    codes, points = 0, 0
    for solver, settings in zip(solvers, hyperparameters, strict=True):
        options = _combinations(settings, solver.options)
        schedules = [setting.axis for setting in settings.values() if isinstance(setting.axis, Schedules)]
        codes += options * math.prod(len(several.choices) for several in schedules)
        points += options * _points(spec, solver, settings)
    runs, programs, numbers = 0, 0, 0.0
    for surface, settings in zip(surfaces, parameters, strict=True):
        problems = _combinations(settings, surface.parameters)
        problems *= math.prod(len(axis) for axis in (spec.noise, spec.noise_decay) if axis is not None)
        if problems > MOST_PROBLEMS:
            raise UsageError(
                f"surface '{surface.name}' at {many(problems)} settings is more than {many(MOST_PROBLEMS)}: shorten "
                "an axis of its parameters, or of noise"
            )
        starts = count_starts(surface, spec)
        weights, most = _weights(surface, settings)
        numbers += starts * weights
        if numbers > MOST_NUMBERS:
            raise SpecError(
                f"surface '{surface.name}': {many(starts)} start{'s' if starts > 1 else ''} of {most:g} "
                f"weights; all starts together may have {many(MOST_NUMBERS)} numbers",
                _path_of_starts(spec, surface, settings),
            )
        block = spec.surface.get(surface.name, {})
        lengths = common | {name: len(block[name]) for name in CONDITIONS if name in block}
        variants = _combinations(settings, [*surface.options, "dimension"]) * math.prod(lengths.values())
        programs += variants * codes
        runs += variants * problems * points * starts * len(spec.seed_list)
    if programs > MOST_PROGRAMS:
        raise UsageError(
            f"{many(programs)} programs to compile are more than {many(MOST_PROGRAMS)}: shorten an axis of steps, "
            "rtol, atol, gtol, batch_size, a dimension or another option that is compiled in"
        )
    if runs > MOST_RUNS:
        raise UsageError(f"{many(runs)} runs are more than {many(MOST_RUNS)}: shorten an axis")


def _combinations(settings: Settings, names: Collection[str]) -> int:
    """Count the combinations of the values of those `settings` that are among `names`."""
    return math.prod(settings[name].count for name in names if name in settings)


def _points(spec: SweepSpec, solver: Solver, settings: Settings) -> int:
    """Count the hyperparameters at which a solver is tried, for one choice of its options."""
    if spec.tune is not None:
        return spec.tune.trials
    return _combinations(settings, [name for name in solver.known_settings if name not in solver.options])


def _weights(surface: Surface, settings: Settings) -> tuple[float, float]:
    """Count the weights of all variants of a surface together, and of the largest.

    A dimension that cannot be one counts nothing here; it is refused later.
    """
    counts: list[float] = []
    if surface.follows is not None:
        lists = {name: settings[name].axis.values for name in surface.options if name in settings}
        # More of them are too many programs anyway.
        for values in islice(product(*lists.values()), MOST_PROGRAMS):
            with suppress(UsageError):
                counts.append(surface.with_parameters(**dict(zip(lists, values, strict=True))).dimension)
        return sum(counts), max(counts, default=0.0)
    for value in settings["dimension"].axis.values if "dimension" in settings else (surface.dimension,):
        try:
            count = float(value)
        except ValueError:
            continue
        counts += [count] if math.isfinite(count) and count > 0 else []
    return _combinations(settings, surface.options) * sum(counts), max(counts, default=0.0)


def _path_of_starts(spec: SweepSpec, surface: Surface, settings: Settings) -> tuple[str, ...]:
    """Return where a specification says how many starts there are, or of how many weights."""
    block = spec.surface.get(surface.name, {})
    if "starts" in block or "dimension" in block:
        return ("surface", surface.name)
    return ("param",) if "dimension" in settings else ("starts",)


def require_memory(grids: Sequence[RunGrid]) -> None:
    """Raise `UsageError` for the first grid on a surface with data that would take more than `LIMIT` bytes.

    Nothing is computed; a surface or solver that cannot be traced is told of by its runs.
    """
    loss_numbers: dict[Surface, int] = {}
    for grid in grids:
        surface = grid.surface
        if not surface.data:
            continue
        paths = path_bytes(grid)
        if paths > LIMIT:
            drawn = f"{many(min(DRAWN, len(grid.starts)))} paths" if len(grid.starts) > 1 else "a path"
            raise UsageError(
                f"surface '{surface.name}': {drawn} of {many(grid.conditions.steps)} steps of "
                f"{many(surface.dimension)} weights would take about {_gibibytes(paths)} of memory, and "
                f"{_gibibytes(LIMIT)} is the most: give fewer steps, starts or weights"
            )
        if surface not in loss_numbers:
            loss_numbers[surface] = _numbers_of_loss(surface)
        # A solver may hold a Hessian, which is a pass over the examples for every weight, and some more passes; what
        # is below the limit even so needs no tracing.
        if loss_numbers[surface] * 4 * (surface.dimension + 4) * 8 <= LIMIT:
            continue
        step = step_bytes(grid)
        if step > LIMIT:
            fewer = "fewer examples or weights"
            if step > 2 * 8 * loss_numbers[surface]:
                fewer = f"another solver, for this one passes over all examples many times at once, or {fewer}"
            raise UsageError(
                f"surface '{surface.name}': a step of solver '{grid.solver.name}' on {many(len(surface.data[0]))} "
                f"examples with {many(surface.dimension)} weights would take about {_gibibytes(step)} of memory, and "
                f"{_gibibytes(LIMIT)} is the most: give {fewer}"
            )


def path_bytes(grid: RunGrid) -> int:
    """Estimate the bytes that the paths of the drawn runs of a grid take; 0 if they may end before their last step."""
    surface = grid.surface
    if surface.minimisers is not None or surface.goal is not None or grid.conditions.patience:
        return 0
    return COPIES * 8 * min(DRAWN, len(grid.starts)) * (grid.conditions.steps + 1) * (surface.dimension + 2)


def step_bytes(grid: RunGrid) -> int:
    """Estimate the bytes that the lanes of a grid's program work on in a step; 0 if its solver cannot be traced."""
    signature = grid.take(np.zeros(1, np.int64), measured=False).signature
    try:
        with jax.enable_x64(True):
            step = Step(signature)
            held = step.held(step.probe()[0])
    except Exception:
        return 0
    return lane_count(signature.dimension, signature.dtype, held) * held * np.dtype(signature.dtype).itemsize


def _numbers_of_loss(surface: Surface) -> int:
    """Count the numbers that the loss and its gradient work on at once; 0 if the surface cannot be traced."""

    def loss(x: jax.Array, data: Sequence[jax.Array]) -> jax.Array:
        return surface.function(x, *data, **surface.parameters, **surface.options)

    try:
        with jax.enable_x64(True):
            data = tuple(jax.ShapeDtypeStruct(array.shape, np.float64) for array in surface.data)
            return numbers_held(jax.value_and_grad(loss), jax.ShapeDtypeStruct((surface.dimension,), np.float64), data)
    except Exception:
        return 0


def _gibibytes(count: int) -> str:
    return f"{count / 2**30:.3g} GiB"
