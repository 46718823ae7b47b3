"""Every mistake gets one clear sentence and exit code 2, and leaves nothing behind."""

from pathlib import Path

import pytest

from gdbench.cli.app import call

OK = ["-f", "ellipse", "-s", "momentum"]

MISTAKES = {
    "nothing asked": (["run"], "name at least one surface"),
    "no solver": (["run", "-f", "ellipse"], "name at least one solver"),
    "surface misspelt": (["run", "-f", "elipse", "-s", "sgd"], "did you mean 'ellipse'"),
    "solver misspelt": (["run", "-f", "ellipse", "-s", "rmsprp"], "did you mean 'rmsprop'"),
    "hyperparameter misspelt": (["run", *OK, "--set", "momentm=0.3"], "did you mean 'momentum'"),
    "hyperparameter of none": (["run", "-f", "ellipse", "-s", "sgd", "--set", "momentum=0.3"], "unknown hyper"),
    "hyperparameter of another": (["run", *OK, "--set", "adam.b1=0.3"], "unknown solver 'adam'"),
    "rate by --set": (["run", *OK, "--set", "learning_rate=0.3"], "--learning-rate"),
    "schedule misspelt": (["run", *OK, "--set", "learning_rate=cosin:0.1,9"], "'cosin'; did you mean 'cosine'"),
    "schedule lacks a number": (["run", *OK, "--set", "learning_rate=cosine:0.1"], "needs 'decay_steps'"),
    "schedule of too many": (
        ["run", *OK, "--set", "learning_rate=warmup:1,2,3,4"],
        "the schedule 'warmup' has only 3 numbers: peak_value, warmup_steps, init_value",
    ),
    "schedule of words": (
        ["run", *OK, "--set", "momentum=linear:0.5,high"],
        "'set.momentum': 'end_value' of the schedule 'linear' must be a number, not 'high'",
    ),
    "schedule with nan": (["run", *OK, "--set", "learning_rate=cosine:nan,9"], "every number must be finite, not nan"),
    "schedule in disorder": (["run", *OK, "--set", "momentum=linear:end_value=1,2"], "must not follow one with a name"),
    "schedule with a number twice": (
        ["run", *OK, "--set", "momentum=linear:0.5,init_value=0.5"],
        "duplicate number 'init_value' of the schedule 'linear'",
    ),
    "schedule of steps": (
        ["run", *OK, "--set", "learning_rate=exponential:staircase=1"],
        "the schedule 'exponential' in steps is the schedule 'staircase'",
    ),
    "schedule and rate": (
        ["run", *OK, "--learning-rate", "1", "--set", "learning_rate=cosine:0.1,9"],
        "'learning_rate' has no effect: every solver sets its own",
    ),
    "no number": (["run", *OK, "--set", "momentum=fast"], "must be a number, not 'fast'"),
    "no pair": (["run", *OK, "--set", "momentum"], "KEY=VALUE"),
    "parameter misspelt": (["run", *OK, "--param", "conditon=10"], "did you mean 'condition'"),
    "parameter infinite": (["run", *OK, "--param", "condition=inf"], "finite number"),
    "parameter out of bounds": (["run", *OK, "--param", "condition=-5"], "must be above 0, not -5"),
    "dimension fixed": (["run", "-f", "beale", "-s", "sgd", "--param", "dimension=3"], "unknown parameter"),
    "dimension zero": (["run", *OK, "--param", "dimension=0"], "at least 1"),
    "dimension broken": (["run", *OK, "--param", "dimension=2.5"], "whole number"),
    "start too long": (["run", *OK, "--start", "1,2,3"], "has 2 weights; set --param dimension=3"),
    "start no number": (["run", *OK, "--start", "1,x"], "'x' is not a number"),
    "start infinite": (["run", *OK, "--start", "1,inf"], "finite"),
    "start and starts": (["run", *OK, "--start", "1,1", "--starts", "2"], "not both"),
    "steps negative": (["run", *OK, "--steps", "-4"], "steps"),
    "steps no number": (["run", *OK, "--steps", "many"], "--steps"),
    "rate negative": (["run", *OK, "--learning-rate", "-1"], "must be above 0, not -1"),
    "rate nan": (["run", *OK, "--learning-rate", "nan"], "learning-rate"),
    "grid short": (["run", *OK, "--rates", "1,2"], "LOW,HIGH,NUM"),
    "grid reversed": (["run", *OK, "--rates", "5,2,3"], "must not be above"),
    "grid empty": (["run", *OK, "--rates", "1,2,0"], "rates"),
    "dtype": (["run", *OK, "--dtype", "float16"], "'float32' or 'float64'"),
    "option misspelt": (["run", *OK, "--solvr", "x"], "--solver"),
    "command misspelt": (["runn"], "run"),
    "named twice": (["run", *OK, "-s", "momentum"], "named twice"),
    "name climbs": (["run", *OK, "--name", "../x"], "plain folder name"),
    "unwritable": (["run", *OK, "--out", "/proc/nowhere"], "cannot be written"),
    "target without data": (["run", *OK, "--target", "y"], "target needs data"),
    "file absent": (["run", "--data", "dd.csv", "--target", "quality", "-s", "sgd"], "d.csv"),
    "column absent": (["run", "--data", "d.csv", "--target", "qualty", "-s", "sgd"], "did you mean 'quality'"),
    "column not named": (["run", "--data", "d.csv", "-s", "sgd"], "a, b, quality"),
    "preprocessing": (
        ["run", "--data", "d.csv", "--target", "quality", "--preprocess", "standardise", "-s", "sgd"],
        "did you mean 'standardize'",
    ),
    "model": (["run", "--data", "d.csv", "--target", "quality", "--model", "logstic", "-s", "sgd"], "'logistic'"),
    "config absent": (["run", "--config", "nope.yaml"], "there is no file 'nope.yaml'"),
    "config key": (["run", "--config", "key.yaml"], "key.yaml, line 1: unknown key 'surfaces'; did you mean 'surface'"),
    "config nested key": (["run", "--config", "nested.yaml"], "unknown key 'rates.lo'; did you mean 'low'"),
    "config type": (["run", "--config", "type.yaml"], "type.yaml, line 3: steps"),
    "config syntax": (["run", "--config", "syntax.yaml"], "syntax.yaml, line 2"),
    "config name": (
        ["run", "--config", "name.yaml"],
        "name.yaml, line 1: unknown surface 'elipse'; did you mean 'ellipse'",
    ),
    "noise too large": (["run", *OK, "--noise", "1e305"], "noise must be at most"),
    "rate too large": (["run", *OK, "--learning-rate", "1e305"], "learning-rate must be at most"),
    "rtol too large": (["run", *OK, "--rtol", "1e305"], "rtol must be at most"),
    "start too large": (["run", *OK, "--start", "1e305,1"], "every number of a start must be at most 1e+300 in size"),
    "kept more than all": (["run", "-f", "ellipse", "-s", "adam", "--set", "b1=2"], "'b1' of solver 'adam' must be at"),
    "model without data": (["run", *OK, "--model", "logistic"], "model needs data"),
    "config list": (["run", "--config", "list.yaml"], "expected a mapping"),
    "config unsafe": (["run", "--config", "unsafe.yaml"], "unsafe.yaml, line 1"),
    "plug-in absent": (["run", *OK, "--plugin", "nofile.py"], "there is no plug-in file"),
    "plug-in raises": (["run", *OK, "--plugin", "raises.py"], "line 2: raised ZeroDivisionError"),
    "plug-in syntax": (["run", *OK, "--plugin", "syntax.py"], "line 1: raised SyntaxError"),
    "plug-in name taken": (["run", *OK, "--plugin", "taken.py"], "'sgd' is already registered"),
    "plug-in without init": (["run", *OK, "--plugin", "noinit.py"], "need `init`"),
    "plot nowhere": (["plot", "nowhere"], "there is no result folder 'nowhere'"),
    "plot no result": (["plot", "."], "it has no runs.csv"),
    "show unknown": (["show", "elipse"], "did you mean 'ellipse'"),
    "list unknown": (["list", "surface"], "did you mean 'surfaces'"),
    "png of a solver": (["show", "adam", "--png", "x.png"], "is a solver"),
}

