"""What shards are named for, which of them another sweep keeps, and that the plan alone decides what is in them."""

import functools
import gc
import inspect
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from helpers.sweep_folders import begin, identities, shards_in

import gdbench
from gdbench import SOLVERS, SURFACES, plugins
from gdbench.cli import console
from gdbench.cli.app import call
from gdbench.planning.plan import make_plan
from gdbench.results.shards import Manifest, StoredRuns, write_shard
from gdbench.runner import sharding
from gdbench.runner.digest import COMPUTES, OURS, code_digest, files_behind
from gdbench.runner.local_threads import compute_here
from gdbench.runner.sharding import manifest_of, shards_of
from gdbench.spec.sweep import SweepSpec

SPEC = {
    "surface": {"ellipse": {"condition": [10, 100]}, "rosenbrock": None},
    "solver": {"sgd": None, "momentum": {"momentum": [0.5, 0.9]}, "adam": None},
    "learning_rate": {"log": [1e-3, 1], "num": 8},
    "starts": 4,
    "steps": 300,
}


def keys(**changes):
    """The keys of every (surface, solver), of `SPEC` with some of its values replaced."""
    plan = make_plan(SweepSpec(**{**SPEC, **changes}))
    found = {}
    for shard in shards_of(plan.blocks):
        block = plan.blocks[shard.block]
        found.setdefault((block.surface.name, block.solver.name), set()).add(shard.key)
    return found


def test_keys_repeat_and_differ_between_blocks():
    found = keys()
    assert found == keys()
    assert len(set.union(*found.values())) == sum(map(len, found.values())) == 6


@pytest.mark.parametrize(
    "change",
    [
        {"learning_rate": {"log": [1e-3, 1.001], "num": 8}},
        {"learning_rate": {"log": [1e-3, 1], "num": 9}},
        {"learning_rate": 0.1},
        {"starts": 5},
        {"seed": 1},
        {"seeds": [5]},
        {"steps": 301},
        {"rtol": 1e-5},
        {"atol": 1e-9},
        {"gtol": 1e-9},
        {"dtype": "float32"},
        {"noise": 0.0},
        {"noise": 0.1},
        {"targets": [0.1]},
    ],
)
def test_a_change_to_all_runs_changes_all_keys(change):
    before, after = keys(), keys(**change)
    assert before.keys() == after.keys()
    assert all(before[pair].isdisjoint(after[pair]) for pair in before)


def test_keys_follow_the_search():
    tuned = {"tune": {"trials": 4}, "learning_rate": None, "solver": ["sgd", "adam"], "starts": 4}
    found = [keys(**tuned, **more) for more in ({}, {"seed": 1}, {"rates": {"low": 1e-3, "high": 1.0, "num": 8}})]
    found.append(keys(**{**tuned, "tune": {"trials": 5}}))
    found.append(keys(**{**tuned, "tune": {"trials": 4, "holdout_starts": 2}}))
    every = [key for one in found for own in one.values() for key in own]
    assert len(set(every)) == len(every) == 5 * 4


def test_what_is_added_to_a_file_changes_no_other_key():
    before = keys()
    more = keys(
        surface={"double-well": None, **SPEC["surface"]}, solver={"rmsprop": None, **SPEC["solver"], "adagrad": None}
    )
    assert {pair: more[pair] for pair in before} == before
    turned = keys(solver=dict(reversed(SPEC["solver"].items())), surface=dict(reversed(SPEC["surface"].items())))
    assert turned == before


def test_a_change_to_one_solver_or_surface_changes_its_keys_alone():
    before = keys()
    for change, changed in [
        ({"solver": {**SPEC["solver"], "momentum": {"momentum": [0.5, 0.91]}}}, {"momentum"}),
        ({"solver": {**SPEC["solver"], "adam": {"b1": 0.8}}}, {"adam"}),
        ({"surface": {**SPEC["surface"], "ellipse": {"condition": [10, 101]}}}, {"ellipse"}),
        ({"surface": {**SPEC["surface"], "ellipse": {"condition": [10, 100], "angle": 0.1}}}, {"ellipse"}),
    ]:
        after = keys(**change)
        assert {pair for pair in before if before[pair] != after[pair]} == {p for p in before if changed & set(p)}


