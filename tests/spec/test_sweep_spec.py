"""A sweep's YAML: every form of an axis means what numpy says, and any text at all gives a plan or one sentence."""

import json
import random
import string
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.main import get_command

from gdbench.cli.app import app, make_options
from gdbench.cli.options import override
from gdbench.errors import SpecError, UsageError
from gdbench.planning.plan import make_plan
from gdbench.spec.axes import Axis, axis_of
from gdbench.spec.run import LADDER, RunSpec
from gdbench.spec.sweep import SweepSpec, flags, json_schema
from gdbench.spec.validation import dump_config, validated
from gdbench.spec.yaml_file import parse_value, parse_yaml, read_yaml

CONFIGS = Path(__file__).parents[2] / "configs"
# files that together name every key of a sweep
EVERYTHING = """
surface: {ellipse: {condition: [10, 100], angle: {linear: [0, 90], num: 3}, starts: [[1, 1], [2, 0]]}, rosenbrock: }
solver: {momentum: {momentum: 0.5, learning_rate: {log: [1e-4, 1], num: 3}}, nesterov: , adam: {b1: [0.8, 0.9]}}
learning_rate: {log: [1e-4, 1], num: 4}
rates: {low: 1e-4, high: 1.0, num: 5}
set: {momentum: 0.9, adam.eps: {random: {log_uniform: [1e-9, 1e-6]}, num: 2}}
param: {rosenbrock.b: [10, 100]}
starts: {random: 3}
seed: 7
seeds: [0, 1, 2]
steps: [100, 200]
rtol: 1e-6
atol: 0
gtol: 1e-12
dtype: [float32, float64]
noise: [0.0, 0.1]
noise_decay: 0.55
targets: [1e-1, 1e-3]
plugin: []
"""
DATA = """
data: sklearn:wine
target: target
model: linear
preprocess: [raw, standardize]
solver: sgd
batch_size: [4, 16]
shuffle: false
holdout: 0.25
patience: [100, 200]
learning_rate: {random: {log_uniform: [1e-4, 1]}, num: 3}
"""
NETWORKS = """
surface: {contradictory: {batch_size: [1, 2]}}
data: sklearn:moons
model: mlp
hidden: [2, "3,2"]
activation: [tanh, relu]
task: classification
weight_decay: [0, 1e-3]
solver: sgd
learning_rate: 0.1
"""
TUNED = """
surface: [ellipse, rosenbrock]
solver: [sgd, adam]
tune:
  trials: 8
  metric: loss_best
  holdout_starts: 4
  space: {learning_rate: {log: [1e-3, 1]}, adam.b1: {one_minus_log: [1e-2, 1]}, b2: {linear: [0.9, 0.999]}}
start: [1, 1]
seeds: 2
"""
SCHEDULED = """
surface: ellipse
solver:
  sgd:
  momentum: {momentum: {linear: {end_value: [0.5, 0.9], transition_steps: 100}}}
  adam: {b1: "warmup:0.9,5"}
learning_rate: [0.01, {cosine: {init_value: {log: [1e-3, 1], num: 3}, decay_steps: [10, 20]}}, {inverse-sqrt: }]
set: {eps: {piecewise: {init_value: 1e-8, boundaries: [10, 20], scales: [0.1, [0.1, 10]]}}}
rates: {num: 3}
steps: 30
"""
# what files of people hold, and what nobody should write
SEEDS = [path.read_text() for path in sorted(CONFIGS.glob("*.yaml"))] + [EVERYTHING, DATA, NETWORKS, TUNED, SCHEDULED]
NASTY = """
~|true|no|0|-1|1|2|3|0.5|1e-6|1e400|-0.0|.nan|.inf|-.inf|10000000|16777217|99999999999999999999999|
0x7fffffffffffffff|''|x|ellipse|sgd|float16|raw|[]|[[]]|[[1, 1], [1, 1]]|[1, 1]|[1, 1.0]|[~]|{}|
{log: [1e-6, 10], num: 10000000}|{log: [1, 2]}|{log: [0, 1], num: 2}|{linear: [1, 0], num: 2}|
{linear: [-1e308, 1e308], num: 3}|{random: {normal: [0, 1]}, num: 3}|{random: {uniform: [1, 1]}, num: 2}|
{random: 3}|{random: -1}|{num: 3}|{lgo: [1, 2], num: 2}|{trials: 4}|{trials: 1e9}|2001-13-45|2001-12-14|
!!python/object/apply:os.system [ls]|!!binary aGVsbG8=|!!set {a, b}|!!int ''|!!float zz|&a [*a]|*a|
{cosine: 3}|{cosine: {decay_steps: {cosine: 3}}}|{linear: {a: 1}, num: 3}|cosine:|a:b:c=,=|[{cosine: }, [1]]|
&a {b: &c [1, *c]}|<<: 1|"a: b|'|{|]|"\\x00"|"a\\nb"|é\u2028λ|../x|"../../etc/passwd"|/dev/null|
{<<: [{a: 1}, {a: 2}]}|? [a]|12:30:45|0b11|0o17|1_000|= |"1e-6"|[true, 1]|[on, off]|
{ellipse: {dimension: 100000000000}}|{ellipse: {dimension: [2, 3]}}
""".replace("\n", "").split("|")
PLAUSIBLE = """
1|2|0.5|1e-6|[0.1, 0.5]|[1, 2]|{log: [1e-6, 10], num: 4}|{linear: [0.1, 0.9], num: 3}|sgd|ellipse|float32|
{random: {log_uniform: [1e-3, 1]}, num: 4}|{random: {normal: [0.5, 0.1]}, num: 4}|[[1, 1], [2, 0]]|
cosine:0.1,9|{cosine: {decay_steps: 9}}|{warmup: {peak_value: 0.1, warmup_steps: [3, 4]}}|
{random: 5}|[sgd, adam]|{sgd: , momentum: {momentum: [0.1, 0.9]}}|{ellipse: {dimension: 3}}|{trials: 4}|
{trials: 3, holdout_starts: 0}|[raw]
""".replace("\n", "").split("|")
# of some keys what suits them
GOOD = {
    "learning_rate": ["0.1", "[0.1, 0.5]", "{log: [1e-6, 10], num: 4}", "{random: {log_uniform: [1e-3, 1]}, num: 4}"],
    "steps": ["5", "[5, 9]"],
    "rtol": ["1e-3", "{log: [1e-6, 1e-3], num: 3}"],
    "noise": ["0.5", "{linear: [0, 1], num: 3}", "{random: {uniform: [0, 1]}, num: 2}"],
    "seeds": ["3", "[7, 1]"],
    "seed": ["9"],
    "dtype": ["float32"],
    "targets": ["[0.5, 0.1]", "[]"],
    "rates": ["{num: 3}"],
    "set": ["{}"],
}
KEYS = [
    *SweepSpec.model_fields,
    "surfaces",
    "ellipse",
    "momentum",
    "b1",
    "condition",
    "dimension",
    "log",
    "num",
    "random",
    "",
]


