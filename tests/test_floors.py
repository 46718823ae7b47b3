"""Imports go down only, and nothing heavy is imported at the door."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import gdbench

ROOT = Path(gdbench.__file__).parent
FLOORS = {
    0: "errors registry keywords config yaml_file axes schedule_kinds schedule_spec things sweep_spec",
    1: "oracle surfaces.base solvers.base optax_factories optax_rule csv_table data column_basis separation regression "
    "multinomial activations flags drift compiler threshold stochastic schedules closed_forms rate_fit blas "
    "footprint",
    2: "surfaces surfaces.* solvers solvers.* step scalars program facts settings assignment scheduling search "
    "size starts holdout models",
    3: "plan searches data_surfaces metrics block carry distinct ranks lanes layout engine theory landscape "
    "random_plane records conventions memory regions",
    4: "tuning chosen table_frame analysis rate_notes theory_grid executors store frames shards shard_plan plugins "
    "curves",
    5: "derived comparison findings paired verdicts statistics statistics.* tables plots plots.*",
    6: "cli cli_options cli_show cli_theory theory_report cli_sweep cli_animate reports display sweeping "
    "dask_executor api benchmark console describe influence __init__ __main__",
}
# of two files on one floor, the first imports the second: every such pair is named here, with its reason
NEIGHBOURS = {
    ("registry", "errors"): "an unknown name is an error for the user",
    ("keywords", "errors"): "a wrong number is an error for the user",
    ("config", "errors"): "a wrong key is an error for the user",
    ("data", "csv_table"): "data chooses columns of the table that csv_table reads",
    ("separation", "column_basis"): "what rounding leaves is said in one place",
    ("regression", "column_basis"): "minimisers are found in coordinates that cost no digits",
    ("regression", "separation"): "separable classes have no minimiser",
    ("multinomial", "column_basis"): "minimisers are found in coordinates that cost no digits",
    ("multinomial", "regression"): "a minimiser of several classes is told like any other",
    ("multinomial", "separation"): "separable classes have no minimiser",
    ("activations", "compiler"): "an activation is tried in a program that runs once",
    ("models", "surfaces.*"): "models of a table are made of the neurons and networks that are surfaces already",
    ("surfaces", "surfaces.*"): "importing the package registers its members",
    ("solvers", "solvers.*"): "importing the package registers its members",
    ("optax_rule", "optax_factories"): "the package is imported in one place, when it is first used",
    ("optax_rule", "oracle"): "a step is tried with an oracle that costs nothing",
    ("program", "step"): "a program knows the signature that it is compiled for",
    ("lanes", "ranks"): "who of the lanes comes next is counted in a file of its own",
    ("engine", "distinct"): "equal starts are evaluated once",
    ("lanes", "layout"): "the loop stores its lanes in a layout",
    ("lanes", "carry"): "what the loop carries stands in a file of its own",
    ("memory", "block"): "what a block would take is estimated before it runs",
    ("memory", "carry"): "how many lanes there are decides what they take",
    ("plan", "memory"): "a plan that does not fit is refused",
    ("engine", "carry"): "the engine hands the loop its queue and pace",
    ("lanes", "records"): "the loop keeps as many targets as a record has",
    ("engine", "lanes"): "the engine feeds the loop",
    ("config", "yaml_file"): "a specification is read from YAML",
    ("yaml_file", "errors"): "a broken file is an error for the user",
    ("axes", "errors"): "a wrong key is an error for the user",
    ("sweep_spec", "axes"): "every value of a sweep may be an axis",
    ("things", "axes"): "settings of a surface or solver are axes",
    ("schedule_kinds", "axes"): "every number of a schedule may be an axis",
    ("schedule_spec", "axes"): "a schedule is read as an axis is",
    ("schedule_spec", "schedule_kinds"): "reading a schedule makes one",
    ("schedule_spec", "errors"): "an unknown schedule is an error for the user",
    ("things", "schedule_kinds"): "a solver's settings may be schedules",
    ("things", "schedule_spec"): "a solver's settings may be schedules",
    ("sweep_spec", "schedule_spec"): "so may the learning rate of all",
    ("assignment", "settings"): "what a surface or solver is given is settings",
    ("scheduling", "settings"): "a schedule's numbers are settings of their own",
    ("sweep_spec", "things"): "a sweep names surfaces, solvers and starts",
    ("size", "starts"): "the number of starts belongs to a sweep's size",
    ("sweep_spec", "config"): "a sweep has the rates of a run",
    ("plan", "block"): "a plan is made of blocks",
    ("plan", "searches"): "what is tried of every solver stands in a file of its own",
    ("plan", "data_surfaces"): "a table is surfaces like any other",
    ("frames", "table_frame"): "runs name their targets as the table does",
    ("table_frame", "tuning"): "the table speaks of the settings that won",
    ("table_frame", "chosen"): "which columns are settings",
    ("random_plane", "landscape"): "every plane is framed and filled alike",
    ("curves", "chosen"): "what the columns of a metric are called is said in one place",
    ("analysis", "rate_notes"): "theory is compared with a word on why it differs",
    ("rate_notes", "table_frame"): "when rates differ is said in one place, for tables without JAX too",
    ("statistics", "statistics.*"): "the package offers what its files compute",
    ("statistics.*", "statistics.*"): "a summary is made of profiles, runtimes and resamples",
    ("comparison", "paired"): "a comparison is made of paired statistics",
    ("comparison", "statistics"): "columns are read as numbers in one place",
    ("comparison", "verdicts"): "a comparison ends in verdicts",
    ("verdicts", "paired"): "a verdict names the level of its test",
    ("verdicts", "tables"): "numbers look alike in every table",
    ("findings", "tables"): "numbers look alike in every sentence",
    ("findings", "statistics"): "columns are read in one way",
    ("plots.*", "verdicts"): "pictures show verdicts",
    ("engine", "records"): "the engine ends with records",
    ("plots.*", "statistics"): "pictures show statistics",
    ("plots", "plots.*"): "the package draws all pictures",
    ("plots.*", "plots.*"): "pictures share their style, grounds and tracks",
    ("shards", "store"): "shards are files of a result folder",
    ("shards", "table_frame"): "the order of columns",
    ("shard_plan", "shards"): "keys and contents of the files",
    ("shard_plan", "plugins"): "a plug-in is its helpers too",
    ("shard_plan", "frames"): "a shard holds rows of runs",
    ("derived", "statistics"): "statistics follow from stored runs",
    ("sweeping", "benchmark"): "a sweep ends with a result, as a run does",
    ("display", "sweeping"): "what is told while a sweep runs",
    ("api", "sweeping"): "the public function runs the sweep",
    ("api", "display"): "progress, where it is asked for",
    ("api", "dask_executor"): "where a scheduler is given",
    ("cli", "cli_sweep"): "the commands around sweeps stand in a file of their own",
    ("cli", "cli_theory"): "the command around theory stands in a file of its own",
    ("cli_theory", "console"): "the command line is read in one file and answered in another",
    ("cli_theory", "theory_report"): "the command writes the report",
    ("theory_report", "benchmark"): "a report is a result folder, with the preamble of one",
    ("cli_sweep", "cli_animate"): "the command around animations stands in a file of its own",
    ("cli_animate", "console"): "the command line is read in one file and answered in another",
    ("cli_animate", "reports"): "results are read in one place",
    ("cli_sweep", "console"): "the command line is read in one file and answered in another",
    ("cli_sweep", "reports"): "the command line is read in one file and answered in another",
    ("cli_sweep", "display"): "progress and plan",
    ("cli_sweep", "sweeping"): "the command runs the sweep",
    ("cli_sweep", "dask_executor"): "where a scheduler is given",
    ("reports", "benchmark"): "a report is of a result",
    ("reports", "console"): "all printing goes through the console",
    ("api", "benchmark"): "the public function runs the benchmark",
    ("console", "benchmark"): "the terminal's progress runs around the benchmark",
    ("cli", "console"): "the command line is read in one file and answered in another",
    ("cli", "cli_show"): "list and show stand in a file of their own",
    ("cli_show", "console"): "the command line is read in one file and answered in another",
    ("cli_show", "describe"): "what is known of a surface or solver",
    **{(name, "cli_options"): "an option is described once" for name in ("cli", "cli_show", "cli_sweep", "cli_theory")},
    ("describe", "influence"): "what a weight does is shown in a table of its own",
    ("cli", "__init__"): "the version",
    ("__init__", "api"): "the public names, imported when they are first used",
    ("__init__", "benchmark"): "the public names, imported when they are first used",
    ("__main__", "cli"): "python -m gdbench",
}
FILES = sorted(ROOT.rglob("*.py"))
NAMES = {".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for file in FILES}


def family(name):
    """`plots.style` is one of `plots.*`, unless it is named by itself."""
    named = {word for words in FLOORS.values() for word in words.split()}
    return name if name in named else f"{name.split('.')[0]}.*"


def floor(name):
    found = [number for number, words in FLOORS.items() if family(name) in words.split()]
    assert len(found) == 1, (
        f"gdbench/{name.replace('.', '/')}.py stands on no floor: give it one in tests/test_floors.py"
    )
    return found[0]


def module_of(file):
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports(file):
    """The modules that `file` imports anywhere, as (ours, others): ours without `gdbench.`"""
    ours, others = set(), set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file.name} imports relatively"
            inner = f"{node.module}.".removeprefix("gdbench.")
            modules = [alias.name for alias in node.names if (inner + alias.name) in NAMES]
            found = [f"{node.module}.{name}" for name in modules]
            found += [node.module] if len(modules) < len(node.names) else []
        else:
            continue
        for name in found:
            if name.split(".")[0] == "gdbench":
                ours.add(name.removeprefix("gdbench").removeprefix(".") or "__init__")
            else:
                others.add(name.split(".")[0])
    return ours, others


IMPORTS = {module_of(file): imports(file) for file in FILES}


def reached(name):
    """Every module of ours that importing `name` may load, with itself."""
    seen, todo = set(), [name]
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo += IMPORTS[name][0]
    return seen


def test_the_reader_of_imports_sees_them():
    assert {"config", "errors", "block", "solvers", "surfaces", "settings", "data_surfaces"} <= IMPORTS["plan"][0]
    assert {"itertools", "numpy", "dataclasses"} <= IMPORTS["plan"][1]
    assert "plots" in IMPORTS["benchmark"][0]  # inside a function
    assert IMPORTS["__main__"][0] == {"cli"}


@pytest.mark.parametrize("name", IMPORTS)
def test_imports_go_down(name):
    for other in IMPORTS[name][0]:
        assert floor(other) <= floor(name), f"{name} imports {other}, which stands above it"
        if floor(other) == floor(name):
            assert (family(name), family(other)) in NEIGHBOURS, f"{name} imports {other} beside it"


def test_every_neighbourhood_is_used():
    used = {(family(name), family(other)) for name, (ours, _) in IMPORTS.items() for other in ours}
    assert [pair for pair in NEIGHBOURS if pair not in used] == []


@pytest.mark.parametrize("kind", ["surfaces", "solvers"])
def test_surfaces_and_solvers_do_not_know_each_other(kind):
    members = [name for name in IMPORTS if name.startswith(f"{kind}.") and not name.endswith(".base")]
    assert members
    for name in members:
        allowed = {"oracle", "errors", f"{kind}.base"}
        # another library's rule is no rule of ours
        allowed |= {"optax_factories", "optax_rule"} if name == "solvers.from_optax" else set()
        assert IMPORTS[name][0] <= allowed, f"{name} imports {IMPORTS[name][0] - allowed}"


def test_plan_and_engine_do_not_know_each_other():
    assert not reached("plan") & {"engine", "lanes"}
    assert not reached("engine") & {"plan"}


def test_the_ground_floor_needs_little():
    for name in IMPORTS:
        if floor(name) == 0:
            assert IMPORTS[name][1] <= {*sys.stdlib_module_names, "pydantic", "pydantic_core", "yaml"}, name


@pytest.mark.parametrize("name", [name for name in IMPORTS if family(name) in FLOORS[5].split()])
def test_statistics_and_pictures_never_need_jax(name):
    # scipy inside functions only (see test_pictures_load_no_jax): its tests are better than our own
    allowed = {*sys.stdlib_module_names, "numpy", "pandas", "matplotlib", "rich", "scipy"}
    allowed |= {"pyarrow", "pydantic", "pydantic_core", "yaml"}  # what a stored result is read with
    allowed |= {"PIL"}  # with which matplotlib writes its pictures
    for other in reached(name):
        assert IMPORTS[other][1] <= allowed, f"{name} reaches {other}, which imports {IMPORTS[other][1] - allowed}"


HEAVY = ("numpy", "jax", "jaxlib", "pandas", "pyarrow", "matplotlib", "scipy", "sklearn", "optax", "distributed")


def loaded_by(statement):
    """Which of `HEAVY` a fresh process has loaded after `statement`."""
    code = f"import sys\n{statement}\nprint([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return ast.literal_eval(done.stderr.strip().splitlines()[-1])


@pytest.mark.parametrize(
    "words", [["--help"], ["run", "--help"], ["theory", "--help"], ["sweep", "--help"], ["--version"]]
)
def test_help_is_light(words):
    # `main` without its os._exit, so that the process can still be asked what it has loaded
    assert loaded_by(f"sys.argv = {['gdbench', *words]}\nfrom gdbench.cli.app import call\nassert call() == 0") == []


def test_import_is_light():
    assert loaded_by("import gdbench; dir(gdbench); gdbench.__version__") == []
    assert "jax" in loaded_by("import gdbench; gdbench.SURFACES")


def test_pictures_load_no_jax():
    found = loaded_by("import gdbench.plots, gdbench.results.statistics, gdbench.results.comparison")
    assert "matplotlib" in found
    assert not {"jax", "jaxlib", "scipy"} & set(found)
