"""Options that several commands have."""

from __future__ import annotations

from typing import Annotated

import typer

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON to stdout instead of a table.")]
PluginOption = Annotated[
    list[str] | None, typer.Option("--plugin", metavar="FILE", help="A Python file with surfaces or solvers (repeat).")
]