def mutated(text, rng):
    """`text` after a few accidents, of its structure or of its letters; some of it is no YAML any more."""
    if rng.random() < 0.6:
        values = parse_yaml(text, "seed").values
        for _ in range(rng.choice([1, 1, 1, 2, 3])):
            _mutate_values(values, rng)
        text = yaml.safe_dump(values, sort_keys=False, allow_unicode=True)
        while "PLACEHOLDER" in text:  # a placeholder becomes what YAML itself reads
            text = text.replace("PLACEHOLDER", rng.choice(rng.choice([NASTY, PLAUSIBLE])), 1)
        return text.encode()
    lines = text.split("\n")
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        place = rng.randrange(len(lines))
        kind = rng.randrange(7)
        if kind == 0:
            del lines[place]
        elif kind == 1:
            lines.insert(place, lines[place])
        elif kind == 2:
            lines.insert(place, f"{rng.choice(KEYS)}: {rng.choice(rng.choice([NASTY, PLAUSIBLE]))}")
        elif kind == 3:
            lines[place] = lines[place].partition(":")[0] + ": " + rng.choice(rng.choice([NASTY, PLAUSIBLE]))
        elif kind == 4 and lines[place]:
            cut = rng.randrange(len(lines[place]))
            lines[place] = (
                lines[place][:cut] + rng.choice("{}[]:,&*!|>'\"%@`\t\x00\x85\ufeffé-? #0") + lines[place][cut:]
            )
        elif kind == 5:
            lines[place] = f"{rng.choice(KEYS)}: " + "[" * (depth := rng.choice([3, 50, 3000])) + "]" * depth
        else:
            lines[place] = " " * rng.randrange(4) + lines[place].strip()
        lines = lines or [""]
    content = "\n".join(lines).encode()
    if rng.random() < 0.1:
        place = rng.randrange(len(content) + 1)
        content = content[:place] + bytes(rng.randrange(256) for _ in range(3)) + content[place:]
    return content


