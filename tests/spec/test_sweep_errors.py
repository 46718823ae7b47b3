"""Every mistake in a sweep gets one sentence with file and line, exit code 2, and leaves nothing behind."""

from pathlib import Path

import pytest

from gdbench.cli.app import call

S = "surface: [ellipse]\nsolver: [sgd, momentum]\n"
OWN_SOLVER = "surface: ellipse\nsolver:\n"
OWN_SURFACE = "solver: sgd\nsurface:\n"
FILES = {
    "d.csv": "a,b,quality\n1,2,3\n2,1,4\n4,4,1\n5,6,7\n",
    "raises.py": "import os\nx = 1 / 0\n",
}
# of a sweep's file: the text, the line at which the mistake stands (0: none), and what the sentence says of it
SWEEPS = {
    "key": (S + "surfaces: 1", 3, "unknown key 'surfaces'; did you mean 'surface'?"),
    "key as a flag": (S + "learning-rate: 0.1", 3, "did you mean 'learning_rate'?"),
    "key of tune": (S + "tune:\n  trials: 4\n  metrik: x", 5, "unknown key 'tune.metrik'; did you mean 'metric'?"),
    "key of rates": (S + "rates: {low: 1, hihg: 2}", 3, "unknown key 'rates.hihg'; did you mean 'high'?"),
    "key of a range": (S + "tune: {space: {momentum: {linar: [0, 1]}}}", 3, "did you mean 'linear'?"),
    "key of an axis": (
        S + "learning_rate: {log: [1e-3, 1], nmu: 3}",
        3,
        "unknown key 'nmu' of an axis; did you mean 'num'?",
    ),
    "key twice": (S + "steps: 3\nsteps: 4", 4, "duplicate key 'steps', first on line 3"),
    "key no text": (S + "3: 4", 3, "a key must be text, not 3; put it in quotes"),
    "axis misspelt": (S + "learning_rate: {lgo: [1e-3, 1], num: 3}", 3, "did you mean 'log'?"),
    "axis without num": (S + "learning_rate: {log: [1e-3, 1]}", 3, "'log' needs 'num', the number of values"),
    "axis of none": (
        S + "learning_rate: {log: [1e-3, 1], num: 0}",
        3,
        "num must be a whole number from 1 to 1 000 000, not 0",
    ),
    "axis of two kinds": (
        S + "learning_rate: {log: [1, 2], linear: [1, 2], num: 2}",
        3,
        "exactly one of log, linear, random",
    ),
    "axis from zero": (S + "learning_rate: {log: [0, 1], num: 3}", 3, "a log axis needs numbers above 0, not 0"),
    "axis reversed": (
        S + "learning_rate: {log: [1, 0.1], num: 3}",
        3,
        "the low end (1) must not be above the high end (0.1)",
    ),
    "axis of three ends": (
        S + "learning_rate: {log: [1, 2, 3], num: 3}",
        3,
        "expected two numbers [LOW, HIGH], not [1, 2, 3]",
    ),
    "axis of one point": (S + "learning_rate: {log: [1, 1], num: 3}", 3, "3 values from 1 to 1 are all the same"),
    "axis empty": (S + "learning_rate: []", 3, "learning_rate: a list of values must not be empty"),
    "axis with a gap": (S + "steps:\n- 10\n-", 5, "steps.1: expected a number"),
    "axis nested": (S + "learning_rate: [[0.1]]", 3, "learning_rate.0: expected a number"),
    "axis with a value twice": (S + "learning_rate: [0.1, 0.2, 0.1]", 3, "duplicate value 0.1"),
    "axis with nan": (S + "learning_rate: [0.1, .nan]", 3, "every number must be finite, not nan"),
    "distribution": (S + "learning_rate: {random: {loguniform: [1, 2]}, num: 3}", 3, "did you mean 'log_uniform'?"),
    "rate drawn below zero": (
        S + "learning_rate: {random: {normal: [1, 2]}, num: 3}",
        3,
        "above 0, which a normal is not",
    ),
    "rate zero": (S + "learning_rate: [0.1, 0]", 3, "a learning rate must be above 0, not 0"),
    "rate of one solver no number": (
        OWN_SOLVER + "  sgd:\n    learning_rate: fast",
        4,
        "'solver.sgd.learning_rate' must be a number, not 'fast'",
    ),
    "rate of one solver negative": (
        OWN_SOLVER + "  sgd:\n    learning_rate: -1",
        4,
        "a learning rate must be above 0, not -1",
    ),
    "rate in set": (S + "set: {learning_rate: 0.1}", 3, "the learning rate has a key of its own"),
    "steps no number": (S + "steps: many", 3, "steps must be a number, not 'many'"),
    "steps broken": (S + "steps: [10, 10.5]", 3, "steps must be a whole number, not 10.5"),
    "steps a range": (
        S + "steps: {log: [1, 100], num: 3}",
        3,
        "steps must be a whole number or a list of them, not a range",
    ),
    "steps too many": (S + "steps: 100000000", 3, "steps must be at most 16777216"),
    "dtype": (S + "dtype: [float64, float16]", 3, "dtype must be 'float32' or 'float64', not 'float16'"),
    "no seeds": (S + "seeds: 0", 3, "the number of seeds must be from 1 to 16777216, not 0"),
    "seeds no numbers": (S + "seeds: [1, x]", 3, "seeds.1 must be a whole number, not 'x'"),
    "seed negative": (S + "seed: -1", 3, "seed must be at least 0, not -1"),
    "noise negative": (S + "noise: -0.1", 3, "noise must be at least 0, not -0.1"),
    "batch of none": (S + "batch_size: 0", 3, "batch_size must be at least 1, not 0"),
    "batch without data": (S + "batch_size: 8", 3, "surface 'ellipse' has no examples to draw mini-batches from"),
    "targets above one": (S + "targets: [0.1, 2]", 3, "every target must be above 0 and at most 1"),
    "targets too many": (S + "targets: [.1, .2, .3, .4, .5, .6, .7, .8, .9]", 3, "at most 8 targets"),
    "rates reversed": (S + "rates: {low: 5, high: 2}", 3, "low (5) must not be above high (2)"),
    "tune a number": (S + "tune: 64", 3, "tune must be a mapping"),
    "tune without trials": (S + "tune: {trials: 0}", 3, "tune.trials must be at least 1, not 0"),
    "tune by nothing": (S + "tune: {metric: loss}", 3, "'steps_to_target', 'loss_final' or 'loss_best', not 'loss'"),
    "tune with an axis": (
        S + "tune: {trials: 4}\nset: {momentum: [0.1, 0.9]}",
        4,
        "give its range as tune.space.momentum",
    ),
    "tune with rates": (
        S + "tune: {trials: 4}\nlearning_rate: [1, 2]",
        4,
        "give its range as tune.space.learning_rate",
    ),
    "tune what none has": (S + "tune:\n  space:\n    momentm: {linear: [0, 1]}", 5, "did you mean 'momentum'?"),
    "tune what is absent": (S + "tune:\n  space:\n    adam.b1: {linear: [0, 1]}", 5, "unknown solver 'adam'"),
    "tune backwards": (
        S + "tune:\n  space:\n    momentum: {linear: [1, 0]}",
        5,
        "from a low to a high number, not from 1 to 0",
    ),
    "tune in two ways": (
        S + "tune:\n  space:\n    momentum: {linear: [0, 1], log: [1, 2]}",
        5,
        "exactly one of log, linear, one_minus_log",
    ),
    "tune below zero": (S + "tune:\n  space:\n    learning_rate: {linear: [-1, 1]}", 5, "this range begins at -1"),
    "tune what is fixed": (
        S + "tune:\n  space:\n    momentum: {linear: [0, 1]}\nset: {momentum: 0.9}",
        5,
        "remove one of them",
    ),
    "surface": (
        "solver: [sgd]\nsurface:\n- ellipse\n- rosenbrok",
        4,
        "unknown surface 'rosenbrok'; did you mean 'rosenbrock'?",
    ),
    "surface with settings": (
        "surface:\n  elipse: {condition: 3}\nsolver: [sgd]",
        2,
        "unknown surface 'elipse'; did you mean 'ellipse'?",
    ),
    "solver": ("surface: ellipse\nsolver: [sgd, momentm]", 2, "unknown solver 'momentm'; did you mean 'momentum'?"),
    "solver twice": ("surface: ellipse\nsolver: [sgd, sgd]", 2, "duplicate solver 'sgd'"),
    "solvers in a list with settings": (OWN_SOLVER + "- sgd\n- momentum: {momentum: 0.9}", 4, "{NAME: {KEY: VALUE}}"),
    "settings in a list": (OWN_SOLVER + "  sgd: [0.1]", 3, "the settings of 'sgd' must be a mapping"),
    "parameter": (
        OWN_SURFACE + "  ellipse:\n    conditon: 3",
        4,
        "unknown parameter 'conditon' of surface 'ellipse'; did you mean 'condition'?",
    ),
    "parameter out of bounds": (OWN_SURFACE + "  ellipse:\n    condition: [3, -1]", 4, "must be above 0, not -1"),
    "parameter no number": (
        OWN_SURFACE + "  ellipse:\n    condition: large",
        4,
        "'surface.ellipse.condition' must be a number, not 'large'",
    ),
    "parameter of all": (S + "param: {conditon: 10}", 3, "did you mean 'condition'?"),
    "parameter of another": (
        S + "param: {elipse.condition: 10}",
        3,
        "unknown surface 'elipse' in 'param', at 'elipse.condition'; did you mean 'ellipse'?",
    ),
    "hyperparameter": (OWN_SOLVER + "  momentum:\n    momentm: 1", 4, "of solver 'momentum'; did you mean 'momentum'?"),
    "hyperparameter of all": (S + "set: {momentm: 0.9}", 3, "did you mean 'momentum'?"),
    "hyperparameter of another": (S + "set: {adam.b1: 0.9}", 3, "unknown solver 'adam'"),
    "hyperparameter a truth": (S + "set: {momentum: yes}", 3, "'set.momentum' must be a number, not True"),
    "hyperparameter twice": (S + "set: {momentum: [0.5, '0.5']}", 3, "two of its 2 values are the same number"),
    "set a list": (S + "set: [momentum]", 3, "set must be a mapping such as {KEY: VALUE}"),
    "dimension a range": (
        S + "param: {dimension: {linear: [2, 4], num: 3}}",
        3,
        "is compiled in: give its values as a list, not as a range",
    ),
    "dimension broken": (
        S + "param: {dimension: [2, 2.5]}",
        3,
        "the dimension of surface 'ellipse' must be a whole number, not 2.5",
    ),
    "dimension twice": (S + "param: {dimension: [2, '2']}", 3, "two of its 2 values mean the same"),
    "start too long": (S + "start: [1, 2, 3]", 3, "the start has 3 numbers, but surface 'ellipse' has 2 weights"),
    "starts too short": (
        S + "starts:\n- [1, 1]\n- [1]",
        5,
        "the start has 1 number, but surface 'ellipse' has 2 weights",
    ),
    "starts of one surface": (OWN_SURFACE + "  ellipse:\n    starts: [[1, 1, 1]]", 4, "the start has 3 numbers"),
    "no starts": (S + "starts: 0", 3, "the number of starts must be from 1 to 1 000 000, not 0"),
    "starts a mapping": (S + "starts: {rnd: 3}", 3, "starts is a number, {random: N}, or a list of starts"),
    "starts drawn from a list": (
        S + "starts: {random: [[1, 1]]}",
        3,
        "the number of random starts must be a whole number",
    ),
    "start with a word": (S + "starts: [[1, x]]", 3, "a start is a list of numbers such as [1, 0.5]"),
    "start twice": (S + "starts: [[1, 1], [1, 1]]", 3, "duplicate start [1.0, 1.0]"),
    "start and starts": (S + "start: [1, 1]\nstarts: 3", 0, "give start or starts, not both"),
    "start and starts of one surface": (
        OWN_SURFACE + "  ellipse: {start: [1, 1], starts: 3}",
        3,
        "give start or starts, not both",
    ),
    "data absent": ("data: dd.csv\nsolver: [sgd]", 1, "no file 'dd.csv'; did you mean 'd.csv'?"),
    "data set": ("solver: [sgd]\ndata: sklearn:whine", 2, "did you mean 'wine'?"),
    "column": (
        "data: d.csv\ntarget: qualty\nsolver: [sgd]",
        2,
        "d.csv has no column 'qualty'; did you mean 'quality'?",
    ),
    "column not named": (
        "solver: [sgd]\ndata: d.csv",
        2,
        "which column of d.csv is the target? choose from: a, b, quality",
    ),
    "preprocessing": (
        "data: d.csv\ntarget: quality\nsolver: sgd\npreprocess: [raw, standardise]",
        4,
        "did you mean 'standardize'?",
    ),
    "model": (
        "data: d.csv\nmodel: logstic\nsolver: [sgd]",
        2,
        "model must be 'linear', 'logistic', 'softmax' or 'mlp', not 'logstic'",
    ),
    "hidden without mlp": ("data: d.csv\ntarget: quality\nhidden: 4\nsolver: [sgd]", 0, "hidden needs model mlp"),
    "hidden": (
        "data: d.csv\ntarget: quality\nmodel: mlp\nhidden: [4, x]\nsolver: [sgd]",
        4,
        "hidden must be numbers of units by layer, such as 8 or 8,4, not 'x'",
    ),
    "activation": (
        "data: d.csv\ntarget: quality\nmodel: mlp\nactivation: rellu\nsolver: [sgd]",
        4,
        "unknown activation 'rellu'; did you mean 'relu'?",
    ),
    "weight decay": ("data: d.csv\nweight_decay: [0, -1]\nsolver: [sgd]", 2, "weight_decay must be at least 0"),
    "target without data": (S + "target: y", 0, "target needs data"),
    "seeds a truth": (S + "seeds: true", 3, "seeds must be a number, not true or false"),
    "rtol too large": (S + "rtol: 1e305", 3, "rtol must be at most 1e300"),
    "targets of one column": (S + "targets: [0.25, 0.25000001]", 3, "would share a column"),
    "start of a solver": (OWN_SOLVER + "  sgd: {start: [1, 1]}", 3, "unknown hyperparameter 'start' of solver 'sgd'"),
    "starts of a solver": (OWN_SOLVER + "  sgd:\n    starts: 3", 4, "unknown hyperparameter 'starts' of solver 'sgd'"),
    "hyperparameter without effect": (
        OWN_SOLVER + "  momentum: {momentum: 0.9}\nset: {momentum: 0.3}",
        4,
        "'set.momentum' has no effect: solver 'momentum' has its own 'momentum'",
    ),
    "parameter without effect": (
        OWN_SURFACE + "  ellipse: {condition: 9}\nparam: {ellipse.condition: 3}",
        4,
        "'param.ellipse.condition' has no effect",
    ),
    "rate without effect": (
        OWN_SOLVER + "  sgd: {learning_rate: 1}\nlearning_rate: 2",
        4,
        "'learning_rate' has no effect: every solver sets its own",
    ),
    "starts without effect": (
        OWN_SURFACE + "  ellipse: {start: [1, 1]}\nstarts: 2",
        4,
        "'starts' has no effect: every surface sets its own",
    ),
    "batch size of a formula": (
        OWN_SURFACE + "  ellipse: {batch_size: 1}",
        3,
        "surface 'ellipse' has no examples to draw mini-batches from",
    ),
    "batch size of no example": (
        OWN_SURFACE + "  scaled: {batch_size: [0, 1]}",
        3,
        "batch_size must be at least 1, not 0",
    ),
    "batch size of a solver": (OWN_SOLVER + "  sgd: {batch_size: 1}", 3, "'sgd'; batch_size goes below a surface"),
    "batch size without effect": (
        OWN_SURFACE + "  scaled: {batch_size: 1}\nbatch_size: 2",
        4,
        "'batch_size' has no effect: every surface sets its own",
    ),
    "hyperparameter impossible": (S + "set: {momentum: 2}", 3, "must be at least 0 and below 1, not 2"),
    "model without data": (S + "model: logistic", 0, "model needs data"),
    "preprocess without data": (S + "preprocess: center", 0, "preprocess needs data"),
    "no surface": ("solver: sgd", 0, "name at least one surface, or a data file"),
    "no solver": ("surface: ellipse", 0, "name at least one solver"),
    "empty": ("# nothing", 0, "name at least one surface"),
    "a list": ("- ellipse", 0, "expected a mapping of keys such as 'surface' and 'solver'"),
    "syntax": ("surface: [ellipse\nsolver: sgd", 2, "not valid YAML: expected ',' or ']', but got ':'"),
    "tab": ("surface:\n\tellipse:", 2, "not valid YAML: found character '\\t' that cannot start any token"),
    "tag": ("surface: !!python/name:os.system", 1, "the tag '!!python/name:os.system' is not allowed"),
    "date that is none": (S + "data: 2001-13-45", 3, "'2001-13-45' cannot be read as timestamp"),
    "control character": ("surface: \x07", 1, "the character U+0007 has no place in it"),
    "two documents": (S + "---\nsteps: 3", 3, "expected a single document in the stream, but found another document"),
    "too deep": ("surface: " + "[" * 60, 1, "nested too deeply"),
    "alias of itself": ("surface: &a [*a]", 0, "an alias stands within itself"),
    "plug-in absent": (S + "plugin: [nofile.py]", 3, "there is no plug-in file 'nofile.py'"),
    "plug-in raises": (S + "plugin: raises.py", 3, "plug-in 'raises.py', line 2: raised ZeroDivisionError"),
    "schedule": (
        S + "learning_rate:\n  cosin: {decay_steps: 9}",
        4,
        "learning_rate.cosin: unknown schedule 'cosin'; did you mean 'cosine'?",
    ),
    "schedule as a text": (S + "learning_rate: cosin:0.1,9", 3, "unknown schedule 'cosin'; did you mean 'cosine'?"),
    "schedule as a text in set": (
        S + "set:\n  momentum: liner:0.1,9",
        4,
        "'set.momentum': unknown schedule 'liner'; did you mean 'linear'?",
    ),
    "schedule without a number": (
        S + "learning_rate:\n  cosine: {init_value: 0.1}",
        4,
        "the schedule 'cosine' of 'learning_rate' needs 'decay_steps'",
    ),
    "schedule with another number": (
        S + "learning_rate:\n  cosine:\n    decay_step: 9",
        5,
        "unknown number 'decay_step' of the schedule 'cosine'; did you mean 'decay_steps'?",
    ),
    "schedule with the base of another": (
        S + "learning_rate:\n  warmup: {peak: 0.1}",
        4,
        "unknown number 'peak' of the schedule 'warmup'; did you mean 'peak_value'?",
    ),
    "schedule with two kinds": (
        S + "learning_rate: {cosine: {decay_steps: 9}, warmup: {warmup_steps: 9}}",
        3,
        "unknown key 'warmup' beside the schedule 'cosine'",
    ),
    "schedule of a list": (S + "learning_rate: {cosine: [0.1, 9]}", 3, "are a mapping such as {init_value: 0.1, decay"),
    "schedule with a misspelt axis": (
        S + "learning_rate:\n  cosine:\n    decay_steps: {lgo: [1, 9], num: 3}",
        5,
        "learning_rate.cosine.decay_steps.lgo: unknown key 'lgo' of an axis; did you mean 'log'?",
    ),
    "schedule of words": (
        S + "learning_rate:\n  cosine:\n    decay_steps: long",
        5,
        "'learning_rate.cosine.decay_steps' must be a number, not 'long'",
    ),
    "schedule over no steps": (
        OWN_SOLVER + "  sgd:\n    learning_rate:\n      cosine: {decay_steps: [9, 0]}",
        5,
        "'learning_rate.decay_steps' must be above 0, not 0",
    ),
    "schedule with a negative factor": (
        S + "learning_rate:\n  cosine:\n    decay_steps: 9\n    alpha: -1",
        6,
        "'learning_rate.alpha' must be at least 0, not -1",
    ),
    "schedule twice in a list": (
        S + "learning_rate:\n- 0.1\n- cosine:0.1,9\n- cosine: {decay_steps: 9}",
        3,
        "duplicate schedule 'cosine': give its numbers as lists",
    ),
    "schedule in a list misspelt": (
        S + "learning_rate:\n- 0.1\n- cosine: {decay_steps: 9}\n- warmp: {warmup_steps: 9}",
        6,
        "unknown schedule 'warmp'; did you mean 'warmup'?",
    ),
    "jumps that do not ascend": (
        S + "learning_rate:\n  piecewise:\n    boundaries: [9, 5]\n    scales: [0.1, 0.1]",
        4,
        "'learning_rate.boundary2' must be above 'learning_rate.boundary1', but is 5 where that is 9",
    ),
    "jumps without their scale": (
        S + "learning_rate:\n  piecewise: {boundaries: [5, 9], scales: [0.1]}",
        4,
        "the schedule 'piecewise' of 'learning_rate' needs 'scale2'",
    ),
    "jumps that are no list": (
        S + "learning_rate: {piecewise: {boundaries: 9}}",
        3,
        "'boundaries' is a list, as in {bo",
    ),
    "decay within its warm-up": (
        S + "learning_rate:\n  warmup-cosine:\n    warmup_steps: 9\n    decay_steps: [20, 9]",
        6,
        "'learning_rate.decay_steps' must be above 'learning_rate.warmup_steps', but is 9 where that is 9",
    ),
    "rate that begins at zero": (
        S + "learning_rate:\n  linear: {init_value: 0, end_value: 1, transition_steps: 9}",
        4,
        "a learning rate must be above 0, not 0; the schedule that rises from 0 is warmup",
    ),
    "rate that ends below zero": (
        S + "learning_rate:\n  linear:\n    init_value: 1\n    end_value: -1\n    transition_steps: 9",
        6,
        "a learning rate must be at least 0, but its schedule leads to -1",
    ),
    "momentum that ends above one": (
        S + "set:\n  momentum:\n    linear:\n      end_value: 1\n      transition_steps: 9",
        6,
        "'momentum' of solver 'momentum' must be at least 0 and below 1, not 1, where its schedule leads",
    ),
    "momentum that grows for ever": (
        S + "set:\n  momentum:\n    exponential: {transition_steps: 9, decay_rate: 1.5}",
        5,
        "must be at least 0 and below 1, not inf, where its schedule leads",
    ),
    "momentum that begins above one": (
        S + "set:\n  momentum:\n    constant: {value: 2}",
        5,
        "hyperparameter 'momentum' of solver 'momentum' must be at least 0 and below 1, not 2",
    ),
    "schedule of an option": (OWN_SOLVER + "  sgd: {convention: {cosine: {decay_steps: 9}}}", 3, "is compiled in"),
    "schedule of a parameter": (OWN_SURFACE + "  ellipse: {condition: {cosine: {decay_steps: 9}}}", 3, "of an axis"),
    "number of a schedule in set": (
        S + "set: {momentum.end_value: 0.9}",
        3,
        "'momentum.end_value': a number of a schedule stands within it: momentum=KIND:end_value=..",
    ),
    "number of a rate's schedule in set": (
        S + "set: {learning_rate.alpha: 0.9}",
        3,
        "'learning_rate.alpha': a number of a schedule stands within it: learning_rate=KIND:alpha=..",
    ),
    "rate of all beside its schedule": (
        S + "learning_rate: 0.1\nset: {learning_rate: 'cosine:0.1,9'}",
        3,
        "'learning_rate' has no effect: every solver sets its own",
    ),
    "tune with several schedules": (
        S + "tune: {trials: 4}\nlearning_rate: ['constant:0.1', 'cosine:0.1,9']",
        4,
        "'learning_rate' has several schedules, but tune takes one",
    ),
    "tune with an axis of a schedule": (
        S + "tune: {trials: 4}\nlearning_rate:\n  cosine: {decay_steps: [5, 9]}",
        5,
        "give its range as tune.space.learning_rate.decay_steps",
    ),
    "tune a number that is given": (
        S + "learning_rate: cosine:decay_steps=9\ntune:\n  space:\n    learning_rate.decay_steps: {log: [1, 9]}",
        6,
        "'learning_rate.decay_steps' has a range here and a value elsewhere; remove one of them",
    ),
    "tune a number that no schedule has": (
        S + "learning_rate: cosine:decay_steps=9\ntune:\n  space:\n    learning_rate.alfa: {log: [1, 9]}",
        6,
        "unknown hyperparameter 'learning_rate.alfa'; did you mean 'learning_rate.alpha'?",
    ),
    "tune a number below its bound": (
        S + "learning_rate: {cosine: }\ntune:\n  trials: 8\n  space:\n    learning_rate.decay_steps: {linear: [-9, 9]}",
        7,
        "'learning_rate.decay_steps' must be above 0, not -",
    ),
    "too many runs": (
        S + "rates: {num: 1000000}\nstarts: 1000000",
        0,
        "runs are more than 10 000 000 000: shorten an axis",
    ),
    "too many weights": (
        S + "starts: 100\nparam: {dimension: 10000000}",
        4,
        "all starts together may have 50 000 000 numbers",
    ),
}


