"""Two results side by side: who got better, who got worse, and what the data cannot tell. Frames in, frames out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from gdbench.columns import PROBLEM, START
from gdbench.errors import UsageError
from gdbench.results.selection import chosen_runs
from gdbench.results.statistics import floats
from gdbench.results.statistics.medians import median
from gdbench.results.statistics.paired import (
    LEAST,
    holm,
    mcnemar,
    median_ratio,
    pair_ratios,
    ratio_interval,
    signed_rank,
)
from gdbench.results.verdicts import MEASURES, WORSE, explain, verdict

# The first must be equal in both configurations, the others only deserve a warning.
TARGET, CONDITIONS = ("rtol", "atol"), ("steps", "dtype", "gtol", "batch_size", "noise")

Key = tuple[str, str]


@dataclass(frozen=True)
class Comparable:
    """One side of a comparison: a result's name, its frames, and the keys of its config.yaml as far as known."""

    name: str
    runs: pd.DataFrame
    table: pd.DataFrame
    config: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Comparison:
    """The outcome of `compare_results`: the names, a row per surface and solver, and what explains them in words."""

    a: str
    b: str
    frame: pd.DataFrame
    sentences: list[str]

    @property
    def regressions(self) -> pd.DataFrame:
        """The rows in which b is worse than a: in steps, in success or in the final gap."""
        return self.frame[self.frame["verdict"] == WORSE]


def named_alike(a: Comparable, b: Comparable) -> Comparable:
    """Return `b` with those of its problems renamed as in `a` that have another name there but the same fingerprint.

    A parameter that is swept in one result alone is part of the problem's name in that one alone.
    """
    names, others = (
        dict(side.runs[[PROBLEM, "fingerprint"]].astype(str).drop_duplicates().itertuples(index=False, name=None))
        for side in (a, b)
    )
    renamed = {}
    for problem, fingerprint in others.items():
        alike = [name for name, other in names.items() if other == fingerprint]
        if problem not in names and len(alike) == 1 and list(others.values()).count(fingerprint) == 1:
            renamed[problem] = alike[0]
    if not renamed:
        return b
    runs, table = (frame.assign(problem=frame[PROBLEM].astype(str).replace(renamed)) for frame in (b.runs, b.table))
    return Comparable(b.name, runs, table, b.config)


def compare_results(a: Comparable, b: Comparable, *, seed: int = 0) -> Comparison:
    """Compare `b` with `a` on every surface and solver, each at its chosen settings.

    Runs are paired by (start, seed) where both have the same start coordinates. Columns of the frame: `steps_`,
    `gap_` : medians over all chosen runs, a failure being infinity; `success_` : shares; `ratio` : median over the
    pairs of steps b / steps a, empty where nobody reached the target, and from six pairs on its bootstrap interval;
    `more, fewer, lost, won, larger, smaller` : pairs in which b took more or fewer steps, lost or won the target,
    ended at a larger or smaller gap; `p_` : tests of the steps (signed ranks), of success (McNemar) and, where nobody
    reached the target, of the final gaps (signed ranks); `holm_` : those, corrected over all of them. The verdicts
    better and worse need a corrected p below 0.05; `decided_by` : steps, success or gap.

    Raises UsageError where the targets or a surface's fingerprints differ, or nothing is in common.
    """
    names = (a.name, b.name) if a.name != b.name else (f"{a.name} (a)", f"{b.name} (b)")
    warnings = _compare_conditions(a.config, b.config, names)
    sides = (_Side(a), _Side(b))
    keys = list(dict.fromkeys((*sides[0].keys, *sides[1].keys)))
    common = [key for key in keys if key in sides[0].keys and key in sides[1].keys]
    if not common:
        listed = [", ".join(f"{solver} on {problem}" for problem, solver in [*side.keys][:3]) for side in sides]
        raise UsageError(
            f"'{names[0]}' and '{names[1]}' have no surface and solver in common: {listed[0]} against {listed[1]}"
        )
    for problem in dict.fromkeys(problem for problem, _ in common):
        _require_same_surface(problem, sides, names)
    pairs = _pairs(sides[0].chosen, sides[1].chosen)
    arrays = {name: pairs[name].to_numpy() for name in pairs.columns}
    rows_of = pairs.groupby([PROBLEM, "solver"], sort=False).indices
    records = []
    for key in keys:
        record: dict[str, Any] = {PROBLEM: key[0], "solver": key[1], "verdict": "", "decided_by": "", "reason": ""}
        for letter, side in zip("ab", sides, strict=True):
            record |= {f"{name}_{letter}": value for name, value in side.summary(key).items()}
        rows = rows_of.get(key, np.array([], dtype=np.intp))
        records.append(record | _tests({name: array[rows] for name, array in arrays.items()}, seed))
    frame = pd.DataFrame(records)
    frame[[f"holm_{name}" for name in MEASURES]] = holm(frame[[f"p_{name}" for name in MEASURES]].to_numpy())
    where = [tuple(name for name, side in zip(names, sides, strict=True) if key in side.keys) for key in keys]
    frame[["verdict", "decided_by", "reason"]] = [
        verdict(*row) for row in zip(frame.to_dict("records"), where, strict=True)
    ]
    frame = frame.drop(columns=["same", *(f"sign_{name}" for name in MEASURES)])
    return Comparison(*names, frame, [*warnings, *explain(frame, *names)])


