"""Make the surfaces of the table that a specification names, and give them the settings that speak of them alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gdbench.errors import DataError, SpecError, UsageError
from gdbench.planning.axis_values import Setting
from gdbench.spec.sweep import SweepSpec
from gdbench.surfaces.base import Surface
from gdbench.surfaces.data.dataset import load
from gdbench.surfaces.data.from_table import surface_of_table
from gdbench.surfaces.data.holdout import held_out_rows
from gdbench.surfaces.data.preprocessing import preprocess

# The keys of a specification that are settings of the surfaces made of data.
SETTINGS = ("weight_decay", "hidden", "activation")


def data_surfaces(spec: SweepSpec) -> list[Surface]:
    """Make one error surface for each preprocessing of the table that `spec` names; none without a table.

    Raises `SpecError` at the key that is wrong.
    """
    if spec.data is None:
        return []
    try:
        table = load(spec.data, spec.target, spec.model, spec.task)
    except DataError as error:
        raise SpecError(str(error), ("target" if spec.target and "no column" in str(error) else "data",)) from None
    model, batched = spec.model, spec.batch_size is not None
    decays = spec.weight_decay is not None or any(key.endswith("weight_decay") for key in spec.param)
    surfaces = []
    for index, how in enumerate(spec.preprocess):
        mask = np.zeros(len(table.target), bool)
        try:
            if spec.holdout is not None:
                mask = held_out_rows(len(table.target), spec.holdout, spec.seed)
            prepared = preprocess(table, how, ~mask)
        except DataError as error:
            raise SpecError(str(error), ("preprocess", index)) from None
        except UsageError as error:
            raise SpecError(str(error), ("holdout",)) from None
        surfaces.append(
            surface_of_table(prepared, how, mask, model=model, batched=batched, decays=decays, seed=spec.seed)
        )
    return surfaces


def give_to_data(spec: SweepSpec, surfaces: Sequence[Surface], assigned: Sequence[dict[str, Setting]]) -> None:
    """Add the keys of `SETTINGS` to what is `assigned` to each of the `surfaces` that are made of the data."""
    for surface, settings in zip(surfaces, assigned, strict=True):
        for name in SETTINGS if surface.metric is not None else ():
            axis = getattr(spec, name)
            if axis is None:
                continue
            if name in settings:
                raise SpecError(f"duplicate setting '{name}', also given as '{settings[name].name}'", (name,))
            settings[name] = Setting(axis, (name,))
