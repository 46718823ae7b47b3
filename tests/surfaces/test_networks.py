"""Networks: the backward pass by hand, the surface `backprop`, and what `show` tells of one of its weights."""

from __future__ import annotations

import json
from functools import partial
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.programs import program_of, status_of

from gdbench.api import sweep
from gdbench.cli.app import call
from gdbench.engine.stream import execute, trace
from gdbench.errors import UsageError
from gdbench.planning.plan import make_plan
from gdbench.spec.sweep import SweepSpec
from gdbench.spec.validation import validated
from gdbench.surfaces import SURFACES, surface
from gdbench.surfaces.facts import facts_of, values
from gdbench.surfaces.influence import influence_of
from gdbench.surfaces.networks import INPUTS, TARGETS, Network, backward, deltas

XOR = np.array(INPUTS), np.array(TARGETS)
NETWORKS = [
    Network((2, 3, 3, 1)),
    Network((2, 3, 3, 1), biases=True),
    Network((2, 1)),
    Network((2, 1), biases=True),
    Network((2, 4, 1)),
    Network((3, 5, 2, 4, 3), biases=True),
    Network((1, 1, 1, 1, 1)),
    *(Network((3, 4, 3, 2), True, hidden, output) for hidden in ("tanh", "relu") for output in ("linear", "sigmoid")),
]
every_network = pytest.mark.parametrize(
    "network", NETWORKS, ids=lambda n: f"{n.sizes} {n.biases} {n.hidden} {n.output}"
)


def example_of(network, seed=0, examples=5):
    """Random weights, inputs and targets."""
    generator = np.random.default_rng(seed)
    shapes = network.dimension, (examples, network.sizes[0]), (examples, network.sizes[-1])
    return [generator.normal(size=shape) for shape in shapes]


def plain_outputs(network, x, inputs):
    """The outputs, unit by unit in plain Python."""
    rules = {"sigmoid": lambda net: 1 / (1 + np.exp(-net)), "tanh": np.tanh, "linear": float}
    rules["relu"] = lambda net: max(net, 0.0)
    found = []
    for row in inputs:
        y, used = list(row), 0
        for number, (_, units) in enumerate(pairwise(network.sizes)):
            below = [*y, 1.0] if network.biases else y
            kind = network.output if number == len(network.sizes) - 2 else network.hidden
            nets = [sum(y_i * x[used + i * units + j] for i, y_i in enumerate(below)) for j in range(units)]
            y, used = [rules[kind](net) for net in nets], used + len(below) * units
        assert used == network.dimension
        found.append(y)
    return np.array(found)


# ---- the network


@every_network
def test_every_unit_is_its_formula(network):
    x, inputs, targets = example_of(network)
    with jax.enable_x64(True):
        found, error = network.outputs(x, inputs), network.error(x, inputs, targets)
    wanted = plain_outputs(network, x, inputs)
    np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-14)
    assert float(error) == pytest.approx(np.mean(np.sum((wanted - targets) ** 2, axis=1)), rel=1e-12)


@every_network
def test_the_backward_pass_by_hand_is_jaxs_gradient_and_the_difference_quotient(network):
    shifts = 1e-5 * np.eye(network.dimension)

    @jax.jit
    def three(x, inputs, targets):
        errors = jax.vmap(network.error, (0, None, None))(jnp.concatenate([x + shifts, x - shifts]), inputs, targets)
        quotient = (errors[: len(x)] - errors[len(x) :]) / 2e-5
        return backward(network, x, inputs, targets), jax.grad(network.error)(x, inputs, targets), quotient

    for seed in range(5):
        with jax.enable_x64(True):
            by_hand, found, quotient = three(*example_of(network, seed))
        np.testing.assert_allclose(by_hand, found, rtol=1e-12, atol=1e-12)
        # the third derivative times step², and the rounding of E over the step
        np.testing.assert_allclose(by_hand, quotient, rtol=1e-7, atol=1e-8)


