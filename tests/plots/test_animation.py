"""Films of results: where the points are, what the files hold, and what is said where there is nothing to show."""

from __future__ import annotations

import copy
import os
import sys

import numpy as np
import pytest
from helpers.synthetic_result import SURFACES, benchmark, part
from PIL import Image

from gdbench.cli.app import call
from gdbench.errors import GdbenchError, UsageError
from gdbench.plots import animation, movie
from gdbench.plots.animation import film, pace

SOLVERS = ("sgd", "momentum", "adam")


@pytest.fixture(scope="module")
def course():
    return benchmark(tuple(SURFACES), SOLVERS)


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A result folder as `gdbench run` leaves it."""
    folder = tmp_path_factory.mktemp("results")
    flags = ["-f", "ellipse", "-f", "double-well", "-s", "sgd", "-s", "adam", "--rates", "1e-2,1,5", "--steps", "40"]
    assert call(["run", *flags, "--out", str(folder), "--name", "small", "--no-plots"]) == 0
    return folder / "small"


def pictures(made, which=None):
    return [frame.copy() for frame in made.frames(which)]


# ---- the pace


@pytest.mark.parametrize(("last", "frames"), [(1000, 200), (13, 50), (1e7, 2)])
def test_a_long_film_spends_its_time_on_the_logarithm_of_the_steps(last, frames):
    steps = pace(last, frames)
    assert (len(steps), steps[0], steps[-1]) == (frames, 0, last)
    # 1 + step grows by the same factor from frame to frame
    np.testing.assert_allclose(np.diff(np.log1p(steps)), np.log1p(last) / (frames - 1), rtol=1e-9)


@pytest.mark.parametrize("last", [0, 1, 12])
def test_a_few_steps_go_by_evenly(last):
    np.testing.assert_allclose(pace(last, 11), last * np.arange(11) / 10, rtol=1e-14)


# ---- where the points are


@pytest.mark.parametrize("name", ["ellipse", "double-well", "quadratic-5d"])
def test_every_point_is_where_its_run_was(course, name):
    frames = part(course, name)
    made = film(frames, seconds=1)
    (panel,) = made.panels
    surface = frames.contours[name]
    assert {walker.track.solver for walker in panel.walkers} == set(SOLVERS)
    for walker, head in zip(panel.walkers, panel.heads, strict=True):
        path = frames.trajectory[frames.trajectory["run"] == walker.track.run["run"]]
        x = path[[f"x{i}" for i in range(surface["dimension"])]].to_numpy()
        if surface["kind"] == "line":
            x = np.column_stack([x, path["loss"]])
        elif surface["kind"] == "pca":
            x = (x - surface["origin"]) @ surface["axes"].T
        for step in (0, 1, len(x) // 2, len(x) - 1, len(x) + 5):
            panel.move(step, step)
            np.testing.assert_allclose(np.ravel(head.get_data()), x[min(step, len(x) - 1)], atol=1e-12)
        panel.move(0, 0.25)
        np.testing.assert_allclose(np.ravel(head.get_data()), 0.75 * x[0] + 0.25 * x[1], atol=1e-12)


def test_a_tail_goes_through_every_iterate_and_fades(course):
    (panel,) = film(part(course, "rosenbrock"), solvers=["adam"]).panels
    (walker,) = panel.walkers
    panel.move(10, 14.5)
    segments, colours = np.array(panel.tails.get_segments()), np.array(panel.tails.get_colors())
    wanted = np.vstack([walker.track.points[10:15], walker.track.points[14:16].mean(axis=0)])
    np.testing.assert_allclose(segments, np.stack([wanted[:-1], wanted[1:]], axis=1), atol=1e-12)
    assert (np.diff(colours[:, 3]) > 0).all()
    assert colours[-1, 3] == 1
    panel.move(0, 280)
    assert len(panel.tails.get_segments()) <= animation.VERTICES + 1
    panel.move(len(walker.track.steps) + 10, len(walker.track.steps) + 20)
    assert len(panel.tails.get_segments()) == 0


def test_the_titles_count_those_at_the_target(course):
    frames = part(course, "ellipse", "rosenbrock")
    made = film(frames, seconds=1)
    last = pictures(made)[-1]
    for panel in made.panels:
        rows = frames.runs[frames.runs["run"].isin([walker.track.run["run"] for walker in panel.walkers])]
        reached = (rows["status"] == "reached").sum()
        assert panel.title.get_text() == f"{panel.name}: {reached} of {len(rows)} at the target"
        panel.move(0, rows["steps"].min() - 0.5)
        assert panel.title.get_text() == f"{panel.name}: 0 of {len(rows)} at the target"
    assert made.counter.get_text().startswith("Step ")
    assert last.shape[2] == 4


def test_who_leaves_the_frame_is_crossed_out_where_he_left():
    made = film(benchmark(("ellipse",), ("sgd",), rate=0.25), seconds=1)
    (panel,) = made.panels
    (walker,), (head,) = panel.walkers, panel.heads
    assert np.isfinite(walker.gone)
    panel.move(0, walker.gone + 1)
    assert head.get_marker() == "X"
    (left, right), (low, high) = panel.axes.get_xlim(), panel.axes.get_ylim()
    x, y = np.ravel(head.get_data())
    edges = [abs(x - left), abs(x - right), abs(y - low), abs(y - high)]
    assert min(edges) < 1e-9
    assert "leaves the frame" in [text.get_text() for text in made.figure.legends[0].get_texts()]
    panel.move(0, 0)
    assert head.get_marker() != "X"


def test_without_a_known_minimum_no_target_is_counted(course):
    frames = copy.deepcopy(part(course, "ellipse"))
    frames.contours["ellipse"] |= {"f_star": np.nan, "minimisers": np.empty((0, 2)), "minimum_loss": np.empty(0)}
    frames.runs["status"] = "budget"
    made = film(frames, seconds=0.2)
    pictures(made)
    assert [panel.title.get_text() for panel in made.panels] == ["ellipse"]


def test_a_film_can_be_shown_again(course):
    made = film(part(course, "ellipse", "double-well"), seconds=0.5)
    first = pictures(made)
    again = pictures(made)
    assert len(first) == 10
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], first[-1])
    assert np.array_equal(pictures(made, [3])[0], first[3])


@pytest.mark.parametrize("names", [("ellipse",), ("ellipse", "rosenbrock", "double-well")])
@pytest.mark.parametrize("crowd", [1, 12])
def test_nothing_covers_a_panel_or_leaves_the_page(course, monkeypatch, names, crowd):
    monkeypatch.setattr(animation, "CROWD", crowd)
    made = film(part(course, *names), seconds=0.2)
    figure = made.figure
    assert (figure.get_size_inches() * figure.dpi % 2 == 0).all()  # video needs even numbers of pixels
    pictures(made)
    renderer, page = figure.canvas.get_renderer(), figure.bbox
    box = figure.legends[0].get_window_extent(renderer)
    panels = [axes.get_tightbbox(renderer) for axes in figure.axes]
    assert not any(box.overlaps(panel) for panel in panels)
    words = [*figure.texts, *(panel.title for panel in made.panels)]
    boxes = [box, *panels, *(text.get_window_extent(renderer) for text in words)]
    assert all(page.x0 <= b.x0 and page.y0 <= b.y0 and b.x1 <= page.x1 and b.y1 <= page.y1 for b in boxes)


# ---- the files


def test_the_gif_shows_the_frames_pauses_and_loops(course, tmp_path):
    made = film(part(course, "ellipse", "double-well"), seconds=1, fps=10)
    path = movie.save_film(made, tmp_path / "a.gif", fps=10)
    palette = movie._palette(made)
    assert len(np.unique(movie._packed(palette))) == 256
    with Image.open(path) as image:
        assert image.n_frames == 10
        assert image.info["loop"] == 0
        durations = []
        for number, frame in enumerate(made.frames()):
            image.seek(number)
            durations.append(image.info["duration"])
            if number not in (0, 1, 6, 9):
                continue
            # every pixel has the colour of the palette that is nearest to its own, whatever was there before
            rgb = frame[..., :3].reshape(-1, 3).astype(np.int64)
            distinct, inverse = np.unique(rgb, axis=0, return_inverse=True)
            nearest = ((distinct[:, None] - palette[None, :255]) ** 2).sum(axis=2).argmin(axis=1)
            shown = np.asarray(image.convert("RGB")).reshape(-1, 3)
            assert np.array_equal(shown, palette[nearest][inverse.ravel()])
            # and is hardly to be told from it
            assert np.abs(shown.astype(int) - rgb).mean() < 1.0
    assert durations == [100] * 9 + [2000]
    assert path.stat().st_size < 300_000


def test_the_gif_has_the_same_bytes_again(course, tmp_path):
    frames = part(course, "ellipse")
    found = [movie.save_film(film(frames, seconds=0.5), tmp_path / f"{name}.gif", fps=20).read_bytes() for name in "ab"]
    assert found[0] == found[1]


FFMPEG = """#!{python}
import sys
data = sys.stdin.buffer.read()
if {fails}:
    sys.exit(3)
