"""Make an error surface of a user's table: linear, logistic or softmax regression, or a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool

from gdbench.blas import one_thread
from gdbench.surfaces.base import FROM_ZERO, Classifier, Metric, Surface
from gdbench.surfaces.data.dataset import Dataset, design_matrix
from gdbench.surfaces.data.models import (
    Architecture,
    Chances,
    Multilayer,
    Score,
    Softmax,
    linear,
    linear_outputs,
    logistic,
)
from gdbench.surfaces.data.regression import Solution, linear_solution, logistic_solution, reduce_examples
from gdbench.surfaces.data.softmax_regression import decayed_logistic_solution, softmax_solution

LIMITS = {"weight_decay": (FROM_ZERO, float("inf"))}

DECAY = " + ½ weight_decay |w|²"

SOURCES = {
    "linear": "mean over examples of (w·i - t)²" + DECAY,
    "logistic": "mean over examples of log(1 + exp(w·i)) - t w·i" + DECAY,
    "softmax": "mean over examples of log Σ exp(w_c·i) - w_t·i, w of the first class 0, + ½ weight_decay Σ |w_c - w̄|²",
}

# What preprocessing has done to the features, in words.
DONE = {
    "center": "centered",
    "scale": "scaled",
    "standardize": "standardized",
    "minmax": "scaled to 0 .. 1",
    "whiten": "whitened",
}


@dataclass(frozen=True, eq=False)
class Minimum:
    """The minimiser of a regression at any weight decay; `plain` is the one without decay, None if there is none."""

    model: str
    inputs: np.ndarray
    targets: np.ndarray
    classes: int
    plain: np.ndarray | None

    def __call__(self, dimension: int, weight_decay: float) -> np.ndarray:
        """Return the minimiser as `[1, n]`, `[0, n]` if there is none."""
        minimiser = self.plain
        if weight_decay:
            minimiser = _solution(self.model, self.inputs, self.targets, self.classes, weight_decay).minimiser
        return np.zeros((0, dimension)) if minimiser is None else minimiser[None]


def _solution(model: str, inputs: np.ndarray, targets: np.ndarray, classes: int, weight_decay: float = 0.0) -> Solution:
    with one_thread():
        if model == "linear":
            return linear_solution(inputs, targets, weight_decay)
        if model == "softmax":
            return softmax_solution(inputs, targets, classes, weight_decay)
        if weight_decay:
            return decayed_logistic_solution(inputs, targets, weight_decay)
        return logistic_solution(inputs, targets)


def surface_of_table(
    table: Dataset, how: str, mask: Bool[np.ndarray, "rows"], *, model: str, batched: bool, decays: bool, seed: int
) -> Surface:
    """Make the error surface of a `model` of a table whose features were preprocessed `how`.

    mask : the examples that are held out. batched : steps see mini-batches. decays : weight decay is set, so that a
    note about a missing minimum says that it holds without decay. seed : the seed of a network's start.
    """
    if model == "mlp":
        return _network(table, how, mask, seed)
    return _regression(table, how, mask, model, batched, decays)


def _regression(table: Dataset, how: str, mask: np.ndarray, model: str, batched: bool, decays: bool) -> Surface:
    """Make a linear, logistic or softmax regression; it starts at 0, and its box spans 0 and twice the minimiser."""
    classes = len(table.classes)
    inputs, targets = design_matrix(table), table.target
    held_out = (inputs[mask], targets[mask]) if mask.any() else ()
    inputs, targets = inputs[~mask], targets[~mask]
    solution = _solution(model, inputs, targets, classes)
    minimum = Minimum(model, inputs, targets, classes, solution.minimiser)
    variance = targets.var()
    if model == "linear" and not batched:
        # the examples may be rotated into as many as there are weights: same E, far cheaper
        inputs, targets = reduce_examples(inputs, targets)
    names = [*table.feature_names, "intercept"]
    function: Any = {"linear": linear, "logistic": logistic, "softmax": Softmax(classes)}[model]
    outputs = function.outputs if isinstance(function, Softmax) else linear_outputs
    labels = [f"{name}:{label}" for name in names for label in table.classes[1:]] if model == "softmax" else names
    # the columns of the softmax's matrix go into one output each, and the last row holds the intercepts
    columns = classes - 1 if model == "softmax" else 1
    filters = np.append(np.tile(np.arange(columns), len(names) - 1), np.full(columns, -1))
    reach = np.ones(len(labels))
    if solution.minimiser is not None:
        size = np.abs(solution.minimiser)
        reach = 2 * np.maximum(size, 1e-3 * max(1e-12, float(size.max())))
    note = solution.note
    if note and decays:
        note = f"without weight decay {note}"
    return Surface(
        name=f"{table.name}-{how}",
        function=function,
        start=tuple(np.zeros(len(labels))),
        parameters={"weight_decay": 0.0},
        limits=LIMITS,
        minimisers=minimum,
        box=(-reach, reach),
        dimension=len(labels),
        data=(inputs, targets),
        held_out=held_out,
        metric=_metric(Score(outputs, model != "linear"), (inputs, targets), held_out, variance),
        filters=filters,
        classifier=_classifier(Chances(outputs, True), table, how),
        labels=tuple(labels),
        summary=f"{model.capitalize()} regression of {table.target_name} in {table.name}, {how} features.",
        formula=SOURCES[model],
        source=_source(table, mask, "features and an intercept"),
        note=note,
    )


def _network(table: Dataset, how: str, mask: np.ndarray, seed: int) -> Surface:
    """Make a multilayer perceptron; its options are the `hidden` layers and the `activation` of their units."""
    features, targets = table.features, table.target
    held_out = (features[mask], targets[mask]) if mask.any() else ()
    features, targets = features[~mask], targets[~mask]
    model = Multilayer(features.shape[1], len(table.classes))
    task = f"Classification by {table.target_name}" if table.classes else f"Regression of {table.target_name}"
    of_class = "log(1 + exp(y)) - t y" if len(table.classes) == 2 else "log Σ exp(y_c) - y_t"
    return Surface(
        name=f"{table.name}-{how}",
        function=model,
        start=(),
        parameters={"weight_decay": 0.0},
        options={"hidden": "8", "activation": "tanh"},
        limits=LIMITS,
        dimension=0,
        data=(features, targets),
        held_out=held_out,
        metric=_metric(Score(model.outputs, bool(table.classes)), (features, targets), held_out, targets.var()),
        classifier=_classifier(Chances(model.outputs, False), table, how),
        follows=Architecture(model, seed),
        summary=f"{task} in {table.name}, {how} features, by a network with hidden units.",
        formula=f"mean over examples of {of_class if table.classes else '(y - t)²'}{DECAY}, y the network's outputs",
        source=_source(table, mask, "features"),
    ).settled()


def _metric(
    score: Score, train: tuple[np.ndarray, np.ndarray], held_out: Sequence[np.ndarray], variance: float
) -> Metric:
    """Make the metric; `variance` is that of the training targets before examples were reduced to fewer."""
    parts: Mapping[str, tuple[np.ndarray, ...]] = {"train": (*train, np.asarray(variance))}
    if held_out:
        parts = {**parts, "test": (*held_out, np.asarray(held_out[1].var()))}
    return Metric("accuracy" if score.classifies else "r2", score, parts)


def _classifier(chances: Chances, table: Dataset, how: str) -> Classifier | None:
    """Make the classifier in the plane of a table's two features; None without such a plane or without classes."""
    if not table.classes or len(table.feature_names) != 2:
        return None
    first, second = (f"{name} ({DONE[how]})" if how in DONE else name for name in table.feature_names)
    return Classifier(chances, table.classes, (first, second))


def _source(table: Dataset, mask: np.ndarray, what: str) -> str:
    rows, columns = table.features.shape
    kinds = f"; classes {', '.join(table.classes)}" if table.classes else ""
    held_out = f"; {mask.sum()} examples held out" if mask.any() else ""
    return f"{rows - mask.sum()} examples, {columns} {what}{kinds}{held_out}"
