"""Keep the shards of a plan: in memory, or in a folder from which a stopped job goes on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pandas as pd

from gdbench.columns import NOTED
from gdbench.errors import GdbenchError, ResultError
from gdbench.results import derive
from gdbench.results.files import DiskFull, is_temporary, locked, unwritable, write_frame, write_json
from gdbench.results.folder import CSV_ROWS, Frames, write_contours
from gdbench.results.shards import FOLDER, REPLAYED, Manifest, StoredRuns, found_shards, write_shard
from gdbench.runner.preamble import write_preamble
from gdbench.spec.sweep import SweepSpec
from gdbench.spec.validation import dump_config

if TYPE_CHECKING:  # which imports JAX, and a stored result is read without
    from gdbench.runner.sharding import Shard

# A result folder holds files of these kinds besides its configuration and shards.
DERIVED = (".csv", ".json", ".npz", ".parquet", ".png")


class Store(Protocol):
    """The shards of a plan while it is computed, and its tables afterwards."""

    def opened(self, spec: SweepSpec, manifest: Manifest) -> AbstractContextManager[None]:
        """Hold the store for one job of `spec`; use everything else inside."""
        ...

    def missing(self, shards: Sequence[Shard]) -> tuple[list[Shard], list[Path]]:
        """Return those of `shards` that must be computed, and the damaged files among them."""
        ...

    def add(self, key: str, content: bytes) -> None:
        """Keep a computed shard."""
        ...

    def content(self, key: str) -> bytes:
        """Return a shard that is kept."""
        ...

    def runs(self, manifest: Manifest) -> StoredRuns:
        """Return the runs of all shards; a `GdbenchError` says that some were lost meanwhile."""
        ...

    def write(self, result: Frames) -> None:
        """Write everything about a finished result but its pictures."""
        ...


class MemoryStore:
    """Shards in memory: nothing stays."""

    def __init__(self) -> None:
        self._contents: dict[str, bytes] = {}

    def opened(self, spec: SweepSpec, manifest: Manifest) -> AbstractContextManager[None]:
        """Do nothing: nobody else sees this memory."""
        return nullcontext()

    def missing(self, shards: Sequence[Shard]) -> tuple[list[Shard], list[Path]]:
        """Return the shards that have not been added."""
        return [shard for shard in shards if shard.key not in self._contents], []

    def add(self, key: str, content: bytes) -> None:
        """Keep a computed shard."""
        self._contents[key] = content

    def content(self, key: str) -> bytes:
        """Return a shard that is kept."""
        return self._contents[key]

    def runs(self, manifest: Manifest) -> StoredRuns:
        """Return the runs of all shards."""
        return StoredRuns.of(manifest, self._contents)

    def write(self, result: Frames) -> None:
        """Do nothing: `Result.save` writes a result when it is asked to."""


class FolderStore:
    """Shards in a result folder, each stored as soon as it is computed; `force` replaces another result there."""

    def __init__(self, folder: Path, *, force: bool = False) -> None:
        self.folder, self.force = folder, force

    @contextmanager
    def opened(self, spec: SweepSpec, manifest: Manifest) -> Iterator[None]:
        """Hold the folder for this process, and see that it holds this very specification or nothing.

        Raises `ResultError` for a folder of something else, `DiskFull` where there is no room.
        """
        _require_ours(self.folder)
        with locked(self.folder):
            try:
                self._prepare(spec, manifest)
                yield
            except DiskFull as error:
                raise DiskFull(f"{error}; make room, and the same command goes on") from None
            except KeyboardInterrupt:
                self._write_what_is_there(spec, manifest)
                raise

    def _prepare(self, spec: SweepSpec, manifest: Manifest) -> None:
        """Make the folder, or clear what another specification left in it; shards that both need stay."""
        config = self.folder / "config.yaml"
        written = config.read_text(encoding="utf-8", errors="surrogateescape") if config.is_file() else ""
        another = bool(written) and written != dump_config(spec)
        if another and not self.force:
            raise ResultError(
                f"'{self.folder}' holds {_difference(written, spec)}: choose another --name, or --force to "
                "replace it (runs that both share are kept)"
            )
        for path in self.folder.iterdir():
            # Files derived from another specification would stand beside ours, and be taken for them.
            if is_temporary(path) or (another and path.is_file() and path.suffix in DERIVED):
                path.unlink()
        write_preamble(self.folder, spec)
        try:
            (self.folder / FOLDER).mkdir(exist_ok=True)
        except OSError as error:
            raise unwritable(self.folder / FOLDER, error) from None
        for path in filter(is_temporary, list((self.folder / FOLDER).iterdir())):
            path.unlink()
        before = None
        try:
            before = Manifest.read(self.folder)
        except ResultError:
            for name in REPLAYED:
                (self.folder / name).unlink(missing_ok=True)
        if before != manifest:
            manifest.write(self.folder, {})

    def missing(self, shards: Sequence[Shard]) -> tuple[list[Shard], list[Path]]:
        """Return the shards that are not there whole; damaged files are deleted."""
        whole, damaged = found_shards(self.folder, {shard.key for shard in shards})
        for path in damaged:
            path.unlink()
        return [shard for shard in shards if shard.key not in whole], damaged

    def add(self, key: str, content: bytes) -> None:
        """Store a computed shard, whole or not at all."""
        write_shard(self.folder, key, content)

    def content(self, key: str) -> bytes:
        """Return the bytes of a stored shard."""
        whole, _ = found_shards(self.folder, {key})
        return whole[key].read_bytes()

    def runs(self, manifest: Manifest) -> StoredRuns:
        """Return the runs of all shards, and delete shards of other specifications.

        Raises `GdbenchError` where shards were removed or damaged meanwhile.
        """
        whole = self._whole(manifest)
        lost = sum(entry.key not in whole for entry in manifest.shards)
        if lost:
            raise GdbenchError(
                f"{lost} of {len(manifest.shards)} shards in '{self.folder / FOLDER}' were removed or damaged while "
                "the job ran; the same command computes them again"
            )
        for path in (self.folder / FOLDER).glob("*.parquet"):
            if path not in whole.values():
                path.unlink()
        return StoredRuns.of(manifest, whole)

    def write(self, result: Frames) -> None:
        """Write all tables; timings stand apart, so that everything else repeats byte for byte."""
        assert result.manifest is not None
        assert result.spec is not None
        assert result.theory is not None
        whole = self._whole(result.manifest)
        write_frame(self.folder, "theory", result.theory)
        for name in ("table", "trajectory", "curves"):
            write_frame(self.folder, name, getattr(result, name))
        for name, frame in result.summaries.items():
            write_frame(self.folder, name, frame)
        write_contours(self.folder, result.contours)
        stored = StoredRuns.of(result.manifest, whole)
        derive.write_stored_runs(self.folder, stored, result.theory, without=derive.hidden_columns(result.spec))
        result.manifest.write(self.folder, whole)
        write_json(self.folder / "timings.json", {name: round(value, 4) for name, value in result.seconds.items()})

    def _whole(self, manifest: Manifest) -> dict[str, Path]:
        return found_shards(self.folder, {entry.key for entry in manifest.shards})[0]

    def _write_what_is_there(self, spec: SweepSpec, manifest: Manifest) -> None:
        """Write `runs.csv` of the runs that an interrupted job has finished, where they fit one."""
        stored = StoredRuns.of(manifest, self._whole(manifest))
        if 0 < stored.rows <= CSV_ROWS:
            nothing = pd.DataFrame(columns=["run", *NOTED])
            derive.write_stored_runs(self.folder, stored, nothing, without=derive.hidden_columns(spec))


def unfinished(folder: Path, spec: SweepSpec) -> bool:
    """Tell whether `folder` holds a job of exactly `spec` that was stopped before its end."""
    config = folder / "config.yaml"
    if not config.is_file() or (folder / "timings.json").is_file():
        return False
    return config.read_text(encoding="utf-8", errors="surrogateescape") == dump_config(spec)


def _difference(written: str, spec: SweepSpec) -> str:
    """Say how another configuration in the folder differs."""
    import yaml

    try:
        theirs = yaml.safe_load(written)
    except yaml.YAMLError:
        return "something else"
    ours = spec.model_dump(mode="json")
    if not isinstance(theirs, dict) or set(theirs) != set(ours):
        return "the result of another command"
    names = [name for name in ours if ours[name] != theirs[name]]
    return f"another result ({', '.join(names)} differ{'s' if len(names) == 1 else ''})"


def _require_ours(folder: Path) -> None:
    """Raise `ResultError` for a folder of something else, before a lock is left in it."""
    if folder.is_dir() and not (folder / "config.yaml").is_file():
        strange = [path for path in folder.iterdir() if path.name != ".lock" and not is_temporary(path)]
        if strange:
            raise ResultError(f"'{folder}' exists and is not a result folder; choose another --name")