FILES = {
    "d.csv": "a,b,quality\n1,2,3\n2,1,4\n4,4,1\n5,6,7\n",
    "key.yaml": "surfaces: [ellipse]\nsolver: [sgd]\n",
    "nested.yaml": "surface: [ellipse]\nsolver: [sgd]\nrates: {lo: 3}\n",
    "type.yaml": "surface: [ellipse]\nsolver: [sgd]\nsteps: many\n",
    "syntax.yaml": "surface: [ellipse\nsolver: sgd\n",
    "name.yaml": "surface: [elipse]\nsolver: [sgd]\n",
    "list.yaml": "- ellipse\n",
    "unsafe.yaml": "surface: !!python/object/apply:os.system [ls]\n",
    "raises.py": "import os\nx = 1 / 0\n",
    "syntax.py": "def (:\n",
    "taken.py": "import gdbench\n@gdbench.solver()\ndef sgd(oracle, x, *, learning_rate): return x\n",
    "noinit.py": "import gdbench\n@gdbench.solver()\ndef mine(oracle, x, v, *, learning_rate): return x, v\n",
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_gets_one_sentence(here, capsys, name):
    for file, text in FILES.items():
        Path(file).write_text(text)
    arguments, expected = MISTAKES[name]
    assert call(arguments) == 2
    out, err = capsys.readouterr()
    assert expected in err
    assert err.startswith("gdbench: ")
    assert len(err.strip().splitlines()) == 1
    assert "Traceback" not in err
    assert out == ""
    assert sorted(path.name for path in here.iterdir()) == sorted(FILES)