def test_keys_follow_the_data(here):
    rows = np.random.default_rng(0).normal(size=(20, 3))

    def found(numbers, **more):
        pd.DataFrame(numbers, columns=["a", "b", "y"]).to_csv("d.csv", index=False)
        plan = make_plan(SweepSpec(data="d.csv", target="y", solver={"sgd": None}, learning_rate=0.1, **more))
        return {shard.key for shard in shards_of(plan.blocks)}

    first = found(rows)
    assert found(rows) == first
    assert found(rows, batch_size=5).isdisjoint(first)
    rows[7, 1] += 1e-9
    assert found(rows).isdisjoint(first)


def test_keys_follow_the_code_of_a_plug_in(here):
    """Of a file, and of a function that stands in none."""
    text = (
        "import gdbench\n@gdbench.solver(name='{name}')\ndef f(oracle, x, *, learning_rate):\n"
        "    return x - {factor} * learning_rate * oracle.grad(x)\n"
    )

    def found(name, factor):
        Path(f"{name}.py").write_text(text.format(name=name, factor=factor))
        plugins.load_file(f"{name}.py")
        plan = make_plan(SweepSpec(surface={"ellipse": None}, solver={name: None, "sgd": None}))
        gdbench.SOLVERS.discard(name)
        plugins._loaded.clear()
        return [shard.key for shard in shards_of(plan.blocks)]

    first, edited = found("mine", 1), found("mine", 2)
    assert first[0] != edited[0]
    assert first[1] == edited[1]
    assert found("mine", 1) == first
    made = [eval(compile(f"lambda x: {factor} * x", "<cell>", "eval")) for factor in (1, 1, 2)]
    assert [code_digest(item) == code_digest(made[0]) for item in made] == [True, True, False]


class Callable:
    def __init__(self, factor):
        self.factor = factor

    def __call__(self, x):
        return self.factor * x


def test_digests_of_wrapped_functions_hold_no_address():
    plain = test_keys_repeat_and_differ_between_blocks
    makers = [lambda: jax.jit(plain), lambda: functools.partial(plain, 2, a=3), lambda: Callable(2.0)]
    for make in makers:
        assert code_digest(make()) == code_digest(make())
    assert code_digest(functools.partial(plain, 2)) != code_digest(functools.partial(plain, 3))
    assert code_digest(Callable(2.0)) != code_digest(Callable(3.0))
    assert code_digest(np.float64) != code_digest(np.float32)


def files_called(thing, seen=None):
    """Return the files of gdbench that a function may call into, found by walking its code, not its imports."""
    seen = set() if seen is None else seen
    thing = inspect.unwrap(getattr(thing, "__func__", thing))
    if isinstance(thing, type):
        parts = [value for base in thing.__mro__ for value in vars(base).values() if inspect.isfunction(value)]
    elif inspect.isfunction(thing):
        parts = [thing]
    else:
        parts = [type(thing)] if type(thing).__module__.startswith("gdbench") else []
    for part in parts:
        if part in seen or not getattr(part, "__module__", "").startswith("gdbench"):
            continue
        seen.add(part)
        if isinstance(part, type):
            files_called(part, seen)
            continue
        codes = [part.__code__, *(inner for inner in part.__code__.co_consts if inspect.iscode(inner))]
        for name in {name for code in codes for name in code.co_names}:
            called = part.__globals__.get(name)
            if callable(called):
                files_called(called, seen)
    files = {Path(part.__code__.co_filename) for part in seen if inspect.isfunction(part)}
    return {file for file in files if file.is_relative_to(OURS)}


