"""The result of a finished plan: its frames, and how to draw and save it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from gdbench.results.files import write_bytes, write_frame, write_json
from gdbench.results.folder import Frames, environment, write_contours
from gdbench.results.labels import unlabelled
from gdbench.solvers import SOLVERS
from gdbench.spec.run import RunSpec, dump_config
from gdbench.spec.sweep import SweepSpec

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# of failures that one sentence names
REASONS = 3


@dataclass
class Result(Frames):
    """The frames of a finished benchmark, its specification, and how to draw and save it.

    runs : a row for every planned run; table : a row per surface and solver, at the chosen learning rate;
    trajectory : every step of the drawn runs; curves : their loss at log-spaced steps; contours : by surface.
    """

    spec: RunSpec | SweepSpec = field(kw_only=True)
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
        """One sentence on the runs of status `error`, chosen or not; "" where there is none."""
        failed = self.runs[self.runs["status"] == "error"]
        if not len(failed):
            return ""
        pairs = len(failed[["problem", "solver"]].drop_duplicates())
        different = list(dict.fromkeys(str(text) for text in failed["message"]))
        reasons = "; ".join(different[:REASONS])
        if len(different) > REASONS:
            reasons += f"; and {len(different) - REASONS} more, in the column 'message' of the runs"
        where = f"{pairs} of {len(self.table)} combinations of surface and solver"
        return f"{len(failed)} of {len(self.runs)} runs failed, in {where}: {reasons}"


def write_preamble(folder: Path, spec: RunSpec | SweepSpec) -> None:
    """What is known before the first step: the configuration and the environment."""
    write_bytes(folder / "config.yaml", dump_config(spec).encode("utf-8", "surrogateescape"))
    packages = {SOLVERS[name].package for name in spec.solver if name in SOLVERS}
    write_json(folder / "environment.json", environment(packages - {""}))


def write_tables(folder: Path, result: Result) -> None:
    """Everything but the pictures; timings stand apart, so that all the rest repeats byte for byte."""
    write_preamble(folder, result.spec)
    write_frame(folder, "runs", unlabelled(result.runs))
    for name in ("table", "trajectory", "curves"):
        write_frame(folder, name, getattr(result, name))
    write_contours(folder, result.contours)
    write_json(folder / "timings.json", {name: round(value, 4) for name, value in result.seconds.items()})