def test_a_published_example_step_by_step():
    # Mazur 2015, A step by step backpropagation example: 2, 2, 2 units with biases, E = ½ Σ (t - o)², rate 0.5
    network = Network((2, 2, 2), biases=True)
    x = np.array([0.15, 0.25, 0.20, 0.30, 0.35, 0.35, 0.40, 0.50, 0.45, 0.55, 0.60, 0.60])
    inputs, targets = np.array([[0.05, 0.10]]), np.array([[0.01, 0.99]])
    with jax.enable_x64(True):
        _, hidden, outputs = (np.asarray(layer)[0] for layer in network.activations(x, inputs))
        error, gradient = float(network.error(x, inputs, targets)), np.asarray(backward(network, x, inputs, targets))
        delta = np.asarray(deltas(network, x, inputs, targets)[1])[0]
    # as printed, in nine digits
    np.testing.assert_allclose(hidden, [0.593269992, 0.596884378], atol=1e-9)
    np.testing.assert_allclose(outputs, [0.751365070, 0.772928465], atol=1e-9)
    assert error / 2 == pytest.approx(0.298371109, abs=1e-9)
    assert delta[0] / 2 == pytest.approx(0.138498562, abs=1e-9)
    moved = x - 0.5 * gradient / 2
    np.testing.assert_allclose(moved[[0, 2, 1, 3]], [0.149780716, 0.19956143, 0.24975114, 0.29950229], atol=1e-8)
    np.testing.assert_allclose(moved[[6, 8, 7, 9]], [0.35891648, 0.408666186, 0.511301270, 0.561370121], atol=1e-8)


# ---- the surface


def test_backprop_is_the_network_of_18_weights():
    made = SURFACES["backprop"]
    assert made.dimension == 18
    x = np.random.default_rng(3).normal(size=18)
    wanted = np.mean((plain_outputs(Network((2, 3, 3, 1)), x, XOR[0]) - XOR[1]) ** 2)
    assert values(made, x[None])[0] == pytest.approx(wanted, rel=1e-12)
    assert [tuple(row) for row in XOR[0]] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert XOR[1][:, 0].tolist() == [0, 1, 1, 0]
    start = made.start_point(18)
    assert (np.abs(start) <= 1).all()
    assert len(np.unique(start)) == 18  # equal units would stay equal


@pytest.mark.parametrize(
    ("given", "weights"),
    [
        ({"layout": "2,4,1"}, 12),
        ({"layout": " 2, 4 ,1"}, 12),
        ({"biases": "true"}, 25),
        ({"layout": "2,1", "biases": True}, 3),
        ({"layout": "2,5,4,3,1"}, 45),
    ],
)
def test_the_dimension_follows_from_the_options(given, weights):
    made = SURFACES["backprop"].with_parameters(**given)
    assert made.dimension == weights == len(made.start_point(made.dimension))
    assert " " not in made.options["layout"]
    assert np.isfinite(values(made, made.probe_points())).all()
    assert made.with_parameters(layout="2,3,3,1", biases=False).goal == SURFACES["backprop"].goal
    assert SURFACES["backprop"].dimension == 18


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"layout": "3,1"}, "must begin with 2, the number of inputs of its data, not with 3"),
        ({"layout": "2,3,2"}, "must end with 1, the number of outputs of its data, not with 2"),
        ({"layout": "2"}, "must be numbers of units from inputs to outputs, such as 2,3,3,1, not '2'"),
        ({"layout": "2,x,1"}, "must be numbers of units .* not '2,x,1'"),
        ({"layout": "2,-3,1"}, "must be numbers of units"),
        ({"layout": "2,³,1"}, "must be numbers of units"),
        ({"layout": "2,0,1"}, "every layer needs a unit or more, unlike in '2,0,1'"),
        ({"layout": "2,1000,1000,1"}, "more than 1 000 000 weights"),
        ({"layout": "2," + "9" * 5000 + ",1"}, r"'2,9+\.\.' has more than"),
        ({"biases": "maybe"}, "option 'biases' of surface 'backprop' must be true or false"),
        ({"dimension": 19}, "has dimension 18: that follows from its options"),
    ],
)
def test_a_wrong_option_is_a_sentence(given, words):
    with pytest.raises(UsageError, match=words):
        SURFACES["backprop"].with_parameters(**given)


