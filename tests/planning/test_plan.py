"""Specification to runs: every form of an axis gives exactly the runs it should, what is too large costs nothing."""

import tracemalloc

import numpy as np
import pytest

from gdbench import columns, solver, surface
from gdbench.columns import CONTRACT
from gdbench.errors import SpecError, UsageError
from gdbench.planning.conditions import CONDITIONS
from gdbench.planning.plan import make_plan
from gdbench.planning.search_space import _spread
from gdbench.plugins import load_file
from gdbench.registry import RESERVED, refuse_reserved
from gdbench.spec.run import RunSpec
from gdbench.spec.sweep import Range, SweepSpec
from gdbench.spec.validation import dump_config, validated
from gdbench.spec.yaml_file import parse_yaml


def spec_of(text):
    document = parse_yaml(text, "file.yaml")
    return validated(SweepSpec, document.values, document)


def blocks_of(text):
    return make_plan(spec_of(text)).blocks


def rows_of(block):
    """Every run of a block: its swept settings, start and seed, in the order of the runs."""
    rows = np.arange(len(block))
    return {**block.settings_of(rows), "start": block.start_index(rows), "seed": block.seeds[rows % len(block.seeds)]}


@pytest.mark.parametrize(
    ("written", "values"),
    [
        ("0.25", [0.25]),
        ("[0.5, 0.25, 0.125]", [0.5, 0.25, 0.125]),
        ("{log: [1e-6, 0.9], num: 64}", np.geomspace(1e-6, 0.9, 64)),
        ("{log: [3e-5, 0.7], num: 1}", [3e-5]),
        ("{linear: [0, 0.98], num: 50}", np.linspace(0, 0.98, 50)),
        ("{num: 2, linear: [0.1, 0.1000001]}", [0.1, 0.1000001]),
    ],
)
def test_an_axis_has_the_values_of_numpy_bit_for_bit(written, values):
    rate = written if "[0, " not in written else "0.1"
    (block,) = blocks_of(f"{{surface: ellipse, solver: momentum, learning_rate: {rate}, set: {{momentum: {written}}}}}")
    (chosen,) = [axis["momentum"] for axis in block.axes if "momentum" in axis] or [[block.fixed["momentum"]]]
    assert np.array_equal(chosen, values)
    if rate == written:
        assert np.array_equal(next(axis for axis in block.axes if "learning_rate" in axis)["learning_rate"], values)


RANDOM = {
    "{uniform: [0.2, 0.6]}": (0.2, 0.6, 0.4, 0.2 / np.sqrt(3)),
    "{log_uniform: [0.001, 0.1]}": (0.001, 0.1, None, None),
    "{normal: [0.5, 0.01]}": (-np.inf, np.inf, 0.5, 0.01),
}


@pytest.mark.parametrize("distribution", RANDOM)
def test_random_axes_follow_from_the_seed_and_their_key_alone(distribution):
    low, high, mean, deviation = RANDOM[distribution]
    axis = f"{{random: {distribution}, num: 4000}}"

    def drawn(text, name="momentum"):
        block = blocks_of(f"{{solver: [sgd, momentum, adam], {text}}}")[1]
        return next(axis[name] for axis in block.axes if name in axis)

    values = drawn(f"surface: ellipse, set: {{momentum: {axis}}}")
    assert len(np.unique(values)) == 4000
    assert low <= values.min()
    assert values.max() <= high
    if mean is not None:  # four standard errors of 4000 draws
        assert abs(values.mean() - mean) < 4 * deviation / np.sqrt(4000)
        assert values.std() == pytest.approx(deviation, rel=0.06)
    else:
        logs = np.log(values / low) / np.log(high / low)
        assert abs(logs.mean() - 0.5) < 4 / np.sqrt(12 * 4000)
    unrelated = f"surface: [rosenbrock, ellipse], steps: [5, 7], starts: 3, set: {{b1: [0.8, 0.9], momentum: {axis}}}"
    assert np.array_equal(drawn(unrelated), values)
    assert not np.isin(drawn(f"surface: ellipse, seed: 1, set: {{momentum: {axis}}}"), values).any()
    # another key draws other numbers
    other = f"surface: ellipse, set: {{momentum.momentum: {axis}}}"
    assert not np.isin(drawn(other), values).any()


