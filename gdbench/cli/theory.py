"""The command `theory`: what closed forms promise of a solver on a surface, beside what runs show."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from gdbench.cli import console
from gdbench.cli.options import ForceOption, JsonOption, NoPlotsOption, OutOption, read_options
from gdbench.cli.request import plan_of_options
from gdbench.errors import UsageError

# The keys of a specification that are options of this command.
KEYS = ("surface", "solver", "set", "param", "steps", "plugin")


def theory(
    *,
    out: OutOption = Path("results"),
    name: Annotated[str | None, typer.Option(help="The result folder's name [theory-SURFACE-SOLVER].")] = None,
    force: ForceOption = False,
    no_plots: NoPlotsOption = False,
    json: JsonOption = False,
    **options: Any,
) -> None:
    """Predict the rate of a solver near a minimum, and run it there.

    Eigenvalues, the edge of stability, the best settings and their rate; theory.png has the rate over all settings.
    A hyperparameter that is given with --set is not chosen.
    """
    for option, key in (("surface (-f)", "surface"), ("solver (-s)", "solver")):
        count = len(options.get(key) or [])
        if count != 1:
            raise UsageError(f"theory takes one {option}, not {count or 'none'}")

    from gdbench.runner.theory_report import DEEP, refuse_rate, report_on
    from gdbench.spec.run import RunSpec

    refuse_rate(read_options(options, RunSpec))
    plan = plan_of_options(RunSpec, options, always=DEEP)
    report = report_on(plan)

    from gdbench.results.folder import create_folder, free_name

    usual = f"theory-{report.facts['surface']}-{report.facts['solver']}".replace("/", "_").replace(":", "-")
    chosen = console.plain_name(name) if name is not None else free_name(Path(out), usual)
    folder = create_folder(Path(out) / chosen, force=force)
    report.write(folder, plots=not no_plots)
    if json:
        console.print_json(_plain(report.facts))
    else:
        _print(report.facts)
    console.say(f"Written to {folder}")


def _plain(value: Any) -> Any:
    """Convert facts to what JSON holds: null for what is not a number or infinite."""
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    return None if value is None else console.plain(value)


def _print(facts: Mapping[str, Any]) -> None:
    from rich.table import Table

    layout = Table(box=None, show_header=False, pad_edge=False)
    layout.add_column(style="bold", no_wrap=True)
    layout.add_column()
    for title, text in _lines(facts):
        layout.add_row(title, text)
    console.show(layout)


def _lines(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Say the facts in words, a title and a text each."""
    from gdbench.formatting import number

    def settings(values: Mapping[str, Any]) -> str:
        return ", ".join(f"{name} {number(v, 6) if isinstance(v, float) else v}" for name, v in values.items())

    named = " ".join([facts["surface"], settings(facts["parameters"])])
    lines = [("surface", named.strip()), ("solver", " ".join([facts["solver"], settings(facts["settings"])]).strip())]
    kind = "a quadratic: theory is exact" if facts["quadratic"] else "not quadratic: theory holds close to the minimum"
    several = f"; of {facts['minima']} minima the first" if facts["minima"] > 1 else ""
    lines.append(("loss", f"{kind}{several}"))
    low, high = facts["smallest_eigenvalue"], facts["largest_eigenvalue"]
    ends = f"mu = {number(low, 6)} to L = {number(high, 6)}, condition number {number(facts['condition_number'], 6)}"
    lines.append(("eigenvalues", f"{ends}, dimension {facts['dimension']}"))
    edge = facts["edge"]
    if edge is not None:
        formula = f", {edge['formula']}" if edge["formula"] else ""
        lines.append(("edge", f"stable below learning rate {number(edge['learning_rate'], 6)}{formula}"))
    how = "" if facts["closed_form"] else ", of the settings on a grid"
    if facts["best"]:
        lines.append(("best", f"{settings(facts['best'])}{how}"))
    decade = f"{number(facts['steps_per_decade'])} steps make the gap ten times smaller"
    lines.append(("rate", f"{number(facts['rate_predicted'], 6)} of the distance is left after a step; {decade}"))
    if facts["complex"]:
        begins = [number(facts["complex"][f"{end}_eigenvalue"]["from"]) for end in ("largest", "smallest")]
        text = f"the mode of L from learning rate {begins[0]} on, that of mu from {begins[1]} on"
        lines.append(("swings", f"at this momentum (complex roots): {text}"))
    run = facts["run"]
    seen = run["rate_observed"]
    said = "no rate" if seen != seen else number(seen, 6)
    why = f" ({run['rate_note']})" if run["rate_note"] else ""
    end = "" if run["status"] == "reached" else f", which ended as: {run['status']}"
    lines.append(("observed", f"{said}{why}, in a run of {number(run['steps'])} steps at these settings{end}"))
    return lines