def _mutate_values(values, rng):
    """One accident somewhere in nested mappings and lists."""
    holder, where = {"": values}, ""
    while isinstance(holder[where], dict | list) and holder[where] and (where == "" or rng.random() < 0.6):
        holder = holder[where]
        where = rng.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
    kind = rng.randrange(8)
    if kind >= 5:
        key = rng.choice(list(GOOD))
        values[key] = parse_value(rng.choice(GOOD[key]))
    elif kind == 0:
        del holder[where]
    elif kind == 1 and isinstance(holder, dict):
        holder[rng.choice([*KEYS, "".join(rng.choices(string.printable, k=4))])] = holder.pop(where)
    elif kind == 2:
        holder[where] = [holder[where], holder[where]]
    elif kind == 3:
        holder[where] = {rng.choice(KEYS): holder[where]}
    else:
        holder[where] = "PLACEHOLDER"


def check_any_file(folder, content):
    """Loader and planner on a file's bytes: a plan (True), or one sentence that names the file (False)."""
    file = folder / "a file.yaml"
    file.write_bytes(content)
    before = sorted(folder.iterdir())
    try:
        document = read_yaml(file)
        spec = validated(SweepSpec, document.values, document)
        assert validated(SweepSpec, parse_yaml(dump_config(spec), "again").values) == spec
        try:
            plan = make_plan(spec)
        except SpecError as error:
            raise document.error(error, error.path) from None
        except UsageError as error:
            raise document.error(error) from None
        assert plan.runs == sum(len(block) for block in plan.blocks) > 0
        for block in plan.blocks[:3]:
            assert np.isfinite(block.take(np.array([0, len(block) - 1])).starts).all()
    except UsageError as error:
        assert str(file) in str(error), error
        assert len(str(error).splitlines()) == 1, error
        assert len(str(error).strip(". ")) > len(str(file)) + 5, error
        return False
    finally:
        assert sorted(folder.iterdir()) == before
    return True


