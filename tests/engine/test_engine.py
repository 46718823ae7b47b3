"""What a run ends with: bit for bit its own, with the status, hits and best loss that the definitions give it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.programs import assert_same_bits, program_of, status_of
from hypothesis import example, given, settings
from hypothesis import strategies as st

import gdbench
from gdbench.engine import lane_count, lanes, packing, stream
from gdbench.engine.status import threshold
from gdbench.engine.stream import distinct_rows, execute, trace
from gdbench.engine.threads import Task, execute_tasks
from gdbench.solvers import solver
from gdbench.spec.run import LADDER
from gdbench.statuses import Status


@pytest.fixture(scope="module")
def many(all_compiled_for_speed):
    """More runs than the queue and all lanes hold, that end in every way and at very different steps."""
    random = np.random.default_rng(5)
    runs = lane_count.QUEUE + 1500
    program = program_of(
        "rosenbrock",
        "momentum",
        10 ** random.uniform(-5, -1, runs),
        starts=random.uniform(-2, 2, (runs, 2)),
        param={"b": random.uniform(1, 100, runs)},
        steps=300,
        rtol=1e-3,
        gtol=0.3,
        targets=LADDER,
    )
    return program, execute(program)


# ---- bit for bit


def test_many_end_in_every_way(many):
    program, records = many
    assert len(program) > lane_count.QUEUE + lane_count.lane_count(2, "float64")
    assert set(status_of(records)) == {"reached", "diverged", "stationary", "budget"}
    assert len(np.unique(records.steps)) > 200


def test_the_order_changes_no_bit(many):
    random = np.random.default_rng(6)
    program, records = many
    for rows in (random.permutation(len(program)), np.arange(len(program))[::-1]):
        assert_same_bits(execute(program.take(rows)), records, rows)


def test_the_company_changes_no_bit(many):
    random = np.random.default_rng(7)
    program, records = many
    for size in (1, 2, 63, 1500):
        rows = random.choice(len(program), size)
        assert_same_bits(execute(program.take(rows)), records, rows)


@pytest.mark.parametrize(
    ("dimension", "dtype"),
    [
        (2, "float64"),
        (40, "float32"),
        *(pytest.param(*one, marks=pytest.mark.slow) for one in [(40, "float64"), (2, "float32")]),
    ],
)
def test_the_trace_is_the_run(dimension, dtype):
    random = np.random.default_rng(8)
    # adam keeps three numbers a weight and two more: 40 weights are not packed
    runs = 40
    program = program_of(
        "ellipse",
        "adam",
        np.geomspace(1e-4, 1e3, runs),
        param={"dimension": dimension, "condition": random.uniform(1, 100, runs)},
        starts=random.uniform(-2, 2, (runs, dimension)),
        steps=300,
        rtol=1e-2,
        dtype=dtype,
        targets=LADDER,
    )
    records, paths = execute(program), trace(program)
    assert len(set(status_of(records))) > 1
    assert runs > lanes.DRAWN
    for i, path in enumerate(paths):
        assert len(path.x) == len(path.loss) == len(path.grad_norm) == records.steps[i] + 1
        np.testing.assert_array_equal(path.x[-1], records.x[i])
        np.testing.assert_array_equal(path.x[0], program.starts[i].astype(dtype))
        assert path.loss[0] == records.loss_start[i]
        np.testing.assert_array_equal(path.loss[-1], records.loss_final[i])
        assert np.float32(path.grad_norm[-1]) == np.float32(records.grad_norm[i])
    kept = records.x.astype(dtype).astype(np.float64)
    np.testing.assert_array_equal(kept, records.x)
    np.testing.assert_array_equal(records.loss_final.astype(dtype).astype(float), records.loss_final)
    if dtype == "float64":
        assert not np.array_equal(records.x.astype(np.float32).astype(float), records.x)


def test_many_dimensions_agree_with_a_loop_in_numpy():
    random = np.random.default_rng(9)
    n, condition, rates = 40, 30.0, np.array([0.01, 0.05, 0.06])
    starts = random.uniform(-1, 1, (3, n))
    program = program_of(
        "ellipse",
        "momentum",
        rates,
        param={"dimension": n, "condition": condition, "angle": 20.0},
        starts=starts,
        steps=150,
        momentum=0.8,
    )
    turn = np.eye(n)
    turn[:2, :2] = [[np.cos(np.pi / 9), np.sin(np.pi / 9)], [-np.sin(np.pi / 9), np.cos(np.pi / 9)]]
    hessian = turn.T @ np.diag(condition ** (np.arange(n) / (n - 1))) @ turn
    for i, path in enumerate(trace(program)):
        x, velocity = starts[i], np.zeros(n)
        for k in range(151):
            np.testing.assert_allclose(path.x[k], x, rtol=1e-12, atol=1e-12)
            np.testing.assert_allclose(path.loss[k], 0.5 * x @ hessian @ x, rtol=1e-12, atol=1e-12)
            velocity = 0.8 * velocity + rates[i] * hessian @ x
            x = x - velocity


def test_the_layout_is_not_seen(monkeypatch):
    program = program_of("ellipse", "adam", [0.05, 0.3, 1e4], starts=[1.0, 2.0], steps=400, rtol=1e-4, targets=LADDER)
    packed = execute(program)
    monkeypatch.setattr(packing, "PACKED_ROWS", 0)
    # a copy of the solver is another program, compiled anew
    whole = execute(replace(program, solver=replace(program.solver)))
    np.testing.assert_array_equal(whole.status, packed.status)
    np.testing.assert_array_equal(whole.steps, packed.steps)
    np.testing.assert_array_equal(whole.hits, packed.hits)
    np.testing.assert_allclose(whole.x, packed.x, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(whole.loss_best, packed.loss_best, rtol=1e-12)


# ---- hits and the best loss, against every loss of the run


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_hits_best_and_steps_are_those_of_the_losses(dtype):
    random = np.random.default_rng(10)
    runs = 96
    program = program_of(
        "double-well",
        "momentum",
        10 ** random.uniform(-4, 0, runs),
        starts=random.uniform(-3, 3, (runs, 1)),
        steps=500,
        rtol=1e-7,
        gtol=1e-10,
        dtype=dtype,
        targets=LADDER,
        momentum=0.95,
    )
    records = execute(program)
    assert len(set(status_of(records))) >= 3
    for i, path in enumerate(trace(program)):
        gap, first = path.loss - program.f_star[i], path.loss[0] - program.f_star[i]
        for level, share in enumerate(LADDER):
            met = np.flatnonzero(gap <= share * first)
            assert records.hits[i, level] == (met[0] if len(met) else np.inf)
        assert records.loss_best[i] == np.nanmin(path.loss)
        met = gap <= 1e-7 * first
        assert not met[:-1].any()
        assert met[-1] == (status_of(records)[i] == "reached")
    # not every loss falls: the best one is not always the last
    assert (records.loss_best < records.loss_final).any()
    assert np.isfinite(records.hits).any()
    assert np.isinf(records.hits).any()


FINITE = st.floats(allow_nan=False, allow_infinity=False, width=64)


@settings(max_examples=300, deadline=None)
@given(FINITE, st.floats(min_value=0, allow_infinity=False), st.sampled_from(["float32", "float64"]))
@example(-5.0, 1e-9, "float32")
@example(0.0, 1e-60, "float32")
@example(1.0, 0.0, "float64")
@example(1e300, 1e308, "float32")
@example(0.1, 1e-6, "float64")
@example(-5.0323, 5.0323, "float64")
def test_threshold_is_the_largest_loss_that_meets_the_target(f_star, tolerance, dtype):
    kind = np.dtype(dtype).type
    found = threshold(np.array([f_star]), np.array([tolerance]), np.dtype(dtype))
    assert found.dtype == dtype
    with np.errstate(over="ignore"):
        above = np.nextafter(found[0], kind(np.inf))
        # np.array: a scalar float32 less a Python float would be rounded to float32 before it is compared
        assert (np.array([found[0]]) - np.array([f_star]) <= tolerance).all()
        assert (np.array([above]) - np.array([f_star]) > tolerance).all() or above == np.inf


def test_threshold_of_the_unknown_is_never_met():
    with np.errstate(invalid="raise"):
        found = threshold(np.array([np.nan, 0.0]), np.array([1.0, np.nan]), np.dtype("float64"))
    assert np.isnan(found).all()


# ---- what only the schedule decides


@pytest.mark.parametrize("short", [0, np.inf])
def test_the_length_of_a_segment_changes_no_bit(many, short, monkeypatch):
    program, records = many
    monkeypatch.setattr(stream, "SHORT", short)
    assert_same_bits(execute(program), records)


def test_numbers_of_runs_start_again(many, monkeypatch):
    program, records = many
    # more than there are runs under way at once, fewer than there are runs
    monkeypatch.setattr(stream, "RING", 5000)
    assert len(program) > stream.RING > lane_count.QUEUE + lane_count.lane_count(2, "float64")
    assert_same_bits(execute(program), records)


def test_starts_are_measured_once(many):
    random = np.random.default_rng(11)
    program, records = many
    rows = random.integers(7, size=len(program))
    repeated = program.take(rows)
    found = execute(repeated)
    assert_same_bits(found, records, rows)
    first, own = distinct_rows(np.array([[0.0, np.nan], [-0.0, 1.0], [0.0, np.nan], [0.0, 1.0]]))
    # bit for bit: minus zero is another start
    assert sorted(first.tolist()) == [0, 1, 3]
    assert first[own].tolist() == [0, 1, 0, 3]
    many_rows = random.normal(size=(5000, 2))
    first, own = distinct_rows(many_rows)
    assert first.tolist() == own.tolist() == list(range(5000))


# ---- a stream of tasks


def tasks_of(program, group, sizes):
    """Tasks of consecutive runs of `program`, as many each as `sizes` says."""
    ends = np.cumsum(sizes)
    rows = [np.arange(end - size, end) for size, end in zip(sizes, ends, strict=True)]
    return [Task(group, len(chosen), lambda chosen=chosen: program.take(chosen)) for chosen in rows]


@pytest.fixture(scope="module")
def others():
    """Two more groups: another solver, and another surface in another type."""
    random = np.random.default_rng(12)
    runs = 700
    adam = program_of("rosenbrock", "adam", 10 ** random.uniform(-4, 0, runs), steps=90, rtol=1e-2, targets=LADDER)
    single = program_of("multi-minima", "momentum", 10 ** random.uniform(-4, 0, runs), steps=200, dtype="float32")
    return [(program, execute(program)) for program in (adam, single)]


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_tasks_change_no_bit(many, others, threads):
    random = np.random.default_rng(13)
    jobs = [many, *others]
    sizes = [[1, 4000, 2, 1, 1400, 50, 1, 64], [1, 1, 300, 398], [700]]
    sizes[0].append(len(many[0]) - sum(sizes[0]))
    tasks, wanted = [], []
    for (program, records), name, cuts in zip(jobs, "abc", sizes, strict=True):
        tasks += tasks_of(program, name, cuts)
        wanted += [(records, slice(end - size, end)) for size, end in zip(cuts, np.cumsum(cuts), strict=True)]
    order = random.permutation(len(tasks))
    heard = []
    found = dict(execute_tasks([tasks[i] for i in order], threads=threads, on_advance=heard.append))
    assert sorted(found) == list(range(len(tasks)))
    for place, i in enumerate(order):
        assert_same_bits(found[place], wanted[i][0], wanted[i][1])
    everything = [records for _, records in jobs]
    ended = np.bincount(np.concatenate([records.status for records in everything]), minlength=len(Status))
    np.testing.assert_array_equal(sum(advance.ended for advance in heard), ended)
    assert sum(advance.steps for advance in heard) == sum(int(records.steps.sum()) for records in everything)
    assert sum(advance.executed for advance in heard) == sum(records.executed for records in found.values())


def test_lanes_do_not_run_empty_between_tasks(many):
    program, _ = many
    tasks = tasks_of(program, 0, [100] * 55)
    together = execute(program.take(np.arange(5500))).executed
    # no task fills the lanes by itself
    assert sum(execute(task.program()).executed for task in tasks) > 2 * together
    assert sum(found.executed for _, found in execute_tasks(tasks, threads=1)) == together


def test_tasks_of_one_group_with_other_settings_stay_their_own(many):
    program, _ = many
    few = program.take(np.arange(40))
    # arguments that all lanes share: these cannot follow in the same lanes
    variants = [
        few,
        few.under(steps=20),
        few.under(gtol=0.0),
        few,
        replace(few, parameters={"a": 2.0, "b": few.parameters["b"]}),
    ]
    tasks = [Task("one", 40, lambda variant=variant: variant) for variant in variants]
    for index, found in execute_tasks(tasks, threads=1):
        assert_same_bits(found, execute(variants[index]))


def test_a_task_that_raises_stops_nobody_else(others):
    program, records = others[0]
    traced = []

    def broken(oracle, x, *, learning_rate):
        traced.append(1)
        raise ZeroDivisionError("broken")

    wrong = replace(
        program, solver=solver(register=False, name="broken")(broken), hyperparameters={"learning_rate": 0.1}
    )

    def unmade():
        raise FileNotFoundError("no such starts")

    good = tasks_of(program, "good", [100, 100, 100])
    bad = [Task("good", 7, unmade), *(Task("bad", len(wrong), lambda: wrong) for _ in range(3))]
    tasks = [good[0], bad[0], bad[1], good[1], bad[2], bad[3], good[2]]
    for threads in (1, 2):
        traced.clear()
        found = dict(execute_tasks(tasks, threads=threads))
        assert [type(found[i]).__name__ for i in (1, 2, 4, 5)] == ["FileNotFoundError", *["ZeroDivisionError"] * 3]
        assert len(traced) == 1 or threads > 1
        for place, index in enumerate((0, 3, 6)):
            assert_same_bits(found[index], records, slice(100 * place, 100 * place + 100))


def workers():
    return [thread for thread in threading.enumerate() if thread.name.startswith("gdbench-")]


def test_closing_early_begins_nothing_more(many):
    program, records = many
    begun = []

    def task(size):
        def make():
            begun.append(size)
            return program.take(np.arange(size))

        return Task("one", size, make)

    found = execute_tasks([task(3000) for _ in range(400)], threads=2)
    _, first = next(found)
    assert_same_bits(first, records, slice(3000))
    found.close()
    for thread in workers():
        thread.join(timeout=60)
    assert not workers()
    assert 0 < len(begun) < 100


def test_threads_wait_for_a_slow_consumer(many, monkeypatch):
    program, _ = many
    begun, waits = [], threading.Event()

    class Condition(threading.Condition):
        def wait(self, timeout=None):
            if threading.current_thread() is not threading.main_thread():
                waits.set()
            return super().wait(timeout)

    monkeypatch.setattr("gdbench.engine.threads.Condition", Condition)

    def make():
        begun.append(1)
        return program.take(np.arange(5000))

    found = execute_tasks([Task("one", 5000, make) for _ in range(60)], threads=1)
    next(found)
    assert waits.wait(timeout=120)
    assert len(begun) < 12
    assert len(list(found)) == 59
    assert len(begun) == 60


def test_what_the_listener_raises_is_raised_here(others):
    def listener(advance):
        raise KeyError("listener")

    with pytest.raises(KeyError, match="listener"):
        list(execute_tasks(tasks_of(others[0][0], 0, [100, 100]), threads=2, on_advance=listener))


def test_no_task_is_no_work():
    assert list(execute_tasks([])) == []


def test_an_iterator_that_nobody_closes_keeps_no_process():
    code = """
import numpy as np
from helpers.programs import program_of
from gdbench.engine.threads import Task, execute_tasks
program = program_of("rosenbrock", "momentum", np.full(5000, 1e-4), steps=500)
found = execute_tasks([Task(0, 5000, lambda: program)] * 100_000, threads=2)
next(found)
print("left")
"""
    folders = [Path(__file__).parents[1], Path(gdbench.__file__).parent.parent]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, folders))}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout == "left\n"
