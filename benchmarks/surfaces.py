"""What a gradient step costs on every surface at its default, in time and memory; writes docs/surfaces.md's tables.

`python benchmarks/surfaces.py` measures and prints; with `--write` the document is filled in; `--catalogue` leaves what
was measured there as it is and renews the list of surfaces alone.
"""

from __future__ import annotations

import argparse
import math
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import jax
import numpy as np

from gdbench.blas import one_thread_from_the_start
from gdbench.engine.carry import FULL, SEGMENT
from gdbench.engine.compiled_loop import forget_machines, machine
from gdbench.engine.program import Conditions, Program
from gdbench.engine.stream import Stream
from gdbench.engine.threads import cores
from gdbench.planning.plan import make_plan
from gdbench.solvers import SOLVERS
from gdbench.spec.run import RunSpec
from gdbench.spec.validation import validated
from gdbench.surfaces import SURFACES, Surface
from gdbench.surfaces.facts import facts_of

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "surfaces.md"
PEER = "ellipse"
# the models of a table, each on a small one that scikit-learn has
MODELS = {
    "linear on iris": {"data": "sklearn:iris", "model": "linear"},
    "logistic on breast_cancer": {"data": "sklearn:breast_cancer", "model": "logistic"},
    "softmax on iris": {"data": "sklearn:iris", "model": "softmax"},
    "mlp on moons": {"data": "sklearn:moons", "model": "mlp"},
}
# a batch of segments takes about so long
SECONDS = 0.05
COSTS = ("surface", "weights", "ns a step", "× ellipse", "compiling, s", "lanes", "bytes a lane")
CATALOGUE = ("surface", "weights", "minima", "f*", "what it is")


@dataclass(frozen=True)
class Cost:
    """nanoseconds : of a step of one lane, all lanes at work; ratio : to the ellipse's; size : bytes a lane."""

    weights: int
    nanoseconds: float
    ratio: float
    compiling: float
    lanes: int
    size: int


def models() -> dict[str, Surface]:
    """The surfaces made of tables, by what they are called here."""
    made = {}
    for name, given in MODELS.items():
        spec = validated(RunSpec, {**given, "preprocess": ["standardize"], "solver": ["sgd"]})
        made[name] = make_plan(spec).surfaces[0]
    return made


def program_of(surface: Surface) -> Program:
    """As many runs of plain gradient descent as there are lanes, which never end and hardly move."""
    n = surface.dimension
    one = Program(
        surface=surface,
        solver=SOLVERS["sgd"],
        conditions=Conditions(steps=2**52, rtol=0.0, atol=0.0, gtol=0.0, dtype="float64"),
        hyperparameters={"learning_rate": np.array([1e-12])},
        parameters=dict(surface.parameters),
        solver_options={name: option for name, option in SOLVERS["sgd"].options.items()},
        surface_options=dict(surface.options),
        data=surface.data,
        starts=surface.start_point(n)[None],
        seeds=np.zeros(1),
        f_star=np.full(1, np.nan),
    )
    return one.take(np.zeros(machine(one.signature).lanes, np.int64))


class Running:
    """A program of a surface in its lanes, compiled."""

    def __init__(self, surface: Surface) -> None:
        forget_machines()
        jax.clear_caches()
        program = program_of(surface)
        self.stream = Stream(program)
        self.lanes = self.stream.machine.lanes
        given = (self.stream._queue(0), self.stream.arguments, FULL, np.int32(0), np.bool_(False))
        began = time.process_time()
        compiled = self.stream.machine.advance.lower(self.stream.lanes, self.stream.ended, *given).compile()
        self.compiling = time.process_time() - began
        carried = sum(np.asarray(leaf).nbytes for leaf in jax.tree.leaves(self.stream.lanes))
        self.size = (carried + compiled.memory_analysis().temp_size_in_bytes) // self.lanes
        self.stream.add(0, program)
        self.stream.advance(segments=1)
        self.segments = 1
        while (took := self.seconds()) < SECONDS:
            self.segments = math.ceil(self.segments * min(8, 1.2 * SECONDS / max(took, 1e-4)))

    def seconds(self) -> float:
        """Processor time of a batch of segments."""
        began = time.process_time()
        self.stream.advance(segments=self.segments)
        took = time.process_time() - began
        assert not self.stream.ended_runs, "a run has ended, and its lane stands still"
        return took

    def nanoseconds(self) -> float:
        """Of one step of one lane."""
        return 1e9 * self.seconds() / (self.segments * SEGMENT * self.lanes)