@settings(
    max_examples=120, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(number=st.integers(0, 2**32))
def test_any_mutated_file_gives_a_plan_or_a_sentence(here, number):
    rng = random.Random(number)
    check_any_file(here, mutated(rng.choice(SEEDS), rng))


def test_some_accidents_leave_a_plan_and_most_do_not(here):
    plans = 0
    for number in range(100):
        rng = random.Random(number)
        plans += check_any_file(here, mutated(rng.choice(SEEDS), rng))
    assert 10 <= plans <= 60


@pytest.mark.slow
@settings(max_examples=5000, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(number=st.integers(0, 2**62))
def test_thousands_of_mutated_files_give_a_plan_or_a_sentence(here, number):
    rng = random.Random(number)
    check_any_file(here, mutated(rng.choice(SEEDS), rng))


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=60) | st.text(max_size=80).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_give_a_plan_or_a_sentence(here, content):
    check_any_file(here, content)


def test_the_files_that_are_mutated_name_every_key():
    assert {key for text in SEEDS for key in parse_yaml(text, "f").values} == set(SweepSpec.model_fields)


@pytest.mark.parametrize("number", range(len(SEEDS)))
def test_the_files_that_are_mutated_are_plans(number):
    # two of them are specifications of a run, whose keys mean the same in a sweep
    plan = make_plan(spec_of(SEEDS[number]))
    assert plan.runs > 0
    assert {block.surface.name for block in plan.blocks} == {surface.name for surface in plan.surfaces}


def spec_of(text):
    document = parse_yaml(text, "file.yaml")
    return validated(SweepSpec, document.values, document)


NUMBERS = st.floats(1e-6, 1e3)
PAIRS = st.tuples(NUMBERS, NUMBERS).filter(lambda pair: pair[0] != pair[1]).map(sorted)
SPACED = st.builds(
    lambda kind, ends, num: {kind: ends, "num": num}, st.sampled_from(["log", "linear"]), PAIRS, st.integers(1, 9)
)
DRAWN = st.builds(
    lambda kind, ends, num: {"random": {kind: ends}, "num": num},
    st.sampled_from(["uniform", "log_uniform"]),
    PAIRS,
    st.integers(1, 9),
)
AXES = NUMBERS | st.lists(NUMBERS, min_size=1, max_size=4, unique=True) | SPACED | DRAWN
SCHEDULES = st.one_of(
    st.builds(lambda n: {"cosine": n}, st.fixed_dictionaries({"decay_steps": AXES}, optional={"alpha": AXES})),
    st.builds(lambda n: {"piecewise": {"boundary1": n, "scale1": n}}, AXES),
    st.builds(lambda n: [0.5, {"warmup": {"peak_value": n}}, "inverse-sqrt", {"linear": None}], AXES),
    st.builds("exponential:{},{:g},decay_rate=0.5".format, NUMBERS, NUMBERS),
)
SETTINGS = AXES | SCHEDULES
TEXTS = st.text(max_size=8) | st.sampled_from(
    ["1e-6", "true", "0x1f", "null", "1:30", "2001-01-01", "=", "<<", "~", "*a", "-"]
)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6).filter(
    lambda name: name not in ("start", "starts")  # which take points, not axes
)
BLOCKS = st.dictionaries(NAMES, st.none() | st.dictionaries(NAMES, AXES, max_size=2), min_size=1, max_size=3)
OF_SOLVERS = st.dictionaries(NAMES, st.dictionaries(NAMES, SETTINGS, max_size=2), min_size=1, max_size=3)
POINTS = st.lists(st.lists(NUMBERS, min_size=2, max_size=2), min_size=1, max_size=3, unique_by=tuple)
OPTIONAL = {
    "learning_rate": SETTINGS,
    "noise": AXES,
    "rtol": AXES,
    "atol": AXES,
    "gtol": AXES,
    "steps": st.integers(0, 2**24) | st.lists(st.integers(0, 2**24), min_size=1, max_size=3, unique=True),
    "batch_size": st.integers(1, 2**31),
    "set": st.dictionaries(NAMES, SETTINGS | TEXTS | st.booleans(), max_size=3),
    "param": st.dictionaries(NAMES, AXES | TEXTS, max_size=3),
    "starts": st.integers(1, 10**6) | st.builds(lambda count: {"random": count}, st.integers(1, 99)) | POINTS,
    "seeds": st.integers(1, 999) | st.lists(st.integers(0, 999), min_size=1, max_size=4, unique=True),
    "seed": st.integers(0, 2**20),
    "dtype": st.sampled_from(["float32", "float64", ["float64", "float32"]]),
    "targets": st.lists(st.floats(1e-9, 1), max_size=8, unique_by="{:g}".format),
    "data": TEXTS,
    "plugin": st.lists(TEXTS, max_size=2),
    "tune": st.fixed_dictionaries(
        {},
        optional={
            "trials": st.integers(1, 64),
            "space": st.dictionaries(NAMES, st.builds(lambda e: {"log": e}, PAIRS), max_size=2),
        },
    ),
}


@settings(max_examples=200, deadline=None)
@given(
    st.fixed_dictionaries(
        {"surface": BLOCKS, "solver": OF_SOLVERS | st.lists(NAMES, min_size=1, unique=True)}, optional=OPTIONAL
    )
)
def test_what_is_written_reads_back_as_the_same(values):
    spec = validated(SweepSpec, values)
    written = dump_config(spec)
    again = validated(SweepSpec, parse_yaml(written, "c.yaml").values)
    assert again == spec
    assert dump_config(again) == written


@settings(max_examples=200, deadline=None)
@given(AXES)
def test_an_axis_reads_back_as_the_same(written):
    axis = axis_of(written)
    assert isinstance(axis, Axis)
    assert axis_of(axis.written()) == axis
    assert len(axis) == (
        written["num"] if isinstance(written, dict) else len(written) if isinstance(written, list) else 1
    )


# ---- one vocabulary for flags and files


def options_of(name):
    """The long options of a command, by their names in a file."""
    make_options([name])
    command = get_command(app).commands[name]
    return {
        option.removeprefix("--").replace("-", "_")
        for parameter in command.params
        for option in parameter.opts
        if option[:2] == "--"
    }


def test_everything_that_run_can_do_a_sweep_can_with_the_same_names():
    # how a result is shown and stored are flags of both commands, and `config` is the sweep's argument
    of_commands = {"out", "name", "force", "no_plots", "quiet", "json", "config", "help"}
    assert set(flags(RunSpec)) == options_of("run") - of_commands
    assert of_commands - {"config", "help"} <= options_of("sweep")
    assert options_of("theory") - of_commands == {"surface", "solver", "set", "param", "steps", "plugin"}


