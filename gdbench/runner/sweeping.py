"""A sweep: shards of runs computed, stored and resumed; then tables and pictures derived from what is stored."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gdbench.columns import NOTED
from gdbench.engine.records import Advance, Trajectory
from gdbench.engine.threads import Task, execute_tasks
from gdbench.errors import GdbenchError, ResultError, one_line
from gdbench.planning.plan import Plan
from gdbench.planning.run_grid import RunGrid
from gdbench.results import derive
from gdbench.results.files import DiskFull, is_temporary, locked, unwritable, write_frame, write_json
from gdbench.results.folder import write_contours
from gdbench.results.selection import chosen_runs
from gdbench.results.shards import FOLDER, REPLAYED, Manifest, StoredRuns, found_shards, write_shard
from gdbench.results.table import table_with_theory
from gdbench.runner.analysis import compare_with_theory, ground_of, paths_of
from gdbench.runner.frames import curves_frame, trajectory_frame
from gdbench.runner.result import Result, write_preamble
from gdbench.runner.sharding import Compute, Shard, healthy_rows, manifest_of, runnable, shard_content, shards_of
from gdbench.spec.run import dump_config
from gdbench.spec.sweep import SweepSpec
from gdbench.surfaces.decision_regions import regions_of

# starts of which the path is kept, for every problem and solver
DRAWN_STARTS = 3
# problems whose ground and paths are kept: more than anyone looks at, and each costs a second
DRAWN_PROBLEMS = 64
# problems whose decision regions are kept: as many as have a picture of their own
DRAWN_REGIONS = 20
# what a result folder holds besides its configuration and shards
DERIVED = (".csv", ".json", ".npz", ".parquet", ".png")
# numbers of one path in trajectory.csv
PATH_NUMBERS = 50_000


def compute_here(threads: int | None = None) -> Compute:
    """Computes on threads of this process."""

    def compute(
        blocks: Sequence[RunGrid], shards: Sequence[Shard], on_advance: Callable[[Advance], None] | None
    ) -> Generator[tuple[Shard, bytes], None, None]:
        hopeless, able = runnable(blocks, shards)
        yield from hopeless

        def task(shard: Shard) -> Task:
            block = blocks[shard.block]
            size = len(healthy_rows(block, shard))
            return Task(block.group, size, lambda: block.take(healthy_rows(block, shard)))

        for index, outcome in execute_tasks([task(shard) for shard in able], threads=threads, on_advance=on_advance):
            yield able[index], shard_content(blocks[able[index].block], able[index], outcome)

    return compute


@dataclass
class Progress:
    """What a sweep tells while it runs; every call may come from another thread."""

    on_begin: Callable[[Sequence[Shard], Sequence[Shard], Sequence[Path]], None] = lambda *_: None
    on_advance: Callable[[Advance], None] | None = None
    on_shard: Callable[[Shard], None] = lambda _: None
    on_finish: Callable[[], None] = lambda: None


@dataclass
class SweepFolder:
    """A sweep's plan and the folder that its shards stand in."""

    plan: Plan
    folder: Path
    shards: list[Shard] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.shards = shards_of(self.plan.blocks)

    @property
    def spec(self) -> SweepSpec:
        """The specification."""
        assert isinstance(self.plan.spec, SweepSpec)
        return self.plan.spec

    @property
    def manifest(self) -> Manifest:
        """Which runs stand in which shard."""
        return manifest_of(self.plan.blocks, self.shards)

    def stored(self) -> tuple[dict[str, Path], list[Path]]:
        """The shards of this plan that are there, by key, and the damaged ones."""
        return found_shards(self.folder, {shard.key for shard in self.shards})

    def prepare(self, *, force: bool = False) -> None:
        """Make the folder, or see that it holds this very sweep; call it under `locked`.

        Raises `ResultError` for a folder that holds something else; with `force` a result is replaced, but shards that
        the new sweep needs stay.
        """
        config = self.folder / "config.yaml"
        said = config.read_text(encoding="utf-8", errors="surrogateescape") if config.is_file() else ""
        another = bool(said) and said != dump_config(self.spec)
        if another and not force:
            raise ResultError(
                f"'{self.folder}' holds {_difference(said, self.spec)}: choose another --name, or --force to "
                "replace it (runs that both share are kept)"
            )
        for path in self.folder.iterdir():
            # what is derived from another sweep would stand beside our own, and be taken for it
            if is_temporary(path) or (another and path.is_file() and path.suffix in DERIVED):
                path.unlink()
        write_preamble(self.folder, self.spec)
        try:
            (self.folder / FOLDER).mkdir(exist_ok=True)
        except OSError as error:
            raise unwritable(self.folder / FOLDER, error) from None
        for path in filter(is_temporary, list((self.folder / FOLDER).iterdir())):
            path.unlink()
        try:
            known = Manifest.read(self.folder)
        except ResultError:
            known = None
            for name in REPLAYED:
                (self.folder / name).unlink(missing_ok=True)
        if known != self.manifest:
            self.manifest.write(self.folder, {})

    def run(self, compute: Compute, progress: Progress) -> None:
        """Compute the shards that are missing or damaged, each stored as soon as it is done."""
        whole, damaged = self.stored()
        for path in damaged:
            path.unlink()
        missing = [shard for shard in self.shards if shard.key not in whole]
        progress.on_begin(self.shards, missing, damaged)
        # closed at once where writing fails or the user interrupts: what computes ends before we do
        with closing(compute(self.plan.blocks, missing, progress.on_advance)) as computed:
            for shard, content in computed:
                write_shard(self.folder, shard.key, content)
                progress.on_shard(shard)

    def finish(self, *, starts: bool = False) -> Result:
        """Derive all tables from the stored shards, replay what is drawn, and write everything but the pictures."""
        began = time.perf_counter()
        whole, _ = self.stored()
        if lost := [shard for shard in self.shards if shard.key not in whole]:
            raise GdbenchError(
                f"{len(lost)} of {len(self.shards)} shards in '{self.folder / FOLDER}' were removed or damaged while "
                "the sweep ran; the same command computes them again"
            )
        manifest = self.manifest
        for path in (self.folder / FOLDER).glob("*.parquet"):
            if path not in whole.values():
                path.unlink()
        stored = StoredRuns.of(manifest, whole)
        runs = derive.labelled_runs(stored, starts=starts)
        table = derive.table_of_sweep(runs, self.spec, manifest)
        looked = self._look(runs, table)
        runs = derive.with_theory(runs, looked.theory)
        # the same as the table of these runs: no setting is chosen by a rate or message
        table = table_with_theory(table, derive.with_notes(chosen_runs(runs, table), looked.theory))
        found = derive.statistics_of(runs, table, self.spec, manifest)
        drawn = runs[runs["run"].isin(list(looked.paths))].set_index("run", drop=False)
        result = Result(
            runs=runs,
            table=table,
            trajectory=trajectory_frame(looked.paths, PATH_NUMBERS),
            curves=curves_frame(drawn, looked.paths, looked.blocks),
            contours=looked.contours,
            summaries=found,
            spec=self.spec,
            seconds={"analysis": time.perf_counter() - began},
        )
        write_frame(self.folder, "theory", looked.theory)
        for name in ("table", "trajectory", "curves"):
            write_frame(self.folder, name, getattr(result, name))
        for name, frame in found.items():
            write_frame(self.folder, name, frame)
        write_contours(self.folder, looked.contours)
        derive.write_stored_runs(self.folder, stored, looked.theory)
        manifest.write(self.folder, whole)
        return result

    def _look(self, runs: pd.DataFrame, table: pd.DataFrame) -> _Looked:
        """Replay the first chosen runs of every problem and solver, and set theory beside all chosen ones."""
        blocks = self.plan.blocks
        firsts = np.array([block.first_run for block in blocks])
        chosen = chosen_runs(runs, table)
        # a slice a problem and solver: of few columns, for there may be thousands
        chosen = chosen[["run", "problem", "solver", "status", "minimum"]]
        looked = _Looked()
        grounds: dict[str, tuple[RunGrid, int, list[tuple[Trajectory, bool]]]] = {}
        ends: dict[str, dict[int, np.ndarray]] = {}  # of the first run of each solver
        for (label, _), own in chosen.groupby(["problem", "solver"], sort=False, observed=True):
            index = int(np.searchsorted(firsts, int(own["run"].iloc[0]), side="right")) - 1
            block = blocks[index]
            own = own[own["run"].between(block.first_run, block.first_run + len(block) - 1)]
            problem = int(block.problem_index(own["run"].to_numpy(np.int64)[:1] - block.first_run)[0])
            known = block.problems[problem]
            if known.failure:
                continue
            is_drawn = str(label) in grounds or len(grounds) < DRAWN_PROBLEMS
            if is_drawn:
                grounds.setdefault(str(label), (block, problem, []))
            own = own[own["status"] != "error"]
            if not len(own):
                continue  # their rows say why
            try:
                paths = paths_of(block, own["run"].to_numpy(np.int64)[:DRAWN_STARTS]) if is_drawn else {}
                # both rates of the same runs, where there are paths: medians over others would not compare
                own = own.head(DRAWN_STARTS) if paths else own
                theory = compare_with_theory(block, own, paths)
            except Exception as error:  # the runs have been computed and stand
                paths = {}
                theory = pd.DataFrame({name: np.nan for name in NOTED}, index=own.index)
                theory = theory.assign(rate_note="", message=f"not analysed: {one_line(error)}")
            if is_drawn:
                reached = set(own.loc[own["status"] == "reached", "run"])
                grounds[str(label)][2].extend((path, run in reached) for run, path in paths.items())
            looked.paths |= paths
            looked.blocks |= dict.fromkeys(paths, block)
            if paths and block.surface.classifier and (str(label) in ends or len(ends) < DRAWN_REGIONS):
                first = next(iter(paths))
                ends.setdefault(str(label), {})[first] = paths[first].x[-1]
            looked.parts.append(theory.assign(run=own["run"].to_numpy(np.int64)))
        for label, (block, problem, drawn) in grounds.items():
            known = block.problems[problem]
            if known.facts is not None:
                ground = ground_of(known.surface, known.facts, drawn, self.spec.seed)
                looked.contours[label] = {**ground, **regions_of(known.surface, ends.get(label, {}))}
        return looked


