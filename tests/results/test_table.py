"""The table of many problems at once, against one that goes through them one by one and chooses for each."""

import numpy as np
import pandas as pd
import pytest
from helpers.plain_tuning import choose, score_settings
from hypothesis import given, settings
from hypothesis import strategies as st

from gdbench.engine.program import Conditions
from gdbench.planning.run_grid import RunGrid, problem_of
from gdbench.results.derive import trials_of
from gdbench.results.selection import METRICS, chosen_runs
from gdbench.results.statistics.medians import median
from gdbench.results.table import table_of, table_with_theory
from gdbench.solvers import SOLVERS
from gdbench.surfaces import SURFACES
from gdbench.theory.observed_rate import NOT_REPLAYED, STARTS_DIFFER

STATUSES = ("reached", "diverged", "stationary", "budget", "error")


def random_runs(seed, starts=5):
    """Runs of three solvers on three problems in no order, with ties, failures and cells that are empty."""
    rng = np.random.default_rng(seed)
    rows = []
    for problem in ("p", "q", "r"):
        for solver in ("a", "b", "c"):
            if (problem, solver) == ("q", "c"):
                continue
            rates = [np.nan] if solver == "c" else [0.3, 0.1, 0.2][: rng.integers(1, 4)]
            for rate in rates:
                for momentum in [0.9, 0.5] if solver == "b" else [np.nan]:
                    for variant in ["y", "x"] if solver != "c" else [None]:
                        rows += [(problem, solver, rate, momentum, variant, start) for start in range(starts)]
    names = ["problem", "solver", "learning_rate", "momentum", "variant", "start"]
    runs = pd.DataFrame(rows, columns=names).sample(frac=1, random_state=seed, ignore_index=True)
    count = len(runs)

    def some(values, empty=0.0):
        drawn = rng.choice(np.array(values, dtype=float), count)
        return np.where(rng.random(count) < empty, np.nan, drawn)

    runs["surface"] = runs["problem"].str.upper()
    runs["run"], runs["seed"] = np.arange(count), 0
    runs["status"] = pd.Categorical(rng.choice(STATUSES[: rng.integers(1, 6)], count), STATUSES)
    runs["steps"] = pd.array(some([3, 8], 0.1), dtype="Int64")
    steps = np.where(runs["status"] == "reached", some([2, 5, 9]), np.nan)
    runs["steps_to_target"], runs["minimum"] = pd.array(steps, "Int64"), pd.array(some([0, 1, 2], 0.4), "Int64")
    runs["steps_at_0.1"] = some([1, 4, np.inf])
    for name in ("loss_final", "loss_best", "gap", "distance"):
        runs[name] = some([-1.5, 0.1, 0.7, np.inf], 0.2)
    for name in ("rate_observed", "rate_predicted"):
        runs[name] = some([0.3, 0.7, 0.9], 0.5)
    runs["condition_number"] = some([1, 10])
    runs["message"] = pd.Categorical(rng.choice(["", "one", "two"], count))
    return runs


def same(runs, settings_, chosen):
    kept = np.ones(len(runs), bool)
    for name in settings_:
        value = chosen[name].iloc[0]
        kept &= (runs[name].isna() if pd.isna(value) else runs[name] == value).to_numpy(bool)
    return runs[kept]


def steps_of(column):
    return column.to_numpy(dtype=float, na_value=np.inf)