size = sys.argv[sys.argv.index("-s") + 1] if "-s" in sys.argv else sys.argv[sys.argv.index("-video_size") + 1]
open(sys.argv[-1], "w").write(f"{{size}} {{len(data)}}")
"""


@pytest.fixture
def ffmpeg(tmp_path, monkeypatch):
    """A program that writes how large the frames are and how many bytes came, in the place of ffmpeg."""

    def install(fails=False):
        folder = tmp_path / "bin"
        folder.mkdir()
        (folder / "ffmpeg").write_text(FFMPEG.format(python=sys.executable, fails=fails))
        (folder / "ffmpeg").chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    return install


def test_the_mp4_is_handed_to_ffmpeg_frame_by_frame(course, tmp_path, ffmpeg):
    ffmpeg()
    made = film(part(course, "ellipse"), seconds=0.5, fps=10)
    path = movie.save_film(made, tmp_path / "a.mp4", fps=10)
    size, count = path.read_text().split()
    height, width, _ = pictures(made, [0])[0].shape
    assert size == f"{width}x{height}"
    assert int(count) == 4 * width * height * (5 + 2 * 10)  # two seconds on the last picture


def test_a_failing_ffmpeg_leaves_nothing(course, tmp_path, ffmpeg):
    ffmpeg(fails=True)
    made = film(part(course, "ellipse"), seconds=0.2)
    with pytest.raises(GdbenchError, match="ffmpeg could not write the film"):
        movie.save_film(made, tmp_path / "a.mp4", fps=10)
    assert [path.name for path in tmp_path.iterdir()] == ["bin"]


# ---- the command


def test_the_command_writes_into_the_result(stored, capsys):
    assert call(["animate", str(stored), "--seconds", "0.3", "--fps", "10"]) == 0
    assert (stored / "animation.gif").read_bytes().startswith(b"GIF89a")
    assert call(["animate", str(stored), "-f", "ellipse", "-s", "adam", "--seconds", "0.2"]) == 0
    assert (stored / "animation-ellipse-adam.gif").exists()
    assert "animation-ellipse-adam.gif" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-f", "elipse"], "unknown surface 'elipse' in this result; did you mean 'ellipse'?"),
        (["-s", "adm"], "unknown solver 'adm' in this result; did you mean 'adam'?"),
        (["--format", "gifs"], "unknown format 'gifs'; did you mean 'gif'?"),
        (["--format", "mp4"], "an MP4 needs ffmpeg, and there is none on the PATH"),
        (["--seconds", "0"], "--seconds must be above 0 and at most 120, not 0"),
        (["--seconds", "nan"], "--seconds must be above 0"),
        (["--fps", "51"], "--fps must be from 1 to 50, not 51"),
    ],
)
def test_what_cannot_be_is_said_in_one_sentence(stored, capsys, monkeypatch, words, said):
    before = sorted(stored.iterdir())
    monkeypatch.setenv("PATH", "")
    assert call(["animate", str(stored), *words]) == 2
    assert said in capsys.readouterr().err
    assert sorted(stored.iterdir()) == before


def test_a_result_without_paths_is_told(stored, tmp_path, capsys):
    assert call(["animate", str(tmp_path / "nowhere")]) == 2
    assert "there is no result folder" in capsys.readouterr().err
    for path in stored.glob("*.csv"):
        text = path.read_text()
        (tmp_path / path.name).write_text(text.split("\n")[0] + "\n" if path.name == "trajectory.csv" else text)
    assert call(["animate", str(tmp_path)]) == 2
    assert "holds no paths: its trajectory.csv is empty" in capsys.readouterr().err


def test_too_many_surfaces_are_told(course, monkeypatch):
    monkeypatch.setattr(animation, "MOST_PANELS", 2)
    with pytest.raises(UsageError, match="5 surfaces are too many side by side; choose up to 2 with --surface"):
        film(course)


def test_paths_of_others_are_no_paths(course):
    frames = part(course, "ellipse")
    frames.trajectory = frames.trajectory[frames.trajectory["run"].isin(frames.runs.query("solver == 'sgd'")["run"])]
    with pytest.raises(UsageError, match="no paths to animate"):
        film(frames, solvers=["adam"])


def test_a_surface_stands_for_its_problems(course):
    frames = copy.deepcopy(part(course, "ellipse", "rosenbrock"))
    for frame in (frames.runs, frames.table):
        frame["problem"] = frame["problem"].replace({"ellipse": "ellipse condition=10"})
    frames.contours["ellipse condition=10"] = frames.contours.pop("ellipse")
    assert [panel.name for panel in film(frames, ["ellipse"]).panels] == ["ellipse condition=10"]


def test_broken_paths_are_animated_as_far_as_they_go(course):
    frames = copy.deepcopy(part(course, "ellipse"))
    frames.contours = {}
    last = frames.trajectory.index[frames.trajectory["run"] == frames.trajectory["run"].iloc[-1]][-1]
    frames.trajectory.loc[last, ["x0", "x1", "loss"]] = [np.inf, np.nan, np.inf]
    assert len(pictures(film(frames, seconds=0.3))) == 6
