"""The main job: plan, run, tune, look at what happened, write and draw it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from gdbench import frames as tables_of
from gdbench.config import RunSpec, dump_config
from gdbench.engine import Records, Trajectory, trace
from gdbench.errors import describe
from gdbench.executors import cores, execute_all
from gdbench.landscape import landscape_of
from gdbench.lanes import DRAWN
from gdbench.plan import Block, Plan
from gdbench.store import Frames, environment, write_bytes, write_contours, write_frame, write_json
from gdbench.theory import rate_observed, rates_predicted
from gdbench.tuning import choose

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass
class Result(Frames):
    """The frames of a finished benchmark, its specification, and how to draw and save it.

    runs : a row for every planned run; table : a row per surface and solver, at the chosen learning rate;
    trajectory : every step of the drawn runs; curves : their loss at log-spaced steps; contours : by surface.
    """

    spec: RunSpec = field(kw_only=True)
    seconds: dict[str, float] = field(default_factory=dict)

    def figures(self) -> dict[str, Figure]:
        """The pictures by file name."""
        from gdbench import plots

        return plots.figures(self)

    def save(self, folder: str | Path, *, plots: bool = True) -> Path:
        """Write the result folder (see `store`), tables before pictures; return its path."""
        path = Path(folder)
        path.mkdir(parents=True, exist_ok=True)
        write_tables(path, self)
        if plots:
            from gdbench import plots as drawing

            drawing.draw(self, path)
        return path

    @property
    def failure(self) -> str:
        """One sentence on what raised, "" where nothing did."""
        failed = self.table[self.table["status"] == "error"]
        if not len(failed):
            return ""
        reasons = "; ".join(dict.fromkeys(failed["message"]))
        return f"{len(failed)} of {len(self.table)} combinations of surface and solver failed: {reasons}"


@dataclass
class _Finished:
    """What is known of a block once its program has ended."""

    runs: pd.DataFrame
    row: dict[str, object]
    paths: dict[int, Trajectory]

    def arrived(self) -> list[Trajectory]:
        """The paths of the drawn runs that reached the target."""
        reached = set(self.runs.loc[self.runs["status"] == "reached", "run"])
        return [path for run, path in self.paths.items() if run in reached]


def write_preamble(folder: Path, spec: RunSpec) -> None:
    """What is known before the first step: the configuration and the environment."""
    write_bytes(folder / "config.yaml", dump_config(spec).encode("utf-8", "surrogateescape"))
    write_json(folder / "environment.json", environment())


def write_tables(folder: Path, result: Result) -> None:
    """Everything but the pictures; timings stand apart, so that all the rest repeats byte for byte."""
    write_preamble(folder, result.spec)
    for name in ("runs", "table", "trajectory", "curves"):
        write_frame(folder, name, getattr(result, name))
    write_contours(folder, result.contours)
    write_json(folder / "timings.json", {name: round(value, 4) for name, value in result.seconds.items()})


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
                    block, f"solver '{block.solver.name}' on '{block.surface.name}': {describe(outcome)}"
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
            rest = [tables_of.runs_of_block(plan.blocks[i], found) for i, found in records.items() if i not in finished]
            on_partial(tables_of.join_runs([*(item.runs for item in finished.values()), *rest]))
        raise
    pool.shutdown()
    done = [finished[index] for index in range(len(plan.blocks))]
    runs = tables_of.join_runs([item.runs for item in done])
    paths = {run: path for item in done for run, path in item.paths.items()}
    f_star = {
        run: block.facts.f_star if block.facts else np.nan
        for block, item in zip(plan.blocks, done, strict=True)
        for run in item.paths
    }
    looked = time.perf_counter()
    return Result(
        runs=runs,
        table=tables_of.table_frame([item.row for item in done]),
        trajectory=tables_of.trajectory_frame(paths),
        curves=tables_of.curves_frame(runs, paths, f_star),
        contours=contours,
        spec=plan.spec,
        seconds={"runs": ran - began, "analysis": looked - ran},
    )


def _failed(block: Block, message: str) -> _Finished:
    runs = tables_of.runs_of_block(block, None, message)
    hits = np.full((len(runs), len(tables_of.TARGET_COLUMNS)), np.inf)
    return _Finished(runs, tables_of.table_row(block, runs, hits, runs.iloc[:1], ""), {})


def _result_or_bare(look: Future[_Finished], block: Block, records: Records) -> _Finished:
    """What `_finish` found; where it failed, the runs without paths and rates: they have been computed and stand."""
    try:
        return look.result()
    except Exception as error:
        runs = tables_of.runs_of_block(block, records, f"not analysed: {describe(error)}")
        chosen, edge = choose(runs)
        return _Finished(runs, tables_of.table_row(block, runs, records.hits, chosen, edge), {})


def _finish(block: Block, records: Records) -> _Finished:
    """Choose the learning rate, replay the chosen runs, and set theory beside them."""
    runs = tables_of.runs_of_block(block, records)
    chosen, edge = choose(runs)
    rows = chosen["run"].to_numpy() - block.first_run
    drawn = rows[:DRAWN]
    traced = trace(block.program.take(drawn))
    paths = {int(block.first_run + row): path for row, path in zip(drawn, traced, strict=True)}
    _compare_with_theory(block, runs, paths)
    chosen = runs.iloc[rows]
    return _Finished(runs, tables_of.table_row(block, runs, records.hits, chosen, edge), paths)


def _compare_with_theory(block: Block, runs: pd.DataFrame, paths: Mapping[int, Trajectory]) -> None:
    """Fill `rate_predicted`, and for the drawn runs `rate_observed`, both at the minimum that a run arrived in.

    A run that arrived nowhere is compared with the first minimum.
    """
    facts = block.facts
    if facts is None or not len(facts.minimisers):
        return
    minimum = runs["minimum"].fillna(0).to_numpy(dtype=int)
    for number in np.unique(minimum):
        rows = np.flatnonzero(minimum == number)
        try:
            predicted = rates_predicted(block.program.take(rows), facts.minimisers[number], facts.hessians[number])
        except Exception as error:  # a plug-in whose step has no forward derivative: its runs stand all the same
            runs.loc[rows, "message"] = f"no predicted rate: {describe(error)}"
            continue
        runs.loc[rows, "rate_predicted"] = predicted
    precision = np.finfo(block.program.dtype)
    for run, path in paths.items():
        row = run - block.first_run
        floor = facts.minimum_losses[minimum[row]]
        # the loss is known to the rounding of its largest term only; below that the gap is noise
        resolution = 64 * precision.eps * abs(floor) + precision.tiny
        runs.loc[row, "rate_observed"] = rate_observed(path.loss - floor, resolution)


def _contours(plan: Plan, finished: Mapping[int, _Finished], pool: ThreadPoolExecutor) -> dict[str, dict[str, Any]]:
    """The landscape of every surface of which something is known."""
    of_surface: dict[str, list[int]] = {}
    for index, block in enumerate(plan.blocks):
        of_surface.setdefault(block.surface.name, []).append(index)

    def look(indices: Sequence[int]) -> dict[str, Any]:
        block = plan.blocks[indices[0]]
        paths = [path for index in indices for path in finished[index].paths.values()]
        # A path that diverges or swings without end leaves the frame rather than setting it: of a run that did not
        # arrive, start and end count.
        ends = [[0] if path.loss[-1] > path.loss[0] or not np.isfinite(path.loss[-1]) else [0, -1] for path in paths]
        shown = [(path.x[rows], path.loss[rows]) for path, rows in zip(paths, ends, strict=True)]
        shown += [(path.x, path.loss) for index in indices for path in finished[index].arrived()]
        start = max((path.loss[0] for path in paths), default=np.nan)
        assert block.facts is not None
        return landscape_of(block.surface, block.facts, shown, float(start))

    known = {name: indices for name, indices in of_surface.items() if plan.blocks[indices[0]].facts is not None}
    return dict(zip(known, pool.map(look, known.values()), strict=True))
