"""Shards: stored files of finished runs, named for what they hold and for their own bytes.

`KEY-CHECKSUM.parquet`: the key is a hash of all that decides the numbers in it, the checksum one of the file. A shard
is written under a temporary name, flushed to the disk and renamed, so that a sweep killed at any moment leaves whole
shards only; one whose bytes do not fit its name is computed again.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from gdbench.columns import ordered
from gdbench.errors import ResultError
from gdbench.results.files import write_bytes, writing

FOLDER = "shards"
# texts of which a million rows have few different ones
WORDS = ("surface", "solver", "status", "fingerprint", "message")


def shard_bytes(frame: pd.DataFrame) -> bytes:
    """Write rows as Parquet. The number of a run stays out: it depends on what else is in the sweep."""
    table = pa.Table.from_pandas(frame.drop(columns="run"), preserve_index=False).replace_schema_metadata(None)
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def write_shard(folder: Path, key: str, content: bytes) -> Path:
    """Store a shard, whole or not at all."""
    path = folder / FOLDER / f"{key}-{checksum(content)}.parquet"
    write_bytes(path, content)
    return path


def checksum(content: bytes) -> str:
    """Return what a shard's name says of its bytes: 16 hex digits of their SHA-256."""
    return hashlib.sha256(content).hexdigest()[:16]


def found_shards(folder: Path, wanted: Collection[str]) -> tuple[dict[str, Path], list[Path]]:
    """Find the stored shards among the keys `wanted`, each read and checked, and the damaged ones.

    The bytes of a damaged shard do not fit its name.
    """
    whole: dict[str, Path] = {}
    damaged = []
    for path in sorted((folder / FOLDER).glob("*.parquet")):
        key, _, stated = path.stem.partition("-")
        if key not in wanted:
            continue
        if checksum(path.read_bytes()) == stated:
            whole[key] = path
        else:
            damaged.append(path)
    return whole, damaged


@dataclass(frozen=True)
class Entry:
    """A shard in the manifest: its key, the number of its first run, how many it has, and of how many weights.

    tuning_starts : how many starts chose the settings where others are held out, else 0.
    """

    key: str
    first_run: int
    rows: int
    dimension: int
    tuning_starts: int = 0


MEND = "the same command writes it again"
# tables that do not follow from the shards: replaying runs makes them, and `plot` and `table` read them
REPLAYED = ("theory.csv", "trajectory.csv", "curves.csv", "contours.npz")