def test_a_random_axis_of_a_surface_gives_its_problems():
    (block,) = blocks_of(
        "{surface: {ellipse: {condition: {random: {log_uniform: [2, 50]}, num: 5}}}, solver: sgd, learning_rate: 0.1}"
    )
    drawn = block.parameters["condition"]
    assert ((drawn >= 2) & (drawn <= 50)).all()
    assert len({float(problem.surface.parameters["condition"]) for problem in block.problems}) == 5


def test_every_combination_in_the_documented_order():
    (block,) = blocks_of(
        """
surface: {ellipse: {condition: [10, 100], angle: [0, 30, 60]}}
solver: momentum
learning_rate: [0.1, 0.2]
set: {momentum: [0.5, 0.8, 0.9]}
starts: [[1, 1], [2, 0]]
noise: 0.1
seeds: [5, 9]
"""
    )
    # problem, hyperparameters (the rate first), start, seed; the last one runs fastest
    expected = [
        (condition, angle, rate, momentum, start, seed)
        for condition in (10, 100)
        for angle in (0, 30, 60)
        for rate in (0.1, 0.2)
        for momentum in (0.5, 0.8, 0.9)
        for start in (0, 1)
        for seed in (5, 9)
    ]
    problem = block.problem_index(np.arange(len(block)))
    rows = rows_of(block)
    columns = [block.parameters[name][problem] for name in ("condition", "angle")]
    columns += [rows[name] for name in ("learning_rate", "momentum", "start", "seed")]
    assert list(zip(*(column.tolist() for column in columns), strict=True)) == expected
    assert block.starts.tolist() == [[1, 1], [2, 0]]
    program = block.take(np.arange(len(block)))
    assert np.array_equal(program.parameters["angle"], [row[1] for row in expected])
    assert np.array_equal(program.hyperparameters["momentum"], [row[3] for row in expected])


def test_conditions_are_crossed_too():
    blocks = blocks_of(
        """
{surface: ellipse, solver: sgd, learning_rate: 0.1, steps: [10, 20], rtol: [1e-3, 1e-6],
 atol: {log: [1e-9, 1e-8], num: 2}, dtype: [float32, float64], noise: [0, 0.1, 0.2], seeds: 5}
"""
    )
    found = [(b.conditions.steps, b.conditions.rtol, b.conditions.atol, b.conditions.dtype) for b in blocks]
    assert found == [
        (steps, rtol, atol, dtype)
        for steps in (10, 20)
        for rtol in (1e-3, 1e-6)
        for atol in np.geomspace(1e-9, 1e-8, 2)
        for dtype in ("float32", "float64")
    ]
    assert {len(block) for block in blocks} == {3 * 5}
    assert [block.first_run for block in blocks] == list(range(0, 16 * 15, 15))
    assert blocks[0].parameters["noise"].tolist() == [0, 0.1, 0.2]
    assert blocks[0].swept_conditions == {"steps": 10, "rtol": 1e-3, "atol": 1e-9, "dtype": "float32"}


def test_batch_sizes_are_an_axis_of_data():
    blocks = blocks_of("{data: sklearn:wine, solver: sgd, batch_size: [4, 16, 178], learning_rate: 0.1}")
    assert [block.conditions.batch_size for block in blocks] == [4, 16, 178]
    assert len(blocks[0].surface.data[0]) == 178


def test_the_block_of_a_thing_wins_over_its_name_and_its_name_over_the_bare_one():
    text = """
surface: {ellipse: {condition: 3}, rosenbrock: {starts: 2}}
solver: {momentum: , nesterov: , rmsprop: {eps: 1e-5}, adam: {learning_rate: [0.5, 0.25]}}
learning_rate: 0.01
set: {nesterov.momentum: 0.2, momentum: 0.3, eps: 1e-7}
param: {angle: 5, rosenbrock.b: 7}
starts: [[1, 1], [2, 2], [3, 3]]
"""
    for blocks in (blocks_of(text), blocks_of("\n".join(reversed(text.strip().split("\n"))))):
        by_name = {(block.surface.name, block.solver.name): block for block in blocks}
        assert by_name["ellipse", "momentum"].fixed["momentum"] == 0.3
        assert by_name["ellipse", "rmsprop"].fixed["eps"] == 1e-5
        assert by_name["ellipse", "adam"].fixed["eps"] == 1e-7
        assert by_name["ellipse", "nesterov"].fixed["momentum"] == 0.2
        assert by_name["ellipse", "adam"].axes[0]["learning_rate"].tolist() == [0.5, 0.25]
        assert by_name["ellipse", "momentum"].axes[0]["learning_rate"].tolist() == [0.01]
        assert by_name["ellipse", "adam"].surface.parameters["condition"] == 3
        assert by_name["ellipse", "adam"].surface.parameters["angle"] == 5
        assert by_name["rosenbrock", "adam"].surface.parameters["b"] == 7
        assert by_name["rosenbrock", "adam"].starts.shape == (2, 2)
        assert by_name["ellipse", "adam"].starts.tolist() == [[1, 1], [2, 2], [3, 3]]


