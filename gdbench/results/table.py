"""The table of a result, from its runs alone: a row per problem and solver, at the settings that won."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from gdbench.columns import AT, FIXED, LAST, NAMES, PROBLEM, RATES, SCORES, hyperparameters
from gdbench.results.codes import codes_by_appearance, setting_codes
from gdbench.results.selection import SCORED, group_edges, score_groups
from gdbench.results.statistics.medians import grouped_median
from gdbench.theory.observed_rate import NOT_REPLAYED, STARTS_DIFFER, needs_note


def table_of(
    runs: pd.DataFrame,
    *,
    metric: str = "steps_to_target",
    searched: bool = False,
    tuning_starts: Mapping[str, int] | None = None,
) -> pd.DataFrame:
    """Return a row per problem and solver of labelled `runs`, at its best settings.

    searched : the settings are points drawn over a space, so that none of them lies on the edge of a grid.
    tuning_starts : by problem, where some starts are held out: settings are chosen on the starts before that number,
    and all that is reported stands for those from it on.
    """
    # the rate first: of two equal settings the smaller rate wins
    settings = sorted(hyperparameters(runs), key=lambda name: name != "learning_rate")
    groups, pairs = numbered_groups(runs)
    codes = setting_codes(runs, groups, settings)
    held_out = np.array([(tuning_starts or {}).get(problem, 0) for problem, _ in pairs])
    tunes, reports = tuning_and_reported(runs, groups, held_out)
    scored = score_groups(runs[list(SCORED)][tunes], groups[tunes], codes[tunes], metric)
    best = scored.drop_duplicates("group")
    winner = np.full(len(pairs), -1)
    winner[best["group"]] = best["setting"]
    won = codes == winner[groups]
    edges: dict[int, str] = {}
    if "learning_rate" in runs.columns and not searched:
        rates = runs["learning_rate"].to_numpy(dtype=float, na_value=np.nan)
        edges = group_edges(rates[tunes], groups[tunes], codes[tunes], scored)
    trials = np.bincount(groups[np.unique(codes, return_index=True)[1]])
    tuning_runs = np.bincount(groups[tunes], minlength=len(pairs))
    tuning_steps = np.bincount(groups, runs["steps"].to_numpy(dtype=float, na_value=0.0) * tunes)
    used = {name: np.bincount(groups, runs[name].notna()) > 0 for name in settings}
    chosen, choosing = np.flatnonzero(won & reports), np.flatnonzero(won & tunes)
    # A problem of an unfinished sweep may lack all runs that choose its settings, or all that are reported
    present = np.unique(groups[chosen])
    choosing = choosing[np.isin(groups[choosing], present)]
    outcomes = _outcomes(runs.iloc[chosen], np.searchsorted(present, groups[chosen]))
    own = np.searchsorted(present, groups[choosing])
    success = _shares(runs["status"].iloc[choosing], own)
    steps = grouped_median(_steps(runs["steps_to_target"].iloc[choosing]), own)
    first = runs[settings].iloc[choosing[np.unique(own, return_index=True)[1]]]
    cells = {name: list(first[name]) for name in settings}
    rows = []
    surfaces = runs["surface"].iloc[chosen[np.unique(groups[chosen], return_index=True)[1]]].astype(str).tolist()
    for place, group in enumerate(present.tolist()):
        problem, solver = pairs[group]
        row: dict[str, object] = {PROBLEM: problem, "surface": surfaces[place], "solver": solver}
        row |= {name: cells[name][place] for name in settings if used[name][group]}
        row["tuned"], row["trials"] = bool(trials[group] > 1), int(trials[group])
        row["tuning_runs"], row["tuning_steps"] = int(tuning_runs[group]), int(tuning_steps[group])
        row["tuning_edge"] = edges.get(group, "")
        if held_out[group]:
            row["tuning_starts"] = int(held_out[group])
            row["tuning_success"], row["tuning_steps_to_target"] = float(success[place]), float(steps[place])
        rows.append({**row, **{name: column[place] for name, column in outcomes.items()}})
    return _in_order(rows)


def numbered_groups(runs: pd.DataFrame) -> tuple[np.ndarray, list[tuple[str, str]]]:
    """Number every run's problem and solver by first appearance, `[runs]`, and return the names of both by number."""
    groups, first = codes_by_appearance(runs, [PROBLEM, "solver"])
    names = runs[[PROBLEM, "solver"]].iloc[first].astype(str)
    return groups, list(zip(names[PROBLEM], names["solver"], strict=True))


