"""Sweeps in processes of their own, with small shards, and what stands in their folders."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

# what a shard holds cannot be chosen on the command line, so that equal sweeps give equal files
SMALL = (
    "import sys; from gdbench.runner import sharding; sharding.ROWS = {rows}; from gdbench.cli.app import main; main()"
)
# what two sweeps of the same plan need not share
UNEQUAL = ("timings.json", ".lock")


def command(*arguments: str, rows: int = 32) -> list[str]:
    """A `gdbench` command line whose sweeps have shards of `rows` runs."""
    return [sys.executable, "-c", SMALL.format(rows=rows), *arguments]


def begin(*arguments: str, rows: int = 32, **options: Any) -> subprocess.Popen[str]:
    """Begin a command and go on."""
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, **options}
    return subprocess.Popen(command(*arguments, rows=rows), text=True, **pipes)


def finish(*arguments: str, rows: int = 32, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(command(*arguments, rows=rows), capture_output=True, text=True, check=False, **options)


def content(folder: Path) -> dict[str, bytes]:
    """Every file of a result that must repeat, by its path."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name not in UNEQUAL]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def assert_same_files(found: Path, wanted: dict[str, bytes]) -> None:
    """The folder holds these files with these bytes, and nothing else."""
    files = content(found)
    assert sorted(files) == sorted(wanted)
    assert [name for name in wanted if files[name] != wanted[name]] == []


def shards_in(folder: Path) -> list[Path]:
    """The shards that are there, damaged or not."""
    return sorted((folder / "shards").glob("*.parquet"))


def identities(paths: list[Path]) -> dict[str, tuple[int, int]]:
    """What tells a file from another of the same name: inode and time of its last change."""
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in paths}


def wait_until(met: Callable[[], bool], process: subprocess.Popen[str], seconds: float = 120) -> None:
    """Wait until `met`, or until the process has ended."""
    deadline = time.monotonic() + seconds
    while not met() and process.poll() is None:
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.002)