@pytest.mark.parametrize(
    ("key", "starts"),
    [("starts: 4", 4), ("starts: {random: 4}", 4), ("starts: [[1, 2]]", 1), ("start: [1, 2]", 1), ("", 1)],
)
def test_starts(key, starts):
    (block,) = blocks_of(f"surface: ellipse\nsolver: sgd\nlearning_rate: 1\n{key}\n")
    assert block.starts.shape == (starts, 2)
    low, high = block.surface.box_bounds(2)
    assert ((block.starts >= low) & (block.starts <= high)).all() or starts == 1
    if starts == 1:
        assert block.starts[0].tolist() == ([1, 2] if key else block.surface.start_point(2).tolist())


@pytest.mark.parametrize(("key", "seeds"), [("seeds: 5", [3, 4, 5, 6, 7]), ("seeds: [9, 2]", [9, 2]), ("", [3])])
def test_seeds(key, seeds):
    assert list(spec_of(f"surface: ellipse\nsolver: sgd\nseed: 3\n{key}\n").seed_list) == seeds


def test_options_and_dimensions_are_programs_of_their_own():
    blocks = blocks_of("{surface: {ellipse: {dimension: [2, 5]}}, solver: sgd, learning_rate: [0.1, 0.2]}")
    assert [(block.surface.dimension, len(block)) for block in blocks] == [(2, 2), (5, 2)]


def test_arrays_and_ranges_of_a_notebook_are_lists():
    values = {"surface": "ellipse", "solver": "sgd", "learning_rate": np.geomspace(1e-3, 1, 5)}
    values |= {"starts": np.ones((1, 2)), "rtol": np.float64(1e-3), "steps": range(5, 8), "seed": 3}
    spec = validated(SweepSpec, values)
    assert spec.learning_rate.values == tuple(np.geomspace(1e-3, 1, 5).tolist())
    assert spec.steps.values == (5, 6, 7)
    assert spec.starts == [[1.0, 1.0]]
    assert spec == validated(SweepSpec, parse_yaml(dump_config(spec), "c.yaml").values)


# ---- sizes


def test_a_million_runs_are_a_few_short_arrays():
    text = """
surface: {ellipse: {condition: {log: [1, 1000], num: 10}}, rosenbrock: , double-well: , multi-minima: }
solver: [sgd, momentum, nesterov, adam]
learning_rate: {log: [1e-6, 10], num: 64}
set: {momentum: {linear: [0, 0.99], num: 16}, b1: {linear: [0.1, 0.99], num: 16}}
starts: 32
seeds: 1
"""
    blocks_of(text)  # what is imported and cached is no memory of the plan
    tracemalloc.start()
    blocks = blocks_of(text)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sum(len(block) for block in blocks) == 13 * (1 + 3 * 16) * 64 * 32 > 1_000_000
    assert len(blocks) == 16
    assert peak < 1_000_000  # bytes: fewer than one for each run


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("learning_rate: {log: [1e-6, 1], num: 10000000}", "from 1 to 1 000 000"),
        ("starts: 1000000\nseeds: 1000000", "runs are more than 10 000 000 000"),
        (
            "set: {momentum: {linear: [0, 1], num: 1000000}, b1: {linear: [0, 1], num: 1000000}, "
            "b2: {linear: [0, 1], num: 1000000}}",
            "runs are more",
        ),
        ("rtol: {log: [1e-9, 1], num: 1000000}\natol: {log: [1e-9, 1], num: 1000000}", "programs to compile"),
        (
            "param: {condition: {log: [1, 9], num: 1000}, angle: {linear: [0, 9], num: 1000}}",
            "ellipse' at 1 000 000 settings",
        ),
        ("noise: {linear: [0, 1], num: 1000000}", "settings is more than 100 000"),
        ("param: {dimension: 1000000000}", "1 start of 1e+09 weights"),
        ("param: {dimension: [1000, 1001]}\nstarts: 1000000", "1 000 000 starts of 1001 weights"),
        ("tune: {trials: 1048576, holdout_starts: 1000000}", "runs are more than"),
    ],
)
def test_what_is_too_large_costs_a_sentence_and_no_memory(change, sentence):
    text = f"surface: [ellipse]\nsolver: [momentum, adam]\n{change}\n"
    with pytest.raises(UsageError):
        blocks_of(text)
    tracemalloc.start()
    with pytest.raises(UsageError, match=sentence.replace("+", r"\+")):
        blocks_of(text)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2_000_000