def _compare_conditions(a: Mapping[str, Any], b: Mapping[str, Any], names: tuple[str, str]) -> list[str]:
    """Return a warning for every condition that differs; a `UsageError` where the targets do."""
    shared = [name for name in (*TARGET, *CONDITIONS) if name in a and name in b]
    differing = [name for name in shared if _single(a[name]) != _single(b[name])]
    for name in differing:
        if name in TARGET:
            raise UsageError(
                f"steps to different targets cannot be compared: {name} is {a[name]} in '{names[0]}' "
                f"and {b[name]} in '{names[1]}'"
            )
    return [f"Warning: {name} is {a[name]} in {names[0]} and {b[name]} in {names[1]}." for name in differing]


def _single(value: Any) -> Any:
    """Return the value of an axis of one, as a sweep may write it."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


class _Side:
    """One result: its rows, its surfaces, and its chosen runs as far as they are compared."""

    def __init__(self, side: Comparable) -> None:
        runs, table = side.runs, side.table
        self.keys: dict[Key, None] = dict.fromkeys(
            zip(table[PROBLEM].astype(str), table["solver"].astype(str), strict=True)
        )
        known = runs.reindex(columns=[PROBLEM, "fingerprint"]).drop_duplicates().dropna()
        known = known[known["fingerprint"] != ""].astype(str)
        self.fingerprints = known.groupby(PROBLEM)["fingerprint"].agg(sorted).to_dict()
        chosen = chosen_runs(runs, table)
        # where no minimum is known the loss itself tells who came lower
        gap, loss = floats(chosen, "gap"), floats(chosen, "loss_final")
        left = np.where(np.isnan(gap), loss, gap)
        left[chosen["status"].isin(["diverged", "error"]).to_numpy() | np.isnan(left)] = np.inf
        columns: dict[str, Any] = {name: chosen[name].astype(str) for name in (PROBLEM, "solver", "status")}
        columns |= {name: chosen[name] for name in ("start", "seed")}
        columns |= {"steps": np.nan_to_num(floats(chosen, "steps_to_target"), nan=np.inf), "loss": loss}
        columns |= {"left": left, "is_gap": ~np.isnan(gap)}
        columns |= {name: floats(chosen, name) for name in chosen.columns if name.startswith(START)}
        self.chosen = pd.DataFrame(columns)
        self.rows_of = self.chosen.groupby([PROBLEM, "solver"], sort=False).indices

    def summary(self, key: Key) -> dict[str, float]:
        """Return `runs, steps, success, gap` of a row."""
        if key not in self.rows_of:
            return {"runs": 0, "steps": np.nan, "success": np.nan, "gap": np.nan}
        steps, left, is_gap = (self.chosen[name].to_numpy()[self.rows_of[key]] for name in ("steps", "left", "is_gap"))
        gap = median(left) if is_gap.any() else np.nan
        return {"runs": len(steps), "steps": median(steps), "success": float(np.isfinite(steps).mean()), "gap": gap}


def _require_same_surface(problem: str, sides: Sequence[_Side], names: tuple[str, str]) -> None:
    a, b = (side.fingerprints.get(problem, []) for side in sides)
    if a and b and a != b:
        raise UsageError(
            f"'{problem}' is another surface in '{names[1]}' (fingerprint {' and '.join(b)}) than in '{names[0]}' "
            f"({' and '.join(a)}): its parameters or its formula differ"
        )


def _pairs(a: pd.DataFrame, b: pd.DataFrame) -> pd.DataFrame:
    """Return the runs that both sides made from the same start with the same seed: `NAME_a` beside `NAME_b`."""
    coordinates = list(dict.fromkeys(name for side in (a, b) for name in side.columns if name.startswith(START)))
    # a coordinate that one side lacks is empty there, and equal only to an empty one
    by = [PROBLEM, "solver", "start", "seed", *coordinates]
    sides = [
        side.reindex(columns=[*dict.fromkeys([*side.columns, *coordinates])]).drop_duplicates(by) for side in (a, b)
    ]
    pairs = sides[0].merge(sides[1], on=by, suffixes=("_a", "_b"))
    pairs["same"] = True
    for name in ("status", "steps", "loss"):
        one, other = pairs[f"{name}_a"], pairs[f"{name}_b"]
        pairs["same"] &= (one == other) | (one.isna() & other.isna())
    return pairs


def _tests(pairs: Mapping[str, np.ndarray], seed: int) -> dict[str, Any]:
    """Count and test what the pairs of one row say."""
    a, b = pairs["steps_a"], pairs["steps_b"]
    reached_a, reached_b = np.isfinite(a), np.isfinite(b)
    someone = bool((reached_a | reached_b).any())
    ratios = pair_ratios(a, b)
    with np.errstate(divide="ignore"):
        steps = np.log(ratios)
    gaps = np.zeros(len(a)) if someone else _gap_differences(pairs)
    found: dict[str, Any] = {"pairs": len(a), "ratio": median_ratio(ratios) if someone else np.nan}
    enough = someone and len(a) >= LEAST
    found["ratio_low"], found["ratio_high"] = ratio_interval(ratios, seed) if enough else (np.nan, np.nan)
    found |= {"more": int((steps > 0).sum()), "fewer": int((steps < 0).sum())}
    found |= {"lost": int((reached_a & ~reached_b).sum()), "won": int((~reached_a & reached_b).sum())}
    found |= {"larger": int((gaps > 0).sum()), "smaller": int((gaps < 0).sum())}
    found["p_steps"], found["sign_steps"] = signed_rank(steps)
    found["p_success"], found["sign_success"] = mcnemar(found["lost"], found["won"])
    found["p_gap"], found["sign_gap"] = signed_rank(gaps)
    return found | {"same": bool(pairs["same"].all())}


def _gap_differences(pairs: Mapping[str, np.ndarray]) -> np.ndarray:
    """Measure how much further b is from the minimum, `[pairs]`: log gaps apart, losses where no minimum is known."""
    tiny = np.finfo(float).tiny  # rounding may leave a gap at or below 0
    is_gap = pairs["is_gap_a"] & pairs["is_gap_b"]
    a, b = (np.where(is_gap, np.log(np.maximum(pairs[name], tiny)), pairs[name]) for name in ("left_a", "left_b"))
    return np.subtract(b, a, out=np.zeros(len(a)), where=a != b)