def one_by_one(runs, metric="steps_to_target", searched=False, tuning_starts=None):
    """What `table_of` gives, problem by problem and solver by solver."""
    rows = []
    for (problem, solver), own in runs.groupby(["problem", "solver"], sort=False, observed=True):
        used = [name for name in ("learning_rate", "momentum", "variant") if own[name].notna().any()]
        held_out = (tuning_starts or {}).get(problem, 0)
        tuning = own[own["start"] < held_out] if held_out else own
        chosen, edge = choose(tuning, used, metric)
        trials = len(own[used].drop_duplicates()) if used else 1
        row = {"problem": problem, "surface": problem.upper(), "solver": solver}
        row |= {name: chosen[name].iloc[0] for name in used}
        row |= {"tuned": trials > 1, "trials": trials, "tuning_runs": len(tuning)}
        row |= {"tuning_steps": int(tuning["steps"].fillna(0).sum()), "tuning_edge": "" if searched else edge}
        if held_out:
            row |= {"tuning_starts": held_out, "tuning_success": float((chosen["status"] == "reached").mean())}
            row["tuning_steps_to_target"] = median(steps_of(chosen["steps_to_target"]))
            chosen = same(own[own["start"] >= held_out], used, chosen)
        counts = chosen["status"].astype(str).value_counts()
        row |= {"starts": len(chosen), "success": float((chosen["status"] == "reached").mean())}
        words = [f"{count} {name}" for name, count in counts.items()]
        row["status"] = counts.index[0] if len(counts) == 1 else ", ".join(words)
        row |= {name: median(steps_of(chosen[name])) for name in ("steps_to_target", "steps_at_0.1")}
        row |= {name: median(chosen[name]) for name in ("loss_final", "gap", "distance")}
        minimum = chosen["minimum"].mode(dropna=True)
        row["minimum"] = int(minimum.iloc[0]) if len(minimum) else pd.NA
        for name in ("rate_observed", "rate_predicted"):
            known = chosen[name].dropna()
            row[name] = median(known) if len(known) else np.nan
        row["rate_note"] = note_one_by_one(chosen, row["rate_observed"], row["rate_predicted"])
        row["condition_number"] = float(chosen["condition_number"].iloc[0])
        row["message"] = next((text for text in chosen["message"] if text), "")
        rows.append(row)
    return pd.DataFrame(rows)


def note_one_by_one(chosen, observed, predicted):
    lacking = np.isnan([observed, predicted]).any()
    if lacking and not (chosen["status"] == "reached").any():
        return ""
    if not lacking and abs(observed - predicted) <= 0.01 * predicted:
        return ""
    said = list(chosen["rate_note"]) if "rate_note" in chosen.columns else []
    said = [text for text in said if text not in ("", NOT_REPLAYED)] or [text for text in said if text]
    if said:
        return max(dict.fromkeys(said), key=said.count)
    return "" if lacking or "rate_note" not in chosen.columns else STARTS_DIFFER


def trials_one_by_one(runs, metric, held_out):
    parts = []
    for (problem, solver), own in runs.groupby(["problem", "solver"], sort=False, observed=True):
        used = [name for name in ("learning_rate", "momentum", "variant") if own[name].notna().any()]
        first = held_out.get(problem, 0)
        scored = score_settings(own[own["start"] < first] if first else own, used, metric)
        if len(scored) < 2:
            continue
        trials = pd.DataFrame({"problem": problem, "solver": solver, "loss": scored["loss"]})
        trials["tuning"] = scored["steps" if METRICS[metric] == "steps" else "loss"]
        reported = score_settings(own[own["start"] >= first], used) if first else scored
        trials["reported"] = scored[used].merge(reported[[*used, "steps"]], on=used, how="left")["steps"]
        parts.append(trials)
    return pd.concat(parts, ignore_index=True) if parts else None


CASES = given(
    st.integers(0, 10**6), st.sampled_from(list(METRICS)), st.booleans(), st.sampled_from([{}, {"p": 2, "r": 3}])
)


@pytest.mark.slow
@CASES
@settings(max_examples=25, deadline=None)
def test_the_table_is_that_of_one_problem_after_the_other(seed, metric, searched, held_out):
    runs = random_runs(seed)
    table = table_of(runs, metric=metric, searched=searched, tuning_starts=held_out)
    plain = one_by_one(runs, metric, searched, held_out)
    pd.testing.assert_frame_equal(table, plain[table.columns], check_exact=True)
    assert set(table.columns) == set(plain.columns)
    assert table.to_csv() == plain[table.columns].to_csv()


@pytest.mark.slow
@CASES
@settings(max_examples=25, deadline=None)
def test_trials_are_those_of_one_problem_after_the_other(seed, metric, searched, held_out):
    runs = random_runs(seed)
    table = table_of(runs, metric=metric, searched=searched, tuning_starts=held_out)
    plain = trials_one_by_one(runs, metric, held_out)
    trials = trials_of(runs, table, metric)
    if plain is None:
        assert not len(trials)
    else:
        pd.testing.assert_frame_equal(trials, plain[trials.columns], check_exact=True)