def test_the_error_nears_zero_and_only_far_away():
    def far(size):
        """A unit between the inputs, one on each side of it, and constant ½ in place of biases."""
        first = np.array([[size, 0, 0], [-size, 0, 0]])
        second = np.array([[size, -size, 0], [-1.5 * size, 0.5 * size, 0], [0, 0, 0]])
        third = np.array([[size], [size], [-size]])
        return np.concatenate([first.ravel(), second.ravel(), third.ravel()])

    made = SURFACES["backprop"]
    found = values(made, np.array([far(size) for size in (10.0, 20.0, 40.0, 80.0)]))
    assert (np.diff(found) < 0).all()
    # all outputs go to 0 or 1 as exp(-size / 2): E as exp(-size)
    np.testing.assert_allclose(np.log(found[-2:]), [-40, -80], atol=1)
    assert made.minimisers is None
    assert np.isnan(facts_of(made).f_star)
    low, high = made.box_bounds(18)
    points = low + 10 * (high - low) * np.random.default_rng(0).random((2000, 18))
    assert (values(made, points) > 0).all()


def test_descent_by_hand_learns_the_table_when_the_engine_says():
    network, made, rate = Network((2, 3, 3, 1)), SURFACES["backprop"], 6.0
    with jax.enable_x64(True):
        slope = jax.jit(lambda x: backward(network, x, *XOR))
        path = [made.start_point(18)]
        while not (np.abs(plain_outputs(network, path[-1], XOR[0]) - XOR[1]) < 0.5).all():
            path.append(path[-1] - rate * np.asarray(slope(path[-1])))
    records = execute(program_of("backprop", "sgd", rate, steps=1000, known_minimum=False))
    assert status_of(records) == ["reached"]
    assert records.steps.tolist() == [len(path) - 1]
    np.testing.assert_allclose(records.x[0], path[-1], rtol=1e-11)  # rounding, carried over 240 steps
    assert 200 < len(path) < 300


@pytest.mark.slow
def test_one_example_at_a_time_is_the_backward_pass_of_that_example():
    network = Network((2, 4, 1), biases=True)
    program = program_of(
        "backprop", "sgd", 0.5, param={"layout": "2,4,1", "biases": True}, steps=8, known_minimum=False
    )
    found = trace(program.under(batch_size=1, shuffle=False))[0].x
    x, slope = found[0], jax.jit(partial(backward, network))
    for step in range(8):
        rows = [array[step % 4 : step % 4 + 1] for array in XOR]
        with jax.enable_x64(True):
            x = x - 0.5 * np.asarray(slope(x, *rows))
        np.testing.assert_allclose(found[step + 1], x, rtol=1e-12)


def test_no_network_without_hidden_units_learns_the_table():
    made = SURFACES["backprop"].with_parameters(layout="2,1", biases=True)
    points = np.random.default_rng(0).normal(size=(20_000, 3)) * np.repeat([0.1, 1, 10, 100], 5000)[:, None]
    # the best that a line can do is to say ½ everywhere, or to have one of four wrong
    assert values(made, points).min() >= 0.25
    assert values(made, np.zeros((1, 3)))[0] == 0.25
    with jax.enable_x64(True):
        assert not jax.vmap(made.goal)(points).any()


# ---- sweeps


def test_a_sweep_goes_over_layouts(here):
    spec = {"surface": {"backprop": {"layout": ["2,3,3,1", "2, 4, 1"]}}, "solver": ["sgd"], "learning_rate": 10}
    result = sweep({**spec, "steps": 400}, plots=False)
    names = ["backprop layout=2,3,3,1", "backprop layout=2,4,1"]
    assert result.table["problem"].tolist() == names
    assert result.table["status"].tolist() == ["reached", "reached"]
    for name, weights in zip(names, (18, 12), strict=True):
        own = result.runs[result.runs["problem"] == name]
        assert own[f"start.{weights - 1}"].notna().all()
        assert f"start.{weights}" not in own.dropna(axis=1).columns
        paths = result.trajectory[result.trajectory["run"].isin(own["run"])].dropna(axis=1)
        assert sum(column.startswith("x") for column in paths.columns) == weights


def test_a_plan_goes_over_both_options():
    spec = {"surface": {"backprop": {"layout": ["2,3,3,1", "2,4,1"], "biases": [False, True]}}, "solver": ["sgd"]}
    blocks = make_plan(validated(SweepSpec, {**spec, "starts": 3})).blocks
    assert [block.starts.shape for block in blocks] == [(3, 18), (3, 25), (3, 12), (3, 17)]
    assert len({block.group for block in blocks}) == 4
    assert [block.surface.goal.network.dimension for block in blocks] == [18, 25, 12, 17]
    again = make_plan(validated(SweepSpec, {**spec, "starts": 3})).blocks
    # goals of the same network are equal: nothing compiles again
    assert [block.group for block in again] == [block.group for block in blocks]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"layout": ["2,3,1", "2, 3 ,1"]}, "'surface.backprop.layout': two of its 2 values mean the same"),
        ({"layout": ["2,3,1", "3,1"]}, "must begin with 2"),
        ({"layout": ["2,300,300,1"], "starts": 100_000}, "100 000 starts of 90900 weights"),
        ({"layout": ["2,3,1", "2,4,1"], "start": [0] * 18}, "the start has 18 numbers, but surface 'backprop' has 9"),
    ],
)
def test_a_sweep_over_wrong_layouts_is_a_sentence(given, words):
    with pytest.raises(UsageError, match=words):
        sweep({"surface": {"backprop": given}, "solver": ["sgd"]}, plots=False)


