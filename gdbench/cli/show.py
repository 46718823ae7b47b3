"""The commands `list` and `show`: what surfaces and solvers there are, and what is known of one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gdbench.cli import console, options
from gdbench.cli.options import JsonOption, PluginOption
from gdbench.errors import GdbenchError, UsageError, one_line


def list_(
    what: Annotated[str, typer.Argument(metavar="surfaces|solvers", help="What to list; both without it.")] = "all",
    plugin: PluginOption = None,
    json: JsonOption = False,
) -> None:
    """List the surfaces and the solvers."""
    from gdbench.cli import sheets

    if what not in ("all", *sheets.KINDS):
        from gdbench.errors import unknown

        raise unknown("list", what, sheets.KINDS)
    console.load_plugins(plugin or [])
    chosen = list(sheets.KINDS) if what == "all" else [what]
    if json:
        console.print_json({kind: sheets.facts_of_kind(kind) for kind in chosen})
    else:
        for kind in chosen:
            console.show(sheets.listing(kind))


def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A surface or a solver.")],
    param: Annotated[
        list[str] | None, typer.Option("--param", metavar="KEY=VALUE", help="A surface parameter (repeat).")
    ] = None,
    png: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw the surface into a PNG file instead of the terminal.")
    ] = None,
    plugin: PluginOption = None,
    json: JsonOption = False,
) -> None:
    """Show what is known of a surface or a solver.

    A surface: formula, parameters, start, minimisers, condition number, source, contour. A solver: formula, defaults.
    """
    from gdbench.cli import sheets

    console.load_plugins(plugin or [])
    console.use_compilation_cache()
    thing = sheets.find(name)
    if isinstance(thing, sheets.Solver):
        if png is not None or param:
            raise UsageError(f"'{name}' is a solver; --png and --param are for surfaces")
        facts = sheets.solver_facts(thing)
        if json:
            console.print_json(facts)
        else:
            console.show(sheets.sheet(facts))
        return
    surface = thing.with_parameters(**(options.pairs(param, "--param") or {}))
    try:
        facts = sheets.surface_facts(surface)
    except GdbenchError:
        raise
    except Exception as error:
        raise GdbenchError(f"surface '{surface.name}' {one_line(error)}") from None
    if json:
        console.print_json(facts)
    else:
        console.show(sheets.sheet(facts))
        if png is None:
            from gdbench.cli.contour_text import contour_text

            console.show(contour_text(surface, min(64, console.width() - 1)))
    if png is not None:
        sheets.contour_png(surface, png)
        console.say(f"Written to {png}")
