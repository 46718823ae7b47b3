"""What a run is asked to do: one validated specification, from flags, YAML or Python alike."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from gdbench.errors import UsageError, nearest
from gdbench.spec.yaml_file import Document, KeyPath, WrittenBack, overridden, read_yaml

Scalar = bool | int | float | str
# of any number in a specification: what is larger overflows in the first product
LARGEST = 1e300
# what pydantic says, in our words
WORDS = {
    " or instance of \\w+": "",
    "should be a valid dictionary": "must be a mapping such as {KEY: VALUE}",
    "should be a valid list": "must be a list",
    "should be a valid string": "must be a text",
    "should be a valid number.*": "must be a number",
    "should be a valid integer.*": "must be a whole number",
    "should be": "must be",
    "greater than or equal to": "at least",
    "less than or equal to": "at most",
    "greater than": "above",
    "less than": "below",
}
BRANCHES = ("int", "float", "str", "bool", "function-plain[validate()]", "none")


def named_once(kind: str, names: Sequence[str]) -> None:
    """Raise ValueError where a name stands twice."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"{kind} '{name}' is named twice")
        seen.add(name)


def require_consistent(spec: Any) -> None:
    """Raise ValueError where keys of a run's or sweep's specification contradict or lack each other."""
    if spec.start is not None and spec.starts is not None:
        raise ValueError("give start or starts, not both")
    if not spec.surface and spec.data is None:
        raise ValueError("name at least one surface, or a data file")
    if not spec.solver:
        raise ValueError("name at least one solver")
    for key, needed in (("noise_decay", "noise"), ("patience", "holdout")):
        if getattr(spec, key) is not None and getattr(spec, needed) is None:
            raise ValueError(f"{key} needs {needed}")
    of_surfaces = spec.surface.values() if isinstance(spec.surface, Mapping) else ()
    if not spec.shuffle and spec.batch_size is None and not any("batch_size" in block for block in of_surfaces):
        raise ValueError("shuffle needs batch_size: without mini-batches every step sees all examples")
    require_data(spec)


def require_data(spec: Any) -> None:
    """Raise ValueError where a specification without data says how to read it."""
    if spec.data is None:
        for key, usual in (("target", None), ("model", "linear"), ("preprocess", ["raw"]), ("task", "auto")):
            if getattr(spec, key) != usual:
                raise ValueError(f"{key} needs data")
        for key in ("hidden", "activation", "weight_decay"):
            if getattr(spec, key) is not None:
                raise ValueError(f"{key} needs data")
    if spec.model != "mlp":
        if spec.task != "auto":
            does = "predicts numbers" if spec.model == "linear" else "predicts classes"
            raise ValueError(f"task needs model mlp: {spec.model} {does} anyway")
        for key in ("hidden", "activation"):
            if getattr(spec, key) is not None:
                raise ValueError(f"{key} needs model mlp")


def listed(value: Any) -> Any:
    """A single name as a list of one."""
    return [value] if isinstance(value, str) else value


Names = Annotated[list[str], BeforeValidator(listed)]
Model = Literal["linear", "logistic", "softmax", "mlp"]
Task = Literal["auto", "regression", "classification"]


