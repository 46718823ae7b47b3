"""What a sweep shows while it runs: a live line in a terminal, plain lines in a pipe."""

import os
import pty
import re
from pathlib import Path

import numpy as np
import pytest
from helpers.sweep_folders import begin

from gdbench import formatting
from gdbench.cli.app import call
from gdbench.engine.records import Advance
from gdbench.runner import progress
from gdbench.statuses import Status

SPEC = "surface: [ellipse]\nsolver: [sgd, momentum]\nlearning_rate: {log: [1e-3, 1], num: 8}\nstarts: 4\nsteps: 200\n"
SWEEP = ["sweep", "c.yaml", "--no-plots"]
SPEED = r"[\d.]+( [kMG])? steps/s"
LEFT = r"\d+ (s|min \d+ s|h \d+ min) left"
DONE = rf"64 of 64 runs, {SPEED}; \d+ reached, \d+ diverged, \d+ budget"


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.4, "0 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (3599.7, "1 h 0 min"), (7380, "2 h 3 min")]
)
def test_clock(seconds, said):
    assert formatting.clock(seconds) == said


@pytest.mark.parametrize(
    ("rate", "said"), [(0, "0"), (999, "999"), (1234, "1.23 k"), (4.56e7, "45.6 M"), (2e9, "2 G"), (999_999, "1 M")]
)
def test_speed(rate, said):
    assert formatting.speed(rate) == said


def test_a_tally_counts_what_was_stored_and_what_ended():
    tally = progress.Tally(1000)
    tally.before = 400
    assert tally.sentence().startswith("400 of 1 000 runs, 0 steps/s")
    tally.add(Advance(ended=np.array([100, 0, 20, 0, 0, 0]), steps=5000, executed=6000))
    tally.began -= 10
    assert tally.done == 520
    assert re.fullmatch(
        r"520 of 1 000 runs, (499|500) steps/s, 40 s left; 100 reached, 20 stationary", tally.sentence()
    )
    assert len(tally.ended) == len(Status)


def test_plain_lines_in_a_pipe(here, monkeypatch, capsys):
    monkeypatch.setattr(progress, "EVERY", 0.0)
    monkeypatch.setattr("gdbench.runner.sharding.ROWS", 8)
    Path("c.yaml").write_text(SPEC)
    assert call([*SWEEP, "--threads", "1"]) == 0
    *lines, last, written = capsys.readouterr().err.splitlines()
    assert lines
    assert all(re.fullmatch(rf"\d+ of 64 runs, {SPEED}(, {LEFT})?; [\w ,]+", line) for line in lines)
    assert re.fullmatch(DONE, last)
    assert written == "Written to results/c"
    assert call(SWEEP) == 0
    assert capsys.readouterr().err == "all 64 runs are stored already\nWritten to results/c\n"
    for shard in list(Path("results/c/shards").iterdir())[:3]:
        shard.unlink()
    assert call(SWEEP) == 0
    first, *_, last, written = capsys.readouterr().err.splitlines()
    assert first == "40 of 64 runs are stored already; the others follow"
    assert last.startswith("64 of 64 runs, ")
    assert call([*SWEEP, "--quiet"]) == 0
    assert capsys.readouterr().err == "Written to results/c\n"


@pytest.mark.slow
def test_a_live_line_in_a_terminal(here):
    Path("c.yaml").write_text(SPEC)
    terminal, other = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    with begin(*SWEEP, env=environment, stdin=other, stdout=other, stderr=other) as process:
        os.close(other)
        text = b""
        while True:
            try:
                text += os.read(terminal, 65536)
            except OSError:  # the other end is closed
                break
    os.close(terminal)
    assert process.returncode == 0
    frames = re.split(r"[\r\n]+", re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text.decode()))
    live = [frame for frame in frames if frame.startswith(("━", "╸"))]
    assert any(frame.endswith("64 runs, compiling") for frame in live)
    assert any(frame.endswith("tables are derived") for frame in live)
    # what stays on the screen: one line of progress, the table, where it is
    kept = [frame for frame in frames if frame and frame not in live]
    assert [bool(re.fullmatch(DONE, line)) for line in kept].count(True) == 1
    assert kept[-1] == "Written to results/c"