def test_a_surface_of_a_plug_in_may_follow_its_options(here):
    made = surface(
        start=np.ones,
        follows=lambda options: {"dimension": 2 * options["pairs"], "goal": None},
        register=False,
        name="pairs",
    )(lambda x, *, pairs=1: jnp.sum(x * x) + 0 * pairs)
    assert made.dimension == 2
    program = program_of(made, "sgd", 0.25, param={"pairs": 3}, steps=5, known_minimum=False)
    assert execute(program).x.tolist() == [[0.5**5] * 6]


# ---- what one weight does


@pytest.mark.parametrize(
    ("layout", "biases"),
    [("2,3,3,1", False), ("2,3,3,2,1", True), ("2,1", False), ("2,3,1", True)],
)
def test_one_weight_is_followed_to_the_error(layout, biases):
    told = influence_of(SURFACES["backprop"].with_parameters(layout=layout, biases=biases))
    network = Network(tuple(map(int, layout.split(","))), biases)
    x, index = SURFACES["backprop"].start_point(network.dimension), told["index"]
    with jax.enable_x64(True):
        one, of_all = (
            np.asarray(jax.jit(jax.grad(network.error))(x, *rows))[index]
            for rows in ([array[-1:] for array in XOR], XOR)
        )
        layers = [np.asarray(layer)[-1] for layer in jax.jit(network.activations)(x, XOR[0])]
    steps = {step["name"]: step["value"] for step in told["steps"]}
    name = told["weight"]
    assert (name == "w²₂,₂") == (layout.startswith("2,3,3"))
    np.testing.assert_allclose(steps[f"∂E/∂{name}"], one, rtol=1e-12)
    np.testing.assert_allclose(steps[f"mean ∂E/∂{name}"], of_all, rtol=1e-12, atol=1e-15)
    # the rounding of E over the step
    np.testing.assert_allclose(steps[f"ΔE/Δ{name}"], one, rtol=1e-6, atol=1e-10)
    np.testing.assert_allclose(steps[f"mean ΔE/Δ{name}"], of_all, rtol=1e-6, atol=1e-10)
    for sign, layer in zip("⁰¹²³⁴", layers, strict=False):
        np.testing.assert_allclose(steps[f"y{sign}"], layer, rtol=1e-12)
    # each link of the chain, and their product
    chain = [step for step in told["steps"] if step["name"].startswith("∂") and step["formula"] != "the product"]
    assert np.prod([step["value"] for step in chain]) == pytest.approx(steps[f"∂E/∂{name}"], rel=1e-14)
    assert chain[0]["name"].endswith(f"/∂{name}")
    for here, there in pairwise(chain):
        assert here["name"].partition("/")[0] == "∂" + there["name"].partition("/∂")[2]
    assert chain[-1]["name"].startswith("∂E/")


def test_show_prints_the_chain(capsys):
    assert call(["show", "backprop", "--param", "layout=2,3,3,1"]) == 0
    out = capsys.readouterr().out
    assert "How w²₂,₂ moves E at the start, on the example 1, 1 → 0" in out
    for formula in ("y¹₂", "y²₂ (1 - y²₂)", "w³₂,₁", "y³₁ (1 - y³₁)", "2 (y³₁ - t)", "y¹ (1 - y¹) Σ w² δ²"):
        assert formula in out
    assert call(["show", "backprop", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["influence"]
    assert told == influence_of(SURFACES["backprop"])
    assert {step["name"]: step["value"] for step in told["steps"]}["y⁰"] == [1.0, 1.0]
    assert call(["show", "rosenbrock", "--json"]) == 0
    assert "influence" not in json.loads(capsys.readouterr().out)