def test_a_run_is_a_sweep():
    run = RunSpec(
        surface=["ellipse", "rosenbrock"],
        solver=["momentum", "adam"],
        set={"momentum": "0.5", "adam.b1": 0.8},
        seed=3,
        param={"condition": 7, "dimension": 3, "b": 5},
        rates={"low": 1e-3, "high": 1, "num": 7},
        steps=9,
        starts=2,
        rtol=0.1,
        atol=1,
        gtol=1e-3,
        dtype="float32",
        noise=0.5,
    )
    spec = validated(SweepSpec, yaml.safe_load(dump_config(run)))
    assert {name: getattr(spec, name) for name in SweepSpec.model_fields} == dict(run)
    assert (run.ladder, spec.ladder) == (LADDER, ())
    assert RunSpec(surface="ellipse", solver="sgd", targets=[0.1]).ladder == (0.1,)


# ---- flags that override a file


def overridden_spec(text, *flags):
    values = parse_yaml(text, "file.yaml").values
    override(values, list(flags))
    return validated(SweepSpec, values)


PLAIN = "surface: [ellipse, rosenbrock]\nsolver: [sgd, momentum]\nsteps: 100\ntune: {trials: 4}\nset: {momentum: 0.1}\n"


def test_a_flag_sets_any_key():
    assert overridden_spec(PLAIN, "steps=500").steps.values == (500,)
    assert overridden_spec(PLAIN, "steps=[5, 6]").steps.values == (5, 6)
    assert overridden_spec(PLAIN, "rtol=1e-3").rtol.values == (1e-3,)
    tuned = overridden_spec(PLAIN, "tune.trials=8", "tune.metric=loss_best").tune
    assert (tuned.trials, tuned.metric, tuned.holdout_starts) == (8, "loss_best", 16)
    assert overridden_spec(PLAIN, "tune=~").tune is None
    assert overridden_spec(PLAIN, "set.momentum=0.9").set["momentum"].values == (0.9,)
    assert overridden_spec(PLAIN, "set.momentum.momentum=0.9").set["momentum.momentum"].values == (0.9,)
    assert overridden_spec(PLAIN, "surface=double-well").surface == {"double-well": {}}
    assert list(overridden_spec(PLAIN, "surface=[double-well, ellipse]").surface) == ["double-well", "ellipse"]
    assert overridden_spec(PLAIN, "learning_rate={log: [1e-3, 1], num: 3}").learning_rate == Axis(
        "log", (), 1e-3, 1.0, 3
    )
    assert overridden_spec(PLAIN, "learning_rate.log=[1e-3, 1]", "learning_rate.num=3").learning_rate.num == 3


def test_a_flag_reaches_into_the_settings_of_one_solver():
    spec = overridden_spec(PLAIN, "solver.momentum.momentum=[0.5, 0.9]")
    assert list(spec.solver) == ["sgd", "momentum"]
    assert spec.solver["momentum"]["momentum"].values == (0.5, 0.9)
    assert spec.solver["sgd"] == {}
    alone = overridden_spec("surface: ellipse\nsolver: sgd\n", "surface.ellipse.condition=3", "solver.adam.b1=0.8")
    assert list(alone.solver) == ["sgd", "adam"]
    assert alone.surface["ellipse"]["condition"].values == (3,)


def test_a_flag_reaches_into_an_axis():
    text = "surface: ellipse\nsolver: [momentum, nesterov]\nset: {momentum: {linear: [0, 1], num: 50}}\n"
    assert overridden_spec(text, "set.momentum.num=5").set["momentum"] == Axis("linear", (), 0.0, 1.0, 5)
    assert overridden_spec(text, "set.momentum.linear=[0.5, 0.9]").set["momentum"] == Axis("linear", (), 0.5, 0.9, 50)
    both = overridden_spec(text, "set.nesterov.momentum=0.3").set
    assert (both["momentum"].num, both["nesterov.momentum"].values) == (50, (0.3,))


def test_a_flag_reaches_into_the_space_of_tuning():
    space = overridden_spec(
        PLAIN, "tune.space.momentum.momentum={linear: [0, 1]}", "tune.space.learning_rate.log=[1e-3, 1]"
    ).tune.space
    assert set(space) == {"momentum.momentum", "learning_rate"}
    assert space["learning_rate"].log == (1e-3, 1.0)


def test_the_values_of_a_file_stay_as_they_were_read():
    values = parse_yaml("a: &x {b: 1}\nc: *x\n", "f.yaml").values
    assert override(values, ["a.b=2"]) == {("a", "b")}
    assert values == {"a": {"b": 2}, "c": {"b": 1}}


# ---- the schema


