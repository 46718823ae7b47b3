"""A sweep as `gdbench sweep` streams it, shard behind shard: what is wasted, how it grows, and against its peers."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from statistics import median

import numpy as np
from rich.console import Console
from rich.table import Table
from roof import SURFACES as ROOFED
from roof import missing, roof
from schemes import Outcome, Work, expert, streamed
from throughput import GDBENCH, ROOF, SCAN, agreement, momentum_program, valley

from gdbench import compilation
from gdbench.engine.threads import cores
from gdbench.surfaces import SURFACES

# runs of a shard, as the store has them
SHARD = 32_768
# learning rates and momenta: a grid around the best ones of a surface, and a wider one
NEAR, WIDE = "near the best settings", "over a wider grid"
TUNED = {
    ("ellipse", NEAR): ((0.005, 0.03), (0.6, 0.9)),
    ("ellipse", WIDE): ((0.0015, 0.015), (0.4, 0.8)),
    ("scaled", NEAR): ((0.01, 0.05), (0.6, 0.9)),
    ("multi-minima", NEAR): ((0.01, 0.03), (0.6, 0.9)),
}
SIDE = 32


def _scaled(x: np.ndarray) -> np.ndarray:
    (a, b), targets = SURFACES["scaled"].data
    return ((a[0] * x[0] + a[1] * x[1] - targets[0]) ** 2 + (b[0] * x[0] + b[1] * x[1] - targets[1]) ** 2) / 2


def _multi_minima(x: np.ndarray) -> np.ndarray:
    return SURFACES["multi-minima"].function(x)


LOSSES: dict[str, Callable] = {
    "ellipse": lambda x: 0.5 * (x[0] ** 2 + 100 * x[1] ** 2),
    "scaled": _scaled,
    "multi-minima": _multi_minima,
}


def tuned(surface: str, where: str, dtype: str, runs: int) -> Work:
    """A grid of settings x random starts: nearly every run ends early."""
    rates, momenta = TUNED[surface, where]
    grid = np.meshgrid(np.geomspace(*rates, SIDE), np.linspace(*momenta, SIDE))
    rate, momentum = (axis.reshape(-1)[np.arange(runs) % SIDE**2] for axis in grid)
    starts = np.random.default_rng(0).uniform(-2, 2, (-(-runs // SIDE**2), 2)).repeat(SIDE**2, axis=0)[:runs]
    program = momentum_program(surface, dtype, rate, momentum, starts)
    return Work(f"{surface}, {runs:,} runs {where}", program, LOSSES[surface])


def part(work: Work, runs: int) -> Work:
    """The first `runs` runs of `work`."""
    return replace(work, program=work.program.take(np.arange(runs)))


def compare(work: Work, rounds: int) -> tuple[list[str], list[str]]:
    """The cells of `COLUMNS`, and what is to be said of them: the schemes take turns, the first round compiles.

    Ratios are of wall time and of processor time: the second is the steadier one where others use the machine.
    """
    schemes: dict[str, Callable[[], Outcome]] = {
        GDBENCH: lambda: streamed(work, SHARD),
        "a tenth": lambda: streamed(part(work, len(work.program) // 10), SHARD),
        SCAN: expert(work, early_exit=False),
    }
    if not missing() and work.program.surface.name in ROOFED:
        schemes[ROOF] = roof(work)
    taken: dict[str, list[Outcome]] = {name: [] for name in schemes}
    processor: dict[str, list[float]] = {name: [] for name in schemes}
    for _ in range(1 + rounds):
        for name, scheme in schemes.items():
            before = time.process_time()
            taken[name].append(scheme())
            processor[name].append(time.process_time() - before)
    found = {name: outcomes[1:] for name, outcomes in taken.items()}
    wall = {name: [one.seconds for one in outcomes] for name, outcomes in found.items()}

    def ratio(name: str, inverse: bool = False) -> str:
        said = []
        for seconds in (wall, {name: each[1:] for name, each in processor.items()}):
            pairs = zip(seconds[name], seconds[GDBENCH], strict=True)
            said.append(median(ours / theirs if inverse else theirs / ours for theirs, ours in pairs))
        return "{:.3g}, {:.3g}".format(*said)

    ours = found[GDBENCH][0]
    useful = float(ours.steps.sum())
    seconds = median(wall[GDBENCH])
    cells = [
        work.program.conditions.dtype,
        f"{np.median(ours.steps):.0f}",
        f"{seconds:.3g}",
        f"{useful / seconds / 1e6:,.0f}",
        f"{ours.executed / useful:.3f}",
        ratio("a tenth", inverse=True),
        ratio(SCAN),
        ratio(ROOF) if ROOF in found else "",
    ]
    peers = {name: (outcomes, None) for name, outcomes in found.items() if name != "a tenth"}
    return cells, agreement(work, peers)


COLUMNS = (
    "type",
    "median steps",
    "seconds",
    "useful M/s",
    "executed/useful",
    "x a tenth's time",
    "scan's time / gdbench's",
    "C's time / gdbench's",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=327_680, metavar="N", help="runs of every sweep [327,680]")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="how often every scheme takes its turn [3]")
    chosen = parser.parse_args()
    compilation.known(compilation.FAST)
    console = Console(width=160)
    console.print(f"{cores()} threads, shards of {SHARD:,} runs, {chosen.rounds} rounds")
    side = int(chosen.runs**0.5)
    works = [lambda dtype=dtype: valley(side, dtype) for dtype in ("float32", "float64")]
    works += [
        lambda surface=surface, where=where, dtype=dtype: tuned(surface, where, dtype, chosen.runs)
        for surface, where in TUNED
        # in float32 no gradient in the shallow pit falls to the tolerance: such runs would use their whole budget
        for dtype in (("float64",) if surface == "multi-minima" else ("float32", "float64"))
    ]
    for make in works:
        work = make()
        cells, said = compare(work, chosen.rounds)
        table = Table("", work.name, title_justify="left")
        for name, cell in zip(COLUMNS, cells, strict=True):
            table.add_row(name, cell)
        console.print(table)
        console.print("\n".join(said) + "\n", highlight=False)
    if missing():
        console.print(missing())


if __name__ == "__main__":
    main()