@pytest.mark.parametrize("name", SWEEPS)
def test_a_mistake_in_a_sweep_gets_its_line(here, capsys, name):
    text, line, expected = SWEEPS[name]
    files = {**FILES, "c.yaml": text}
    for file, content in files.items():
        Path(file).write_text(content)
    assert call(["sweep", "c.yaml"]) == 2
    out, err = capsys.readouterr()
    assert err.startswith(f"gdbench: c.yaml, line {line}: " if line else "gdbench: c.yaml: ")
    assert expected in err
    assert len(err.splitlines()) == 1
    assert out == ""
    assert sorted(path.name for path in here.iterdir()) == sorted(files)


FLAGS = {
    "no file": ([], "Missing argument 'CONFIG'"),
    "file absent": (["d.yaml"], "there is no file 'd.yaml'; did you mean 'c.yaml'?"),
    "a folder": (["folder"], "'folder' is a folder; name the YAML file in it"),
    "binary": (["binary.yaml"], "'binary.yaml' cannot be read as text"),
    "endless": (["/dev/zero"], "'/dev/zero' is too large for a specification"),
    "a name of dots": (["..yaml"], "'..yaml' gives the result folder no name: give it one with --name"),
    "executor": (["c.yaml", "--executor", "dsk"], "unknown executor 'dsk'; did you mean 'dask'?"),
    "scheduler without dask": (
        ["c.yaml", "--scheduler", "tcp://x:1"],
        "--scheduler and --workers are for --executor dask",
    ),
    "workers without dask": (["c.yaml", "--workers", "2"], "are for --executor dask"),
    "no workers": (["c.yaml", "--executor", "dask", "--workers", "0"], "--workers must be at least 1, not 0"),
    "no threads": (["c.yaml", "--threads", "0"], "--threads must be at least 1, not 0"),
    "name climbs": (["c.yaml", "--name", "../x"], "--name must be a plain folder name, not '../x'"),
    "name empty": (["c.yaml", "--name", ""], "--name must be a plain folder name, not ''"),
    "name of dots": (["c.yaml", "--name", ".."], "--name must be a plain folder name, not '..'"),
    "flag misspelt": (["c.yaml", "--dryrun"], "--dry-run"),
    "unwritable": (["c.yaml", "--out", "/proc/nowhere"], "cannot be written"),
    "set no pair": (["c.yaml", "--set", "steps"], "--set takes KEY=VALUE, not 'steps'"),
    "set no value": (["c.yaml", "--set", "steps="], "--set takes KEY=VALUE, not 'steps='"),
    "set unknown": (["c.yaml", "--set", "step=3"], "gdbench: unknown key 'step'; did you mean 'steps'?"),
    "set unknown below": (
        ["c.yaml", "--set", "tune.trial=3"],
        "gdbench: unknown key 'tune.trial'; did you mean 'trials'?",
    ),
    "set wrong": (["c.yaml", "--set", "steps=many"], "gdbench: steps must be a number, not 'many'"),
    "set surface": (
        ["c.yaml", "--set", "surface=elipse"],
        "gdbench: unknown surface 'elipse'; did you mean 'ellipse'?",
    ),
    "set hyperparameter": (["c.yaml", "--set", "set.momentm=1"], "gdbench: unknown hyperparameter 'momentm'"),
    "set hyperparameter of one": (
        ["c.yaml", "--set", "solver.sgd.momentum=1"],
        "gdbench: unknown hyperparameter 'momentum' of solver 'sgd'",
    ),
    "set parameter out of bounds": (
        ["c.yaml", "--set", "surface.ellipse.condition=-1"],
        "gdbench: parameter 'condition' of surface 'ellipse' must be above 0",
    ),
    "set beside a mistake": (
        ["mistake.yaml", "--set", "tune.trials=3"],
        "gdbench: mistake.yaml, line 5: unknown key 'tune.metrik'",
    ),
    "set below a number": (["c.yaml", "--set", "seed.x=3"], "gdbench: seed must be a whole number"),
    "set away": (["c.yaml", "--set", "solver=~"], "gdbench: solver: expected a name, a list of names"),
}