def test_five_axes_of_ten_million_values(tmp_path):
    axis = "{linear: [0.1, 1], num: 10000000}"
    text = f"surface: ellipse\nsolver: adam\nlearning_rate: {axis}\nset: {{b1: {axis}, b2: {axis}}}\nnoise: {axis}\n"
    text += f"rtol: {axis}\n"
    with pytest.raises(
        UsageError, match=r"^file\.yaml, line 3: learning_rate\.num: num must be a whole number from 1 to 1 000 000"
    ):
        blocks_of(text)


# ---- seeds


DRAWS = """
import gdbench, jax
@gdbench.solver()
def draws(oracle, x, *, learning_rate: float, loud: bool = False):
    if loud:
        x = x + jax.random.normal(oracle.key(), x.shape, x.dtype)
    return x - learning_rate * oracle.grad(x)
@gdbench.solver()
def broken(oracle, x, *, learning_rate: float): raise RuntimeError
"""


@pytest.mark.parametrize(
    ("more", "seeds"),
    [
        ("solver: [sgd, adam]", {1}),
        ("solver: [sgd, adam]\nnoise: 0", {1}),
        ("solver: [sgd, adam]\nnoise: 0.1", {5}),
        # inside a block: kept for both
        ("solver: sgd\nnoise: [0, 0.1]", {5}),
        ("solver: [sgd, draws]", {1}),
        # of one solver the others must have every seed too: what is missing counts as failed
        ("solver: {sgd: , draws: {loud: true}}", {5}),
        # nothing is known of it
        ("solver: broken", {5}),
    ],
)
def test_seeds_count_only_where_something_is_drawn(here, more, seeds):
    (here / "draws.py").write_text(DRAWS)
    load_file("draws.py")
    blocks = blocks_of(f"surface: [ellipse, rosenbrock]\nseeds: 5\nseed: 3\nlearning_rate: 0.1\n{more}\n")
    assert {len(block.seeds) for block in blocks} == seeds
    assert {block.seeds[0] for block in blocks} == {3}
    assert [block.first_run for block in blocks] == np.cumsum([0, *map(len, blocks)])[:-1].tolist()


def test_seeds_draw_mini_batches():
    (block,) = blocks_of("{data: sklearn:wine, solver: sgd, batch_size: 4, learning_rate: 0.1, seeds: 3}")
    assert len(block.seeds) == 3


# ---- names


@pytest.mark.parametrize("kind", ["solver", "surface"])
def test_a_plug_in_cannot_name_its_settings_like_ours(here, kind):
    head = "import gdbench\n@gdbench.solver()\ndef mine(oracle, x, *, learning_rate: float, {}: float = 1.0): return x"
    if kind == "surface":
        head = "import gdbench\n@gdbench.surface(start=[1.0])\ndef mine(w, *, {}: float = 1.0): return w @ w"
    for name in RESERVED[kind]:
        if name in ("oracle", "x") and kind == "solver":
            continue  # Python refuses it first
        (here / f"{kind}_{name}.py").write_text(head.format(name))
        with pytest.raises(UsageError, match=f"{kind} 'mine': its setting '{name}' needs another name; '{name}' is "):
            load_file(f"{kind}_{name}.py")


def test_the_reserved_names_are_all_columns():
    # the frames stand on a floor above the check
    assert {*columns.COLUMNS, *columns.FIXED, *columns.LAST, *CONTRACT} <= set(RESERVED["solver"])
    assert set(CONDITIONS) < set(RESERVED["surface"])
    with pytest.raises(UsageError, match="a column of every result"):
        refuse_reserved("solver", "mine", ["steps_at_1"])