@pytest.mark.parametrize("held_out", [{}, {"p": 2, "r": 3}])
@pytest.mark.parametrize("seed", range(5))
def test_notes_come_with_the_rates(seed, held_out):
    runs = random_runs(seed)
    rng = np.random.default_rng(seed)
    notes = rng.choice(["", "", "", "adaptive", "double root", NOT_REPLAYED], len(runs))
    before = table_of(runs, tuning_starts=held_out)
    assert (before["rate_note"] == "").all()
    found = table_with_theory(before, chosen_runs(runs, before).join(pd.Series(notes, name="rate_note")))
    plain = one_by_one(runs.assign(rate_note=notes), tuning_starts=held_out)
    pd.testing.assert_frame_equal(found, plain[found.columns], check_exact=True)
    assert found["rate_note"].nunique() > 2


@pytest.mark.parametrize("held_out", [{}, {"p": 2, "r": 3}])
@pytest.mark.parametrize("seed", range(5))
def test_theory_that_comes_later_gives_the_same_table(seed, held_out):
    runs = random_runs(seed)
    nothing = {"rate_observed": np.nan, "rate_predicted": np.nan, "message": ""}
    before = table_of(runs.assign(**nothing), tuning_starts=held_out)
    after = table_of(runs, tuning_starts=held_out)
    assert not before.equals(after)
    found = table_with_theory(before, chosen_runs(runs, before))
    pd.testing.assert_frame_equal(found, after, check_exact=True)
    assert found.to_csv() == after.to_csv()


def test_a_problem_without_runs_to_choose_by_or_to_report_has_no_row():
    runs = random_runs(0)
    lacking = runs[~((runs["problem"] == "p") & (runs["start"] < 2) | (runs["problem"] == "r") & (runs["start"] >= 3))]
    table = table_of(lacking, tuning_starts={"p": 2, "r": 3})
    assert set(table["problem"]) == {"q"}
    whole = table_of(runs, tuning_starts={"p": 2, "r": 3})
    whole = whole[whole["problem"] == "q"].reset_index(drop=True)
    assert table.to_csv() == whole[table.columns].to_csv()


def block(surface, conditions, solver="sgd"):
    starts = np.zeros((1, 2))
    under = Conditions(steps=10, rtol=1e-8, atol=0.0, gtol=0.0, dtype="float64")
    parameters = {} if conditions is None else {"condition": np.array(conditions, dtype=float)}
    axes = ({"learning_rate": np.array([0.1])},)
    return RunGrid(surface, SOLVERS[solver], {}, under, parameters, axes, {}, starts, np.array([0]), 0)


def test_blocks_of_a_surface_share_the_facts_of_its_problems(monkeypatch):
    surface, other = SURFACES["ellipse"].with_parameters(), SURFACES["ellipse"].with_parameters(condition=7)
    asked = []

    def counted(surface):
        asked.append(surface.parameters["condition"])
        return problem_of(surface)

    monkeypatch.setattr("gdbench.planning.run_grid.problem_of", counted)
    blocks = [block(surface, [2, 3, 2]), block(surface, [3, 4]), block(surface, None), block(other, None)]
    found = [own.problems for own in blocks]
    assert asked == [2, 3, 4, surface.parameters["condition"], 7]
    for problems, numbers in zip(found, [[2, 3, 2], [3, 4], [surface.parameters["condition"]], [7]], strict=True):
        assert [problem.facts.condition_number for problem in problems] == pytest.approx(numbers, rel=1e-9)
    assert found[0][0] is found[0][2]
    assert found[0][1] is found[1][0]
    again = problem_of(surface.with_parameters(condition=3.0)).facts
    np.testing.assert_array_equal(found[1][0].facts.hessians, again.hessians)
    assert found[1][0].facts.fingerprint == again.fingerprint


def test_facts_are_forgotten_with_their_surface():
    import gc

    from gdbench.planning.run_grid import _KNOWN

    surface = SURFACES["ellipse"].with_parameters()
    assert block(surface, None).problems[0].facts.condition_number > 1
    before = len(_KNOWN)
    assert surface in _KNOWN
    del surface
    gc.collect()
    assert len(_KNOWN) < before
