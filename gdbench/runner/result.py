"""The result of a finished plan: its frames, and how to draw, save and read it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from gdbench.errors import ResultError
from gdbench.results.derive import has_shards, read_frames_of_shards
from gdbench.results.folder import Frames, read_frames
from gdbench.runner.shard_store import FolderStore, Store

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# One sentence names this many different failures.
REASONS = 3


@dataclass
class Result(Frames):
    """The frames of a finished benchmark, its specification, and how to draw and save it.

    runs : a row for every planned run; table : a row per surface and solver, at the chosen settings; trajectory : every
    step of the drawn runs; curves : their loss at log-spaced steps; contours : by surface; summaries : a sweep's
    statistics.
    """

    store: Store | None = None

    def figures(self) -> dict[str, Figure]:
        """Draw the pictures; return them by file name."""
        from gdbench import plots

        return plots.figures(self)

    def save(self, folder: str | Path, *, plots: bool = True) -> Path:
        """Write the whole result folder, shards and statistics too, tables before pictures; return its path.

        A result that stands in the folder is replaced. Raises `ResultError` for a folder of something else.
        """
        path = Path(folder)
        if self.manifest is None or self.spec is None or self.store is None:
            raise ResultError("a result that was made without shards cannot be saved again")
        target = FolderStore(path, force=True)
        with target.opened(self.spec, self.manifest):
            for entry in self.manifest.shards:
                target.add(entry.key, self.store.content(entry.key))
            target.write(self)
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


def read_result(folder: str | Path, *, starts: bool = True) -> Result:
    """Read a result folder: the same object as `run` or `sweep` returned, of an unfinished job what its shards give.

    `starts` asks for the coordinates of the starts too, which take most of the memory of a large result. Nothing is
    computed. Raises `ResultError` where a file is missing or damaged.
    """
    path = Path(folder)
    frames = read_frames_of_shards(path, starts=starts) if has_shards(path) else read_frames(path)
    values = {item.name: getattr(frames, item.name) for item in fields(frames)}
    return Result(**values, store=FolderStore(path) if has_shards(path) else None)
