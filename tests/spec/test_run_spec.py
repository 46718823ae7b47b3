"""Specifications: any YAML text gives a valid one or one clear sentence."""

import string

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from gdbench.errors import UsageError
from gdbench.planning.plan import make_plan
from gdbench.spec.run import RunSpec
from gdbench.spec.validation import dump_config, validated
from gdbench.spec.yaml_file import Document, read_yaml

GOOD = {"surface": ["ellipse"], "solver": ["sgd"], "steps": 50, "rates": {"low": 1e-3, "high": 1.0, "num": 4}}
KEYS = st.sampled_from([*RunSpec.model_fields, "surfaces", "step", "momentum", ""])
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 10**30),
    st.floats(),
    st.text(string.ascii_letters + " -./", max_size=12),
    st.sampled_from(["ellipse", "sgd", "float32", "raw", "logistic"]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=400, deadline=None)
@given(st.dictionaries(KEYS, VALUES, max_size=4))
def test_any_values_give_a_specification_or_a_sentence(mutation):
    try:
        spec = validated(RunSpec, {**GOOD, **mutation}, Document("file.yaml", {}))
    except UsageError as error:
        assert str(error).startswith("file.yaml: ")
        assert "\n" not in str(error)
        return
    assert validated(RunSpec, yaml.safe_load(dump_config(spec))) == spec


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60))
def test_any_text_gives_a_mapping_or_a_sentence(tmp_path_factory, text):
    file = tmp_path_factory.getbasetemp() / "fuzz.yaml"
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        assert isinstance(read_yaml(file).values, dict)
    except UsageError as error:
        assert "\n" not in str(error)
        assert "fuzz.yaml" in str(error)


@pytest.mark.parametrize(("text", "value"), [("1e-6", 1e-6), ("1.5E+3", 1500.0), ("-2e3", -2000.0), ("10", 10)])
def test_numbers_mean_what_everyone_means(tmp_path, text, value):
    file = tmp_path / "c.yaml"
    file.write_text(f"rtol: {text}\n")
    assert read_yaml(file).values == {"rtol": value}


def test_settings_go_to_those_that_have_them():
    settings = {"momentum": 0.5, "nesterov.momentum": 0.7}
    spec = validated(RunSpec, {**GOOD, "solver": ["sgd", "momentum", "nesterov"], "set": settings, "steps": 5})
    by_solver = {block.solver.name: block.program.hyperparameters for block in make_plan(spec).blocks}
    assert by_solver["momentum"]["momentum"] == 0.5
    assert by_solver["nesterov"]["momentum"] == 0.7
    assert "momentum" not in by_solver["sgd"]


def test_parameters_go_to_those_that_have_them():
    spec = validated(RunSpec, {**GOOD, "surface": ["ellipse", "rosenbrock"], "param": {"condition": 7, "b": 3.0}})
    by_surface = {block.surface.name: block.program.parameters for block in make_plan(spec).blocks}
    assert by_surface == {"ellipse": {"condition": 7.0, "angle": 0.0}, "rosenbrock": {"a": 1.0, "b": 3.0}}
