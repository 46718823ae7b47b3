"""Sweeps on Dask: the same bytes as here, whatever happens to workers; clear sentences, and nothing left behind."""

import gc
import json
import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from helpers.sweep_folders import assert_same_files, begin, content, finish, shards_in, wait_until

from gdbench import plugins
from gdbench.cli.app import call
from gdbench.errors import UsageError
from gdbench.planning.plan import make_plan
from gdbench.runner import dask_cluster
from gdbench.runner.digest import build
from gdbench.runner.local_threads import compute_here
from gdbench.runner.sharding import shards_of
from gdbench.spec.sweep import SweepSpec

SPEC = """\
surface: {ellipse: {condition: [10, 100]}, double-well: }
solver: {sgd: , momentum: {momentum: [0.5, 0.9]}, adam: }
learning_rate: {log: [1e-4, 1], num: 16}
starts: 8
steps: 2000
targets: [1e-1, 1e-3]
"""
SWEEP = ["sweep", "c.yaml", "--quiet", "--no-plots"]
DASK = [*SWEEP, "--executor", "dask"]
PLUGIN = """\
import gdbench
import jax.numpy as jnp

SCALE = 3.0

@gdbench.surface(start=(1.0, 2.0), minimisers=[[0.0, 0.0]])
def bowl(x, *, width=1.0):
    return SCALE * width * jnp.sum(x**2)

@gdbench.solver(init=jnp.zeros_like)
def heavy(oracle, x, velocity, *, learning_rate):
    velocity = 0.5 * velocity - learning_rate * oracle.grad(x)
    return x + velocity, velocity

@gdbench.solver()
def breaks(oracle, x, *, learning_rate):
    raise ValueError("not today")
"""
WITH_PLUGIN = """\
surface: {bowl: {width: [1.0, 2.0]}}
solver: [heavy, breaks]
learning_rate: {log: [1e-3, 1], num: 8}
starts: 2
steps: 200
"""


@contextmanager
def many_machines(folder):
    """The address and the processes of a scheduler with two workers, who know nothing of other folders."""
    file, processes = folder / "scheduler.json", []

    def start(what, *arguments):
        command = [sys.executable, "-m", f"distributed.cli.dask_{what}", *arguments, "--no-dashboard"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        processes.append(subprocess.Popen([*command, "--host", "127.0.0.1"], cwd=folder, **quiet))
        return processes[-1]

    try:
        first = start("scheduler", "--scheduler-file", file, "--port", "0")
        wait_until(lambda: file.exists() and file.read_text().strip().endswith("}"), first)
        address = json.loads(file.read_text())["address"]
        start("worker", address, "--nworkers", "2", "--nthreads", "1")
        yield address, processes
    finally:
        for process in reversed(processes):
            process.terminate()
            process.wait(timeout=60)


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory):
    """The address of a scheduler."""
    with many_machines(tmp_path_factory.mktemp("scheduler")) as (address, _):
        yield address


@pytest.mark.slow
def test_plug_ins_travel_and_what_raises_gives_the_same_rows(here, scheduler):
    """Surfaces and solvers of a file, an error inside a worker, and all files as a local sweep writes them."""
    Path("p.py").write_text(PLUGIN)
    Path("c.yaml").write_text(WITH_PLUGIN)
    local = finish(*SWEEP, "--plugin", "p.py", "--name", "a")
    remote = finish(*DASK, "--scheduler", scheduler, "--plugin", "p.py", "--name", "b")
    assert re.search(
        r"32 of 64 runs failed, in 2 of 4 combinations .*: solver 'breaks' .*ValueError: not today\n$", local.stderr
    )
    assert remote.stderr == local.stderr.replace("results/a", "results/b")
    assert (remote.returncode, remote.stdout) == (local.returncode, local.stdout)
    assert local.returncode == 1
    assert_same_files(here / "results" / "b", content(here / "results" / "a"))


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nonsense", "tcp://no-such-host.invalid:8786"])
def test_nobody_answers(here, monkeypatch, capsys, address):
    monkeypatch.setattr(dask_cluster, "PATIENCE", 1)
    Path("c.yaml").write_text(SPEC)
    assert call([*DASK, "--scheduler", address]) == 2
    said = rf"gdbench: no Dask scheduler with workers answers at '{address}': [^\n]+\n"
    assert re.fullmatch(said, capsys.readouterr().err)
    # nothing is left that would close itself within some later thread
    assert not [one for one in gc.get_objects() if type(one).__name__ == "Client" and hasattr(one, "scheduler_info")]


