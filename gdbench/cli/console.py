"""Printing, drawing, plug-ins and the cache of compiled programs, for all commands."""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path
from typing import Any

from gdbench.errors import GdbenchError, UsageError

WIDE = 200


def load_plugins(files: list[str]) -> None:
    """Load the plug-ins of installed packages and the named files."""
    from gdbench import plugins

    for problem in plugins.load_installed():
        say(problem)
    for file in files:
        plugins.load_file(file)


def use_compilation_cache() -> None:
    """Keep compiled programs in the user's cache folder; the process is ours, so its JAX configuration is too."""
    import jax

    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = Path(os.environ.get("GDBENCH_CACHE") or home / "gdbench") / "xla"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return  # A read-only home costs compile time, nothing else.
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def plain_name(name: str) -> str:
    """Return `name`, or raise `UsageError` unless it is a folder's plain name that leads nowhere else."""
    if Path(name).name != name or name in ("", ".", ".."):
        raise UsageError(f"--name must be a plain folder name, not '{name}'; --out says where it goes")
    return name


def draw(frames: Any, folder: Path, axes: tuple[str, str] | None = None) -> None:
    """Draw the pictures of a result whose tables are written already."""
    from gdbench import plots

    try:
        plots.draw(frames, folder, axes)
    except GdbenchError:
        raise
    except Exception as error:  # The tables are written by now, and a sentence serves better than a traceback.
        reason = error.strerror if isinstance(error, OSError) else None
        reason = reason or f"{type(error).__name__}: {error}"
        raise GdbenchError(f"the tables are in '{folder}', but drawing failed: {reason}") from error


def width() -> int:
    """Return the terminal's width; a file or a pipe has none to fit, and gets a wide one."""
    from rich.console import Console

    console = Console()
    return console.width if console.is_terminal or "COLUMNS" in os.environ else WIDE


def show(what: Any, *, wide: bool = False) -> None:
    """Print a rich table or a sentence to stdout; `wide` rather leaves the terminal's edge than cut a number."""
    from rich.console import Console

    # Names may hold brackets and colons, which rich would take for its own markup.
    console = Console(width=max(width(), WIDE) if wide else width(), markup=False, emoji=False)
    console.print(what, highlight=False, soft_wrap=isinstance(what, str))


def plain(value: Any) -> Any:
    """Convert a cell to what JSON holds: null for what does not apply, is not a number, or is infinite."""
    import pandas as pd

    if pd.isna(value):
        return None
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and math.isinf(value) else value


def print_json(what: Any) -> None:
    """Print JSON to stdout."""
    import json as encoder

    print(encoder.dumps(what, indent=2, ensure_ascii=False))


def say(text: str) -> None:
    """Print a message to stderr."""
    print(text, file=sys.stderr)
