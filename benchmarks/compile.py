"""Time to the first result of every solver with nothing compiled, and of the same call again in the same process."""

from __future__ import annotations

import argparse
import time
from statistics import median

import jax
from rich.console import Console
from rich.table import Table

from gdbench import compilation
from gdbench.engine.compiled_loop import forget_machines
from gdbench.engine.program import Program
from gdbench.engine.stream import execute
from gdbench.planning.plan import make_plan
from gdbench.solvers import SOLVERS
from gdbench.spec.run import RunSpec
from gdbench.spec.validation import validated

SURFACE_NAMES = ("ellipse", "unscaled")


def timed(program: Program) -> float:
    """Seconds until the records of `program` are there."""
    began = time.perf_counter()
    execute(program)
    return time.perf_counter() - began


def peer() -> float:
    """Seconds to trace and compile the smallest program there is: what a compilation costs at the least."""
    began = time.perf_counter()
    jax.jit(lambda x: x + 1)(0.0)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="how often each is compiled [3]")
    rounds = parser.parse_args().rounds
    jax.config.update("jax_enable_compilation_cache", False)
    compilation.known(compilation.FAST)
    table = Table("surface", "solver", "first call, s", "second call, s", "first / smallest jit")
    for surface in SURFACE_NAMES:
        # the grid that `gdbench run` tunes over, each run cut short: compiling is what is timed
        plan = make_plan(validated(RunSpec, {"surface": [surface], "solver": sorted(SOLVERS), "steps": 64}))
        for block in plan.blocks:
            first, second, least = [], [], []
            for _ in range(rounds):
                forget_machines()
                jax.clear_caches()
                least.append(peer())
                first.append(timed(block.program))
                second.append(timed(block.program))
            ratio = median(ours / theirs for ours, theirs in zip(first, least, strict=True))
            cells = (f"{median(first):.2f}", f"{median(second):.4f}", f"{ratio:.0f}")
            table.add_row(surface, block.solver.name, *cells)
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
