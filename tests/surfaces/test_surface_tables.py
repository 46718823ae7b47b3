"""docs/surfaces.md lists the surfaces that there are, as they are."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest

from gdbench.surfaces import SURFACES
from gdbench.surfaces.facts import facts_of

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "surfaces.md").read_text()


def rows_of(name):
    """The rows of the table between the marks of `name`, by surface, as mappings of its columns."""
    [table] = re.findall(rf"<!-- table: {name} -->\n(.*?)<!-- /table -->", TEXT, re.S)
    head, _, *rows = ([cell.strip() for cell in line.strip("|").split(" | ")] for line in table.splitlines())
    return {row[0].strip("`"): dict(zip((title.strip() for title in head), row, strict=True)) for row in rows}


def test_both_tables_list_exactly_the_surfaces_of_the_package():
    # those that other tests or plug-ins have registered meanwhile are not gdbench's
    own = [name for name in SURFACES if SURFACES[name].function.__module__.startswith("gdbench.")]
    assert list(rows_of("catalogue")) == own
    assert [name for name in rows_of("costs") if " on " not in name] == own
    assert {name.split()[0] for name in rows_of("costs") if " on " in name} == {"linear", "logistic", "softmax", "mlp"}


def test_the_catalogue_tells_what_the_surfaces_are():
    costs = rows_of("costs")
    for name, row in rows_of("catalogue").items():
        surface = SURFACES[name]
        minima = len(surface.minimiser_points(surface.dimension, surface.parameters))
        assert row["weights"] == costs[name]["weights"] == str(surface.dimension)
        assert row["minima"] == str(minima or ""), name
        assert (row["f*"] != "") == bool(minima)
        assert row["what it is"] == surface.summary


def test_every_cost_is_a_number():
    for name, row in rows_of("costs").items():
        numbers = [float(cell.replace(" ", "")) for title, cell in row.items() if title != "surface"]
        assert all(math.isfinite(number) and number > 0 for number in numbers), name
    # against itself, by the clock
    assert float(rows_of("costs")["ellipse"]["× ellipse"]) == pytest.approx(1, abs=0.1)


@pytest.mark.slow
def test_the_catalogue_tells_the_lowest_losses():
    for name, row in rows_of("catalogue").items():
        if row["f*"]:
            # six digits are printed, and rounding about 0 is left out
            assert float(row["f*"]) == pytest.approx(facts_of(SURFACES[name]).f_star, rel=5e-6, abs=1e-12), name
