"""The rule by which a learning rate wins, on tables small enough to check by eye."""

import numpy as np
import pandas as pd
import pytest

from gdbench.results.codes import setting_codes
from gdbench.results.selection import group_edges, score_groups
from gdbench.results.statistics.medians import median


def runs(rows):
    frame = pd.DataFrame(rows, columns=["learning_rate", "status", "steps_to_target", "loss_final"])
    frame["steps_to_target"] = frame["steps_to_target"].astype("Int64")
    return frame


def outcome(rows):
    """The winning rate, the edge that it lies on, and the scores, of one problem and solver."""
    frame = runs(rows)
    groups = np.zeros(len(frame), np.int64)
    codes = setting_codes(frame, groups, ["learning_rate"])
    scored, rates = score_groups(frame, groups, codes), frame["learning_rate"].to_numpy()
    return rates[codes == scored["setting"].iloc[0]][0], group_edges(rates, groups, codes, scored)[0], scored


def winner(rows):
    return outcome(rows)[0]


def test_most_runs_at_the_target_come_first():
    few_but_fast = [(0.1, "reached", 5, 0.0), (0.1, "budget", None, 1.0)]
    all_but_slow = [(0.2, "reached", 900, 0.0), (0.2, "reached", 800, 0.0)]
    assert winner(few_but_fast + all_but_slow) == 0.2


def test_then_fewest_steps_by_the_median():
    one = [(0.1, "reached", steps, 0.0) for steps in (10, 10, 100)]
    two = [(0.2, "reached", steps, 0.0) for steps in (1, 20, 20)]
    assert winner(one + two) == 0.1


def test_a_failed_run_counts_as_infinity_in_the_median():
    halves = [(0.1, "reached", 1, 0.0), (0.1, "diverged", None, 9.0)]
    scored = outcome(halves)[2]
    assert scored["steps"].item() == np.inf
    assert scored["loss"].item() == np.inf


def test_then_the_lowest_loss_then_the_smaller_rate():
    assert winner([(0.1, "budget", None, 3.0), (0.2, "budget", None, 2.0)]) == 0.2
    assert winner([(0.2, "budget", None, 2.0), (0.1, "budget", None, 2.0)]) == 0.1


def test_a_diverged_run_does_not_win_by_its_last_loss():
    assert winner([(0.1, "budget", None, 3.0), (0.2, "diverged", None, -1e9)]) == 0.1


@pytest.mark.parametrize(("best", "edge"), [(0.1, "low"), (0.2, ""), (0.3, "high")])
def test_a_winner_on_the_edge_is_said(best, edge):
    rows = [(rate, "reached", 1 if rate == best else 9, 0.0) for rate in (0.1, 0.2, 0.3)]
    assert outcome(rows)[1] == edge


def test_a_single_rate_has_no_edge():
    assert outcome([(0.1, "reached", 1, 0.0)])[1] == ""


def test_the_median_takes_infinities_for_numbers():
    assert median(pd.Series([1.0, 3.0])) == 2.0
    assert median(pd.Series([np.inf, 1.0, 2.0])) == 2.0
    assert median(pd.Series([np.inf, 1.0])) == np.inf
    assert median(pd.Series([np.inf, np.inf])) == np.inf
