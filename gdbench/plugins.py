"""Surfaces and solvers from outside: a Python file, or an installed package with the entry point `gdbench.plugins`."""

from __future__ import annotations

import importlib.util
import sys
from importlib.metadata import entry_points
from pathlib import Path

from gdbench.errors import UsageError, describe, nearest

GROUP = "gdbench.plugins"
_loaded: set[Path] = set()


def load_file(path: str) -> None:
    """Execute a plug-in file once; its decorators register what it defines. One sentence where it cannot be."""
    file = Path(path).resolve()
    if file in _loaded:
        return
    if not file.is_file():
        found = [p.name for p in file.parent.glob("*.py")] if file.parent.is_dir() else []
        close = nearest(file.name, found)
        raise UsageError(f"there is no plug-in file '{path}'" + (f"; did you mean '{close}'?" if close else ""))
    spec = importlib.util.spec_from_file_location(f"gdbench_plugin_{file.stem}_{len(_loaded)}", file)
    if spec is None or spec.loader is None:
        raise UsageError(f"the plug-in '{path}' is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise UsageError(f"plug-in '{path}'{_where(error, file)}: {describe(error)}") from None
    _loaded.add(file)


def load_installed() -> list[str]:
    """Load every installed package's plug-ins; what fails is returned as sentences, for it must not stop the others."""
    problems = []
    for entry in entry_points(group=GROUP):
        try:
            entry.load()
        except Exception as error:
            problems.append(f"the installed plug-in '{entry.name}' is left out: {describe(error)}")
    return problems


def _where(error: Exception, file: Path) -> str:
    line = getattr(error, "lineno", None)
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(file):
            line = trace.tb_lineno
        trace = trace.tb_next
    return f", line {line}" if line else ""
