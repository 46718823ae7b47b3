"""Synthetic but real benchmarks to draw: numpy solvers on surfaces of one, two and five dimensions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from gdbench.results.folder import Frames

RATES = 10.0 ** np.arange(-3, 2.0)
BUDGET = 300


@dataclass(frozen=True)
class Surface:
    """A surface in numpy, with what a contour record says about it."""

    value: Callable[[np.ndarray], np.ndarray]  # of weights on the last axis
    start: tuple[float, ...]
    minimisers: tuple[tuple[float, ...], ...]
    f_star: float
    rate: float = np.nan  # what theory predicts for sgd
    box: float = 2.5


def ellipse(x: np.ndarray) -> np.ndarray:
    u, v = (x[..., 0] + x[..., 1]) / 2**0.5, (x[..., 0] - x[..., 1]) / 2**0.5
    return 0.5 * (u**2 + 10 * v**2)


SIGNAL = np.linspace(-1, 1, 11)
EXAMPLES = np.column_stack([np.ones(11), SIGNAL + 0.5])

SURFACES = {
    "ellipse": Surface(ellipse, (-2.0, 1.0), ((0.0, 0.0),), 0.0, 0.9),
    "rosenbrock": Surface(
        lambda x: (1 - x[..., 0]) ** 2 + 100 * (x[..., 1] - x[..., 0] ** 2) ** 2, (-1.2, 1.0), ((1.0, 1.0),), 0.0
    ),
    "double-well": Surface(
        lambda x: (x[..., 0] ** 2 - 1) ** 2 + 0.3 * x[..., 0],
        (1.9,),
        ((-1.0358,), (0.9601,)),
        -0.30543,
    ),
    "linear-neuron": Surface(
        lambda x: np.mean((x @ EXAMPLES.T - (3 * SIGNAL + 1)) ** 2, axis=-1), (-1.0, -1.0), ((-0.5, 3.0),), 0.0, box=4.0
    ),
    "quadratic-5d": Surface(
        lambda x: 0.5 * np.sum(2.0 ** np.arange(5) * x**2, axis=-1),
        (1.0, -1.0, 1.5, 1.0, 0.5),
        ((0.0,) * 5,),
        0.0,
    ),
}


def gradient(surface: Surface, x: np.ndarray) -> np.ndarray:
    """Central differences: exact enough for pictures."""
    h = 1e-5 * np.eye(len(x))
    return (surface.value(x + h) - surface.value(x - h)) / 2e-5


def momentum_step(g: np.ndarray, s: list, lr: float) -> np.ndarray:
    s[0] = 0.9 * s[0] - lr * g
    return s[0]


def adam_step(g: np.ndarray, s: list, lr: float) -> np.ndarray:
    s[3] += 1
    s[0], s[1] = 0.9 * s[0] + 0.1 * g, 0.999 * s[1] + 0.001 * g * g
    return -lr * s[0] / (1 - 0.9 ** s[3]) / (np.sqrt(s[1] / (1 - 0.999 ** s[3])) + 1e-8)


def rmsprop_step(g: np.ndarray, s: list, lr: float) -> np.ndarray:
    s[1] = 0.9 * s[1] + 0.1 * g * g
    return -lr * g / (np.sqrt(s[1]) + 1e-8)


def adagrad_step(g: np.ndarray, s: list, lr: float) -> np.ndarray:
    s[1] = s[1] + g * g
    return -lr * g / (np.sqrt(s[1]) + 1e-8)


STEPS = {
    "sgd": lambda g, s, lr: -lr * g,
    "momentum": momentum_step,
    "rmsprop": rmsprop_step,
    "adagrad": adagrad_step,
    "adam": adam_step,
}


def descend(surface: Surface, solver: str, rate: float, start: np.ndarray) -> tuple[str, np.ndarray]:
    """The status and every iterate."""
    x, state, path = np.array(start), [0.0, 0.0, 0.0, 0], [np.array(start)]
    first = surface.value(x)
    with np.errstate(all="ignore"):
        for _ in range(BUDGET):
            x = x + STEPS[solver](gradient(surface, x), state, rate)
            path.append(x)
            loss = surface.value(x)
            if not loss <= 1e6 * (1 + abs(first)):
                return "diverged", np.array(path)
            if loss - surface.f_star <= 1e-6 * (first - surface.f_star):
                return "reached", np.array(path)
    return "budget", np.array(path)


def contours_of(surface: Surface, paths: list[np.ndarray]) -> dict[str, object]:
    """The contour record of a surface, as the engine's side writes it."""
    n = len(surface.start)
    minimisers = np.array(surface.minimisers)
    record: dict[str, object] = {"dimension": n, "labels": [f"x{i}" for i in range(n)], "minimisers": minimisers}
    record |= {"minimum_loss": surface.value(minimisers), "f_star": surface.f_star}
    record |= {"loss_start": float(surface.value(np.array(surface.start)))}
    side = np.linspace(-surface.box, surface.box, 101)
    if n == 1:
        return record | {"kind": "line", "u": side, "loss": surface.value(side[:, None])}
    if n == 2:
        grid = np.stack(np.meshgrid(side, side), axis=-1)
        return record | {"kind": "plane", "u": side, "v": side, "loss": surface.value(grid)}
    every = np.concatenate([path[np.isfinite(path).all(axis=1) & (np.abs(path) < 10).all(axis=1)] for path in paths])
    origin = minimisers[0]
    _, values, axes = np.linalg.svd(every - origin, full_matrices=False)
    u, v = side, 0.7 * side
    plane = origin + u[None, :, None] * axes[0] + v[:, None, None] * axes[1]
    share = values[:2] ** 2 / np.sum(values**2)
    record |= {"kind": "pca", "u": u, "v": v, "loss": surface.value(plane)}
    return record | {"origin": origin, "axes": axes[:2], "share": share}


