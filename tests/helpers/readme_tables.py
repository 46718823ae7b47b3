"""The README's tables, made from the gallery: `python tests/helpers/readme_tables.py` writes them in again."""

import re
from pathlib import Path

import pandas as pd

from gdbench.formatting import number
from gdbench.results.findings import change, finding

ROOT = Path(__file__).resolve().parents[2]
# every system of the course: the result that shows it, and of a system that mends another one which, and how
SYSTEMS = {
    "an ellipse, ten times as curved along one axis": ("course-tuned", "ellipse condition=10"),
    "elongated: a hundred times": ("course-tuned", "ellipse condition=100", "ellipse condition=10", "elongation"),
    "inputs that are not scaled": ("course-tuned", "unscaled"),
    ".. and scaled": ("course-tuned", "scaled", "unscaled", "scaling"),
    "inputs that are not centred": ("course-tuned", "uncentered"),
    ".. and centred": ("course-tuned", "centered", "uncentered", "centring"),
    "online: two contradictory examples, one a step": ("course-tuned", "contradictory batch_size=1"),
    ".. and batch: both a step": (
        "course-tuned",
        "contradictory batch_size=2",
        "contradictory batch_size=1",
        "a batch of both",
    ),
    "two pits in a bowl": ("course-tuned", "multi-minima"),
    "a tilted double well": ("course-tuned", "double-well"),
    "four equal minima": ("course-tuned", "himmelblau"),
    "a bowl with an egg box on it": ("course-tuned", "rastrigin"),
    "a bent valley": ("course-tuned", "rosenbrock"),
    "two valleys, one without an end": ("course-tuned", "beale"),
    "a plateau about a hollow": ("course-tuned", "plateau"),
    "a long valley": ("ruder", "long-valley"),
    "a saddle": ("ruder", "saddle"),
    "a saddle with three ways down": ("course-tuned", "monkey-saddle"),
    "exclusive or, by backpropagation": ("course-tuned", "backprop"),
    "wine: a real table, raw": ("course-tuned", "wine-raw"),
    ".. centred": ("course-tuned", "wine-center", "wine-raw", "centring"),
    ".. scaled": ("course-tuned", "wine-scale", "wine-raw", "scaling"),
    ".. both": ("course-tuned", "wine-standardize", "wine-raw", "both"),
    ".. whitened": ("course-tuned", "wine-whiten", "wine-raw", "whitening"),
    "noisy moons, 15 examples a step": ("moons", "moons-raw"),
}
MARK = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- /table -->)", re.S)


def markdown(table: pd.DataFrame) -> str:
    lines = ["| surface | condition number | solver | learning rate | steps to target | rate seen | rate predicted |"]
    lines.append("| --- | ---: | --- | ---: | ---: | ---: | ---: |")
    previous = None
    for row in table.itertuples():
        new = row.problem != previous
        previous = row.problem
        steps = number(row.steps_to_target) if row.steps_to_target < float("inf") else "never"
        cells = [row.problem if new else "", number(row.condition_number) if new else "", row.solver]
        cells += [number(row.learning_rate), steps, number(row.rate_observed, 6), number(row.rate_predicted, 6)]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def findings() -> str:
    lines = ["| system | surface | condition number | what the runs show |", "| --- | --- | ---: | --- |"]
    for system, (result, surface, *mended) in SYSTEMS.items():
        by_surface = dict(list(table_of(result).groupby("problem", sort=False)))
        rows = by_surface[surface]
        shown = change(by_surface[mended[0]], rows, mended[1]) if mended else finding(rows)
        name = f"`{surface.partition(' ')[0]}`"
        lines.append(f"| {system} | {name} | {number(rows['condition_number'].iloc[0])} | {shown} |")
    return "\n".join(lines) + "\n"


def table_of(result: str) -> pd.DataFrame:
    return pd.read_csv(ROOT / "results" / "gallery" / result / "table.csv")


def with_tables(text: str) -> str:
    def fill(found: re.Match) -> str:
        return found[1] + (findings() if found[2] == "findings" else markdown(table_of(found[2]))) + found[3]

    return MARK.sub(fill, text)


if __name__ == "__main__":
    readme = ROOT / "README.md"
    readme.write_text(with_tables(readme.read_text()))