def test_every_file_that_decides_a_number_is_in_the_key():
    build_files = files_behind(*(OURS / name for name in COMPUTES))
    wine = {"data": "sklearn:wine", "solver": "sgd", "learning_rate": 0.1, "preprocess": "standardize"}
    of_data = [
        make_plan(SweepSpec(**wine, **more)).blocks[0].surface
        for more in ({}, {"model": "softmax"}, {"model": "mlp", "hidden": "3", "activation": "relu"})
    ]
    surfaces = [*map(SURFACES.__getitem__, SURFACES), *of_data]
    functions = [item for surface in surfaces for item in (surface.function, surface.goal) if item is not None]
    functions += [item for name in SOLVERS for item in (SOLVERS[name].function, SOLVERS[name].init) if item is not None]
    several = set()
    for function in functions:
        called = files_called(function)
        own = inspect.unwrap(getattr(function, "func", function))
        own = own if inspect.isfunction(own) else type(own)
        behind = files_behind(Path(inspect.getsourcefile(own)))
        assert called <= behind | build_files | {OURS / "errors.py"}, function
        several |= called - {Path(inspect.getsourcefile(own))}
    # the walk itself must find something: models of tables call linear.py and networks.py
    assert {OURS / "surfaces/linear.py", OURS / "surfaces/networks.py"} <= several


EDITED = """
import json, sys
from pathlib import Path
import gdbench
from gdbench.planning.plan import make_plan
from gdbench.runner import digest
from gdbench.runner.sharding import shards_of
from gdbench.spec.sweep import SweepSpec

ROOT = Path(gdbench.__file__).parent
assert str(ROOT).startswith(sys.argv[1])
data = {"data": "sklearn:wine", "preprocess": "standardize"}
plans = [
    make_plan(SweepSpec(solver="sgd", learning_rate=0.1, **what))
    for what in (data, {**data, "model": "mlp", "hidden": "3"}, {"surface": "rosenbrock"})
]

def keys():
    for cached in (digest.build, digest._sources):
        cached.cache_clear()
    return [shards_of(plan.blocks)[0].key for plan in plans]

found = {"": keys()}
for name in ("surfaces/linear.py", "surfaces/networks.py", "surfaces/data/models.py", "engine/step.py", "errors.py"):
    file = ROOT / name
    before = file.read_text()
    file.write_text(f"{before}# edited")
    found[name] = keys()
    file.write_text(before)
print(json.dumps(found))
"""


def test_an_edit_of_what_a_surface_calls_makes_another_key(tmp_path):
    """A resumed sweep must not mix numbers of the old code with those of the new."""
    shutil.copytree(OURS, tmp_path / "gdbench", ignore=shutil.ignore_patterns("__pycache__"))
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-c", EDITED, str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, cwd=tmp_path)
    found = json.loads(done.stdout)
    changed = {name: [a != b for a, b in zip(keys, found[""], strict=True)] for name, keys in found.items()}
    # of linear regression, of a network on the same table, of Rosenbrock's function
    assert changed == {
        "": [False, False, False],
        "surfaces/linear.py": [True, True, False],
        "surfaces/networks.py": [True, True, False],
        "surfaces/data/models.py": [True, True, False],
        "engine/step.py": [True, True, True],
        "errors.py": [False, False, False],
    }


def computed(folder, spec, rows, monkeypatch, compute):
    """All runs of `spec` as `compute` leaves them in shards of `rows`."""
    monkeypatch.setattr(sharding, "ROWS", rows)
    plan = make_plan(SweepSpec(**spec))
    blocks, shards = plan.blocks, shards_of(plan.blocks)
    assert max(map(len, shards)) <= rows
    (folder / "shards").mkdir(parents=True, exist_ok=True)
    stored = {shard.key: write_shard(folder, shard.key, text) for shard, text in compute(blocks, shards, None)}
    return StoredRuns.of(manifest_of(plan, shards), stored).read()


@pytest.mark.slow
def test_runs_are_the_same_bits_whoever_computes_them(tmp_path, monkeypatch):
    """Threads, the size of shards, and the order of a file decide nothing."""
    console.use_compilation_cache()
    solvers = {name: SPEC["solver"][name] for name in ("sgd", "momentum")}
    spec = {**SPEC, "solver": solvers, "noise": 0.01, "seeds": 2, "targets": [0.1, 0.001]}
    wanted = computed(tmp_path / "a", spec, 32_768, monkeypatch, compute_here(1))
    assert len(wanted) == 3 * 3 * 8 * 4 * 2
    for name, rows, threads in (("b", 7, 2), ("c", 100, 3)):
        found = computed(tmp_path / name, spec, rows, monkeypatch, compute_here(threads))
        pd.testing.assert_frame_equal(found, wanted, check_exact=True, check_categorical=False)
    turned = {**spec, "solver": dict(reversed(solvers.items()))}
    found = computed(tmp_path / "d", turned, 32_768, monkeypatch, compute_here(2))
    by = ["surface", "surface.condition", "solver", "momentum", "learning_rate", "start", "seed"]
    first, second = (
        frame.drop(columns="run").astype(dict.fromkeys(by[:3:2], "str")).sort_values(by, ignore_index=True)
        for frame in (wanted, found)
    )
    pd.testing.assert_frame_equal(second[first.columns], first, check_exact=True, check_categorical=False)


