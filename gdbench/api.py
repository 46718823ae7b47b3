"""gdbench from Python: the same job as the command line, frames and figures back."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from inspect import Parameter, Signature, cleandoc, signature
from pathlib import Path
from typing import Any

from gdbench.planning.plan import Plan
from gdbench.planning.request import request
from gdbench.runner.benchmark import benchmark
from gdbench.runner.local_threads import compute_here
from gdbench.runner.progress import Listener, shown
from gdbench.runner.result import Result
from gdbench.runner.shard_store import FolderStore
from gdbench.solvers import Solver
from gdbench.spec.run import RunSpec
from gdbench.spec.sweep import SweepSpec
from gdbench.spec.yaml_file import Document, read_yaml
from gdbench.surfaces import Surface


def run(
    surfaces: str | Surface | Sequence[str | Surface] = (),
    solvers: str | Solver | Sequence[str | Solver] = (),
    *,
    out: str | Path | None = None,
    force: bool = False,
    plots: bool = True,
    threads: int | None = None,
    **options: Any,
) -> Result:
    """Tune and run `solvers` on `surfaces`, by name or as objects; write a result folder where `out` names one.

    With `out`, calling again goes on where it stopped; `force` replaces another result there. Raises `GdbenchError`
    where the request is wrong. The caller's JAX configuration is left alone.

    The other options are those of `gdbench run`:

    """
    values = {"surface": surfaces, "solver": solvers, **options}
    named = {key: _by_name(values, key, kind) for key, kind in (("surface", Surface), ("solver", Solver))}
    plan = request(RunSpec, values, surfaces=named["surface"], solvers=named["solver"])
    return _carry_out(plan, out, force=force, plots=plots, threads=threads, scheduler=None, progress=False)


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
    named = {key: _by_name(values, key, kind) for key, kind in (("surface", Surface), ("solver", Solver))}
    plan = request(SweepSpec, values, document, overrides, surfaces=named["surface"], solvers=named["solver"])
    return _carry_out(plan, out, force=force, plots=plots, threads=threads, scheduler=scheduler, progress=progress)


def _carry_out(
    plan: Plan,
    out: str | Path | None,
    *,
    force: bool,
    plots: bool,
    threads: int | None,
    scheduler: str | None,
    progress: bool,
) -> Result:
    compute = compute_here(threads)
    if scheduler is not None:
        from gdbench.runner.dask_cluster import compute_on_dask

        compute = compute_on_dask(scheduler)
    store = None if out is None else FolderStore(Path(out), force=force)
    with ExitStack() as stack:
        listener = Listener()
        if progress:
            listener = stack.enter_context(shown(plan.runs, lambda text: print(text, file=sys.stderr)))
        result = benchmark(plan, store, compute=compute, listener=listener)
    if out is not None and plots:
        from gdbench import plots as drawing

        drawing.draw(result, Path(out))
    return result


def _by_name(values: dict[str, Any], key: str, kind: type) -> list[Any]:
    """Return the objects that a specification's `values` hold at `key`, where their names stand from now on."""
    given = values.get(key)
    if isinstance(given, kind):
        given = [given]
    if not isinstance(given, list | tuple):
        return []
    values[key] = [item.name if isinstance(item, kind) else item for item in given]  # type: ignore[attr-defined]
    return [item for item in given if isinstance(item, kind)]


def _tell_options() -> None:
    """Give `run` the options of the specification: in its signature, and with their descriptions in its help."""
    own = list(signature(run).parameters.values())[:-1]
    fields = {name: field for name, field in RunSpec.model_fields.items() if name not in ("surface", "solver")}
    made = [
        Parameter(name, Parameter.KEYWORD_ONLY, default=field.get_default(call_default_factory=True), annotation=Any)
        for name, field in fields.items()
    ]
    run.__signature__ = Signature([*own, *made], return_annotation=Result)  # type: ignore[attr-defined]
    lines = [f"{name} : {field.description}" for name, field in fields.items()]
    run.__doc__ = "\n".join([cleandoc(str(run.__doc__)), "", *lines])


_tell_options()
