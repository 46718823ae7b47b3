"""What decides a run, as a hash: the key under which its shard is stored."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache, lru_cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from gdbench.planning.run_grid import RunGrid
from gdbench.plugins import files_of

# what a number depends on besides surface and solver: a change here makes every stored shard another one
ENGINE = (
    "block carry compiler distinct engine facts footprint frames lanes layout metrics oracle program ranks records "
    "scalars schedules shards step stochastic threshold solvers/base surfaces/base"
).split()

PACKAGES = ("gdbench", "jax", "jaxlib", "numpy")


def block_digest(block: RunGrid) -> str:
    """A hash of all that decides the numbers of a block's runs, but not of where they stand among other blocks."""
    surface, solver = block.surface, block.solver
    words = {
        "build": build(),
        "surface": [surface.name, sorted(surface.parameters.items()), sorted(surface.options.items())],
        "dimension": block.starts.shape[1],
        "conditions": asdict(block.conditions),
        "swept_conditions": sorted(block.swept_conditions.items()),
        "noise": [block.noise, block.noise_decay],
        "bounds": surface.bounds_of(block.starts.shape[1]),
        "schedules": sorted(block.schedules.items()),
        "solver": [solver.name, sorted(block.options.items()), sorted(block.fixed.items())],
        "package": [solver.package, version(solver.package)] if solver.package else [],
        "code": [
            code_digest(item)
            for item in (surface.function, surface.minimisers, surface.goal, solver.function, solver.init)
        ]
        + ([] if surface.metric is None else [surface.metric.name, code_digest(surface.metric.function)]),
        "names": [list(block.parameters), [list(axis) for axis in block.axes]],
        "tuning_starts": block.tuning_starts,
    }
    digest = hashlib.sha256(json.dumps(words, sort_keys=True, default=str).encode())
    arrays = [*block.parameters.values(), *(values for axis in block.axes for values in axis.values())]
    if surface.metric is not None:
        arrays += [array for part in surface.metric.parts.values() for array in part]
    for array in [*arrays, block.starts, block.seeds, *surface.data, *surface.held_out]:
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


@cache
def build() -> str:
    """A hash of the code and the packages that compute, which are the same wherever the numbers are."""
    root = Path(__file__).parent
    digest = hashlib.sha256(repr([(name, version(name)) for name in PACKAGES]).encode())
    for name in ENGINE:
        digest.update((root / f"{name}.py").read_bytes())
    return digest.hexdigest()


def code_digest(thing: Any) -> str:
    """A hash of a function by the file that it stands in, or by its code where there is none; of a value by itself."""
    if not callable(thing):
        points = None if thing is None else np.asarray(thing, dtype=float)
        return "" if points is None else hashlib.sha256(points.tobytes()).hexdigest()
    if isinstance(thing, partial):
        words = [code_digest(thing.func), *map(_word, thing.args), repr(_words(thing.keywords))]
        return hashlib.sha256("|".join(words).encode()).hexdigest()
    # a function under `jax.jit` has no file of its own, and its `repr` another address in every process
    thing = inspect.unwrap(thing)
    if not inspect.isroutine(thing):
        return hashlib.sha256(f"{code_digest(type(thing).__call__)}|{_words(vars(thing))}".encode()).hexdigest()
    try:
        file = inspect.getsourcefile(thing)
        if file is not None and Path(file).is_file():
            name = getattr(thing, "__qualname__", "")
            return hashlib.sha256(name.encode() + _sources(file, Path(file).stat().st_mtime_ns)).hexdigest()
    except TypeError:
        pass
    code = getattr(thing, "__code__", None)
    return hashlib.sha256(_code_bytes(code) if code is not None else repr(thing).encode()).hexdigest()


def _word(thing: Any) -> str:
    """A value in words; of a function its code, for its `repr` has an address."""
    return code_digest(thing) if callable(thing) else repr(thing)


def _words(named: Mapping[str, Any]) -> list[tuple[str, str]]:
    return sorted((name, _word(thing)) for name, thing in named.items())


@lru_cache(maxsize=256)
def _sources(file: str, _: int) -> bytes:
    """A hash of the file as it was last changed, and of the files beside it that a plug-in takes its helpers from."""
    return hashlib.sha256(b"".join(path.read_bytes() for path in files_of(file))).digest()


def _code_bytes(code: Any) -> bytes:
    """Of a function without a file (typed into a notebook): its instructions, names and constants."""
    constants = [_code_bytes(item) if hasattr(item, "co_code") else repr(item).encode() for item in code.co_consts]
    return b"|".join([code.co_code, repr(code.co_names).encode(), *constants])
