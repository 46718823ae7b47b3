"""One line on a surface says what its rows say."""

import numpy as np
import pandas as pd
import pytest

from gdbench.cli.app import call
from gdbench.results.findings import change, finding

NEVER = np.inf


def rows(steps, success=None, loss=None, solvers=("sgd", "momentum", "adam")):
    made = pd.DataFrame({"solver": list(solvers)[: len(steps)], "steps_to_target": np.array(steps, dtype=float)})
    made["success"] = np.isfinite(made["steps_to_target"]).astype(float) if success is None else success
    return made.assign(loss_final=1.0 if loss is None else loss, gap=1.0)


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (rows([100, 20, 50]), "momentum arrives first, in 20 steps; sgd needs 100 (5 times as many)"),
        (rows([NEVER, 20, 20]), "momentum and adam arrive first, in 20 steps; sgd never does"),
        (rows([7, 7, 7]), "every solver arrives, in 7 steps"),
        (rows([1, 50, 9]), "sgd arrives first, in 1 step; momentum takes longest, 50 (50 times as many)"),
        (rows([0, 5]), "sgd arrives first, in 0 steps; momentum takes longest, 5"),
        (rows([9]), "sgd arrives in 9 steps"),
        (
            rows([NEVER, 30.5, NEVER], success=[0.25, 0.75, 0]),
            "only momentum arrives, in 30.5 steps, from 75 % of the starts; adam never does; sgd from at most 25 %",
        ),
        (rows([NEVER] * 3, loss=[3.0, 0.25, np.nan]), "no solver arrives; momentum ends lowest, at a loss of 0.25"),
        (
            rows([NEVER] * 3, success=[0, 0.4, 0.1]),
            "no solver arrives from most starts; momentum does from 40 %",
        ),
        (rows([NEVER] * 2, loss=np.nan), "no solver arrives"),
        (rows([NEVER] * 2, loss=[3.0, 0.25]).assign(gap=np.nan), "momentum ends lowest, at a loss of 0.25"),
        (
            rows([5, 10, 5, 5, 5, NEVER, NEVER], solvers=["sgd", *"abcdef"]),
            "sgd, b and 2 more arrive first, in 5 steps; e and f never do",
        ),
    ],
)
def test_a_line(given, line):
    assert finding(given) == line


def test_a_change():
    assert change(rows([NEVER]), rows([4]), "scaling") == "scaling took sgd from not reached to 4 steps"
    assert change(rows([36]), rows([1]), "x") == "x took sgd from 36 to 1 step"
    assert change(rows([1]), rows([NEVER]), "x") == "x took sgd from 1 step to not reached"
    still = "x took momentum from 8 to 2 steps; sgd still never arrives"
    assert change(rows([NEVER, 8]), rows([NEVER, 2]), "x") == still
    assert change(rows([NEVER]), rows([NEVER]), "x") == "x took sgd from not reached to not reached"


def test_every_run_ends_with_its_finding(here, capsys):
    flags = ["--learning-rate", "0.5", "--steps", "20", "--no-plots"]
    assert call(["run", "-f", "scaled", "-s", "sgd", "-s", "momentum", *flags]) == 0
    assert "scaled: every solver arrives, in 1 step.\n" in capsys.readouterr().out
    assert call(["run", "-f", "scaled", "-s", "sgd", *flags]) == 0
    assert "arrives" not in capsys.readouterr().out
