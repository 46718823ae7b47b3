"""What all pictures share: solver styles, numbers, ticks, cutting paths to the frame, writing files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from gdbench import formatting
from gdbench.plots import contours, files, paths, style


def test_the_last_crossing_of_the_frame_is_marked():
    ground = contours.Ground(
        "plane", ("x0", "x1"), np.array([-1.0, -1]), np.array([1.0, 1]), np.empty((0, 2)), np.empty(0, dtype=bool)
    )
    path = np.array([[0.0, 0], [3, 0], [0.5, 0], [0.5, 4], [0.5, 1e300], [np.inf, np.nan]])
    np.testing.assert_allclose(paths.exit_of(path, ground), [0.5, 1.0])
    drawn = paths.within_reach(path, ground)
    assert np.nanmax(np.abs(drawn)) <= paths.FAR
    np.testing.assert_array_equal(drawn[:4], path[:4])


@pytest.mark.parametrize(("steps", "stride"), [(0, 1), (12, 1), (13, 2), (25, 5), (61, 10), (137, 20), (10000, 1000)])
def test_markers_stand_at_round_distances(steps, stride):
    assert paths.stride_of(steps) == stride


def test_a_failed_save_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "picture.png"
    path.write_bytes(b"old")

    def fail(self: Figure, file: Path, **_: object) -> None:
        Path(file).write_bytes(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr(Figure, "savefig", fail)
    with pytest.raises(OSError, match="no space"):
        files.save(Figure(), path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_every_solver_looks_different():
    looks = [style.style_of(solver) for solver in style.SOLVERS]
    assert len({(look.colour, str(look.dashes)) for look in looks}) == len(looks)
    assert len({(look.colour, look.marker) for look in looks}) == len(looks)
    course = looks[:6]
    for part in ("colour", "dashes", "marker"):
        assert len({str(getattr(look, part)) for look in course}) == 6


@pytest.mark.slow
def test_the_style_of_a_plugin_follows_from_its_name_in_every_process():
    code = "from gdbench.plots.style import style_of; print(style_of('my-solver'))"
    for seed in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": seed}
        shown = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
        )
        assert shown.stdout.strip() == str(style.style_of("my-solver"))
    assert not {style.style_of(f"plugin-{i}") for i in range(50)} & {style.style_of(name) for name in style.SOLVERS}


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.01, "0.01"),
        (1e-4, "1e-4"),
        (10**-2.5, "0.00316"),
        (3.16e-5, "3.16e-5"),
        (0, "0"),
        (137, "137"),
        (1000, "1\u2009000"),
        (10000, "10\u2009000"),
        (3502.4, "3\u2009500"),
        (2.5e7, "2.5e7"),
        (1e20, "1e20"),
        (-0.5, "\u22120.5"),
        (float("inf"), "\u221e"),
        (float("nan"), "unknown"),
    ],
)
def test_numbers_are_written_for_people(number, text):
    assert formatting.human(number) == text


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [(0.8, 1500, [1, 10, 100, 1000]), (1, 12, [1, 2, 5, 10]), (1e-12, 1, [1e-12, 1e-10, 1e-8, 1e-6, 1e-4, 1e-2, 1])],
)
def test_log_ticks_are_round(low, high, ticks):
    np.testing.assert_allclose(style.log_ticks(low, high), ticks, rtol=1e-12)