def measured(surfaces: dict[str, Surface], rounds: int, tell: Callable[[str], None]) -> dict[str, Cost]:
    """The costs of `surfaces`; each takes turns with the ellipse, so that what else runs falls on both."""
    peer = Running(SURFACES[PEER])
    found = {}
    for name, surface in surfaces.items():
        one = Running(surface)
        pairs = [(one.nanoseconds(), peer.nanoseconds()) for _ in range(rounds)]
        # the least is that of the quietest moment; a ratio's two times were taken in the same one
        own, ratio = min(pair[0] for pair in pairs), median(pair[0] / pair[1] for pair in pairs)
        found[name] = Cost(surface.dimension, own, ratio, one.compiling, one.lanes, one.size)
        tell(f"{name}: {own:.3g} ns, {ratio:.2f} x {PEER}, {one.compiling:.1f} s, {one.size} bytes a lane")
    return found


def _rows_of_costs(costs: dict[str, Cost]) -> Iterator[tuple[str, ...]]:
    for name, cost in costs.items():
        yield (
            f"`{name}`" if name in SURFACES else name,
            str(cost.weights),
            _short(cost.nanoseconds),
            _short(cost.ratio),
            f"{cost.compiling:.1f}",
            str(cost.lanes),
            f"{cost.size:,}".replace(",", " "),
        )


def _rows_of_catalogue() -> Iterator[tuple[str, ...]]:
    for name in SURFACES:
        surface = SURFACES[name]
        facts = facts_of(surface)
        known = len(facts.minimisers)
        f_star = _short(facts.f_star, 6) if known else ""
        yield f"`{name}`", str(surface.dimension), str(known or ""), f_star, surface.summary.replace("|", "\\|")


def _short(number: float, digits: int = 2) -> str:
    if number >= 100 and digits == 2:
        return f"{number:,.0f}".replace(",", " ")
    return f"{0.0 if abs(number) < 1e-12 else number:.{digits}g}"


def table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    """A table of Markdown, numbers to the right."""
    rule = ["---" if title in ("surface", "what it is") else "---:" for title in head]
    return "".join(f"| {' | '.join(row)} |\n" for row in (head, rule, *rows))


def filled(text: str, name: str, made: str) -> str:
    """`text` with the table between the marks of `name` replaced."""
    marks = re.compile(rf"(<!-- table: {name} -->\n).*?(<!-- /table -->)", re.S)
    assert len(marks.findall(text)) == 1, f"the document needs the marks of the table '{name}' once"
    return marks.sub(lambda found: found[1] + made + found[2], text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, metavar="N", help="how often each takes its turn [7]")
    parser.add_argument("--only", nargs="*", metavar="SURFACE", help="measure these, and write nothing")
    parser.add_argument("--write", action="store_true", help="fill in docs/surfaces.md")
    parser.add_argument("--catalogue", action="store_true", help="renew its list of surfaces alone")
    chosen = parser.parse_args()
    jax.config.update("jax_enable_compilation_cache", False)
    made = ""
    if not chosen.catalogue:
        surfaces = {**{name: SURFACES[name] for name in SURFACES}, **models()}
        # a goal would end the run of a surface that starts in it, or comes near
        surfaces = {name: replace(surface, goal=None) for name, surface in surfaces.items()}
        if chosen.only:
            surfaces = {name: surfaces[name] for name in chosen.only}
        with jax.enable_x64(True):
            costs = measured(surfaces, chosen.rounds, print)
        made = table(COSTS, _rows_of_costs(costs))
        print(f"\n{cores()} cores, {chosen.rounds} rounds\n\n{made}")
    if (chosen.write and not chosen.only) or chosen.catalogue:
        text = filled(DOCUMENT.read_text(), "catalogue", table(CATALOGUE, _rows_of_catalogue()))
        DOCUMENT.write_text(filled(text, "costs", made) if made else text)


if __name__ == "__main__":
    one_thread_from_the_start()
    main()
