"""Statistics over finished runs: numbers and frames in, numbers and frames out. A failed run counts as infinity."""

from gdbench.results.statistics.columns import floats, steps_of
from gdbench.results.statistics.profiles import (
    algoperf_scores,
    data_profile,
    evaluations_to_accuracy,
    performance_profile,
    performance_ratios,
    profile_at,
    speedups,
)
from gdbench.results.statistics.runtimes import expected_running_time, medians, runtime_ecdf
from gdbench.results.statistics.summary import summaries
from gdbench.results.statistics.trials import expected_best, expected_best_by_problem

__all__ = [
    "algoperf_scores",
    "data_profile",
    "evaluations_to_accuracy",
    "expected_best",
    "expected_best_by_problem",
    "expected_running_time",
    "floats",
    "medians",
    "performance_profile",
    "performance_ratios",
    "profile_at",
    "runtime_ecdf",
    "speedups",
    "steps_of",
    "summaries",
]