def test_without_dask(here, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "distributed", None)
    Path("c.yaml").write_text(SPEC)
    assert call(DASK) == 2
    assert capsys.readouterr().err == "gdbench: --executor dask needs Dask: pip install 'gdbench[dask]'\n"
    assert not Path("results").exists()


@pytest.fixture
def planned(here):
    """The blocks and shards of a sweep with a plug-in."""
    Path("p.py").write_text(PLUGIN)
    plugins.load_file("p.py")
    solver = {name: None for name in ("heavy", "breaks", "sgd")}
    blocks = make_plan(SweepSpec(surface={"bowl": {"width": [1.0, 2.0]}}, solver=solver, starts=2)).blocks
    yield blocks, shards_of(blocks)
    plugins._loaded.clear()


def test_a_worker_makes_the_very_content(planned):
    blocks, shards = planned
    wanted = dict(compute_here(1)(blocks, shards, None))
    assert len(wanted) == 3
    for shard, text in wanted.items():
        pickled = dask_cluster.pickle_block(blocks[shard.block])
        found, ended, steps = dask_cluster.compute_shard(str(shard.block), pickled, shard, build())
        assert found == text
        assert sum(ended) == len(shard)
        assert (steps == 0) == (blocks[shard.block].solver.name == "breaks")
    dask_cluster._blocks.clear()


def test_a_worker_of_another_version_is_refused(planned):
    blocks, shards = planned
    with pytest.raises(UsageError, match="in another version"):
        dask_cluster.compute_shard("x", dask_cluster.pickle_block(blocks[0]), shards[0], "of yesterday")


def workers_of(process):
    """The worker processes of a sweep's own cluster."""
    children = psutil.Process(process.pid).children(recursive=True)
    return [child for child in children if "spawn_main" in " ".join(child.cmdline())]


def own_cluster(*more, **options):
    return begin(*DASK, "--workers", "2", *more, rows=16, **options)


@pytest.mark.slow
def test_a_dead_worker_costs_its_shards_only(here):
    Path("c.yaml").write_text(SPEC)
    assert finish(*SWEEP, "--name", "a", rows=16).returncode == 0
    folder = here / "results" / "b"
    with own_cluster("--name", "b") as process:
        for count in (2, 30):
            wait_until(lambda count=count: len(shards_in(folder)) >= count, process)
            assert process.poll() is None
            workers_of(process)[0].kill()
        said = process.stderr.read()
    assert (process.returncode, said) == (0, "Written to results/b\n")
    assert_same_files(folder, content(here / "results" / "a"))


@pytest.mark.slow
@pytest.mark.parametrize("how", ["terminal", "process", "kill"])
def test_nothing_is_left_of_an_interrupted_cluster(here, how):
    """Ctrl-C as a terminal sends it, to all processes; SIGINT to ours alone; kill -9, which leaves us no say."""
    Path("c.yaml").write_text(SPEC)
    folder = here / "results" / "c"
    with own_cluster(start_new_session=True) as process:
        wait_until(lambda: len(shards_in(folder)) >= 2, process)
        workers = psutil.Process(process.pid).children(recursive=True)
        assert len(workers_of(process)) == 2
        if how == "terminal":
            os.killpg(process.pid, signal.SIGINT)
        else:
            process.send_signal(signal.SIGINT if how == "process" else signal.SIGKILL)
        said = process.stderr.read()
    if how == "kill":
        assert process.returncode == -signal.SIGKILL
    else:
        assert process.returncode == 130, said
        assert re.fullmatch(r"gdbench: interrupted; .*\n", said)
    assert psutil.wait_procs(workers, timeout=20)[1] == []
    assert finish(*SWEEP, rows=16).returncode == 0


@pytest.mark.slow
def test_a_scheduler_that_goes_away(here, tmp_path_factory):
    Path("c.yaml").write_text(SPEC)
    with (
        many_machines(tmp_path_factory.mktemp("scheduler")) as (address, processes),
        begin(*DASK, "--scheduler", address, rows=16) as process,
    ):
        wait_until(lambda: len(shards_in(here / "results" / "c")) >= 5, process)
        processes[0].kill()
        said = process.stderr.read()
    assert (process.returncode, said) == (1, f"gdbench: the Dask scheduler is gone; {dask_cluster.GO_ON}\n")
    assert finish(*SWEEP, rows=16).returncode == 0
