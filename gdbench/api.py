"""gdbench from Python: the same job as the command line, frames and figures back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gdbench import plugins
from gdbench.benchmark import Result, benchmark
from gdbench.config import make_spec
from gdbench.plan import make_plan
from gdbench.solvers import SOLVERS, Solver
from gdbench.store import create_folder
from gdbench.surfaces import SURFACES, Surface


def run(
    surfaces: str | Sequence[str | Surface] = (),
    solvers: str | Sequence[str | Solver] = (),
    *,
    out: str | Path | None = None,
    force: bool = False,
    plots: bool = True,
    threads: int | None = None,
    **options: Any,
) -> Result:
    """Tune and run `solvers` on `surfaces`, by name or as objects; write a result folder where `out` names one.

    `options` are the long options of `gdbench run` with `_` for `-`: `data`, `target`, `model`, `preprocess`,
    `learning_rate`, `rates` (`{"low": .., "high": .., "num": ..}`), `set`, `param`, `start`, `starts`, `seed`,
    `steps`, `rtol`, `atol`, `gtol`, `dtype`, `plugin`. Raises `GdbenchError` where the request is wrong. The caller's
    JAX configuration is left alone.
    """
    for file in options.get("plugin", ()):
        plugins.load_file(file)
    surfaces = [surfaces] if isinstance(surfaces, str) else surfaces
    solvers = [solvers] if isinstance(solvers, str) else solvers
    chosen_surfaces = [SURFACES[item] if isinstance(item, str) else item for item in surfaces]
    chosen_solvers = [SOLVERS[item] if isinstance(item, str) else item for item in solvers]
    names = {"surface": [item.name for item in chosen_surfaces], "solver": [item.name for item in chosen_solvers]}
    spec = make_spec({**names, **options})
    plan = make_plan(spec, chosen_surfaces, chosen_solvers)
    folder = None if out is None else create_folder(Path(out), force=force)
    result = benchmark(plan, threads=threads)
    if folder is not None:
        result.save(folder, plots=plots)
    return result
