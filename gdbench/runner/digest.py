"""Hash all that decides a run: the key under which its shard is stored."""

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
from gdbench.plugins import files_of, imported_names

# Rows of runs come from these files and from what they import, whichever surface and solver they are of.
COMPUTES = ("engine/threads.py", "runner/frames.py", "results/shards.py")
# This file holds sentences alone: no number follows from it.
WORDS = "errors.py"
OURS = Path(__file__).resolve().parents[1]
PACKAGES = ("gdbench", "jax", "jaxlib", "numpy")


def block_digest(block: RunGrid) -> str:
    """Hash all that decides the numbers of a grid's runs, but not where they stand among other grids."""
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
    """Hash the code and the packages that compute; where the hash is the same, so are the numbers."""
    digest = hashlib.sha256(repr([(name, version(name)) for name in PACKAGES]).encode())
    for file in sorted(files_behind(*(OURS / name for name in COMPUTES))):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def files_behind(*files: Path) -> set[Path]:
    """Return `files` and the files of gdbench that they import, however deep.

    The `__init__.py` of a folder is left out: it registers what stands beside it, and would bring every surface along.
    """
    behind, waiting = set(files), list(files)
    while waiting:
        for name in imported_names(waiting.pop()):
            file = OURS.parent.joinpath(*name.split(".")).with_suffix(".py")
            if name.startswith("gdbench.") and file.is_file() and file not in behind and file != OURS / WORDS:
                behind.add(file)
                waiting.append(file)
    return behind


def code_digest(thing: Any) -> str:
    """Hash a function by its file and what that imports, or by its code where it has no file; a value by itself."""
    if not callable(thing):
        points = None if thing is None else np.asarray(thing, dtype=float)
        return "" if points is None else hashlib.sha256(points.tobytes()).hexdigest()
    if isinstance(thing, partial):
        words = [code_digest(thing.func), *map(_word, thing.args), repr(_words(thing.keywords))]
        return hashlib.sha256("|".join(words).encode()).hexdigest()
    # A function under `jax.jit` has no file of its own, and its `repr` another address in every process.
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
    """Write a value as a word; a function by its code, because its `repr` has an address."""
    return code_digest(thing) if callable(thing) else repr(thing)


def _words(named: Mapping[str, Any]) -> list[tuple[str, str]]:
    return sorted((name, _word(thing)) for name, thing in named.items())


@lru_cache(maxsize=256)
def _sources(file: str, _: int) -> bytes:
    """Hash a file as it was last changed, its helpers if it is a plug-in, and what these import of gdbench."""
    files = files_of(file)
    behind = sorted(files_behind(*files) - set(files))
    return hashlib.sha256(b"".join(path.read_bytes() for path in (*files, *behind))).digest()


def _code_bytes(code: Any) -> bytes:
    """Return instructions, names and constants of a function without a file (typed into a notebook)."""
    constants = [_code_bytes(item) if hasattr(item, "co_code") else repr(item).encode() for item in code.co_consts]
    return b"|".join([code.co_code, repr(code.co_names).encode(), *constants])
