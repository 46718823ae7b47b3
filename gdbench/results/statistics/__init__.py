"""Statistics over finished runs: numbers and frames in, numbers and frames out. A failed run counts as infinity."""

from gdbench.results.statistics.columns import floats, steps_of
from gdbench.results.statistics.profiles import performance_profile
from gdbench.results.statistics.summary import summaries
from gdbench.results.statistics.trials import expected_best, expected_best_by_problem

__all__ = ["expected_best", "expected_best_by_problem", "floats", "performance_profile", "steps_of", "summaries"]
