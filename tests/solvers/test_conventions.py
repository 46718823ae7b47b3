"""A method under the names and defaults of other libraries: chosen by `convention`, each a program of its own."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

import gdbench
from gdbench.errors import UsageError
from gdbench.solvers import solver


@pytest.fixture(scope="module")
def method():
    @solver(register=False, init=jnp.zeros_like, name="method", formula="paper's", source="a paper")
    def made(oracle, x, mean, *, learning_rate, decay=0.9):
        """A mean of gradients."""
        mean = decay * mean + (1 - decay) * oracle.grad(x)
        return x - learning_rate * mean, mean

    first = lambda x, *, initial: jnp.zeros_like(x) + initial  # noqa: E731

    @made.convention("torch", init=first, note="the mean starts at a number of its own")
    def _(oracle, x, mean, *, learning_rate, keep=0.5, initial=0.25):
        mean = keep * mean + oracle.grad(x)
        return x - learning_rate * mean, mean

    made.alike("optax", note="forgets faster", decay=0.75)
    return made


def final(method, **settings):
    result = gdbench.run("ellipse", [method], learning_rate=0.001, steps=3, plots=False, set=settings)
    return result.runs.iloc[0]


def plain(keep, weight, initial):
    x, mean = np.ones(2), np.full(2, initial)
    for _ in range(3):
        mean = keep * mean + weight * np.array([1.0, 100.0]) * x
        x = x - 0.001 * mean
    return 0.5 * (x[0] ** 2 + 100 * x[1] ** 2)


@pytest.mark.parametrize(
    ("convention", "keep", "weight", "initial"),
    [("paper", 0.9, 0.1, 0.0), ("torch", 0.5, 1.0, 0.25), ("optax", 0.75, 0.25, 0.0)],
)
def test_each_convention_has_its_update_defaults_and_first_state(method, convention, keep, weight, initial):
    row = final(method, convention=convention)
    assert row["loss_final"] == pytest.approx(plain(keep, weight, initial), rel=1e-12)
    assert row["convention"] == convention


def test_the_paper_is_the_default_and_settings_reach_a_variant(method):
    assert final(method)["loss_final"] == final(method, convention="paper")["loss_final"]
    row = final(method, convention="torch", initial=2.0, keep=0.0)
    assert row["loss_final"] == pytest.approx(plain(0.0, 1.0, 2.0), rel=1e-12)


def test_a_first_state_that_is_swept(method):
    spec = {"surface": "ellipse", "learning_rate": 0.001, "steps": 3, "solver": [method]}
    result = gdbench.sweep({**spec, "set": {"convention": "torch", "initial": [0.0, 2.0]}}, plots=False)
    wanted = [plain(0.5, 1.0, initial) for initial in (0.0, 2.0)]
    np.testing.assert_allclose(result.runs["loss_final"], wanted, rtol=1e-12)


def test_a_sweep_over_conventions_has_the_runs_of_each(method):
    spec = {"surface": "ellipse", "learning_rate": 0.001, "steps": 3, "solver": [method]}
    result = gdbench.sweep({**spec, "set": {"convention": ["paper", "optax"]}}, plots=False)
    assert result.runs["convention"].tolist() == ["paper", "optax"]
    assert result.runs["decay"].tolist() == [0.9, 0.75]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"convention": "torhc"}, "unknown convention 'torhc' of solver 'method'; did you mean 'torch'?"),
        ({"keep": 0.3}, "'method' has no 'keep' in the convention 'paper', only in 'torch': set convention as well"),
        ({"convention": "torch", "decay": 0.3}, "'method' has no 'decay' in the convention 'torch', only in 'paper'"),
        ({"kep": 0.3}, "unknown hyperparameter 'kep'; did you mean 'keep'?"),
    ],
)
def test_what_a_convention_lacks_is_refused(method, settings, sentence):
    with pytest.raises(UsageError, match=r"convention|hyperparameter") as caught:
        final(method, **settings)
    assert sentence.split("; did")[0] in str(caught.value)


def test_what_is_said_to_all_is_for_those_whose_convention_has_it():
    # torch's RMSprop has momentum, the paper's has not
    spec = {"surface": "ellipse", "learning_rate": 0.001, "steps": 3, "solver": ["momentum", "rmsprop"]}
    paper = gdbench.sweep({**spec, "set": {"momentum": 0.5}}, plots=False).runs
    assert paper["momentum"].fillna(-1).tolist() == [0.5, -1]
    torch = gdbench.sweep({**spec, "set": {"momentum": 0.5, "rmsprop.convention": "torch"}}, plots=False).runs
    assert torch["momentum"].tolist() == [0.5, 0.5]


def test_tuning_takes_one_convention(method):
    spec = {"surface": "ellipse", "solver": [method], "tune": {"trials": 2}}
    with pytest.raises(UsageError, match="tune takes one of an option"):
        gdbench.sweep({**spec, "set": {"convention": ["paper", "torch"]}}, plots=False)


def test_a_solver_without_conventions_has_no_such_setting():
    with pytest.raises(UsageError, match="unknown hyperparameter 'convention'"):
        gdbench.run("ellipse", [plain_solver()], set={"convention": "torch"}, plots=False)


def plain_solver():
    @solver(register=False, name="plain")
    def made(oracle, x, *, learning_rate):
        return x - learning_rate * oracle.grad(x)

    return made


def test_the_name_of_the_option_is_taken():
    with pytest.raises(UsageError, match="'convention' is the option that chooses a variant"):

        @solver(register=False)
        def mine(oracle, x, *, learning_rate, convention="mine"):
            return x
