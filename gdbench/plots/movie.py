"""Films as files: GIF by Pillow, which matplotlib brings along, and MP4 by ffmpeg, where there is one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from subprocess import CalledProcessError

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from gdbench.errors import GdbenchError, UsageError
from gdbench.plots.animation import Film
from gdbench.plots.style import look

FORMATS = ("gif", "mp4")
# The last picture stays for so many seconds.
PAUSE = 2.0
# The ground gets so many colours, and what moves gets the rest.
GROUND = 112
COLOURS = 255
# The see-through colour has this place in the palette.
UNCHANGED = 255
# The colours of what moves are taken from so many frames.
SAMPLES = 12


def save_film(film: Film, path: Path, *, fps: int) -> Path:
    """Write a film as its suffix says, whole or not at all; a GIF has the same bytes for the same data.

    Raises `UsageError` for an MP4 where no ffmpeg is on the path.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with look(), np.errstate(all="ignore"):
            (_mp4 if path.suffix == ".mp4" else _gif)(film, temporary, fps)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def require_format(kind: str) -> None:
    """Raise `UsageError` where a format cannot be written here."""
    from matplotlib.animation import FFMpegWriter

    if kind == "mp4" and not FFMpegWriter.isAvailable():
        raise UsageError("an MP4 needs ffmpeg, and there is none on the PATH; --format gif needs nothing more")


def _gif(film: Film, path: Path, fps: int) -> None:
    """Write a GIF: one palette for all frames, and of each frame only the pixels that differ from the one before."""
    pictures = _indexed(film, _palette(film))
    first = next(pictures)
    durations = [1000 / fps] * (len(film.steps) - 1) + [1000 * PAUSE]
    first.save(
        path,
        format="GIF",
        save_all=True,
        append_images=pictures,
        # A GIF counts hundredths of seconds.
        duration=[10 * round(milliseconds / 10) for milliseconds in durations],
        loop=0,
        disposal=1,
        transparency=UNCHANGED,
        optimize=False,  # Optimising would give every frame colours of its own.
    )


def _palette(film: Film) -> np.ndarray:
    """Return 256 colours `[256, 3]` for all frames: of what stays, of what moves, and one for "unchanged"."""
    chosen = np.unique(np.linspace(0, len(film.steps) - 1, SAMPLES).astype(int))
    samples = [frame[..., :3].copy() for frame in film.frames(chosen)]
    moved = [sample[(sample != samples[0]).any(axis=-1)] for sample in samples[1:]]
    parts = [_reduced(samples[0].reshape(-1, 3), GROUND), _reduced(np.concatenate(moved), COLOURS - GROUND)]
    colours = np.unique(np.concatenate(parts), axis=0)[:COLOURS].astype(np.int64)
    free = np.setdiff1d(np.arange(256), _packed(colours))  # These are blues, and no picture has many of them.
    spare = np.column_stack([np.zeros((len(free), 2), np.int64), free])
    return np.concatenate([colours, spare[: 256 - len(colours)]])


def _packed(colours: np.ndarray) -> np.ndarray:
    """Pack RGB `[.., 3]` as one whole number each."""
    wide = colours.astype(np.int64)
    return (wide[..., 0] << 16) | (wide[..., 1] << 8) | wide[..., 2]


def _reduced(colours: np.ndarray, most: int) -> np.ndarray:
    """Choose at most `most` colours that stand for `colours` `[k, 3]`, by median cut."""
    if not len(colours):
        return np.empty((0, 3), np.uint8)
    reduced = Image.fromarray(colours[None]).quantize(most, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    used = np.unique(np.asarray(reduced))
    return np.array(reduced.getpalette(), dtype=np.uint8).reshape(-1, 3)[used]


def _indexed(film: Film, palette: np.ndarray) -> Iterator[Image.Image]:
    """Yield the frames in the colours of the palette, UNCHANGED where a pixel is as before."""
    place_by_colour: dict[int, int] = {}
    pixels = before = np.empty(0)
    for frame in film.frames():
        packed = _packed(frame[..., :3])
        if not before.size:
            places = _places(packed, palette, place_by_colour)
            picture = places
        else:
            changed = packed != pixels
            places = before.copy()
            places[changed] = _places(packed[changed], palette, place_by_colour)
            picture = np.where(places == before, UNCHANGED, places)
        pixels, before = packed, places
        image = Image.fromarray(picture.astype(np.uint8)).convert("P")
        image.putpalette(palette.astype(np.uint8).tobytes())
        yield image


def _places(packed: np.ndarray, palette: np.ndarray, place_by_colour: dict[int, int]) -> np.ndarray:
    """Find the place in the palette of the colour nearest to each of `packed`, and keep it in `place_by_colour`."""
    colours, inverse = np.unique(packed, return_inverse=True)
    new = np.array([colour for colour in colours.tolist() if colour not in place_by_colour], dtype=np.int64)
    for part in np.array_split(new, len(new) // 4096 + 1):
        rgb = np.stack([part >> 16, (part >> 8) & 255, part & 255], axis=-1)
        distance = ((rgb[:, None] - palette[None, :UNCHANGED]) ** 2).sum(axis=-1)
        place_by_colour.update(zip(part.tolist(), distance.argmin(axis=1).tolist(), strict=True))
    return np.array([place_by_colour[colour] for colour in colours.tolist()])[inverse].reshape(packed.shape)


def _mp4(film: Film, path: Path, fps: int) -> None:
    """Write an MP4: every frame fills a figure, which matplotlib's writer hands to ffmpeg."""
    from matplotlib.animation import FFMpegWriter

    require_format("mp4")
    screen = Figure(figsize=tuple(film.figure.get_size_inches()), dpi=film.figure.dpi)
    writer = FFMpegWriter(fps=fps, extra_args=["-pix_fmt", "yuv420p", "-f", "mp4"])
    try:
        with writer.saving(screen, str(path), film.figure.dpi):
            for frame in film.frames():
                screen.clear()
                screen.figimage(frame)
                writer.grab_frame()
            for _ in range(round(PAUSE * fps)):
                writer.grab_frame()
    except (CalledProcessError, BrokenPipeError) as error:
        raise GdbenchError(f"ffmpeg could not write the film: {error}") from None
