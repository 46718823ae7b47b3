"""The README's tables, made from the gallery: `python tests/readme_tables.py` writes them in again."""

import re
from pathlib import Path

import pandas as pd

from gdbench.tables import number

ROOT = Path(__file__).resolve().parent.parent
MARK = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- /table -->)", re.S)


def markdown(table: pd.DataFrame) -> str:
    lines = ["| surface | condition number | solver | learning rate | steps to target | rate seen | rate predicted |"]
    lines.append("| --- | ---: | --- | ---: | ---: | ---: | ---: |")
    previous = None
    for row in table.itertuples():
        new = row.surface != previous
        previous = row.surface
        steps = number(row.steps_to_target) if row.steps_to_target < float("inf") else "never"
        cells = [row.surface if new else "", number(row.condition_number) if new else "", row.solver]
        cells += [number(row.learning_rate), steps, number(row.rate_observed, 6), number(row.rate_predicted, 6)]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def with_tables(text: str) -> str:
    def fill(found: re.Match) -> str:
        table = pd.read_csv(ROOT / "results" / "gallery" / found[2] / "table.csv")
        return found[1] + markdown(table) + found[3]

    return MARK.sub(fill, text)


if __name__ == "__main__":
    readme = ROOT / "README.md"
    readme.write_text(with_tables(readme.read_text()))
