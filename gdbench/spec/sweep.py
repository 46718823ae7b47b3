"""Specify a sweep: the one model from which options, arguments and the JSON Schema are made."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from gdbench.spec.axes import AXIS_SCHEMA, AnyAxis, Axis, AxisError, axis_of, located, number_axis, plain
from gdbench.spec.entries import Solvers, Start, Starts, Surfaces
from gdbench.spec.schedule_parsing import SETTING_SCHEMA, AnySetting, scheduled_axis

# The engine keeps at most this many targets for a run.
MOST_TARGETS = 8
# Seeds and counts of steps travel through the engine as float32, which holds every whole number up to 2**24.
LARGEST_WHOLE = 2**24
# More examples than any table has, and more steps than any run makes: a larger count is a mistake.
LARGEST_COUNT = 2**31
# A larger number in a specification would overflow in the first product.
LARGEST = 1e300


def named_once(kind: str, names: Sequence[str]) -> None:
    """Raise ValueError where a name stands twice."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"duplicate {kind} '{name}'")
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
    """Return a single name as a list of one."""
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


def _dtypes(value: Any) -> Axis:
    axis = axis_of(value)
    for item in axis.values or ("a range",):
        if item not in ("float32", "float64"):
            raise AxisError(f"dtype must be 'float32' or 'float64', not {item!r}")
    return axis


_TYPE = {"enum": ["float32", "float64"]}
_TYPES = {"anyOf": [_TYPE, {"type": "array", "items": _TYPE, "minItems": 1, "uniqueItems": True}]}
_TARGET = {"type": "number", "exclusiveMinimum": 0, "maximum": 1}
_TARGETS = {"anyOf": [_TARGET, {"type": "array", "items": _TARGET, "maxItems": MOST_TARGETS, "uniqueItems": True}]}
Types = Annotated[Axis, PlainValidator(located(_dtypes)), PlainSerializer(Axis.written), WithJsonSchema(_TYPES)]


@dataclass(frozen=True)
class Flag:
    """The option by which `gdbench run` takes a key of the specification; a key without one has no option.

    form : how the text is read: "value" as the `type`; "repeat" names, the option once for each; "list" values apart
    by commas; "numbers", "pairs" (`KEY=VALUE`, repeated) and "rates" (`LOW,HIGH,NUM`) as they say; "switch" takes none.
    names : the option's names; made from the key where there are none.
    """

    type: type = str
    metavar: str | None = None
    form: str = "value"
    names: tuple[str, ...] = ()


def flags(model: type[BaseModel]) -> dict[str, Flag]:
    """Return the keys of a `model` that are options of the command line, in their order."""
    fields = model.model_fields.items()
    return {name: item for name, field in fields for item in field.metadata if isinstance(item, Flag)}


def default_text(value: Any) -> str:
    """Return a default as a command line would give it: `10000`, `1e-06,10,64`; "" where there is none."""
    if isinstance(value, Axis):
        value = value.written()
    if isinstance(value, Rates):
        return f"{value.low:g},{value.high:g},{value.num}"
    if value is None or isinstance(value, bool | Mapping):
        return ""
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _single(value: Any) -> Axis:
    return Axis("values", (value,))


class Range(BaseModel):
    """The range in which tuning looks for a hyperparameter: log-uniform, uniform, or log-uniform in 1 - value."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    log: tuple[float, float] | None = Field(default=None, description="log-uniform between two numbers above 0")
    linear: tuple[float, float] | None = Field(default=None, description="uniform between two numbers")
    one_minus_log: tuple[float, float] | None = Field(
        default=None, description="1 - value is log-uniform between two numbers above 0 (momentum, decay)"
    )

    @model_validator(mode="after")
    def _ordered(self) -> Range:
        given = [ends for ends in (self.log, self.linear, self.one_minus_log) if ends is not None]
        if len(given) != 1:
            raise ValueError("a range has exactly one of log, linear, one_minus_log")
        low, high = given[0]
        if not (math.isfinite(low) and math.isfinite(high) and low <= high):
            raise ValueError(f"a range goes from a low to a high number, not from {low:g} to {high:g}")
        if self.linear is None and low <= 0:
            raise ValueError(f"a log range needs numbers above 0, not {low:g}")
        return self


class Tune(BaseModel):
    """Tuning with the same budget for every solver: seeded Sobol points over all its hyperparameters."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    trials: int = Field(default=64, ge=1, le=2**20, description="settings that every solver tries on every surface")
    metric: Literal["steps_to_target", "loss_final", "loss_best"] = Field(
        default="steps_to_target", description="what the best trial is chosen by"
    )
    holdout_starts: int = Field(default=16, ge=0, le=1_000_000, description="random starts on which it is reported")
    space: dict[str, Range] = Field(
        default_factory=dict, description="NAME or SOLVER.NAME: where to look, instead of the usual range"
    )


