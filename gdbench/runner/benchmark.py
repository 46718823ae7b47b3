"""The main job: plan, run, tune, look at what happened, write and draw it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from gdbench.columns import AT
from gdbench.engine.carry import DRAWN
from gdbench.engine.records import Records, Trajectory
from gdbench.engine.threads import cores, execute_all
from gdbench.errors import one_line
from gdbench.planning.plan import Plan
from gdbench.planning.run_grid import RunGrid
from gdbench.results.labels import label_runs
from gdbench.results.selection import chosen_runs
from gdbench.results.table import join_tables, table_of, table_with_theory
from gdbench.runner import frames as tables_of
from gdbench.runner.analysis import compare_with_theory, ground_of, paths_of
from gdbench.runner.frames import curves_frame
from gdbench.runner.result import Result
from gdbench.surfaces.decision_regions import regions_of


@dataclass
class _Finished:
    """What is known of a block once its program has ended."""

    runs: pd.DataFrame
    table: pd.DataFrame
    paths: dict[int, Trajectory]

    def drawn(self) -> list[tuple[Trajectory, bool]]:
        """The paths of the drawn runs, each with whether it reached the target."""
        reached = set(self.runs.loc[self.runs["status"] == "reached", "run"])
        return [(path, run in reached) for run, path in self.paths.items()]

    def first_end(self) -> list[tuple[int, np.ndarray]]:
        """The first drawn run and the weights that it ended with; empty where none is drawn."""
        return [(run, path.x[-1]) for run, path in list(self.paths.items())[:1]]


def benchmark(
    plan: Plan,
    *,
    threads: int | None = None,
    on_advance: Callable[[int], None] | None = None,
    on_partial: Callable[[pd.DataFrame], None] | None = None,
) -> Result:
    """Run `plan` to its end. A block that raises gives `error` rows; the others go on.

    `on_advance` hears how many runs have ended since it was last called; `on_partial` gets the rows of all finished
    blocks when the benchmark is interrupted, before the interruption goes on.
    """
    began = time.perf_counter()
    finished: dict[int, _Finished] = {}
    able = [index for index, block in enumerate(plan.blocks) if not block.failure]
    for index, block in enumerate(plan.blocks):
        if block.failure:
            finished[index] = _failed(block, block.failure)
    records: dict[int, Records] = {}
    pool = ThreadPoolExecutor(threads or cores())
    try:
        programs = [plan.blocks[index].program for index in able]
        looks = {}
        for position, outcome in execute_all(programs, threads=threads, on_advance=on_advance):
            index = able[position]
            if isinstance(outcome, Exception):
                block = plan.blocks[index]
                finished[index] = _failed(
                    block, f"solver '{block.solver.name}' on '{block.surface.name}': {one_line(outcome)}"
                )
            else:
                records[index] = outcome
                looks[index] = pool.submit(_finish, plan.blocks[index], outcome)
        ran = time.perf_counter()
        for index, look in looks.items():
            finished[index] = _result_or_bare(look, plan.blocks[index], records[index])
        contours = _contours(plan, finished, pool)
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        if on_partial is not None and (finished or records):
            left = [(plan.blocks[i], found) for i, found in records.items() if i not in finished]
            rest = [_runs(block, found) for block, found in left]
            on_partial(tables_of.join_runs([*(item.runs for item in finished.values()), *rest]))
        raise
    pool.shutdown()
    done = [finished[index] for index in range(len(plan.blocks))]
    # the steps at each target stand in the table, by the runs that it speaks of
    runs = tables_of.join_runs([item.runs for item in done])
    runs = runs[[name for name in runs.columns if not name.startswith(AT)]]
    paths = {run: path for item in done for run, path in item.paths.items()}
    blocks = {run: block for block, item in zip(plan.blocks, done, strict=True) for run in item.paths}
    looked = time.perf_counter()
    return Result(
        runs=runs,
        table=join_tables([item.table for item in done]),
        trajectory=tables_of.trajectory_frame(paths),
        curves=curves_frame(runs, paths, blocks),
        contours=contours,
        spec=plan.spec,
        seconds={"runs": ran - began, "analysis": looked - ran},
    )


def _runs(block: RunGrid, records: Records | None, message: str = "") -> pd.DataFrame:
    return label_runs(tables_of.runs_of_rows(block, np.arange(len(block)), records, message))


def _failed(block: RunGrid, message: str) -> _Finished:
    runs = _runs(block, None, message)
    return _Finished(runs, table_of(runs), {})


def _result_or_bare(look: Future[_Finished], block: RunGrid, records: Records) -> _Finished:
    """What `_finish` found; where it failed, the runs without paths and rates: they have been computed and stand."""
    try:
        return look.result()
    except Exception as error:
        runs = _runs(block, records, f"not analysed: {one_line(error)}")
        return _Finished(runs, table_of(runs), {})


def _finish(block: RunGrid, records: Records) -> _Finished:
    """Choose the learning rate, replay the chosen runs, and set theory beside them."""
    runs = _runs(block, records)
    table = table_of(runs)
    paths = paths_of(block, chosen_runs(runs, table)["run"].to_numpy()[:DRAWN])
    theory = compare_with_theory(block, runs, paths)
    for name in ("rate_predicted", "rate_observed"):
        runs[name] = theory[name]
    runs["message"] = runs["message"].where(theory["message"] == "", theory["message"])
    return _Finished(runs, table_with_theory(table, chosen_runs(runs, table).join(theory["rate_note"])), paths)


def _contours(plan: Plan, finished: Mapping[int, _Finished], pool: ThreadPoolExecutor) -> dict[str, dict[str, Any]]:
    """The landscape of every surface of which something is known."""
    of_surface: dict[str, list[int]] = {}
    for index, block in enumerate(plan.blocks):
        of_surface.setdefault(block.surface.name, []).append(index)

    def look(indices: Sequence[int]) -> dict[str, Any]:
        block = plan.blocks[indices[0]]
        assert block.facts is not None
        paths = [path for index in indices for path in finished[index].drawn()]
        ground = ground_of(block.surface, block.facts, paths, plan.spec.seed)
        return {**ground, **regions_of(block.surface, dict(end for i in indices for end in finished[i].first_end()))}

    known = {name: indices for name, indices in of_surface.items() if plan.blocks[indices[0]].facts is not None}
    return dict(zip(known, pool.map(look, known.values()), strict=True))