def tuning_and_reported(runs: pd.DataFrame, groups: np.ndarray, held_out: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the runs that choose settings and those that are reported, `[runs]`: all where a group holds out no starts.

    groups : as `numbered_groups` gives them; held_out : by group, the number of starts before those held out.
    """
    bound = held_out[groups]
    start = runs["start"].to_numpy(dtype=float, na_value=np.nan)
    return (start < bound) | (bound == 0), start >= bound


def table_with_theory(table: pd.DataFrame, chosen: pd.DataFrame) -> pd.DataFrame:
    """Return `table` with the rates, notes and messages that its `chosen` runs have got since it was made."""
    groups, pairs = numbered_groups(chosen)
    places = {pair: place for place, pair in enumerate(pairs)}
    rows = [places[pair] for pair in zip(table[PROBLEM], table["solver"], strict=True)]
    return table.assign(**{name: [column[row] for row in rows] for name, column in _theory(chosen, groups).items()})


def _in_order(rows: Sequence[Mapping[Any, object]]) -> pd.DataFrame:
    table = pd.DataFrame(rows)
    at = [name for name in table.columns if name.startswith(AT)]
    scores = [name for name in SCORES if name in table.columns]
    settings = [name for name in table.columns if name not in (*FIXED, *at, *scores, *LAST)]
    between = [name for name in FIXED if name not in NAMES and name in table.columns]
    return table[[*NAMES, *settings, *between, *at, *scores, *LAST]]


def _outcomes(chosen: pd.DataFrame, groups: np.ndarray) -> dict[str, list[Any]]:
    """Sum up the runs at the chosen settings, a cell per group; every number of a group occurs."""
    first = np.unique(groups, return_index=True)[1]
    found: dict[str, list[Any]] = {"starts": np.bincount(groups).tolist()}
    found["success"] = _shares(chosen["status"], groups).tolist()
    found["status"] = _statuses(chosen["status"], groups)
    for name in ("steps_to_target", *(name for name in chosen.columns if name.startswith(AT))):
        found[name] = grouped_median(_steps(chosen[name]), groups).tolist()
    for name in ("loss_final", "gap", "distance"):
        found[name] = grouped_median(_floats(chosen[name]), groups).tolist()
    for name in (name for name in SCORES if name in chosen.columns):
        found[name] = _median_score(_floats(chosen[name]), groups).tolist()
    found["minimum"] = _most_frequent(chosen["minimum"], groups)
    theory = _theory(chosen, groups)
    message = theory.pop("message")
    condition_number = _floats(chosen["condition_number"])[first].tolist()
    return {**found, **theory, "condition_number": condition_number, "message": message}


def _median_score(scores: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Return the median of scores by group. The larger are the better: a run without one counts as the worst."""
    medians = grouped_median(np.where(np.isnan(scores), -np.inf, scores), groups)
    return np.where(np.bincount(groups, ~np.isnan(scores)) > 0, medians, np.nan)


def _theory(chosen: pd.DataFrame, groups: np.ndarray) -> dict[str, list[Any]]:
    """Return by group the median of each rate over the runs that have one, a note on them, and the first message."""
    count = int(groups.max()) + 1
    found: dict[str, list[Any]] = {}
    for name in RATES:
        rates = _floats(chosen[name])
        there, own = np.unique(groups[~np.isnan(rates)], return_inverse=True)
        medians = np.full(count, np.nan)
        medians[there] = grouped_median(rates[~np.isnan(rates)], own.reshape(-1))
        found[name] = medians.tolist()
    found["rate_note"] = _notes(chosen, groups, np.array(found["rate_observed"]), np.array(found["rate_predicted"]))
    messages = [""] * count
    for group, text in zip(groups.tolist(), chosen["message"], strict=True):
        if isinstance(text, str) and not messages[group]:
            messages[group] = text
    return {**found, "message": messages}


def _notes(chosen: pd.DataFrame, groups: np.ndarray, observed: np.ndarray, predicted: np.ndarray) -> list[str]:
    """Return by group the most frequent note where its rates need one; "" everywhere before runs have notes."""
    count = len(observed)
    if "rate_note" not in chosen.columns:
        return [""] * count
    counts: list[Counter[str]] = [Counter() for _ in range(count)]
    for group, text in zip(groups.tolist(), chosen["rate_note"], strict=True):
        # one that speaks of a replayed run says more
        counts[group][text] += 0 if not text else 1 if text == NOT_REPLAYED else len(groups)
    needed = needs_note(observed, predicted, _shares(chosen["status"], groups) > 0)
    notes = []
    for group, own in enumerate(counts):
        note = own.most_common(1)[0][0] if needed[group] else ""
        both = not np.isnan(observed[group] + predicted[group])
        notes.append(note or (STARTS_DIFFER if needed[group] and both else ""))
    return notes


def _shares(status: pd.Series, groups: np.ndarray) -> np.ndarray:
    """Return the share of runs at the target, by group."""
    return np.asarray(np.bincount(groups, (status == "reached").to_numpy()) / np.bincount(groups))


def _statuses(status: pd.Series, groups: np.ndarray) -> list[str]:
    """Return by group the status of its runs, or how many have which, the most frequent one first."""
    counts: list[Counter[str]] = [Counter() for _ in range(int(groups.max()) + 1)]
    for group, name in zip(groups.tolist(), status.astype(str), strict=True):
        counts[group][name] += 1
    return [
        next(iter(own)) if len(own) == 1 else ", ".join(f"{count} {name}" for name, count in own.most_common())
        for own in counts
    ]


def _most_frequent(numbers: pd.Series, groups: np.ndarray) -> list[Any]:
    """Return by group the most frequent of `numbers`, the smallest of several; empty where there is none."""
    pairs = pd.DataFrame({"group": groups, "number": _floats(numbers)}).value_counts(sort=False).reset_index()
    pairs = pairs.sort_values(["group", "count", "number"], ascending=[True, False, True]).drop_duplicates("group")
    found = dict(zip(pairs["group"].tolist(), pairs["number"].astype(int).tolist(), strict=True))
    return [found.get(group, pd.NA) for group in range(int(groups.max()) + 1)]


def _floats(column: pd.Series) -> np.ndarray:
    """Return a column as floats `[runs]`, NaN where a cell is empty."""
    return column.to_numpy(dtype=float, na_value=np.nan)


def _steps(column: pd.Series) -> np.ndarray:
    """Return steps `[runs]`, infinity where there are none."""
    return pd.to_numeric(column).to_numpy(dtype=float, na_value=np.inf)