def benchmark(
    surfaces: tuple[str, ...],
    solvers: tuple[str, ...],
    starts: int = 1,
    rate: float | None = None,
) -> Frames:
    """Tune and run every solver on every surface, and lay the results out as a result folder does."""
    runs, table, paths, curves, contours = [], [], [], [], {}
    for name in surfaces:
        surface, drawn = SURFACES[name], []
        offsets = np.random.default_rng(0).normal(0, 0.3, (starts, len(surface.start)))
        offsets[0] = 0
        for solver in solvers:
            best = None
            for lr in RATES if rate is None else [rate]:
                done = [descend(surface, solver, lr, surface.start + offset) for offset in offsets]
                rows = []
                for start, (status, path) in enumerate(done):
                    loss = surface.value(path)
                    hit = len(path) - 1 if status == "reached" else np.nan
                    rows.append(
                        {
                            "run": len(runs) + start,
                            "problem": name,
                            "surface": name,
                            "solver": solver,
                            "start": start,
                            "status": status,
                        }
                        | {"steps": len(path) - 1, "steps_to_target": hit, "loss_final": loss[-1], "learning_rate": lr}
                        | {"loss_start": loss[0]}
                    )
                runs += rows
                median = float(np.median([np.nan_to_num(row["steps_to_target"], nan=np.inf) for row in rows]))
                key = (median, rows[0]["loss_final"] if np.isfinite(rows[0]["loss_final"]) else np.inf)
                if best is None or key < best[0]:
                    best = (key, rows, done)
            assert best is not None
            (median, _), rows, done = best
            predicted = surface.rate if solver == "sgd" else np.nan
            table.append(
                {
                    "problem": name,
                    "surface": name,
                    "solver": solver,
                    "learning_rate": rows[0]["learning_rate"],
                    "tuned": True,
                }
            )
            table[-1] |= {"steps_to_target": median, "rate_predicted": predicted}
            for row, (_, path) in zip(rows, done, strict=True):
                drawn.append(path)
                loss = surface.value(path)
                cells = {f"x{i}": path[:, i] for i in range(path.shape[1])}
                paths.append(pd.DataFrame({"run": row["run"], "step": np.arange(len(path))} | cells | {"loss": loss}))
                kept = np.unique(np.append(0, np.geomspace(1, len(path) - 1, 60).astype(int)))
                curve = {
                    "run": row["run"],
                    "problem": name,
                    "surface": name,
                    "solver": solver,
                    "start": row["start"],
                    "step": kept,
                }
                curves.append(pd.DataFrame(curve | {"loss": loss[kept], "gap": loss[kept] - surface.f_star}))
        contours[name] = contours_of(surface, drawn)
    return Frames(
        runs=pd.DataFrame(runs),
        table=pd.DataFrame(table),
        trajectory=pd.concat(paths, ignore_index=True),
        curves=pd.concat(curves, ignore_index=True),
        contours=contours,
    )


def part(frames: Frames, *surfaces: str) -> Frames:
    """The part of a result that belongs to some surfaces."""
    runs = frames.runs[frames.runs["surface"].isin(surfaces)]
    return Frames(
        runs=runs,
        table=frames.table[frames.table["surface"].isin(surfaces)],
        trajectory=frames.trajectory[frames.trajectory["run"].isin(runs["run"])],
        curves=frames.curves[frames.curves["surface"].isin(surfaces)],
        contours={name: frames.contours[name] for name in surfaces},
    )