@dataclass(frozen=True)
class Manifest:
    """The contents of a result folder: which runs stand in which shard, in the order of runs.

    kind : "run" or "sweep", the command that made it: a sweep has statistics.
    """

    shards: list[Entry]
    kind: str = "sweep"

    @property
    def runs(self) -> int:
        """The number of runs planned."""
        return sum(entry.rows for entry in self.shards)

    def of_runs(self, runs: np.ndarray) -> list[Entry]:
        """Return the shard in which each of `runs` stands."""
        firsts = [entry.first_run for entry in self.shards]
        return [self.shards[place] for place in np.searchsorted(firsts, runs, side="right") - 1]

    def write(self, folder: Path, files: Mapping[str, Path]) -> None:
        """Write `manifest.json`, each shard with its checksum where it is stored, and those of the replayed tables."""
        rows = [
            {
                **asdict(entry),
                "sha256": _sha256(files[entry.key]) if entry.key in files else None,
            }
            for entry in self.shards
        ]
        replayed = {name: _sha256(folder / name) for name in REPLAYED if files and (folder / name).is_file()}
        facts = {"format": 1, "kind": self.kind, "runs": self.runs, "replayed": replayed}
        head = json.dumps(facts)[1:-1]
        lines = ",\n".join(json.dumps(row) for row in rows)
        write_bytes(folder / "manifest.json", f'{{{head}, "shards": [\n{lines}\n]}}\n'.encode())

    @staticmethod
    def read(folder: Path) -> Manifest:
        """Read `manifest.json`; a `ResultError` says that it is damaged, or a replayed table that it vouches for."""
        path = folder / "manifest.json"
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            numbers = [name for name in Entry.__dataclass_fields__ if name != "key"]
            shards = [Entry(str(row["key"]), *(int(row[name]) for name in numbers)) for row in content["shards"]]
            kind = str(content.get("kind", "sweep"))  # folders of before runs had shards
            replayed = {str(name): str(digest) for name, digest in content["replayed"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not what gdbench writes"
            raise ResultError(f"'{path}' cannot be read: {reason}; {MEND}") from None
        for name, digest in replayed.items():
            if (folder / name).is_file() and _sha256(folder / name) != digest:
                raise ResultError(f"'{folder / name}' is damaged: it is not what was written; {MEND}")
        return Manifest(shards, kind)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@dataclass(frozen=True)
class StoredRuns:
    """The runs in shards, read a shard at a time: files of a folder, or their bytes in memory."""

    files: Sequence[tuple[int, Path | bytes]]  # first run and shard, in the order of runs

    @staticmethod
    def of(manifest: Manifest, whole: Mapping[str, Path] | Mapping[str, bytes]) -> StoredRuns:
        """Return the runs of a manifest whose shards are there."""
        return StoredRuns([(entry.first_run, whole[entry.key]) for entry in manifest.shards if entry.key in whole])

    @property
    def rows(self) -> int:
        """The number of runs stored."""
        return sum(pq.read_metadata(_source(shard)).num_rows for _, shard in self.files)

    def schema(self) -> pa.Schema:
        """Return the columns of all shards, in their order; one that has two types among surfaces becomes text."""
        types: dict[str, pa.DataType] = {"run": pa.int64()}
        for _, shard in self.files:
            for field in pq.read_schema(_source(shard)):
                known = types.setdefault(field.name, field.type)
                if known != field.type:
                    numeric = [pa.types.is_integer(kind) or pa.types.is_floating(kind) for kind in (known, field.type)]
                    types[field.name] = pa.float64() if all(numeric) else pa.string()
        return pa.schema([pa.field(name, types[name]) for name in ordered(types) if name in types])

    def tables(self, schema: pa.Schema) -> Iterator[pa.Table]:
        """Yield the runs of every shard with the columns of `schema`, empty where the shard has none."""
        for first, shard in self.files:
            with pq.ParquetFile(_source(shard)) as file:
                there = [name for name in schema.names if name in file.schema_arrow.names]
                table = file.read(columns=there)
            columns = []
            for field in schema:
                if field.name == "run":
                    columns.append(pa.array(np.arange(first, first + table.num_rows)))
                elif field.name in there:
                    columns.append(table.column(field.name).cast(field.type))
                else:
                    columns.append(pa.nulls(table.num_rows, field.type))
            yield pa.Table.from_arrays(columns, schema=schema)

    def read(self, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Read all runs as one frame; texts as categories, so that a million rows stay small."""
        schema = self.schema()
        if columns is not None:
            schema = pa.schema([field for field in schema if field.name in columns])
        parts = []
        for table in self.tables(schema):
            for i, field in enumerate(schema):
                if field.name in WORDS:
                    table = table.set_column(i, field.name, table.column(i).dictionary_encode())
            parts.append(table)
        if not parts:
            return pd.DataFrame(columns=schema.names)
        return to_frame(pa.concat_tables(parts).unify_dictionaries())


def _source(shard: Path | bytes) -> Path | pa.BufferReader:
    """Return what pyarrow reads a shard from."""
    return pa.BufferReader(shard) if isinstance(shard, bytes) else shard


def to_frame(table: pa.Table) -> pd.DataFrame:
    """Return a frame in which whole numbers stay whole beside empty cells."""
    frame: pd.DataFrame = table.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)
    return frame


def write_runs(path: Path, stored: StoredRuns, schema: pa.Schema, fill: Callable[[pa.Table], pa.Table]) -> None:
    """Write the columns of `schema` as `runs.parquet`, a shard at a time, each passed through `fill`."""
    with writing(path) as file, pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for table in stored.tables(schema):
            writer.write_table(fill(table))
