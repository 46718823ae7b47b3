"""Preprocess the columns of a table: center, scale, standardize, minmax, whiten."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float

from gdbench.errors import DataError, unknown
from gdbench.surfaces.data.dataset import PREPROCESSINGS, Dataset


def preprocess(dataset: Dataset, how: str, fitted_on: Bool[np.ndarray, "N"] | None = None) -> Dataset:
    """Shift and scale every feature, or leave them `raw`.

    `center` x - mean, `scale` x / std, `standardize` (x - mean) / std, `minmax` (x - min) / (max - min), and `whiten`:
    the principal components of the standardised features, each divided by its deviation, so that their covariance is
    the identity. The standard deviation is the population's (divided by N, as in scikit-learn). The target stays as it
    is. All is fitted on the examples of the mask `fitted_on`; on all without it.
    Raises DataError for an unknown name, and for a direction without variance that would have to be divided by 0.
    """
    if how not in PREPROCESSINGS:
        raise DataError(str(unknown("preprocessing", how, PREPROCESSINGS)))
    if how == "raw":
        return dataset
    # a power of two near each column's largest value: exact to divide by, and no square can overflow
    exponent = np.frexp(np.abs(dataset.features).max(axis=0))[1]
    values = np.ldexp(dataset.features, -exponent)
    fitted = np.ones(len(values), bool) if fitted_on is None else fitted_on
    centered = values - values[fitted].mean(axis=0)
    centered -= centered[fitted].mean(axis=0)  # the first mean is rounded: with a mean of 1e9 that is visible
    # 0.1 repeated has a rounded mean and a std of 1e-17, so the range decides what is constant
    constant = np.ptp(values[fitted], axis=0) <= 10 * np.finfo(float).eps * np.abs(values).max(axis=0)
    if fitted.all():
        centered[:, constant] = 0.0
    if how == "center":
        return replace(dataset, features=np.ldexp(centered, exponent))
    if constant.any():
        column = int(np.argmax(constant))
        raise DataError(
            f"{dataset.name}: column '{dataset.feature_names[column]}' is constant (always "
            f"{dataset.features[fitted][0, column]:g}), so '{how}' would divide it by 0: drop the column, or use raw "
            "or center"
        )
    if how == "minmax":
        lowest = values[fitted].min(axis=0)
        return replace(dataset, features=(values - lowest) / np.ptp(values[fitted], axis=0))
    spread = np.sqrt(np.mean(centered[fitted] ** 2, axis=0))
    if how == "whiten":
        white = _whitened(dataset, centered / spread, fitted)
        return replace(dataset, features=white, feature_names=tuple(f"pc{k}" for k in range(white.shape[1])))
    return replace(dataset, features=(values if how == "scale" else centered) / spread)


def _whitened(
    dataset: Dataset, standard: Float[np.ndarray, "N d"], fitted: Bool[np.ndarray, "N"]
) -> Float[np.ndarray, "N d"]:
    """Compute the principal components of `standard` features, by falling variance, each divided by its deviation."""
    n, d = int(fitted.sum()), standard.shape[1]
    # the second turn takes out what rounding leaves correlated after a nearly dependent direction
    for turn in range(2):
        singular, directions = np.linalg.svd(standard[fitted], full_matrices=False)[1:]
        rank = int(np.sum(singular > singular[0] * 10 * np.finfo(float).eps * max(d, np.sqrt(n))))
        if rank < d:
            last = np.linalg.svd(standard[fitted], full_matrices=True)[2][-1]
            column = dataset.feature_names[int(np.argmax(np.abs(last)))]
            raise DataError(
                f"{dataset.name}: the features are linearly dependent (rank {rank} of {d}; '{column}' is a sum of "
                "others), so 'whiten' would divide a direction without variance by 0: drop columns, or use standardize"
            )
        # every machine must choose the same of two opposite directions: the one with a positive largest part
        directions = directions * np.sign(directions[np.arange(d), np.abs(directions).argmax(axis=1)])[:, None]
        onto = directions.T * (np.sqrt(n) / singular)
        # the second time all is white but for rounding, and then any direction is a principal one: no rotation
        standard = standard @ (onto @ directions if turn else onto)
        standard = standard - standard[fitted].mean(axis=0)
    return standard
