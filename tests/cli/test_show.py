"""What `gdbench show` says of the definitions of a solver: made by running them, and true of optax itself."""

from __future__ import annotations

import json
import math

import jax.numpy as jnp
import optax
import pytest

from gdbench.cli.app import call
from gdbench.solvers import SOLVERS
from gdbench.solvers.conventions import against_optax, conventions_of, first_steps, state_of

FIRST = {
    # at g = 1 and a rate of 1, by hand
    ("rmsprop", "paper"): -1 / math.sqrt(0.1 + 1e-8),
    ("rmsprop", "torch"): -1 / (math.sqrt(0.01) + 1e-8),
    ("adagrad", "paper"): -1 / math.sqrt(1 + 1e-8),
    ("adagrad", "torch"): -1 / (1 + 1e-10),
    ("adagrad", "optax"): -1 / math.sqrt(1.1 + 1e-7),
    ("adam", "paper"): -1 / (1 + 1e-8),
    ("adadelta", "paper"): -math.sqrt(1e-6) / math.sqrt(0.05 + 1e-6),
    ("rprop", "paper"): -1.0,
    ("rprop", "optax"): 0.0,
}


@pytest.mark.parametrize("name", dict.fromkeys(name for name, _ in FIRST))
def test_the_first_step_is_made(name):
    rows = {row["convention"]: row for row in conventions_of(SOLVERS[name])}
    assert list(rows) == ["paper", *SOLVERS[name].variants]
    for (owner, convention), step in FIRST.items():
        if owner == name:
            assert rows[convention]["first_step"] == pytest.approx(step, rel=1e-12)
    assert all(row["note"] and row["formula"] for row in rows.values())
    assert "convention" not in rows["paper"]["hyperparameters"]


def test_every_definition_has_a_row():
    several = [solver for solver in SOLVERS.values() if solver.variants]
    assert len(several) > 10
    for solver in several:
        assert [row["convention"] for row in conventions_of(solver)] == ["paper", *solver.variants]
    assert conventions_of(SOLVERS["newton"]) == []


@pytest.mark.parametrize(
    "name", [name for name in SOLVERS if "optax" in SOLVERS[name].variants and hasattr(optax, name.replace("-", "_"))]
)
def test_ours_in_the_convention_of_optax_steps_as_optax_does(name):
    theirs = SOLVERS[f"optax:{name.replace('-', '_')}"]
    assert first_steps(SOLVERS[name].variant("optax"), 3) == pytest.approx(first_steps(theirs, 3), rel=1e-12, abs=1e-15)
    [sentence] = [words for words in against_optax(theirs) if f"ours ({name})" in words]
    assert f"optax {sentence}" == against_optax(SOLVERS[name])[0]


def test_the_traps_of_optax_are_told():
    [lags] = against_optax(SOLVERS["optax:rprop"])
    assert lags.startswith("differs from ours (rprop): each step is the one that the gradient before asked for")
    assert first_steps(SOLVERS["optax:rprop"], 3) == pytest.approx([0, -1, -1.2])
    # without a rate nothing turns the sign
    x = jnp.ones(1, jnp.float32)
    climbing = optax.adadelta()
    step = climbing.update(x, climbing.init(x), x)[0][0]
    assert f"climbs: its first step at g = 1 is {float(step):+.3g}." in against_optax(SOLVERS["optax:adadelta"])[-1]
    assert step > 0 > first_steps(SOLVERS["optax:adadelta"])[0]
    assert not any("climbs" in words for words in against_optax(SOLVERS["optax:adafactor"]))
    assert [words.split(":")[0] for words in against_optax(SOLVERS["optax:sgd"])] == [
        "agrees with ours (sgd)",
        "differs from ours (momentum)",
        "differs from ours (nesterov)",
    ]
    # gradients elsewhere than at the iterate
    free = SOLVERS["optax:contrib.schedule_free_sgd"]
    assert "the iterate is the average at which optax.contrib.schedule_free_eval_params evaluates" in free.note
    assert state_of(free)[-2:] == ["z", "params"]


def test_show_prints_the_definitions(here, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")  # narrower, words are wrapped
    assert call(["show", "rmsprop"]) == 0
    out = capsys.readouterr().out
    assert "optax agrees with ours (rmsprop)" in out
    for words in ("convention", "what differs", "-3.16228", "-10", "eps stands outside the root"):
        assert words in out, words
    assert call(["show", "rprop", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert [row["first_step"] for row in shown["conventions"]] == [-1, -1, 0]
    assert call(["show", "optax:sgd"]) == 0
    out = capsys.readouterr().out
    assert "momentum (absent unless set)" in out
    assert "optax.sgd" in out
    assert call(["show", "optax:sgd", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["optional"], shown["first_steps"], shown["conventions"]) == (["momentum"], [-1, -1, -1], [])
    assert call(["list", "solvers"]) == 0
    assert "anything from optax as optax:NAME" in capsys.readouterr().out