@pytest.mark.parametrize("name", FLAGS)
def test_a_mistake_in_a_flag_of_a_sweep_names_the_flag_and_no_file(here, capsys, name):
    Path("c.yaml").write_text(S + "steps: 10\nlearning_rate: 0.1\n")
    Path("mistake.yaml").write_text(SWEEPS["key of tune"][0])
    Path("..yaml").write_text(S)
    Path("binary.yaml").write_bytes(bytes(range(256)))
    Path("folder").mkdir()
    before = sorted(path.name for path in here.iterdir())
    arguments, expected = FLAGS[name]
    assert call(["sweep", *arguments]) == 2
    out, err = capsys.readouterr()
    assert expected in err
    assert err.startswith("gdbench: ")
    assert len(err.splitlines()) == 1
    assert out == ""
    assert sorted(path.name for path in here.iterdir()) == before
    assert "c.yaml" not in err or "did you mean" in err


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "surface: {ellipse: }\nsolver: sgd",
            "surface must be a list; lists of values and mappings of settings are for `gdbench sweep`",
        ),
        ("surface: ellipse\nsolver: sgd\nsteps: [1, 2]", "steps must be a whole number; lists of values"),
        ("surface: ellipse\nsolver: sgd\nnoise: {log: [1, 2], num: 2}", "noise must be a number; lists of values"),
    ],
)
def test_a_run_says_that_lists_are_for_sweeps(here, capsys, text, expected):
    Path("c.yaml").write_text(text)
    assert call(["run", "--config", "c.yaml"]) == 2
    assert expected in capsys.readouterr().err
