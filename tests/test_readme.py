"""Every command and every example of the documents is run; every figure in the README comes from the gallery."""

import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers.readme_tables import ROOT, with_tables

from gdbench.cli.app import call
from gdbench.planning.plan import make_plan
from gdbench.spec.sweep import SweepSpec
from gdbench.spec.validation import validated
from gdbench.spec.yaml_file import parse_yaml

README = (ROOT / "README.md").read_text()
GUIDES = [
    # one by default: each runs half a dozen commands
    pytest.param(path, id=path.stem, marks=[] if path.stem == "add-a-surface" else [pytest.mark.slow])
    for path in sorted((ROOT / "docs").glob("add-*.md"))
]


def blocks(text, language):
    return re.findall(rf"```{language}\n(.*?)```", text, re.S)


def commands(text):
    lines = [line for block in blocks(text, "console") for line in block.splitlines()]
    return [shlex.split(line.removeprefix("$ ")) for line in lines if line.startswith("$ ")]


def write_tables():
    generator = np.random.default_rng(0)
    size, age = generator.uniform(40, 200, 120), generator.uniform(0, 80, 120)
    price = 2000 * size - 900 * age + generator.normal(0, 20_000, 120)
    pd.DataFrame({"size": size, "age": age, "price": price}).to_csv("houses.csv", index=False)
    left = np.where(generator.normal(age, 30) > 40, "yes", "no")
    pd.DataFrame({"size": size, "age": age, "left": left}).to_csv("churn.csv", index=False)


def test_the_readme_names_the_make_targets():
    made = {words[1] for words in commands(README) if words[0] == "make"}
    assert made == {"demo", "test"}
    targets = set(re.findall(r"^(\w[\w-]*):", (ROOT / "Makefile").read_text(), re.M))
    assert {"demo", "test", "bench", "gallery"} <= targets


@pytest.mark.slow
def test_every_command_of_the_readme(here, capsys):
    write_tables()
    shutil.copytree(ROOT / "configs", "configs")
    listed = [words[1:] for words in commands(README) if words[0] == "gdbench"]
    assert len(listed) >= 13
    for arguments in listed:
        assert call(arguments) == 0, arguments
    assert "centre" not in capsys.readouterr().err
    assert Path("multi-minima.png").exists()
    mine, again = Path("results/mine/runs.csv"), Path("results/again/runs.csv")
    assert mine.read_bytes() == again.read_bytes()


def test_the_python_example_of_the_readme(here):
    from gdbench import SOLVERS

    (example,) = blocks(README, "python")
    try:
        exec(compile(example, "README.md", "exec"), {})
    finally:
        SOLVERS.discard("half-step")
    assert Path("convergence.png").exists()


@pytest.mark.parametrize("guide", GUIDES)
def test_the_example_of_a_guide(here, guide):
    text = guide.read_text()
    for example in blocks(text, "python"):
        Path(example.splitlines()[0].removeprefix("# ")).write_text(example)
    listed = [words[1:] for words in commands(text)]
    assert listed
    for arguments in listed:
        assert call(arguments) == 0, arguments


@pytest.mark.slow
def test_every_command_of_the_guide_to_sweeps(here):
    shutil.copytree(ROOT / "configs", "configs")
    text = (ROOT / "docs" / "sweeps.md").read_text()
    listed = [words[1:] for words in commands(text) if words[0] == "gdbench" and "--executor" not in words]
    assert len(listed) >= 7
    for arguments in listed:
        assert call(arguments) == 0, arguments


def test_the_files_of_the_guide_to_sweeps_are_valid():
    found = blocks((ROOT / "docs" / "sweeps.md").read_text(), "yaml")
    assert len(found) >= 3
    for text in found:
        document = parse_yaml(text, "sweeps.md")
        both = {"surface": "rosenbrock", "solver": ["sgd", "momentum", "adam"]} | dict(document.values)
        assert make_plan(validated(SweepSpec, both, document)).runs > 0


def test_the_tables_of_the_readme_are_those_of_the_gallery():
    assert with_tables(README) == README


def test_links_of_the_documents_lead_somewhere():
    for document in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for link in re.findall(r"\]\(([^)#]+)\)", document.read_text()):
            if not link.startswith("http"):
                assert (document.parent / link).exists(), f"{document.name}: {link}"


@pytest.mark.slow
def test_the_gallery_is_what_its_configuration_gives(here):
    assert call(["run", "--config", str(ROOT / "configs" / "gallery.yaml"), "--name", "course", "--no-plots"]) == 0
    again, stored = (
        pd.read_csv(folder / "course" / "table.csv").set_index(["surface", "solver"])
        for folder in (Path("results"), ROOT / "results" / "gallery")
    )
    # rounding decides where a rate swings without end (an adaptive step beside a pit); quadratics are the same anywhere
    smooth = [(surface, solver) for surface in ("ellipse", "unscaled") for solver in ("sgd", "momentum", "nesterov")]
    for name in ("learning_rate", "steps_to_target", "status"):
        assert again.loc[smooth, name].tolist() == stored.loc[smooth, name].tolist()
    reached = again.index[again["status"] == "reached"]
    assert set(reached) == set(stored.index[stored["status"] == "reached"])
