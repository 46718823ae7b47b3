"""gdbench from Python: the same job as the command line, frames and figures back."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from gdbench import plugins
from gdbench.errors import SpecError
from gdbench.planning.plan import make_plan
from gdbench.results.folder import create_folder
from gdbench.runner.benchmark import benchmark
from gdbench.runner.result import Result
from gdbench.runner.sweeping import Progress, compute_here, sweep_into
from gdbench.solvers import SOLVERS, Solver
from gdbench.spec.run import make_spec
from gdbench.spec.sweep import SweepSpec, listed
from gdbench.spec.validation import validated
from gdbench.spec.yaml_file import Document, read_yaml
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

    `options` are the long options of `gdbench run` with `_` for `-`: `data`, `target`, `model`, `hidden`, `activation`,
    `task`, `weight_decay`, `preprocess`, `holdout`, `learning_rate`, `rates` (`{"low": .., "high": .., "num": ..}`),
    `set`, `param`, `start`, `starts`, `seed`, `steps`, `rtol`, `atol`, `gtol`, `dtype`, `noise`, `batch_size` and
    `plugin`. Raises `GdbenchError` where the request is wrong. The caller's JAX configuration is left alone.
    """
    for file in listed(options.get("plugin") or ()):
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


def sweep(
    spec: str | Path | Mapping[str, Any],
    *,
    out: str | Path | None = None,
    force: bool = False,
    plots: bool = True,
    threads: int | None = None,
    scheduler: str | None = None,
    progress: bool = False,
    **overrides: Any,
) -> Result:
    """Run every combination of a sweep: `spec` is a YAML file, or what one would hold as a mapping; in its lists
    objects may stand for surfaces and solvers.

    `overrides` replace keys of it. With `out` the result folder is kept, and calling again goes on where it stopped;
    without it everything is returned and nothing stays. `scheduler` is the address of a Dask scheduler. `progress`
    prints lines to stderr. Raises `GdbenchError` where the request is wrong. The caller's JAX configuration is left
    alone.
    """
    document = read_yaml(spec) if isinstance(spec, str | Path) else Document("the specification", dict(spec))
    values = {**document.values, **overrides}
    surfaces, solvers = _by_name(values, "surface", Surface), _by_name(values, "solver", Solver)
    chosen = validated(SweepSpec, values, document, overrides)
    for file in chosen.plugin:
        plugins.load_file(file)
    try:
        plan = make_plan(chosen, surfaces, solvers)
    except SpecError as error:
        raise document.error(error, error.path, overrides) from None
    compute: Any = compute_here(threads)
    if scheduler is not None:
        from gdbench.runner.dask_cluster import compute_on_dask

        compute = compute_on_dask(scheduler)
    with ExitStack() as stack:
        folder = Path(out) if out is not None else Path(stack.enter_context(TemporaryDirectory()))
        told = Progress()
        if progress:
            from gdbench.runner.progress import shown

            told = stack.enter_context(shown(plan.runs, lambda text: print(text, file=sys.stderr)))
        result = sweep_into(plan, folder, compute=compute, progress=told, force=force, starts=True)
        if out is not None and plots:
            from gdbench import plots as drawing

            drawing.draw(result, folder)
    return result


def _by_name(values: dict[str, Any], key: str, of: type) -> list[Any]:
    """The objects that a specification's `values` hold at `key`, where their names stand from now on."""
    given = values.get(key)
    if isinstance(given, of):
        given = [given]
    if not isinstance(given, list | tuple):
        return []
    values[key] = [item.name if isinstance(item, of) else item for item in given]  # type: ignore[attr-defined]
    return [item for item in given if isinstance(item, of)]
