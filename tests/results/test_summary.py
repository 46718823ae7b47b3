"""The bootstrap and the summaries: against enumerations, scipy, and the same statistics computed run by run."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from gdbench.errors import UsageError
from gdbench.results.statistics import performance_profile, summaries
from gdbench.results.statistics.medians import median
from gdbench.results.statistics.resampling import band, resampled_counts, resampled_medians
from gdbench.results.statistics.summary import abscissae

INF = np.inf
BUDGET = 1000
LADDER = (0.3, 0.7, 1.0)


def frame(hits, problem="p", solvers="abcdefgh"):
    """The runs of one problem from steps to the target `[solvers, draws]`, infinity for a failure."""
    hits = np.asarray(hits, dtype=float)
    solver, draw = np.indices(hits.shape)
    runs = pd.DataFrame({"problem": problem, "solver": [solvers[i] for i in solver.ravel()]})
    runs["start"], runs["seed"] = draw.ravel() // 2, draw.ravel() % 2
    runs["status"] = np.where(np.isfinite(hits.ravel()), "reached", "budget")
    runs["steps"] = np.where(np.isfinite(hits.ravel()), hits.ravel(), BUDGET).astype(int)
    runs["steps_to_target"] = pd.array([None if np.isinf(hit) else int(hit) for hit in hits.ravel()], dtype="Int64")
    runs["value_evals"], runs["grad_evals"] = 0, 2 * runs["steps"]
    return runs


def ladder(runs):
    """With a ladder of targets, of which a failed run meets the first."""
    for place, share in enumerate(LADDER):
        steps = np.ceil(share * runs["steps_to_target"].astype("Float64").fillna(INF).to_numpy(dtype=float))
        steps = np.where(np.isinf(steps) & (place == 0), 7.0, steps)
        runs = runs.assign(**{f"steps_at_{10.0 ** -(place + 1):g}": steps})
    return runs


def random_runs(seed, problems=5, solvers=4, draws=6):
    rng = np.random.default_rng(seed)
    parts = []
    for problem in range(problems):
        hits = rng.integers(1, 60, (solvers, draws + problem)).astype(float)
        hits[rng.random(hits.shape) < 0.3] = INF
        parts.append(ladder(frame(hits, f"p{problem}")))
    return pd.concat(parts, ignore_index=True)


def dimensions(runs):
    return {name: 1 + place for place, name in enumerate(runs["problem"].unique())}


def test_draws_are_seeded_and_keep_their_number():
    counts = resampled_counts(5, 200, 3, "ellipse")
    assert counts.shape == (5, 201)
    assert (counts.sum(axis=0) == 5).all()
    assert (counts[:, 0] == 1).all()
    np.testing.assert_array_equal(counts, resampled_counts(5, 200, 3, "ellipse"))
    for seed, problem in ((4, "ellipse"), (3, "rosenbrock")):
        assert (counts != resampled_counts(5, 200, seed, problem)).any()


@given(
    st.integers(1, 7).flatmap(
        lambda runs: st.tuples(
            st.lists(
                st.lists(st.sampled_from([0.0, 1.0, 2.0, 5.0, INF]), min_size=runs, max_size=runs),
                min_size=1,
                max_size=3,
            ),
            st.just(runs),
        )
    )
)
@settings(max_examples=60, deadline=None)
def test_resampled_medians_are_medians_of_the_runs_drawn(case):
    values, runs = np.array(case[0]), case[1]
    counts = resampled_counts(runs, 8, 0, "p")
    found = resampled_medians(values, counts)
    for resample, drawn in enumerate(counts.T):
        for solver, own in enumerate(values):
            assert found[resample, solver] == median(pd.Series(np.repeat(own, drawn)))


def test_a_band_against_all_resamples():
    # of the 27 draws of three runs 7 have the lowest as their median and 7 the highest
    every = [sorted(draw)[1] for draw in itertools.product([0, 1, 2], repeat=3)]
    assert np.bincount(every).tolist() == [7, 13, 7]
    samples = resampled_medians(np.array([[10, 20, 40]]), resampled_counts(3, 4000, 0, "p"))[:, 0]
    # 7/27 = 0.259, and a frequency of 4000 draws has a standard error of 0.007
    assert [float(end) for end in band(samples, 0.60)] == [10, 40]
    assert [float(end) for end in band(samples, 0.40)] == [20, 20]


def test_a_bands_ends_are_samples_around_the_percentiles_and_around_the_estimate():
    samples = np.append([50.0], np.arange(101.0))
    assert [float(end) for end in band(samples, 0.9)] == [5, 95]
    assert [float(end) for end in band(samples, 0.895)] == [5, 95]
    samples[0] = 99
    assert [float(end) for end in band(samples, 0.9)] == [5, 99]
    samples[20:60] = INF
    assert [float(end) for end in band(samples, 0.9)] == [5, INF]


def test_a_band_without_resamples_is_unknown_and_leaves_unknown_ones_out():
    low, high = band(np.array([[1.0, 2.0]]), 0.95)
    assert np.isnan([*low, *high]).all()
    samples = np.array([[1.0, np.nan, 5.0], [np.nan, 1.0, np.nan], [3.0, 2.0, np.nan]])
    low, high = band(samples, 0.95)
    np.testing.assert_array_equal(low, [1, np.nan, np.nan])
    np.testing.assert_array_equal(high, [3, np.nan, np.nan])


def test_the_band_of_the_expected_running_time_is_scipys():
    rng = np.random.default_rng(1)
    hits = rng.integers(10, 200, (1, 40)).astype(float)
    hits[0, :10] = INF
    runs = frame(hits)
    row = summaries(runs, {"p": 2}, resamples=20_000)["ert"].iloc[0]
    cost, reached = runs["grad_evals"].to_numpy(), np.isfinite(hits[0])
    theirs = stats.bootstrap(
        (cost, reached),
        lambda cost, reached, axis: cost.sum(axis=axis) / reached.sum(axis=axis),
        paired=True,
        vectorized=True,
        n_resamples=20_000,
        method="percentile",
        rng=np.random.default_rng(2),
    ).confidence_interval
    assert row["ert"] == cost.sum() / reached.sum()
    # 2 %: two bootstraps of 20,000 draws; their ends have a standard error of about half a percent
    np.testing.assert_allclose([row["low"], row["high"]], theirs, rtol=0.02)


def running_time(spent, reached):
    return spent.sum() / reached.sum() if reached.any() else INF


@pytest.mark.parametrize("seed", range(4))
def test_summaries_estimate_what_the_single_statistics_say(seed):
    runs = random_runs(seed)
    sizes, found = dimensions(runs), summaries(runs, dimensions(runs), resamples=20)
    assert list(found) == ["profile", "data_profile", "ecdf", "ert", "scores"]
    hits = runs["steps_to_target"].astype("Float64").fillna(INF).astype(float)
    runs = runs.assign(hit=hits, cost=np.where(np.isfinite(hits), runs["grad_evals"], INF))
    groups = runs.groupby(["problem", "solver"], sort=False)
    times, costs = (
        groups[name].agg(median).reset_index().pivot_table(index="problem", columns="solver", values=name)
        for name in ("hit", "cost")
    )
    for row in found["profile"].itertuples():
        assert row.share == performance_profile(times).loc[: row.ratio, row.solver].iloc[-1]
    for row in found["data_profile"].itertuples():
        budgets = costs[row.solver] / (1 + pd.Series(sizes))
        assert row.share == (budgets <= row.budget).mean()
    for solver, own in found["ecdf"].groupby("solver"):
        mine = runs[runs["solver"] == solver]
        hits = [part.to_numpy() for _, part in mine.filter(like="steps_at_").groupby(mine["problem"])]
        shares = [np.mean([(part <= step).mean() for part in hits]) for step in own["steps"]]
        np.testing.assert_allclose(own["share"], shares, rtol=1e-12)
    for row in found["ert"].itertuples():
        own = groups.get_group((row.problem, row.solver))
        reached = np.isfinite(own["hit"].to_numpy())
        assert (row.successes, row.runs) == (reached.sum(), len(own))
        assert row.ert == running_time(own["grad_evals"], reached)
        assert row.ert_steps == running_time(own["steps"], reached)
    scores = found["scores"].set_index("solver")
    ratios = times.clip(lower=1).div(times.clip(lower=1).min(axis=1), axis=0).fillna(INF)
    np.testing.assert_allclose(scores["algoperf"], (4 - ratios).clip(lower=0).mean() / 3, rtol=1e-12)
    for solver, row in scores.iterrows():
        both = times[np.isfinite(times[row["reference"]]) & np.isfinite(times[solver])]
        assert row["speedup_problems"] == len(both)
        gain = stats.gmean(both[row["reference"]] / both[solver]) if len(both) else np.nan
        np.testing.assert_allclose(row["speedup"], gain, rtol=1e-12)
    np.testing.assert_array_equal(scores["solved"], np.isfinite(times).mean(axis=0))
    assert set(scores["reference"]) == {scores["algoperf"].idxmax()}


@pytest.mark.parametrize("seed", range(4))
def test_bands_contain_their_estimate_and_shares_stay_within_0_and_1(seed):
    found = summaries(random_runs(seed), dimensions(random_runs(seed)), resamples=50)
    for name in ("profile", "data_profile", "ecdf"):
        curve = found[name]
        assert (curve["low"] >= 0).all()
        assert (curve["low"] <= curve["share"]).all()
        assert (curve["share"] <= curve["high"]).all()
        assert (curve["high"] <= 1).all()
        for _, own in curve.groupby("solver"):
            assert (own[["share", "low", "high"]].diff().dropna() >= 0).all(axis=None)
        assert curve.attrs["confidence"] == 0.95
    ert, scores = found["ert"], found["scores"]
    assert (ert["low"] <= ert["ert"]).all()
    assert (ert["ert"] <= ert["high"]).all()
    assert (scores["algoperf_low"] <= scores["algoperf"]).all()
    assert (scores["algoperf"] <= scores["algoperf_high"]).all()


def test_the_same_draws_for_every_solver():
    # b needs twice a's steps on every start: however the starts are drawn, a is fastest and b at ratio 2
    hits = np.array([3, 10, 40, 200, 7, 90])
    profile = summaries(frame([hits, 2 * hits]), {"p": 1})["profile"]
    by_solver = profile.set_index("ratio").groupby("solver")
    for solver, shares in (("a", [1, 1]), ("b", [0, 1])):
        own = by_solver.get_group(solver).loc[[1.0, 2.0]]
        assert own["share"].tolist() == own["low"].tolist() == own["high"].tolist() == shares
    scores = summaries(frame([hits, 2 * hits]), {"p": 1})["scores"].set_index("solver")
    np.testing.assert_allclose(scores.loc["b", ["speedup", "speedup_low", "speedup_high"]].astype(float), 0.5)


def test_problems_are_never_resampled():
    # solvers differ between problems, not between runs: there is nothing to be uncertain about
    parts = [frame(np.repeat([[5.0], [hit]], 8, axis=1), f"p{i}") for i, hit in enumerate([1, 7, 20, INF])]
    runs = pd.concat(parts, ignore_index=True)
    found = summaries(runs, dimensions(runs))
    for name in ("profile", "data_profile"):
        np.testing.assert_array_equal(found[name]["low"], found[name]["share"])
        np.testing.assert_array_equal(found[name]["high"], found[name]["share"])
    assert found["ert"]["ert"].tolist() == found["ert"]["low"].tolist() == found["ert"]["high"].tolist()


def test_the_order_of_rows_and_further_solvers_and_problems_change_no_other():
    runs = random_runs(0)
    sizes = dimensions(runs)
    found = summaries(runs, sizes, resamples=30)
    mixed = summaries(runs.sample(frac=1, random_state=1), sizes, resamples=30)
    for name, keys in (("profile", ["solver", "ratio"]), ("ecdf", ["solver", "steps"]), ("ert", ["problem", "solver"])):
        first, second = (frames[name].sort_values(keys, ignore_index=True) for frames in (found, mixed))
        pd.testing.assert_frame_equal(first, second, rtol=1e-12)
    part = runs[(runs["problem"] != "p0") & (runs["solver"] != "a")]
    some = summaries(part, sizes, resamples=30)["ert"]
    kept = found["ert"].merge(some[["problem", "solver"]], on=["problem", "solver"])
    pd.testing.assert_frame_equal(kept, some)


def test_a_draw_that_a_solver_lacks_counts_as_failed():
    runs = frame([[10, 10, 10, 10], [5, 5, 5, 5]])
    runs = runs[(runs["solver"] == "a") | (runs["start"] == 0)]
    found = summaries(runs, {"p": 1}, resamples=10)
    scores = found["scores"].set_index("solver")
    assert scores["solved"].to_dict() == {"a": 1, "b": 0}  # the median of 5, 5, inf, inf
    assert found["ert"]["runs"].tolist() == [4, 2]
    two = pd.concat([runs, frame([[3, 3]], "q")], ignore_index=True)
    found = summaries(two, {"p": 1, "q": 1}, resamples=10)
    assert found["ert"][["problem", "solver"]].to_numpy().tolist() == [["p", "a"], ["p", "b"], ["q", "a"]]
    assert found["scores"]["solved"].tolist() == [1, 0]


def test_a_run_that_raised_counts_as_failed_and_spends_nothing():
    runs = ladder(frame([[10, 20], [5, 8]]))
    empty = ["steps", "steps_to_target", "value_evals", "grad_evals", *runs.filter(like="steps_at_")]
    runs = runs.astype({name: "Float64" for name in empty})
    runs.loc[0, empty] = pd.NA
    found = summaries(runs.assign(seed=np.nan, start=[0, 1, 0, 1]), {"p": 1}, resamples=10)
    assert found["ert"]["ert"].tolist() == [40, 13]
    assert found["ert"]["successes"].tolist() == [1, 2]
    last = found["ecdf"].groupby("solver")["share"].last()
    assert last.to_dict() == {"a": 0.5, "b": 1}


def test_single_runs_have_no_bands():
    runs = pd.concat([frame([[10], [20]]), frame([[30], [15]], "q")], ignore_index=True)
    found = summaries(runs, {"p": 1, "q": 1})
    for name in ("profile", "data_profile", "ert"):
        assert found[name][["low", "high"]].isna().all(axis=None)
        assert len(found[name]) > 0
    assert found["scores"]["algoperf_low"].isna().all()
    assert "ecdf" not in found
    ert = summaries(pd.concat([runs, frame([[5, 6]], "r")]), {"p": 1, "q": 1, "r": 1}, resamples=10)["ert"]
    assert ert["low"].isna().tolist() == [True] * 4 + [False]


def test_nobody_solves_anything():
    found = summaries(ladder(frame(np.full((2, 4), INF))), {"p": 1}, resamples=10)
    assert found["profile"][["ratio", "share", "low", "high"]].to_numpy().tolist() == [[1, 0, 0, 0]] * 2
    assert found["data_profile"].empty
    assert found["ecdf"]["share"].max() == pytest.approx(1 / 3, rel=1e-15)
    assert found["ert"][["ert", "low", "high", "ert_steps"]].to_numpy().tolist() == [[INF] * 4] * 2
    assert found["scores"]["speedup"].isna().all()


def test_curves_have_at_most_a_few_hundred_rows_a_solver():
    rng = np.random.default_rng(0)
    values = 10 ** rng.uniform(0, 4, 5000)
    places = abscissae(values)
    assert len(places) <= 240
    assert (places[0], places[-1]) == (values.min(), values.max())
    assert (np.diff(places) > 0).all()
    few = abscissae(np.array([1, 3, 7, INF, 3]))
    assert {1.0, 3.0, 7.0} <= {*few}
    assert abscissae(np.array([INF])).tolist() == []


def test_mistakes_are_usage_errors():
    runs = frame([[1, 2], [3, 4]])
    assert summaries(runs.iloc[:0], {}) == {}
    with pytest.raises(UsageError, match="dimension of every problem; it is unknown for 'p'"):
        summaries(runs, {"q": 2})
    with pytest.raises(UsageError, match="no solver 'sgd' to compare with; there are a, b"):
        summaries(runs, {"p": 2}, reference="sgd")
    with pytest.raises(UsageError, match="confidence between 0 and 1"):
        summaries(runs, {"p": 2}, confidence=95)
    with pytest.raises(UsageError, match="confidence between 0 and 1"):
        summaries(runs, {"p": 2}, resamples=0)
