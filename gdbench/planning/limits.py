"""Refuse what is too large before anything runs: in runs, programs, problems, weights and bytes."""

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
from gdbench.formatting import whole
from gdbench.planning.run_grid import RunGrid
from gdbench.planning.starts import count_starts
from gdbench.solvers.base import Solver
from gdbench.spec.axes import Axis
from gdbench.spec.schedules import Schedules
from gdbench.spec.sweep import SweepSpec
from gdbench.surfaces.base import Surface

MOST_RUNS = 10**10

# a compilation each
MOST_PROGRAMS = 10_000

# of one surface, each with facts of its own: a millisecond or more
MOST_PROBLEMS = 100_000

# in all starts together: 400 MB
MOST_NUMBERS = 5 * 10**7

Axes = Mapping[str, Axis | Schedules]


def require_few(
    spec: SweepSpec,
    surfaces: Sequence[Surface],
    solvers: Sequence[Solver],
    of_surfaces: Sequence[Axes],
    of_solvers: Sequence[Axes],
    conditions: Collection[str],
) -> None:
    """Raise `UsageError` where the sweep has more runs, programs, problems or weights than can be meant."""
    under = {name: len(axis) for name in conditions if (axis := getattr(spec, name)) is not None}
    options, settings = 0, 0
    for solver, given in zip(solvers, of_solvers, strict=True):
        variants = _product(given, solver.options)
        options += variants * math.prod(len(axis.choices) for axis in given.values() if isinstance(axis, Schedules))
        settings += variants * _settings(spec, solver, given)
    runs, programs, numbers = 0, 0, 0.0
    for surface, given in zip(surfaces, of_surfaces, strict=True):
        variants, problems = _product(given, [*surface.options, "dimension"]), _product(given, surface.parameters)
        problems *= math.prod(len(axis) for axis in (spec.noise, spec.noise_decay) if axis is not None)
        if problems > MOST_PROBLEMS:
            raise UsageError(
                f"surface '{surface.name}' at {whole(problems)} settings is more than {whole(MOST_PROBLEMS)}: shorten "
                "an axis of its parameters, or of noise"
            )
        starts = count_starts(surface, spec)
        weights, most = _weights(surface, given)
        numbers += starts * weights
        if numbers > MOST_NUMBERS:
            raise SpecError(
                f"surface '{surface.name}': {whole(starts)} start{'s' if starts > 1 else ''} of {most:g} "
                f"weights; all starts together may have {whole(MOST_NUMBERS)} numbers",
                _path(spec, surface, "dimension" in given),
            )
        own = spec.surface.get(surface.name, {})
        conditioned = variants * math.prod({**under, **_lengths(own, conditions)}.values())
        programs += conditioned * options
        runs += conditioned * problems * settings * starts * len(spec.seed_list)
    if programs > MOST_PROGRAMS:
        raise UsageError(
            f"{whole(programs)} programs to compile are more than {whole(MOST_PROGRAMS)}: shorten an axis of steps, "
            "rtol, atol, gtol, batch_size, a dimension or another option that is compiled in"
        )
    if runs > MOST_RUNS:
        raise UsageError(f"{whole(runs)} runs are more than {whole(MOST_RUNS)}: shorten an axis")


def _path(spec: SweepSpec, surface: Surface, dimension_given: bool) -> tuple[str, ...]:
    """Where a specification says how many starts, or of how many weights."""
    block = spec.surface.get(surface.name, {})
    if "starts" in block or "dimension" in block:
        return ("surface", surface.name)
    return ("param",) if dimension_given else ("starts",)


def _weights(surface: Surface, given: Axes) -> tuple[float, float]:
    """The weights of all variants of a surface together, and of the largest; what cannot be one is refused later."""
    found: list[float] = []
    if surface.follows is not None:
        named = {name: given[name].values for name in surface.options if name in given}
        # more of them are too many programs
        for values in islice(product(*named.values()), MOST_PROGRAMS):
            with suppress(UsageError):
                found.append(surface.with_parameters(**dict(zip(named, values, strict=True))).dimension)
        return sum(found), max(found, default=0.0)
    for value in given["dimension"].values if "dimension" in given else (surface.dimension,):
        try:
            number = float(value)
        except ValueError:
            continue
        found += [number] if math.isfinite(number) and number > 0 else []
    return _product(given, surface.options) * sum(found), max(found, default=0.0)