class Rates(BaseModel):
    """The log grid of learning rates over which every solver is tuned."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    low: float = Field(default=1e-6, gt=0, allow_inf_nan=False)
    high: float = Field(default=10.0, gt=0, allow_inf_nan=False)
    num: int = Field(default=64, ge=1, le=1_000_000)

    @model_validator(mode="after")
    def _ordered(self) -> Rates:
        if self.low > self.high:
            raise ValueError(f"low ({self.low:g}) must not be above high ({self.high:g})")
        if self.low == self.high and self.num > 1:
            raise ValueError(f"{self.num} rates from {self.low:g} to {self.high:g} are all the same; give num 1")
        return self


class RunSpec(BaseModel):
    """Everything that decides the numbers of a run; its keys are the command line's long options."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    surface: Names = Field(default_factory=list, description="error surfaces, by name")
    solver: Names = Field(default_factory=list, description="solvers, by name")
    data: str | None = Field(default=None, description="a CSV file, or sklearn:NAME")
    target: str | None = Field(default=None, description="the column of the data to predict")
    model: Model = Field(default="linear", description="what is fitted to the data")
    hidden: str | None = Field(default=None, description="units of the mlp's hidden layers, such as 8,4 [8]")
    activation: str | None = Field(default=None, description="of the mlp's hidden units, of jax.nn or jax.numpy [tanh]")
    task: Task = Field(default="auto", description="what an mlp does: regression, classification, or as the target is")
    weight_decay: float | None = Field(
        default=None,
        ge=0,
        le=LARGEST,
        allow_inf_nan=False,
        description="λ: the loss of the data plus λ/2 times the sum of squared weights",
    )
    preprocess: Names = Field(
        default_factory=lambda: ["raw"], description="raw, center, scale, standardize, minmax, whiten"
    )
    learning_rate: float | None = Field(
        default=None, gt=0, le=LARGEST, allow_inf_nan=False, description="fix it; tuned when absent"
    )
    rates: Rates = Field(
        default_factory=lambda: Rates(), description="the grid that a tuned learning rate is chosen from"
    )
    set: dict[str, Scalar] = Field(default_factory=dict, description="hyperparameters: NAME or SOLVER.NAME")
    param: dict[str, Scalar] = Field(default_factory=dict, description="parameters: NAME or SURFACE.NAME")
    start: list[float] | None = Field(default=None, description="one start for every surface")
    starts: int | None = Field(default=None, ge=1, le=1_000_000, description="random starts in each surface's box")
    seed: int = Field(default=0, ge=0, lt=2**24, description="of the random starts")
    steps: int = Field(default=10_000, ge=0, le=2**24, description="the budget of steps of one run")
    rtol: float = Field(
        default=1e-6, ge=0, le=LARGEST, allow_inf_nan=False, description="target, relative to the gap at the start"
    )
    atol: float = Field(default=0.0, ge=0, le=LARGEST, allow_inf_nan=False, description="target, absolute")
    gtol: float = Field(
        default=1e-12, ge=0, le=LARGEST, allow_inf_nan=False, description="gradient norm that counts as stationary"
    )
    dtype: Literal["float32", "float64"] = "float64"
    noise: float | None = Field(
        default=None,
        ge=0,
        le=LARGEST,
        allow_inf_nan=False,
        description="standard deviation added to every component of a gradient",
    )
    batch_size: int | None = Field(
        default=None, ge=1, le=2**31, description="examples that one step sees of a table; all when absent"
    )
    noise_decay: float | None = Field(
        default=None,
        ge=0,
        le=LARGEST,
        allow_inf_nan=False,
        description="γ: the noise shrinks as noise (1 + step)^(-γ/2)",
    )
    shuffle: bool = Field(default=True, description="mini-batches in a new order in every epoch; else as they stand")
    holdout: float | None = Field(
        default=None, gt=0, lt=1, description="share of a table's examples that training does not see"
    )
    patience: int | None = Field(
        default=None, ge=1, le=2**31, description="steps without a lower held-out loss after which a run is stopped"
    )
    plugin: Names = Field(default_factory=list, description="Python files with surfaces and solvers")

    @field_validator("start")
    @classmethod
    def _finite(cls, value: list[float] | None) -> list[float] | None:
        if value is not None and not value:
            raise ValueError("a start must not be empty")
        if value is not None and not all(math.isfinite(number) for number in value):
            raise ValueError("every number of a start must be finite")
        if value is not None and not all(abs(number) <= LARGEST for number in value):
            raise ValueError(f"every number of a start must be at most {LARGEST:g} in size")
        return value

    @model_validator(mode="after")
    def _consistent(self) -> RunSpec:
        require_consistent(self)
        for kind in ("surface", "solver", "preprocess"):
            named_once(kind, getattr(self, kind))
        return self


Spec = TypeVar("Spec", bound=BaseModel)


