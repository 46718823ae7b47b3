"""Load surfaces and solvers from outside: a Python file, or a package with the entry point `gdbench.plugins`."""

from __future__ import annotations

import ast
import importlib.util
import sys
from collections.abc import Iterable
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

from gdbench.errors import UsageError, nearest, one_line

GROUP = "gdbench.plugins"
# The files that each loaded plug-in imported from its own folder.
_loaded: dict[Path, list[Path]] = {}
_INSTALLED = ("site-packages", "dist-packages")
_OURS = Path(__file__).resolve().parent


def load_file(path: str) -> None:
    """Execute a plug-in file once; its decorators register what it defines. Raises `UsageError` where it cannot be."""
    file = Path(path).resolve()
    if file in _loaded:
        return
    if not file.is_file():
        neighbours = [p.name for p in file.parent.glob("*.py")] if file.parent.is_dir() else []
        close = nearest(file.name, neighbours)
        raise UsageError(f"there is no plug-in file '{path}'" + (f"; did you mean '{close}'?" if close else ""))
    spec = importlib.util.spec_from_file_location(f"gdbench_plugin_{file.stem}_{len(_loaded)}", file)
    if spec is None or spec.loader is None:
        raise UsageError(f"the plug-in '{path}' is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    before = set(sys.modules)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise UsageError(f"plug-in '{path}'{_where(error, file)}: {one_line(error)}") from None
    _loaded[file] = _helpers(set(sys.modules) - before, file.parent)


def files_of(thing: str | Path | ModuleType) -> list[Path]:
    """Return the files on which a plug-in's numbers depend: its own, then all that it imports from its folder.

    `thing` is a plug-in's file or module, or a helper of one; anything else has its own file alone.
    """
    file = Path(getattr(thing, "__file__", None) or str(thing)).resolve()
    roots = [plugin for plugin, helpers in _loaded.items() if file == plugin or file in _closure(plugin, helpers)]
    files = {other for root in roots for other in _closure(file, _loaded[root], root.parent)}
    return [file, *sorted(files - {file})]


def _closure(file: Path, helpers: Iterable[Path], folder: Path | None = None) -> set[Path]:
    """Return all that `file` imports from `folder`, at any depth, and the `helpers` that were seen to be loaded."""
    closure, todo = set(helpers), [file, *helpers]
    while todo:
        new = set(_helpers(imported_names(todo.pop()), folder or file.parent)) - closure
        closure |= new
        todo += new
    return closure


def imported_names(file: Path) -> set[str]:
    """Return the modules that a file's import statements may name, wherever they stand in it."""
    names: set[str] = set()
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return names
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    # Importing a.b runs a too.
    return names | {name[:index] for name in names for index, sign in enumerate(name) if sign == "."}


def _helpers(names: Iterable[str], folder: Path) -> list[Path]:
    """Return the files of loaded modules that lie under a plug-in's folder, and are neither installed nor ours."""
    loaded = (getattr(sys.modules.get(name), "__file__", None) for name in names)
    files = {Path(file).resolve() for file in loaded if file}
    return sorted(
        file
        for file in files
        if file.suffix == ".py"
        and file.is_relative_to(folder)
        and not file.is_relative_to(_OURS)
        and not set(_INSTALLED) & set(file.parts)
    )


def load_installed() -> list[str]:
    """Load every installed package's plug-ins; what fails is returned as sentences, for it must not stop the others."""
    problems = []
    for entry in entry_points(group=GROUP):
        try:
            entry.load()
        except Exception as error:
            problems.append(f"the installed plug-in '{entry.name}' is left out: {one_line(error)}")
    return problems


def _where(error: Exception, file: Path) -> str:
    line = getattr(error, "lineno", None)
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(file):
            line = trace.tb_lineno
        trace = trace.tb_next
    return f", line {line}" if line else ""