def accepts(schema, value, root):
    """Whether a JSON value fits a schema: of JSON Schema what ours uses."""
    if "$ref" in schema:
        return accepts(root["$defs"][schema["$ref"].rpartition("/")[2]], value, root)
    if "anyOf" in schema and not any(accepts(inner, value, root) for inner in schema["anyOf"]):
        return False
    if "enum" in schema and value not in schema["enum"]:
        return False
    if "const" in schema and value != schema["const"]:
        return False
    kinds = {
        "object": dict,
        "array": list,
        "string": str,
        "boolean": bool,
        "integer": int,
        "number": int | float,
        "null": type(None),
    }
    stated = schema.get("type", [])
    stated = [stated] if isinstance(stated, str) else stated
    if stated and not any(
        isinstance(value, kinds[kind]) and (not isinstance(value, bool) or kind == "boolean") for kind in stated
    ):
        return False
    if isinstance(value, dict):
        known, rest = schema.get("properties", {}), schema.get("additionalProperties", True)
        if any(name not in value for name in schema.get("required", [])):
            return False
        for name, item in value.items():
            inner = known.get(name, rest)
            if inner is False or (isinstance(inner, dict) and not accepts(inner, item, root)):
                return False
    if isinstance(value, list):
        items = schema.get("items", {})
        if schema.get("uniqueItems") and len({json.dumps(item) for item in value}) < len(value):
            return False
        if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
            return False
        return all(
            accepts(inner, item, root)
            for inner, item in zip(schema.get("prefixItems", []) or [items] * len(value), value, strict=False)
        )
    if isinstance(value, int | float) and not isinstance(value, bool):
        low, high = schema.get("minimum", -np.inf), schema.get("maximum", np.inf)
        return (
            low <= value <= high
            and value > schema.get("exclusiveMinimum", -np.inf)
            and value < schema.get("exclusiveMaximum", np.inf)
        )
    return True


def words_of(schema):
    """Every keyword that a schema uses anywhere."""
    found = set()
    for key, value in schema.items():
        found.add(key)
        inner = value.values() if key in ("properties", "$defs") else value if isinstance(value, list) else [value]
        for item in inner:
            found |= words_of(item) if isinstance(item, dict) and key not in ("default", "const") else set()
    return found


def test_the_schema_is_one_and_says_what_every_key_means():
    schema = json_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["type"] == "object"
    assert schema["additionalProperties"] is False
    assert set(schema["properties"]) == set(SweepSpec.model_fields)
    for name, part in schema["properties"].items():
        assert part.get("description"), name
    for name in ("trials", "metric", "holdout_starts", "space"):
        assert schema["$defs"]["Tune"]["properties"][name]["description"], name
    assert json.loads(json.dumps(schema, allow_nan=False)) == schema
    # what the validator below understands; a keyword beyond it needs it first
    assert words_of(schema) <= set(
        "$schema $defs $ref title description type properties additionalProperties anyOf enum const items prefixItems "
        "required minimum maximum exclusiveMinimum exclusiveMaximum minItems maxItems uniqueItems default".split()
    )


@pytest.mark.parametrize("number", range(len(SEEDS)))
def test_the_schema_accepts_good_files(number):
    schema = json_schema()
    assert accepts(schema, parse_yaml(SEEDS[number], "f").values, schema)


@pytest.mark.parametrize(
    "text",
    [
        "surfaces: [ellipse]", "steps: {log: [1, 2]}", "tune: {trial: 3}", "tune: {trials: many}",
        "learning_rate: {random: {gaussian: [0, 1]}, num: 3}", "seed: -1", "seed: 1.5", "model: logstic", "steps: []",
        "rates: {low: 0}", "targets: 3", "surface: [ellipse, ellipse]", "set: 3", "dtype: float16", "surface: 3",
        "starts: {random: x}", "tune: {space: {b1: {log: [1, 2, 3]}}}",
    ],
)  # fmt: skip
def test_the_schema_refuses_what_we_refuse(text):
    schema = json_schema()
    values = {"surface": ["ellipse"], "solver": ["sgd"], **parse_yaml(text, "f").values}
    assert not accepts(schema, values, schema)
    with pytest.raises(UsageError):
        validated(SweepSpec, values)


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(st.fixed_dictionaries({"surface": BLOCKS, "solver": OF_SOLVERS}, optional=OPTIONAL))
def test_the_schema_accepts_whatever_we_accept(values):
    schema = json_schema()
    assert accepts(schema, json.loads(json.dumps(values)), schema)
    assert accepts(schema, validated(SweepSpec, values).model_dump(mode="json"), schema)
