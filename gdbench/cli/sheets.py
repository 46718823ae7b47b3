"""Describe surfaces and solvers for `gdbench list` and `gdbench show`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from gdbench.cli.tables import influence_table
from gdbench.errors import unknown
from gdbench.formatting import number
from gdbench.solvers import SOLVERS, Solver
from gdbench.solvers.conventions import against_optax, conventions_of, first_steps, settings_in_words, state_of
from gdbench.surfaces import SURFACES, Surface
from gdbench.surfaces.facts import facts_of, values
from gdbench.surfaces.influence import influence_of
from gdbench.surfaces.landscape import landscape_of

KINDS = ("surfaces", "solvers")


def find(name: str) -> Surface | Solver:
    """Find the surface or the solver of that name."""
    if name in SURFACES:
        return SURFACES[name]
    if name in SOLVERS or SOLVERS.makes(name):
        return SOLVERS[name]
    raise unknown("surface or solver", name, [*SURFACES, *SOLVERS])


def facts_of_kind(kind: str) -> list[dict[str, Any]]:
    """Return name, one line, settings and source of everything of a kind."""
    things = SURFACES.values() if kind == "surfaces" else SOLVERS.values()
    return [
        {"name": thing.name, "summary": thing.summary, **_settings(thing), "source": thing.source} for thing in things
    ]


def _settings(thing: Surface | Solver) -> dict[str, Any]:
    if isinstance(thing, Solver):
        return {"hyperparameters": {**thing.hyperparameters, **thing.options}}
    return {"dimension": thing.dimension, "parameters": {**thing.parameters, **thing.options}}


def listing(kind: str) -> Table:
    """Lay out all surfaces, or all solvers, as a table for the terminal."""
    table = Table(box=None, pad_edge=False, title=kind, title_justify="left", title_style="bold")
    table.add_column("name", style="bold", no_wrap=True)
    table.add_column("what it is")
    table.add_column("settings")
    for facts in facts_of_kind(kind):
        settings = facts.get("hyperparameters", facts.get("parameters", {}))
        table.add_row(facts["name"], facts["summary"], settings_in_words(settings))
    if kind == "solvers":
        table.caption = "and anything from optax as optax:NAME, such as optax:lamb or optax:contrib.prodigy"
        table.caption_justify = "left"
    return table


def solver_facts(solver: Solver) -> dict[str, Any]:
    """Return all that is known of a solver."""
    return {
        "name": solver.name,
        "kind": "solver",
        "summary": solver.summary,
        "formula": solver.formula,
        "hyperparameters": {**solver.hyperparameters, **solver.options},
        "optional": sorted(solver.optional),
        "state": state_of(solver),
        "first_steps": first_steps(solver, 3) if solver.package else [],
        "source": solver.source,
        "note": solver.note,
        "optax": against_optax(solver),
        "conventions": conventions_of(solver),
    }


def surface_facts(surface: Surface) -> dict[str, Any]:
    """Return all that is known of a surface, with its facts computed at its parameters."""
    facts = facts_of(surface)
    low, high = surface.box_bounds(surface.dimension)
    is_known = np.isfinite(facts.condition_number)
    influence = influence_of(surface)
    return {
        "name": surface.name,
        "kind": "surface",
        "summary": surface.summary,
        "formula": surface.formula,
        "parameters": {**surface.parameters, **surface.options},
        "dimension": surface.dimension,
        "any_dimension": surface.any_dimension,
        "start": surface.start_point(surface.dimension).tolist(),
        "box": [low.tolist(), high.tolist()],
        "minimisers": [
            {"x": point.tolist(), "loss": float(loss)}
            for point, loss in zip(facts.minimisers, facts.minimum_losses, strict=True)
        ],
        "f_star": None if np.isnan(facts.f_star) else facts.f_star,
        "condition_number": facts.condition_number if is_known else None,
        "fingerprint": facts.fingerprint,
        "source": surface.source,
        "note": surface.note,
        **({"influence": influence} if influence else {}),
    }


def sheet(facts: Mapping[str, Any]) -> RenderableType:
    """Lay out `surface_facts` or `solver_facts` as a sheet for the terminal."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    for name, value in facts.items():
        if name in ("kind", "any_dimension", "conventions", "influence") or value in (None, "", [], {}):
            continue
        table.add_row(name.replace("_", " "), Text(_value(name, value)))
    if facts.get("influence"):
        return Group(table, "", influence_table(facts["influence"]))
    return Group(table, _differences(facts["conventions"])) if facts.get("conventions") else table


def _differences(conventions: list[dict[str, Any]]) -> Table:
    """Lay out the definitions of a solver side by side, for the terminal."""
    title = "chosen with --set convention=NAME; first step: at g = 1 and learning_rate = 1"
    table = Table(box=box.SIMPLE, pad_edge=False, show_lines=True, title=title, title_justify="left")
    table.add_column("convention", style="bold", no_wrap=True)
    table.add_column("what differs, and the formula", ratio=1)
    table.add_column("defaults", no_wrap=True)
    table.add_column("state", no_wrap=True)
    table.add_column("first step", justify="right", no_wrap=True)
    for row in conventions:
        step = "" if row["first_step"] is None else number(row["first_step"], 6)
        defaults = settings_in_words(row["hyperparameters"]).replace(", ", "\n")
        words = (f"{row['note']}\n{row['formula']}", defaults, "\n".join(row["state"]), step)
        table.add_row(row["convention"], *map(Text, words))
    return table


def _value(name: str, value: Any) -> str:
    if name == "minimisers":
        return "\n".join(f"{_point(item['x'])}  loss {item['loss']:.15g}" for item in value)
    if name == "box":
        return f"{_point(value[0])} to {_point(value[1])}"
    if isinstance(value, dict):
        return settings_in_words(value)
    if name == "optional":
        return f"{', '.join(value)} (absent unless set)"
    if name == "first_steps":
        return f"{', '.join(number(step, 6) for step in value)} (at g = 1 and learning_rate = 1)"
    if name == "optax":
        return "\n".join(value)
    if isinstance(value, list):
        return _point(value) if value and not isinstance(value[0], str) else ", ".join(value)
    return number(value, 8) if isinstance(value, float) else str(value)


def _point(numbers: list[float]) -> str:
    coordinates = [f"{value:.10g}" for value in numbers[:8]]
    return f"({', '.join(coordinates)}{', ..' if len(numbers) > 8 else ''})"


def _box_landscape(surface: Surface) -> dict[str, Any]:
    low, high = surface.box_bounds(surface.dimension)
    start = surface.start_point(surface.dimension)
    corners = np.stack([low, high, start])
    facts = facts_of(surface)
    if surface.dimension > 2:
        # Without a path there are no components: take the first two axes, and the other weights at the start.
        corners = np.concatenate([corners[:, :2], np.broadcast_to(corners[2, 2:], (3, surface.dimension - 2))], axis=1)
    loss_start = float(values(surface, start[None])[0])
    return landscape_of(surface, facts, [(corners, np.full(len(corners), loss_start))], loss_start)


def contour_png(surface: Surface, file: Path) -> None:
    """Draw the surface alone into a PNG file."""
    from gdbench import plots

    start = surface.start_point(surface.dimension)
    loss = float(values(surface, start[None])[0])
    plots.draw_surface(surface.name, surface.formula, _box_landscape(surface), start, loss, file)