def make_spec(values: dict[str, Any], where: str = "", elsewhere: Collection[str] = ()) -> RunSpec:
    """The specification of `values`; a `UsageError` names the key, what is wrong, and `where` it stands.

    The keys `elsewhere` do not stand there: flags that override a file.
    """
    return validated(RunSpec, values, Document(where, {}) if where else None, elsewhere)


def validated(
    model: type[Spec],
    values: Mapping[str, Any],
    document: Document | None = None,
    elsewhere: Collection[str | KeyPath] = (),
) -> Spec:
    """`values` as a `model`; a `UsageError` names the key path, what is wrong and the place in the `document`.

    The keys, or paths to keys, `elsewhere` do not stand there: flags that override the file.
    """
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        problem = _chosen(error.errors())
        # pydantic names the branch of a union as if it were a key
        path = [part for part in problem["loc"] if part not in BRANCHES and not str(part).startswith("list[")]
        path += problem.get("ctx", {}).get("path", [])
        in_file = document is not None and not overridden(path, elsewhere)
        sentence = _sentence(model, problem, path, in_file)
        if document is not None:
            raise document.error(sentence, path, elsewhere) from None
        # a key may hold line breaks, a sentence may not
        raise UsageError(" ".join(sentence.split())) from None


def _chosen(problems: Sequence[Any]) -> Any:
    """The first problem; of the branches of a union the one that got furthest, for it is what was meant."""
    first = problems[0]
    same = [problem for problem in problems if problem["loc"][:1] == first["loc"][:1]]
    return max(same, key=lambda problem: len([part for part in problem["loc"] if part not in BRANCHES]))


def _sentence(model: type[BaseModel], problem: Any, path: list[Any], in_file: bool) -> str:
    """One problem of a validation as one sentence."""
    dotted = ".".join(str(part) for part in path)
    if problem["type"] == "extra_forbidden":
        inner = model
        for part in path[:-1]:
            inner = _model_below(inner, str(part))
        known = list(inner.model_fields)
        close = nearest(str(path[-1]), known)
        return f"unknown key '{dotted}'; " + (
            f"did you mean '{close}'?" if close else f"choose from: {', '.join(known)}"
        )
    message = problem["msg"].removeprefix("Value error, ").removeprefix("Input ")
    if problem["type"] not in ("axis", "value_error"):
        for theirs, ours in WORDS.items():
            message = re.sub(theirs, ours, message)
    message = message[0].lower() + message[1:]
    if not path:
        return message
    given = problem["input"]
    if issubclass(model, RunSpec) and isinstance(given, list | dict) and problem["type"] != "too_long":
        message += "; lists of values and mappings of settings are for `gdbench sweep`"
    shown = ""
    if isinstance(given, int | float | str | bool) and problem["type"] != "axis":
        said = _short(given)
        shown = f", not {said}" if said not in message else ""
    name = dotted if in_file else dotted.replace("_", "-")
    # "steps must be .." says already which key it is
    if message.startswith((f"{dotted} ", f"{name} ")):
        return f"{message}{shown}"
    return f"{name} {message}{shown}" if message.startswith("must ") else f"{name}: {message}{shown}"


def _short(value: Any) -> str:
    try:
        said = repr(value)
    except ValueError:  # a whole number of too many digits
        return "so large a number"
    return said if len(said) <= 80 else f"{said[:77]}.."


def _model_below(model: type[BaseModel], key: str) -> type[BaseModel]:
    """The model of a field, or of the values of a mapping in between."""
    field = model.model_fields.get(key)
    if field is None:
        return model
    parts = [field.annotation, *get_args(field.annotation)]
    parts += [inner for part in parts for inner in get_args(part)]
    return next((part for part in parts if isinstance(part, type) and issubclass(part, BaseModel)), model)


def read_config(path: str | Path) -> dict[str, Any]:
    """The mapping in a YAML file, loaded safely; a `UsageError` names the file and the line."""
    return read_yaml(path).values


def dump_config(spec: BaseModel) -> str:
    """The complete specification as YAML; running it again reproduces the numbers."""
    return yaml.dump(spec.model_dump(mode="json"), Dumper=WrittenBack, sort_keys=False, allow_unicode=True)