if TYPE_CHECKING:  # mypy takes no call for a type
    from gdbench.spec.schedules import Schedules

    _Rate = Axis | Schedules
    _WeightDecay = Axis
    _Steps = Axis
    _Rtol = Axis
    _Atol = Axis
    _Gtol = Axis
    _Noise = Axis
    _NoiseDecay = Axis
    _BatchSize = Axis
    _Patience = Axis
else:
    _Rate = scheduled_axis("a learning rate", low=0, open_low=True)
    _WeightDecay = number_axis("weight_decay", low=0)
    _Steps = number_axis("steps", low=0, whole=True)
    _Rtol = number_axis("rtol", low=0)
    _Atol = number_axis("atol", low=0)
    _Gtol = number_axis("gtol", low=0)
    _Noise = number_axis("noise", low=0)
    _NoiseDecay = number_axis("noise_decay", low=0)
    _BatchSize = number_axis("batch_size", low=1, whole=True)
    _Patience = number_axis("patience", low=1, whole=True)


class SweepSpec(BaseModel):
    """Everything that decides the numbers of a sweep. A run's specification is one too; any value may be an axis."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    surface: Annotated[Surfaces, Flag(str, "NAME", "repeat", ("--surface", "-f"))] = Field(
        default_factory=dict, description="an error surface; repeat to compare"
    )
    solver: Annotated[Solvers, Flag(str, "NAME", "repeat", ("--solver", "-s"))] = Field(
        default_factory=dict, description="a solver; repeat to compare"
    )
    data: Annotated[str | None, Flag(str, "FILE")] = Field(
        default=None, description="a CSV file, or sklearn:NAME: its regression is the surface"
    )
    target: Annotated[str | None, Flag(str, "COLUMN")] = Field(
        default=None, description="the column of the data to predict"
    )
    model: Annotated[Model, Flag()] = Field(
        default="linear", description="what is fitted to the data: linear, logistic, softmax or mlp"
    )
    hidden: Annotated[AnyAxis | None, Flag(str, "N,N,..")] = Field(
        default=None, description="units of the mlp's hidden layers, such as 8,4 [8]"
    )
    activation: Annotated[AnyAxis | None, Flag(str, "NAME")] = Field(
        default=None, description="activation of the mlp's hidden units: relu, or any of jax.nn and jax.numpy [tanh]"
    )
    task: Annotated[Task, Flag()] = Field(
        default="auto", description="what an mlp does: regression, classification, or as the target is"
    )
    weight_decay: Annotated[_WeightDecay | None, Flag(float)] = Field(
        default=None, description="adds λ/2 times the sum of squared weights to the loss of the data"
    )
    preprocess: Annotated[Names, Flag(str, "LIST", "list")] = Field(
        default_factory=lambda: ["raw"],
        description="a surface for each of raw,center,scale,standardize,minmax,whiten",
    )
    learning_rate: Annotated[_Rate | None, Flag(float)] = Field(
        default=None, description="the learning rate of every solver; without it each solver's is tuned"
    )
    rates: Annotated[Rates, Flag(str, "LOW,HIGH,NUM", "rates")] = Field(
        default_factory=lambda: Rates(), description="the log grid of learning rates for tuning"
    )
    set: Annotated[dict[str, AnySetting], Flag(str, "KEY=VALUE", "pairs")] = Field(
        default_factory=dict, description="a hyperparameter or schedule, NAME or SOLVER.NAME (repeat)"
    )
    param: Annotated[dict[str, AnyAxis], Flag(str, "KEY=VALUE", "pairs")] = Field(
        default_factory=dict, description="a surface parameter, NAME or SURFACE.NAME (repeat)"
    )
    start: Annotated[Start | None, Flag(str, "X,Y,..", "numbers")] = Field(
        default=None, description="one start for every surface"
    )
    starts: Annotated[Starts | None, Flag(int, "N")] = Field(
        default=None, description="random starts in each surface's box, how many; in a file also a list of starts"
    )
    seed: Annotated[int, Flag(int)] = Field(
        default=0, ge=0, lt=LARGEST_WHOLE, description="the seed of everything that is drawn"
    )
    seeds: int | list[int] | None = Field(
        default=None, description="seeds of stochastic gradients: how many, or a list of them"
    )
    steps: Annotated[_Steps, Flag(int)] = Field(
        default_factory=lambda: _single(10_000), description="the budget of steps of one run"
    )
    rtol: Annotated[_Rtol, Flag(float)] = Field(
        default_factory=lambda: _single(1e-6), description="the target, relative to the gap at the start"
    )
    atol: Annotated[_Atol, Flag(float)] = Field(
        default_factory=lambda: _single(0.0), description="the target, absolute"
    )
    gtol: Annotated[_Gtol, Flag(float)] = Field(
        default_factory=lambda: _single(1e-12), description="the gradient norm that counts as stationary"
    )
    dtype: Annotated[Types, Flag()] = Field(
        default_factory=lambda: _single("float64"), description="float64 or float32"
    )
    noise: Annotated[_Noise | None, Flag(float)] = Field(
        default=None, description="standard deviation added to every component of a gradient"
    )
    noise_decay: Annotated[_NoiseDecay | None, Flag(float)] = Field(
        default=None, description="γ, by which the noise shrinks: noise (1 + step)^(-γ/2)"
    )
    batch_size: Annotated[_BatchSize | None, Flag(int)] = Field(
        default=None, description="examples of a table that one step sees; all without it"
    )
    shuffle: Annotated[bool, Flag(bool, None, "switch", ("--shuffle/--in-order",))] = Field(
        default=True, description="mini-batches in a new order in every epoch, or as the examples stand"
    )
    holdout: Annotated[float | None, Flag(float, "SHARE")] = Field(
        default=None, gt=0, lt=1, description="share of a table's examples that training does not see"
    )
    patience: Annotated[_Patience | None, Flag(int)] = Field(
        default=None, description="steps without a lower held-out loss after which a run is stopped"
    )
    targets: Annotated[list[float], WithJsonSchema(_TARGETS)] = Field(
        default_factory=list, description="a ladder of relative targets, kept for every run"
    )
    tune: Tune | None = Field(default=None, description="tune every solver with the same budget instead of a grid")
    plugin: Annotated[Names, Flag(str, "FILE", "repeat")] = Field(
        default_factory=list, description="a Python file with surfaces or solvers (repeat)"
    )

    @field_validator("seed", "seeds", "targets", mode="before")
    @classmethod
    def _numbers(cls, value: Any) -> Any:
        value = plain(value)
        if any(isinstance(item, bool) for item in (value if isinstance(value, list) else [value])):
            raise ValueError("must be a number, not true or false")
        return value

    @field_validator("targets", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        return [value] if isinstance(value, int | float) else value

    @field_validator("targets")
    @classmethod
    def _ladder(cls, value: list[float]) -> list[float]:
        if len(value) > MOST_TARGETS:
            raise ValueError(f"at most {MOST_TARGETS} targets")
        if not all(0 < target <= 1 for target in value) or len(set(value)) < len(value):
            raise ValueError("every target must be above 0 and at most 1, without duplicates")
        if len({f"{target:g}" for target in value}) < len(value):
            raise ValueError("two targets are the same in six digits, and would share a column")
        return sorted(value, reverse=True)

    @field_validator("seeds")
    @classmethod
    def _distinct(cls, value: int | list[int] | None) -> int | list[int] | None:
        if isinstance(value, int) and not 1 <= value <= LARGEST_WHOLE:
            raise ValueError(f"the number of seeds must be from 1 to {LARGEST_WHOLE}")
        if isinstance(value, list) and (not value or len(set(value)) < len(value)):
            raise ValueError("a list of seeds must not be empty, nor have duplicates")
        if isinstance(value, list) and not all(0 <= seed < LARGEST_WHOLE for seed in value):
            raise ValueError(f"every seed must be from 0 to {LARGEST_WHOLE - 1}")
        return value

    @field_validator("steps")
    @classmethod
    def _bounded(cls, value: Axis) -> Axis:
        if any(steps > LARGEST_WHOLE for steps in value.values):  # type: ignore[operator]
            raise ValueError(f"steps must be at most {LARGEST_WHOLE}")
        return value

    @field_validator("batch_size", "patience")
    @classmethod
    def _countable(cls, value: Axis | None) -> Axis | None:
        if value is not None and any(size > LARGEST_COUNT for size in value.values):  # type: ignore[operator]
            raise ValueError(f"must be at most {LARGEST_COUNT}")
        return value

    @model_validator(mode="after")
    def _consistent(self) -> SweepSpec:
        require_consistent(self)
        if isinstance(self.seeds, int) and self.seed + self.seeds > LARGEST_WHOLE:
            raise ValueError(f"seed + seeds must be at most {LARGEST_WHOLE}")
        named_once("preprocess", self.preprocess)
        return self

    @property
    def ladder(self) -> tuple[float, ...]:
        """The relative targets at which every run's steps are kept."""
        return tuple(self.targets)

    @property
    def seed_list(self) -> Sequence[int]:
        """The seeds of the runs."""
        if isinstance(self.seeds, list):
            return self.seeds
        return range(self.seed, self.seed + (self.seeds or 1))


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a sweep's YAML file, for editors."""
    shared = {"Setting": SETTING_SCHEMA, "Axis": AXIS_SCHEMA}
    schema = SweepSpec.model_json_schema()
    # written once each, for the schedules alone are longer than all the rest
    schema = _referring(schema, shared)
    for name, one in shared.items():
        schema["$defs"][name] = {key: _referring(part, shared) for key, part in one.items()}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "gdbench sweep"}


def _referring(schema: Any, shared: dict[str, Any]) -> Any:
    """A part of a schema with references in the place of what is `shared`."""
    if isinstance(schema, list):
        return [_referring(part, shared) for part in schema]
    if not isinstance(schema, dict):
        return schema
    for name, one in shared.items():
        if one.items() <= schema.items():
            own = {key: part for key, part in schema.items() if key not in one}
            return {**own, "$ref": f"#/$defs/{name}"}
    return {key: _referring(part, shared) for key, part in schema.items()}
