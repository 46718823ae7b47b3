"""The files of pictures: what they are called, and how they are written."""

from __future__ import annotations

import os
import re
from pathlib import Path

from matplotlib.figure import Figure

from gdbench.plots.style import DPI


def file_name(*parts: str) -> str:
    """Name a picture by words that may hold anything: `trajectory-my-surface.png`."""
    return words_in_name(*parts) + ".png"


def words_in_name(*parts: str) -> str:
    """Make words that may hold anything a part of a file name."""
    return "-".join(re.sub(r"[^\w.-]+", "-", part) for part in parts)


def save(figure: Figure, path: Path) -> Path:
    """Write a PNG: whole or not at all, and the same bytes for the same data."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        # Software would name matplotlib's version.
        figure.savefig(temporary, format="png", dpi=DPI, metadata={"Software": None}, pil_kwargs={"compress_level": 6})
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path
