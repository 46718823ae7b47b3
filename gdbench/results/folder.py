"""The result folder: written so that a crash loses nothing, read without computing anything."""

from __future__ import annotations

import io
import os
import platform
import shutil
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gdbench.errors import ResultError
from gdbench.results.files import unwritable, write_bytes

if TYPE_CHECKING:
    import pandas as pd

    from gdbench.results.shards import Manifest
    from gdbench.spec.sweep import SweepSpec

# a table of more rows opens nowhere as CSV; Parquet holds it
CSV_ROWS = 100_000

FRAMES = ("runs", "table", "trajectory", "curves")

# of every table the columns without which nothing can be drawn: words, and numbers
REQUIRED = {
    "runs": (("surface", "solver", "status"), ("run", "start", "steps", "steps_to_target", "loss_final")),
    "table": (("surface", "solver", "status"), ("steps_to_target", "rate_predicted")),
    "trajectory": ((), ("run", "step", "x0", "loss")),
    "curves": (("surface", "solver"), ("run", "start", "step", "loss", "gap")),
}


@dataclass
class Frames:
    """The tables of a result, and what its contour pictures need (see `landscape_of`), by surface.

    runs : a row for every planned run; table : a row per surface and solver, at the chosen settings; trajectory : every
    step of the drawn runs; curves : their loss at log-spaced steps; summaries : of a sweep, its statistics (see
    `statistics.summaries`) and `expected_best`; theory : the rates, notes and messages of runs that were looked at.
    spec, manifest : what was asked for, and in which shards the runs stand; None for a result without shards.
    """

    runs: pd.DataFrame
    table: pd.DataFrame
    trajectory: pd.DataFrame
    curves: pd.DataFrame
    contours: dict[str, dict[str, Any]] = field(default_factory=dict)
    summaries: dict[str, pd.DataFrame] = field(default_factory=dict)
    theory: pd.DataFrame | None = None
    spec: SweepSpec | None = None
    manifest: Manifest | None = None
    seconds: dict[str, float] = field(default_factory=dict)


def create_folder(folder: Path, *, force: bool = False) -> Path:
    """An empty folder for a result. An existing one is refused unless `force`, which replaces a result, never more."""
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            if not force:
                raise ResultError(f"'{folder}' already exists; choose another --name, or replace it with --force")
            if not (folder / "config.yaml").is_file():
                raise ResultError(f"'{folder}' is not a result folder, so --force does not replace it")
            shutil.rmtree(folder)
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise unwritable(folder, error) from None
    return folder


def free_name(parent: Path, name: str) -> str:
    """`name`, or `name-2`, `name-3`, .. where a folder of that name is there already."""
    if not (parent / name).exists():
        return name
    number = 2
    while (parent / f"{name}-{number}").exists():
        number += 1
    return f"{name}-{number}"


def write_contours(folder: Path, contours: Mapping[str, Mapping[str, Any]]) -> None:
    """Write `contours.npz`: a zip of .npy arrays named `SURFACE/KEY`, with a fixed date so that its bytes repeat."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for surface, parts in contours.items():
            for key, value in parts.items():
                array = io.BytesIO()
                np.lib.format.write_array(array, np.asarray(value), allow_pickle=False)
                entry = zipfile.ZipInfo(f"{surface}/{key}.npy", date_time=(1980, 1, 1, 0, 0, 0))
                entry.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(entry, array.getvalue(), compresslevel=1)
    write_bytes(folder / "contours.npz", buffer.getvalue())


def read_frames(folder: Path) -> Frames:
    """The frames of a result folder; a `ResultError` says what is missing or damaged."""
    import pandas as pd

    if not folder.is_dir():
        raise ResultError(f"there is no result folder '{folder}'")
    missing = [f"{name}.csv" for name in FRAMES if not (folder / f"{name}.csv").is_file()]
    if missing:
        raise ResultError(f"'{folder}' is not a complete result: it has no {' and no '.join(missing)}")
    frames = {}
    for name in FRAMES:
        try:
            frames[name] = pd.read_csv(folder / f"{name}.csv", keep_default_na=False, na_values=[""])
        except (ValueError, OSError) as error:
            raise ResultError(f"'{folder / name}.csv' cannot be read: {str(error).splitlines()[0]}") from None
        _require_columns(folder / f"{name}.csv", frames[name])
    for name in ("trajectory", "curves"):
        strange = set(frames[name]["run"]) - set(frames["runs"]["run"])
        if strange:
            raise ResultError(f"'{folder}' is damaged: {name}.csv has run {min(strange)}, which runs.csv lacks")
    return Frames(frames["runs"], frames["table"], frames["trajectory"], frames["curves"], read_contours(folder))


def _require_columns(path: Path, frame: pd.DataFrame) -> None:
    """Raise `ResultError` where a table lacks a column, or has a word where a number belongs."""
    import pandas as pd

    texts, numbers = REQUIRED[path.stem]
    missing = [column for column in (*texts, *numbers) if column not in frame.columns]
    if missing:
        raise ResultError(f"'{path}' is damaged: it has no column '{missing[0]}'")
    for column in numbers:
        wrong = frame[column].notna() & pd.to_numeric(frame[column], errors="coerce").isna()
        if wrong.any():
            row = int(wrong.to_numpy().argmax())
            raise ResultError(
                f"'{path}', line {row + 2}, column '{column}': {frame[column].iloc[row]!r} is not a number"
            )


def read_contours(folder: Path) -> dict[str, dict[str, Any]]:
    """What `write_contours` wrote; nothing where the file is absent."""
    path = folder / "contours.npz"
    contours: dict[str, dict[str, Any]] = {}
    if not path.is_file():
        return contours
    try:
        with np.load(path, allow_pickle=False) as archive:
            for entry in archive.files:
                surface, _, key = entry.rpartition("/")
                value = archive[entry]
                contours.setdefault(surface, {})[key] = value.item() if value.ndim == 0 else value
    except (ValueError, OSError, zipfile.BadZipFile) as error:
        raise ResultError(f"'{path}' cannot be read: {error}") from None
    for parts in contours.values():
        parts["labels"] = [str(label) for label in parts.get("labels", [])]
    return contours


def environment(more: Iterable[str] = ()) -> dict[str, Any]:
    """What the numbers may depend on besides the configuration: versions (also of `more`), processor, platform."""
    from importlib.metadata import version

    packages = ("gdbench", "jax", "jaxlib", "numpy", "pandas", "matplotlib", "scipy", *sorted(more))
    return {
        "python": platform.python_version(),
        "platform": platform.system(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "packages": {name: version(name) for name in packages},
    }
