"""Wall time of whole processes, each against the imports that it cannot do without."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

DOOR = "import typer"
LIBRARIES = "import jax, pandas, matplotlib.pyplot"
RUN = ("run", "-f", "ellipse", "-s", "rmsprop")


def wall(command: list[str], environment: dict[str, str]) -> float:
    """Seconds of one process; its failure is ours."""
    began = time.perf_counter()
    subprocess.run(command, env=environment, check=True, capture_output=True)
    return time.perf_counter() - began


def pair(ours: list[str], peer: str, rounds: int, environment: dict[str, str]) -> tuple[list[float], list[float]]:
    """Seconds of `gdbench *ours` and of `python -c peer`, taking turns; the first of each is not timed."""
    tool = [sys.executable, "-m", "gdbench", *ours]
    taken: tuple[list[float], list[float]] = ([], [])
    for _ in range(1 + rounds):
        taken[0].append(wall(tool, environment))
        taken[1].append(wall([sys.executable, "-c", peer], environment))
    return taken[0][1:], taken[1][1:]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, metavar="N", help="timed processes of each kind [7]")
    rounds = parser.parse_args().rounds
    table = Table("process", "seconds", "peer", "seconds", "ratio")

    def add(name: str, ours: list[float], peer: str, theirs: list[float]) -> None:
        ratio = median(a / b for a, b in zip(ours, theirs, strict=True))
        table.add_row(name, f"{median(ours):.2f}", peer, f"{median(theirs):.2f}", f"{ratio:.2f}")

    with tempfile.TemporaryDirectory() as temporary:
        cache = Path(temporary) / "cache"
        environment = {**os.environ, "GDBENCH_CACHE": str(cache)}
        run = [*RUN, "--out", str(Path(temporary) / "results")]
        ours, theirs = pair(["--help"], DOOR, rounds, environment)
        add("gdbench --help", ours, DOOR, theirs)
        first, bare = [], []
        for turn in range(3):
            fresh = {**environment, "GDBENCH_CACHE": str(Path(temporary) / f"cold-{turn}")}
            first.append(wall([sys.executable, "-m", "gdbench", *run], fresh))
            bare.append(wall([sys.executable, "-c", LIBRARIES], environment))
        add("gdbench run, nothing cached", first, LIBRARIES, bare)
        wall([sys.executable, "-m", "gdbench", *run], environment)
        stored = programs(cache)
        ours, theirs = pair(run, LIBRARIES, rounds, environment)
        add("gdbench run, programs cached", ours, LIBRARIES, theirs)
        compiled = programs(cache) - stored
    Console(width=120).print(table)
    print(f"XLA programs compiled by a first run: {len(stored)}; by the {rounds + 1} after it: {len(compiled)}")
    if compiled:
        sys.exit("a repeated run compiled programs again")


def programs(cache: Path) -> set[str]:
    """The compiled programs in a cache folder; JAX stores every one, so a new file is a compilation."""
    return {path.name for path in cache.rglob("*") if path.is_file() and not path.name.endswith("-atime")}


if __name__ == "__main__":
    main()