@pytest.mark.slow
def test_a_sweep_and_a_run_give_the_same_numbers(here, monkeypatch):
    monkeypatch.setattr(sharding, "ROWS", 7)
    common = "surface: [ellipse, double-well]\nsolver: [sgd, adam]\nstarts: 3\nsteps: 300\n"
    Path("c.yaml").write_text(f"{common}rates: {{low: 1e-3, high: 1, num: 8}}\n")
    assert call(["sweep", "c.yaml", "--no-plots", "--name", "a"]) == 0
    assert call(["run", "--config", "c.yaml", "--no-plots", "--name", "b"]) == 0
    swept, ran = (pd.read_csv(f"results/{name}/runs.csv", keep_default_na=False, na_values=[""]) for name in "ab")
    assert len(ran) == 96
    looked = ["rate_observed", "rate_predicted", "message"]  # of the chosen runs alone: a sweep has too many others
    pd.testing.assert_frame_equal(swept.drop(columns=looked), ran.drop(columns=looked), check_exact=True)


def test_another_sweep_is_refused_and_with_force_keeps_what_both_share(here, monkeypatch, capsys):
    monkeypatch.setattr(sharding, "ROWS", 16)
    folder = here / "results" / "a"
    text = "{}\nlearning_rate: {{log: [1e-3, 1], num: 8}}\nstarts: 4\nsteps: 200\n"
    Path("c.yaml").write_text(text.format("surface: [ellipse]\nsolver: [sgd, adam]"))
    command = ["sweep", "c.yaml", "--name", "a", "--quiet"]
    assert call(command) == 0
    pictures = {path.name for path in folder.glob("*.png")}
    before = identities(shards_in(folder))
    assert len(before) == 4
    Path("c.yaml").write_text(text.format("surface: [ellipse, double-well]\nsolver: [sgd, momentum]"))
    files = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    capsys.readouterr()
    assert call(command) == 2
    said = "gdbench: 'results/a' holds another result (surface, solver differ): choose another --name, or --force"
    assert capsys.readouterr().err.startswith(said)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == files
    assert call([*command, "--force", "--no-plots"]) == 0
    after = identities(shards_in(folder))
    kept = {name: identity for name, identity in before.items() if name in after}
    assert len(kept) == 2  # those of sgd on the ellipse
    assert kept.items() <= after.items()
    assert len(after) == 8
    assert pictures
    assert not list(folder.glob("*.png"))  # of the other sweep
    assert {entry.key for entry in Manifest.read(folder).shards} == {name.split("-")[0] for name in after}
    # and what it leaves is what a sweep into an empty folder leaves
    assert call([*command[:3], "b", "--no-plots"]) == 0
    other = here / "results" / "b"
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    assert names == sorted(str(path.relative_to(other)) for path in other.rglob("*") if path.is_file())
    assert all((folder / name).read_bytes() == (other / name).read_bytes() for name in names if name != "timings.json")


@pytest.mark.parametrize("force", [[], ["--force"]])
def test_a_folder_of_something_else_is_left_alone(here, capsys, force):
    folder = here / "results" / "a"
    folder.mkdir(parents=True)
    (folder / "thesis.txt").write_text("years of work")
    Path("c.yaml").write_text("surface: [ellipse]\nsolver: [sgd]\nsteps: 10\n")
    assert call(["sweep", "c.yaml", "--name", "a", *force]) == 2
    assert capsys.readouterr().err.startswith("gdbench: 'results/a' exists and is not a result folder")
    assert os.listdir(folder) == ["thesis.txt"]