def _settings(spec: SweepSpec, solver: Solver, given: Axes) -> int:
    if spec.tune is not None:
        return spec.tune.trials
    count = _product(given, [name for name in solver.known_settings if name not in (*solver.options, "learning_rate")])
    if "learning_rate" not in solver.hyperparameters:
        return count
    rates = len(spec.learning_rate) if isinstance(spec.learning_rate, Axis) else spec.rates.num
    own = given.get("learning_rate")
    if isinstance(own, Schedules):
        return count * own.count(rates)
    return count * (len(own) if own is not None else rates)


def _lengths(given: Axes, names: Collection[str]) -> dict[str, int]:
    """How many values those of the axes have that are among `names`."""
    return {name: len(given[name]) for name in names if name in given}


def _product(given: Axes, names: Collection[str]) -> int:
    """How many combinations the axes among `names` have."""
    return math.prod(_lengths(given, names).values())


# half the memory of a computer of 16 GiB; the same everywhere, so that a file that runs here runs there
LIMIT = 8 * 2**30

# a path stands in the memory as it comes from the engine, joined, and as a table
COPIES = 3


def require_memory(blocks: Sequence[RunGrid]) -> None:
    """Raise `UsageError` for the first block on a surface with data that would take more than `LIMIT` bytes.

    Nothing is computed; a surface or solver that cannot be traced is told of by its runs.
    """
    held: dict[Surface, int] = {}
    for block in blocks:
        surface = block.surface
        if not surface.data:
            continue
        paths = path_bytes(block)
        if paths > LIMIT:
            drawn = f"{whole(min(DRAWN, len(block.starts)))} paths" if len(block.starts) > 1 else "a path"
            raise UsageError(
                f"surface '{surface.name}': {drawn} of {whole(block.conditions.steps)} steps of "
                f"{whole(surface.dimension)} weights would take about {_size(paths)} of memory, and {_size(LIMIT)} is "
                "the most: give fewer steps, starts or weights"
            )
        if surface not in held:
            held[surface] = _of_loss(surface)
        # a solver may hold a Hessian, which is a pass over the examples for every weight, and some more passes
        if held[surface] * 4 * (surface.dimension + 4) * 8 <= LIMIT:
            continue
        step = step_bytes(block)
        if step > LIMIT:
            few = "fewer examples or weights"
            if step > 2 * 8 * held[surface]:
                few = f"another solver, for this one passes over all examples many times at once, or {few}"
            raise UsageError(
                f"surface '{surface.name}': a step of solver '{block.solver.name}' on {whole(len(surface.data[0]))} "
                f"examples with {whole(surface.dimension)} weights would take about {_size(step)} of memory, and "
                f"{_size(LIMIT)} is the most: give {few}"
            )


def path_bytes(block: RunGrid) -> int:
    """What the paths of the drawn runs of a block take, 0 where they may end before all of their steps are used."""
    surface = block.surface
    if surface.minimisers is not None or surface.goal is not None or block.conditions.patience:
        return 0
    return COPIES * 8 * min(DRAWN, len(block.starts)) * (block.conditions.steps + 1) * (block.surface.dimension + 2)


def step_bytes(block: RunGrid) -> int:
    """What the lanes of a block's program work on in a step; 0 where its solver cannot be traced."""
    signature = block.take(np.zeros(1, np.int64), measured=False).signature
    try:
        with jax.enable_x64(True):
            step = Step(signature)
            held = step.held(step.probe()[0])
    except Exception:
        return 0
    return lane_count(signature.dimension, signature.dtype, held) * held * np.dtype(signature.dtype).itemsize


def _of_loss(surface: Surface) -> int:
    """How many numbers the loss and its gradient work on at once; 0 where the surface cannot be traced."""

    def loss(x: jax.Array, data: Sequence[jax.Array]) -> jax.Array:
        return surface.function(x, *data, **surface.parameters, **surface.options)

    try:
        with jax.enable_x64(True):
            data = tuple(jax.ShapeDtypeStruct(array.shape, np.float64) for array in surface.data)
            return numbers_held(jax.value_and_grad(loss), jax.ShapeDtypeStruct((surface.dimension,), np.float64), data)
    except Exception:
        return 0


def _size(count: int) -> str:
    return f"{count / 2**30:.3g} GiB"