def test_two_surfaces_of_one_name(here):
    (here / "toy.csv").write_text("a,y\n1,2\n2,1\n4,4\n5,6\n")
    surface(start=[1.0], name="toy-raw")(lambda x: x @ x)
    text = "data: toy.csv\ntarget: y\nsolver: sgd\n"
    assert [block.surface.name for block in blocks_of(text)] == ["toy-raw"]
    with pytest.raises(SpecError, match="surface 'toy-raw' is made of the data, and named already"):
        blocks_of(text + "surface: toy-raw\n")


# ---- values that cannot be meant


@pytest.mark.parametrize(
    ("name", "value", "bounds"),
    [
        ("b1", 2, "at least 0 and below 1, not 2"),
        ("b2", 1, "at least 0 and below 1, not 1"),
        ("b1", -0.1, "at least 0 and below 1, not -0.1"),
        ("b1", "[0.5, 1.5]", "at least 0 and below 1, not 1.5"),
        ("eps", -1e-8, "at least 0, not -1e-08"),
    ],
)
def test_impossible_hyperparameters(name, value, bounds):
    with pytest.raises(SpecError, match=f"hyperparameter '{name}' of solver 'adam' must be {bounds}"):
        blocks_of(f"{{surface: ellipse, solver: adam, set: {{{name}: {value}}}}}")


def test_a_solver_may_mean_something_else_by_a_name(here):
    @solver(name="penalty")
    def penalty(oracle, x, *, learning_rate: float, rho: float = 10.0):
        return x - learning_rate * rho * oracle.grad(x)

    (block,) = blocks_of("{surface: ellipse, solver: penalty, set: {rho: 3}}")
    assert block.fixed["rho"] == 3


@pytest.mark.parametrize(
    ("space", "sentence"),
    [
        ("b1: {linear: [-0.1, 0.5]}", "below 1, not -0.1"),
        ("b1: {log: [0.5, 2]}", "below 1, not 2"),
        ("b2: {one_minus_log: [1e-30, 1]}", "below 1, not 1"),
        ("eps: {linear: [-1, 1]}", "at least 0, not -1"),
    ],
)
def test_impossible_ranges(space, sentence):
    with pytest.raises(SpecError, match=sentence):
        blocks_of(f"{{surface: ellipse, solver: adam, tune: {{trials: 4, space: {{{space}}}}}}}")


def test_a_range_may_span_all_numbers():
    for space in ("eps: {log: [1e-300, 1e300]}", "b1: {linear: [0, 1]}"):
        (block,) = blocks_of(f"{{surface: ellipse, solver: adam, tune: {{trials: 64, space: {{{space}}}}}}}")
        (axis,) = block.axes
        assert all(np.isfinite(values).all() for values in axis.values())
        assert np.all(np.diff(np.sort(axis["b1"])) > 0)
        assert axis["b1"].max() < 1
    spread = _spread(Range(log=(1e-300, 1e300)), np.array([0, 0.25, 0.5, 1]))
    np.testing.assert_allclose(spread, [1e-300, 1e-150, 1, 1e300], rtol=1e-12)  # 690 in logs: 1e-13 of it


def test_numbers_too_large_for_a_run_are_a_usage_error():
    with pytest.raises(UsageError, match="every number must be finite"):
        make_plan(validated(RunSpec, {"surface": "ellipse", "solver": "momentum", "set": {"momentum": np.inf}}))


def test_a_single_target_is_a_list_of_one():
    spec = spec_of("{surface: ellipse, solver: sgd, targets: 0.1}")
    assert spec.targets == [0.1]
    assert spec == spec_of("{surface: ellipse, solver: sgd, targets: [0.1]}")
    for truth in ("targets: true", "targets: [true]", "seeds: [true]", "seed: true"):
        with pytest.raises(UsageError, match="must be a number, not true or false"):
            spec_of(f"{{surface: ellipse, solver: sgd, {truth}}}")


def test_the_learning_rate_of_all_is_nothing_to_a_tuned_solver_without_one():
    sgd, newton = blocks_of("{surface: ellipse, solver: [sgd, newton], learning_rate: 0.1, tune: {trials: 4}}")
    assert sgd.axes[0]["learning_rate"].tolist() == [0.1]
    assert newton.axes == ()