def test_a_run_is_replaced_by_a_sweep_only_with_force(here, capsys):
    assert call(["run", "-f", "ellipse", "-s", "sgd", "--rates", "1e-3,1,4", "--steps", "50", "--name", "a"]) == 0
    Path("c.yaml").write_text("surface: [ellipse]\nsolver: [sgd]\nsteps: 10\n")
    assert call(["sweep", "c.yaml", "--name", "a"]) == 2
    assert "holds another result (rates, steps differ)" in capsys.readouterr().err
    assert call(["sweep", "c.yaml", "--name", "a", "--force", "--no-plots"]) == 0
    assert not list((here / "results" / "a").glob("*.png"))


def test_a_million_runs_are_planned_without_a_million_objects():
    spec = SweepSpec(
        surface={"ellipse": None},
        solver={"momentum": {"momentum": {"linear": [0, 0.99], "num": 64}}},
        learning_rate={"log": [1e-4, 1], "num": 128},
        starts=128,
    )
    gc.collect()
    before = len(gc.get_objects())
    plan = make_plan(spec)
    shards = shards_of(plan.blocks)
    grown = len(gc.get_objects()) - before
    assert plan.runs == 2**20
    assert len(shards) == 32
    assert grown < 2000
    arrays = [array for block in plan.blocks for axis in block.axes for array in axis.values()]
    arrays += [array for block in plan.blocks for array in (block.starts, block.seeds)]
    assert sum(array.size for array in arrays) == 128 + 64 + 128 * 2 + 1


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of memory is read from /proc")
def test_a_million_runs_fit_in_memory(here):
    """Under 1.5 GiB, tables included; measured: 0.95 GiB."""
    axes = "solver: {momentum: {momentum: {linear: [0, 0.99], num: 64}}}\nlearning_rate: {log: [1e-4, 1], num: 128}\n"
    Path("c.yaml").write_text(f"surface: ellipse\n{axes}starts: 128\nsteps: 10000\n")
    peak = 0
    with begin("sweep", "c.yaml", "--no-plots", "--quiet", rows=32_768) as process:
        while process.poll() is None:
            found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process.pid}/status").read_text())
            peak = max(peak, int(found[1]) if found else 0)
            time.sleep(0.05)
    assert process.returncode == 0
    assert 100_000 < peak < 1.5 * 2**20
    assert pq.read_metadata("results/c/runs.parquet").num_rows == 2**20
    assert len(shards_in(here / "results" / "c")) == 32


def test_shards_of_many_weights_are_shorter(monkeypatch):
    plan = make_plan(
        SweepSpec(
            surface={"ellipse": {"dimension": 1000}},
            solver={"sgd": None},
            starts=64,
            learning_rate={"log": [1e-3, 1], "num": 128},
        )
    )
    sizes = [len(shard) for shard in shards_of(plan.blocks)]
    assert sum(sizes) == 64 * 128
    assert max(sizes) == sharding.NUMBERS // 1032
    assert [shard.first_run for shard in shards_of(plan.blocks)] == np.cumsum([0, *sizes[:-1]]).tolist()


def sizes(runs, *, examples=0):
    """How many runs each shard of one grid has."""
    data = (np.zeros((examples, 3)), np.zeros(examples)) if examples else ()
    made = gdbench.surface(start=(0.0, 0.0), data=data, register=False, name="made")(lambda x, *data: x @ x)
    values = {"surface": "made", "solver": "sgd", "learning_rate": {"linear": [0.1, 0.2], "num": runs}, "steps": 1}
    return [len(shard) for shard in shards_of(make_plan(SweepSpec(**values), [made]).blocks)]


def test_every_thread_gets_a_shard_where_it_is_worth_one():
    assert sizes(4096) == [4096]
    assert sizes(16_384) == [4096] * 4
    assert sizes(20_000) == [5000] * 4
    assert sizes(400_000) == [32_768] * 12 + [400_000 - 12 * 32_768]
    # with much data a few runs take long enough
    assert sizes(64, examples=10) == [64]
    assert sizes(64, examples=4000) == [16] * 4
    assert sizes(200, examples=4000) == [50] * 4
