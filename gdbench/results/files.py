"""Write files whole or not at all, and hold a folder for one process."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from gdbench.errors import GdbenchError, ResultError

if TYPE_CHECKING:
    import pandas as pd

# Files that have not got their names yet end so, pictures too.
TEMPORARY = ".tmp"


class DiskFull(GdbenchError):
    """No room for a result: not the request is wrong, but the disk."""


def unwritable(path: Path, error: OSError) -> GdbenchError:
    """Return the sentence for what cannot be written: a `DiskFull` where there is no room, else a `ResultError`."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return (DiskFull if full else ResultError)(f"'{path}' cannot be written: {error.strerror or error}")


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold `folder` for this process alone; a second sweep into it is told so. A killed process lets go by itself."""
    try:
        import fcntl
    except ImportError:  # a system without it: two sweeps at once are then the user's care
        yield
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = open(folder / ".lock", "w")  # noqa: SIM115
    except OSError as error:
        raise unwritable(folder, error) from None
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ResultError(
                f"another sweep is running into '{folder}'; wait for it, or choose another --name"
            ) from None
        yield


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file under a temporary name, then rename it: a reader sees the old file or the new one, never half."""
    with writing(path) as file:
        file.write(content)


@contextmanager
def writing(path: Path) -> Iterator[BinaryIO]:
    """Open a file to write into, which gets its name once all is on the disk; a crash leaves what was there before.

    Raises what `unwritable` makes of an `OSError`: no space, no right.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}{TEMPORARY}")
    try:
        with open(temporary, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _flush_folder(path.parent)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise unwritable(path, error) from None
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def is_temporary(path: Path) -> bool:
    """Decide whether a file is one that a process was writing when it was killed."""
    return path.name.startswith(".") and path.name.endswith(TEMPORARY)


def _flush_folder(folder: Path) -> None:
    """Make a renaming in `folder` survive the loss of power, where the system knows how."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_frame(folder: Path, name: str, frame: pd.DataFrame) -> None:
    """Write `NAME.csv`; floats are written so that they read back exactly, an empty cell means "does not apply"."""
    write_bytes(folder / f"{name}.csv", frame.to_csv(index=False, lineterminator="\n").encode())


def write_json(path: Path, content: Any) -> None:
    """Write JSON for people: indented, with a final newline."""
    write_bytes(path, (json.dumps(content, indent=2, allow_nan=False) + "\n").encode())