@dataclass
class _Looked:
    """What was looked at after the runs: paths and blocks by run, theory in parts, grounds by problem."""

    paths: dict[int, Trajectory] = field(default_factory=dict)
    blocks: dict[int, RunGrid] = field(default_factory=dict)
    parts: list[pd.DataFrame] = field(default_factory=list)
    contours: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def theory(self) -> pd.DataFrame:
        """A row per chosen run: run, rate_observed, rate_predicted, rate_note, message."""
        names = ["run", *NOTED]
        if not self.parts:
            return pd.DataFrame(columns=names)
        return pd.concat(self.parts, ignore_index=True)[names].sort_values("run", ignore_index=True)


def _difference(said: str, spec: SweepSpec) -> str:
    """What another configuration in the folder is, in words."""
    import yaml

    try:
        theirs = yaml.safe_load(said)
    except yaml.YAMLError:
        return "something else"
    ours = spec.model_dump(mode="json")
    if not isinstance(theirs, dict) or set(theirs) != set(ours):
        return "the result of another command"
    names = [name for name in ours if ours[name] != theirs[name]]
    return f"another sweep ({', '.join(names)} differ{'s' if len(names) == 1 else ''})"


def _require_ours(folder: Path) -> None:
    """Raise `ResultError` for a folder of something else, before a lock is left in it."""
    if folder.is_dir() and not (folder / "config.yaml").is_file():
        strange = [path for path in folder.iterdir() if path.name != ".lock" and not is_temporary(path)]
        if strange:
            raise ResultError(f"'{folder}' exists and is not a result folder; choose another --name")


def sweep_into(
    plan: Plan, folder: Path, *, compute: Compute, progress: Progress, force: bool = False, starts: bool = False
) -> Result:
    """Run `plan` in `folder` from where it stopped, and derive its tables; the pictures are left to the caller."""
    _require_ours(folder)
    with locked(folder):
        began = time.perf_counter()
        work = SweepFolder(plan, folder)
        try:
            work.prepare(force=force)
            work.run(compute, progress)
            ran = time.perf_counter()
            progress.on_finish()
            result = work.finish(starts=starts)
            result.seconds = {"runs": ran - began, **result.seconds}
            write_json(folder / "timings.json", {name: round(value, 4) for name, value in result.seconds.items()})
        except DiskFull as error:
            raise DiskFull(f"{error}; make room, and the same command goes on") from None
    return result
