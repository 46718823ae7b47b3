"""Say what a table shows, in one line for each surface: who arrives first, and how plain descent fares beside it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from gdbench.formatting import number
from gdbench.results.statistics import floats

PLAIN = "sgd"  # what the others are compared with
# One line names at most so many solvers.
MOST_NAMED = 3
# one that needs at most so many times the steps of the first is about as fast
NEARLY = 1.05


def finding(rows: pd.DataFrame) -> str:
    """Write one line on the `rows` of a table that speak of one surface.

    A solver arrives where its median of steps over the starts is finite, which is where most starts reached the target.
    """
    steps = _steps_by_solver(rows)
    arrived = {solver: own for solver, own in steps.items() if math.isfinite(own)}
    if not arrived:
        return _nobody(rows)
    best = min(arrived.values())
    first = [solver for solver, own in arrived.items() if own <= max(best * NEARLY, best + 0.5)]
    if len(steps) == 1:
        return f"{first[0]} arrives in {_steps(best)}"
    missing = [solver for solver in steps if solver not in arrived]
    late = [solver for solver in arrived if solver not in first]
    if late or (missing and len(first) > 1):
        whole = f"{_listed(first)} {_verb(first)} first"
    else:
        whole = f"only {first[0]} arrives" if missing else "every solver arrives"
    shares = dict(zip(steps, floats(rows, "success"), strict=True))
    share = min(shares[solver] for solver in first)
    partly = f", from {_percent(share)} of the starts" if share < 1 else ""
    said = [f"{whole}, in {_span([arrived[solver] for solver in first])}{partly}"]
    if PLAIN in late:
        said.append(f"{PLAIN} needs {_times(arrived[PLAIN], best)}")
    never = [solver for solver in missing if not shares[solver]]
    seldom = [solver for solver in missing if shares[solver]]
    if never:
        said.append(f"{_listed(never)} never {'do' if len(never) > 1 else 'does'}")
    if seldom:
        said.append(f"{_listed(seldom)} from at most {_percent(max(shares[solver] for solver in seldom))}")
    slowest = max(late, key=lambda solver: arrived[solver], default=PLAIN)
    if not missing and slowest != PLAIN:
        said.append(f"{slowest} takes longest, {_times(arrived[slowest], best)}")
    return "; ".join(said)


def change(before: pd.DataFrame, after: pd.DataFrame, what: str) -> str:
    """Say what a change of the surface, in words `what`, did to the steps of plain descent, from `before` to `after`.

    Where that arrives neither before nor after: to those of the solver that is first after it.
    """
    old, new = _steps_by_solver(before), _steps_by_solver(after)
    solver, more = PLAIN, ""
    if not math.isfinite(min(old.get(PLAIN, math.inf), new.get(PLAIN, math.inf))):
        solver = min(new, key=lambda name: new[name], default=PLAIN)
        more = f"; {PLAIN} still never arrives" if solver != PLAIN and PLAIN in new else ""
    ends = [steps.get(solver, math.inf) for steps in (old, new)]
    first, last = (_steps(end) if math.isfinite(end) else "not reached" for end in ends)
    return f"{what} took {solver} from {number(ends[0]) if last != 'not reached' != first else first} to {last}{more}"


def _steps_by_solver(rows: pd.DataFrame) -> dict[str, float]:
    return dict(zip(rows["solver"].astype(str), floats(rows, "steps_to_target"), strict=True))


def _nobody(rows: pd.DataFrame) -> str:
    """Say who arrives from some starts where no solver does from most, or ends lowest."""
    some = rows[rows["success"] > 0]
    if len(some):
        best = some.sort_values("success", ascending=False, kind="stable").iloc[0]
        return f"no solver arrives from most starts; {best['solver']} does from {_percent(best['success'])}"
    losses = rows.dropna(subset=["loss_final"])
    if not len(losses):
        return "no solver arrives"
    best = losses.sort_values("loss_final", kind="stable").iloc[0]
    lowest = f"{best['solver']} ends lowest, at a loss of {number(best['loss_final'])}"
    # where no lowest loss is known there is nothing to arrive at
    return lowest if rows["gap"].isna().all() else f"no solver arrives; {lowest}"


def _steps(count: float) -> str:
    """Write `1 step`, `274 steps`, `35.5 steps`."""
    return f"{number(count)} step{'' if count == 1 else 's'}"


def _span(counts: Sequence[float]) -> str:
    """Write the steps of solvers that are about as fast."""
    low, high = min(counts), max(counts)
    return _steps(low) if number(low) == number(high) else f"{number(low)} to {_steps(high)}"


def _times(count: float, best: float) -> str:
    """Write a number of steps, with how many times the fewest they are."""
    return f"{number(count)}" + (f" ({number(count / best, 2)} times as many)" if best > 0 else "")


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _verb(names: Sequence[str]) -> str:
    return "arrive" if len(names) > 1 else "arrives"


def _listed(names: Sequence[str]) -> str:
    """List names: `a`, `a and b`, `a, b and 4 more`."""
    if len(names) > MOST_NAMED:
        names = [*names[: MOST_NAMED - 1], f"{len(names) - MOST_NAMED + 1} more"]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
