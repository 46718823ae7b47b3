"""A sweep goes on where it was stopped, whatever stopped it, and ends with the same bytes."""

import io
import re
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers.sweep_folders import assert_same_files, begin, content, finish, identities, shards_in, wait_until

from gdbench.cli.app import call
from gdbench.results.shards import Manifest, checksum

# Of a run, tests/runner/test_one_path.py and tests/cli/test_cli.py hold the same by default.
pytestmark = pytest.mark.slow

QUICK = """\
surface: [ellipse, double-well]
solver: {sgd: , momentum: {momentum: [0.5, 0.9]}}
learning_rate: {log: [1e-3, 1], num: 16}
starts: 4
steps: 300
targets: [1e-1, 1e-3]
"""
# six programs, which end one after another
MANY = """\
surface: {ellipse: {condition: [10, 100]}, double-well: }
solver: {sgd: , momentum: {momentum: [0.5, 0.9]}, adam: }
learning_rate: {log: [1e-4, 1], num: 16}
starts: 8
steps: 2000
targets: [1e-1, 1e-3, 1e-6]
"""
SWEEP = ["sweep", "c.yaml", "--threads", "2", "--quiet", "--name", "a"]


@pytest.fixture(scope="session")
def whole(tmp_path_factory):
    """The files of `QUICK` that nothing interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "c.yaml").write_text(QUICK)
    done = finish(*SWEEP, cwd=folder)
    assert (done.returncode, done.stderr) == (0, "Written to results/a\n")
    return content(folder / "results" / "a")


@pytest.fixture
def quick(here, monkeypatch):
    """A working directory with the configuration of `whole`, whose shards are as small in this process."""
    monkeypatch.setattr("gdbench.runner.sharding.ROWS", 32)
    Path("c.yaml").write_text(QUICK)
    return here / "results" / "a"


def changed(path):
    """Whether a file has been written since."""

    def state():
        return path.stat().st_mtime_ns if path.exists() else None

    before = state()
    return lambda: state() != before


def test_the_whole_sweep_is_what_the_tests_take_it_for(whole):
    assert sum(name.startswith("shards/") for name in whole) == 12
    assert {"config.yaml", "environment.json", "manifest.json", "runs.csv", "runs.parquet", "theory.csv"} <= set(whole)
    assert sum(name.endswith(".png") for name in whole) > 5
    assert not any(Path(name).name.startswith(".") for name in whole)


@pytest.mark.slow
def test_killed_at_twenty_moments(here):
    Path("c.yaml").write_text(MANY)
    folder = here / "results" / "a"
    assert finish(*SWEEP[:-1], "whole", rows=16).returncode == 0
    wanted = content(here / "results" / "whole")
    planned = sum(name.startswith("shards/") for name in wanted)
    assert planned == 96
    random = np.random.default_rng(3)
    files = ["config.yaml", "theory.csv", "table.csv", "runs.parquet", "manifest.json", "trajectory.png"]
    kills, with_some, in_the_end = 0, 0, 0
    while kills < 20:
        stored = len(shards_in(folder))
        with begin(*SWEEP, rows=16) as process:
            if stored < planned:  # while it computes
                enough = min(planned, stored + int(random.integers(2, 14)))
                wait_until(lambda enough=enough: len(shards_in(folder)) >= enough, process)
                time.sleep(random.uniform(0, 0.02))
            else:  # while it writes a file of the folder, the first one or one of the last
                wait_until(changed(folder / files[kills % len(files)]), process)
                time.sleep(random.uniform(0, 0.05))
            process.kill()
            said = process.stderr.read()
        if process.returncode == 0:
            continue  # it was faster
        assert said == "", f"at kill {kills} of seed 3, with {stored} shards before"
        kills += 1
        found = shards_in(folder)
        with_some += stored < len(found) < planned
        in_the_end += len(found) == planned
        # a kill leaves whole shards only
        assert all(checksum(path.read_bytes()) == path.stem.split("-")[1] for path in found)
    assert with_some > 4
    assert in_the_end > 4
    done = finish(*SWEEP, rows=16)
    assert (done.returncode, done.stderr) == (0, "Written to results/a\n")
    assert_same_files(folder, wanted)


@pytest.mark.slow
def test_asked_to_end(quick, whole):
    """SIGTERM while runs are computed, Ctrl-C while tables are written, then the rest."""
    for number, code, met in [
        (signal.SIGTERM, 143, lambda: shards_in(quick)),
        (signal.SIGINT, 130, lambda: (quick / "theory.csv").exists()),
    ]:
        process = begin(*SWEEP)
        wait_until(met, process)
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
        assert process.returncode == code, said
        assert re.fullmatch(r"gdbench: interrupted; .*\n", said)
        assert not list(quick.rglob(".*.tmp"))
    stored = identities(shards_in(quick))
    assert len(stored) == 12
    assert call(SWEEP) == 0
    assert identities(shards_in(quick)) == stored
    assert_same_files(quick, whole)


@pytest.mark.slow
def test_a_folder_of_which_only_the_beginning_was_written(quick, whole):
    quick.mkdir(parents=True)
    for name in (".lock", ".config.yaml.77.tmp"):
        (quick / name).write_text("surf")
    assert call(SWEEP) == 0
    assert_same_files(quick, whole)


@pytest.fixture
def disk(quick):
    """A file system of its own, and a function that says how many bytes it has."""
    folder = quick.parent
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no small disk to fill: {mounted.stderr.strip()}")

    def resize(size):
        subprocess.run(["mount", "-o", f"remount,size={size // 1024}k", folder], check=True)

    yield resize
    subprocess.run(["umount", folder], check=True)


@pytest.mark.slow
def test_a_full_disk(quick, whole, disk):
    def room(*suffixes):
        """What the files of these kinds take, in whole pages."""
        sizes = [len(text) for name, text in whole.items() if name.endswith(suffixes)]
        return sum(-(-size // 4096) for size in sizes) * 4096

    shards = sum(-(-len(text) // 4096) * 4096 for name, text in whole.items() if name.startswith("shards/"))
    before = room(".csv", ".npz", ".parquet", ".yaml", ".json")
    said = []
    # in the midst of the shards, of the tables and of the pictures
    for size in (shards // 2, shards + (before - shards) // 2, before + room(".png") // 2):
        disk(size)
        done = finish(*SWEEP)
        assert done.returncode == 1, done.stderr
        assert len(done.stderr.splitlines()) == 1, done.stderr
        assert "No space left on device" in done.stderr
        assert not list(quick.rglob(".*.tmp"))
        said.append(done.stderr)
    assert "/shards/" in said[0]
    assert said[0].endswith("No space left on device; make room, and the same command goes on\n")
    assert re.search(r"results/a/\w+\.(csv|npz|parquet)' cannot be written", said[1])
    assert "drawing failed" in said[2]
    disk(2**26)
    assert call(SWEEP) == 0
    assert_same_files(quick, whole)


@pytest.mark.slow
def test_two_sweeps_into_one_folder(quick, whole, capsys):
    first = begin(*SWEEP)
    wait_until((quick / "config.yaml").exists, first)
    first.send_signal(signal.SIGSTOP)
    try:
        assert call(SWEEP) == 2
        said = "gdbench: another sweep is running into 'results/a'; wait for it, or choose another --name\n"
        assert capsys.readouterr().err == said
    finally:
        first.send_signal(signal.SIGCONT)
    _, said = first.communicate(timeout=120)
    assert (first.returncode, said) == (0, "Written to results/a\n")
    assert_same_files(quick, whole)


def write(folder, files):
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text)


def test_damaged_shards_are_named_and_computed_again(quick, whole, capsys):
    write(quick, whole)
    flipped, shortened, other, deleted, *sound = shards_in(quick)
    text = bytearray(flipped.read_bytes())
    text[len(text) // 2] ^= 1
    flipped.write_bytes(text)
    shortened.write_bytes(shortened.read_bytes()[:-100])
    other.write_bytes(deleted.read_bytes())
    deleted.unlink()
    before = identities(sound)
    names = [f"results/a/shards/{path.name}" for path in (flipped, shortened, other)]
    assert call(SWEEP) == 0
    told = capsys.readouterr().err.splitlines()
    assert [line.split("'")[1] for line in told[:3]] == names
    assert all(line.startswith("damaged: ") for line in told[:3])
    assert told[3:] == ["Written to results/a"]
    assert identities(sound) == before
    assert_same_files(quick, whole)


def test_the_table_of_what_a_lost_shard_leaves(quick, whole, capsys):
    """Theory stays with the runs that it is of."""
    write(quick, whole)
    entries = Manifest.read(quick).shards
    rates = ["surface", "solver", "rate_observed", "rate_predicted"]
    wanted = pd.read_csv(io.BytesIO(whole["table.csv"]))[rates]
    for entry, complete in ((entries[0], slice(1, None)), (entries[-1], slice(None, -1))):
        write(quick, whole)
        next(path for path in shards_in(quick) if path.stem.startswith(entry.key)).unlink()
        assert call(["table", "results/a"]) == 0
        assert capsys.readouterr().err.startswith("352 of 384 runs are there")
        found = pd.read_csv(quick / "table.csv")[rates]
        pd.testing.assert_frame_equal(found[complete], wanted[complete])


@pytest.mark.parametrize("name", ["manifest.json", "theory.csv"])
def test_a_damaged_table_is_told_and_written_again(quick, whole, capsys, name):
    write(quick, whole)
    (quick / name).write_bytes(whole[name].replace(b"0", b"1", 1) if name == "theory.csv" else whole[name][:-20])
    for command in ("table", "plot"):
        assert call([command, "results/a"]) == 2
        said = capsys.readouterr().err
        assert re.fullmatch(rf"gdbench: 'results/a/{name}' [^\n]*the same command writes it again\n", said)
    before = identities(shards_in(quick))
    assert call([*SWEEP, "--no-plots"]) == 0
    assert identities(shards_in(quick)) == before
    assert_same_files(quick, whole)
