"""What a sweep is asked to do: a run's specification in which every value may be an axis."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
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
from gdbench.spec.run import Model, Names, Rates, Task, named_once, require_consistent
from gdbench.spec.schedule_parsing import SETTING_SCHEMA, AnySetting, scheduled_axis

# of a ladder of targets; the engine keeps so many
MOST_TARGETS = 8
LARGEST_SEED = 2**24


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


def _single(value: Any) -> Axis:
    return Axis("values", (value,))


class Range(BaseModel):
    """Where tuning looks for a hyperparameter: log-uniform, uniform, or log-uniform in 1 - value."""

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


class SweepSpec(BaseModel):
    """Everything that decides the numbers of a sweep. A run's specification is one too; any value may be an axis."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    surface: Surfaces = Field(default_factory=dict, description="error surfaces: names, or names with settings")
    solver: Solvers = Field(default_factory=dict, description="solvers: names, or names with settings")
    data: str | None = Field(default=None, description="a CSV file, or sklearn:NAME")
    target: str | None = Field(default=None, description="the column of the data to predict")
    model: Model = Field(default="linear", description="what is fitted to the data")
    hidden: AnyAxis | None = Field(default=None, description="units of the mlp's hidden layers, such as 8,4 [8]")
    activation: AnyAxis | None = Field(
        default=None, description="of the mlp's hidden units, of jax.nn or jax.numpy [tanh]"
    )
    task: Task = Field(default="auto", description="what an mlp does: regression, classification, or as the target is")
    weight_decay: number_axis("weight_decay", low=0) | None = Field(  # type: ignore[valid-type]
        default=None, description="λ: the loss of the data plus λ/2 times the sum of squared weights"
    )
    preprocess: Names = Field(
        default_factory=lambda: ["raw"], description="raw, center, scale, standardize, minmax, whiten"
    )
    learning_rate: scheduled_axis("a learning rate", low=0, open_low=True) | None = Field(  # type: ignore[valid-type]
        default=None, description="of every solver; `rates` when absent"
    )
    rates: Rates = Field(default_factory=lambda: Rates(), description="the grid of learning rates otherwise")
    set: dict[str, AnySetting] = Field(default_factory=dict, description="hyperparameters: NAME or SOLVER.NAME")
    param: dict[str, AnyAxis] = Field(default_factory=dict, description="parameters: NAME or SURFACE.NAME")
    start: Start | None = Field(default=None, description="one start for every surface")
    starts: Starts | None = Field(default=None, description="random starts in each surface's box, or a list of starts")
    seed: int = Field(default=0, ge=0, lt=LARGEST_SEED, description="of all that is drawn")
    seeds: int | list[int] | None = Field(default=None, description="seeds of stochastic gradients: how many, or which")
    steps: number_axis("steps", low=0, whole=True) = Field(  # type: ignore[valid-type]
        default_factory=lambda: _single(10_000), description="the budget of steps of one run"
    )
    rtol: number_axis("rtol", low=0) = Field(  # type: ignore[valid-type]
        default_factory=lambda: _single(1e-6), description="target, relative to the gap at the start"
    )
    atol: number_axis("atol", low=0) = Field(  # type: ignore[valid-type]
        default_factory=lambda: _single(0.0), description="target, absolute"
    )
    gtol: number_axis("gtol", low=0) = Field(  # type: ignore[valid-type]
        default_factory=lambda: _single(1e-12), description="gradient norm that counts as stationary"
    )
    dtype: Types = Field(default_factory=lambda: _single("float64"), description="float64 or float32")
    noise: number_axis("noise", low=0) | None = Field(  # type: ignore[valid-type]
        default=None, description="standard deviation added to every component of a gradient"
    )
    noise_decay: number_axis("noise_decay", low=0) | None = Field(  # type: ignore[valid-type]
        default=None, description="γ: the noise shrinks as noise (1 + step)^(-γ/2)"
    )
    batch_size: number_axis("batch_size", low=1, whole=True) | None = Field(  # type: ignore[valid-type]
        default=None, description="examples that one step sees of a table; all when absent"
    )
    shuffle: bool = Field(default=True, description="mini-batches in a new order in every epoch; else as they stand")
    holdout: float | None = Field(
        default=None, gt=0, lt=1, description="share of a table's examples that training does not see"
    )
    patience: number_axis("patience", low=1, whole=True) | None = Field(  # type: ignore[valid-type]
        default=None, description="steps without a lower held-out loss after which a run is stopped"
    )
    targets: Annotated[list[float], WithJsonSchema(_TARGETS)] = Field(
        default_factory=list, description="a ladder of relative targets, kept for every run"
    )
    tune: Tune | None = Field(default=None, description="tune every solver with the same budget instead of a grid")
    plugin: Names = Field(default_factory=list, description="Python files with surfaces and solvers")

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
            raise ValueError("every target must be above 0 and at most 1, and none may stand twice")
        if len({f"{target:g}" for target in value}) < len(value):
            raise ValueError("two targets are the same in six digits, and would share a column")
        return sorted(value, reverse=True)

    @field_validator("seeds")
    @classmethod
    def _distinct(cls, value: int | list[int] | None) -> int | list[int] | None:
        if isinstance(value, int) and not 1 <= value <= LARGEST_SEED:
            raise ValueError(f"the number of seeds must be from 1 to {LARGEST_SEED}")
        if isinstance(value, list) and (not value or len(set(value)) < len(value)):
            raise ValueError("a list of seeds must not be empty, nor name one twice")
        if isinstance(value, list) and not all(0 <= seed < LARGEST_SEED for seed in value):
            raise ValueError(f"every seed must be from 0 to {LARGEST_SEED - 1}")
        return value

    @field_validator("steps")
    @classmethod
    def _bounded(cls, value: Axis) -> Axis:
        if any(steps > 2**24 for steps in value.values):  # type: ignore[operator]
            raise ValueError(f"steps must be at most {2**24}")
        return value

    @field_validator("batch_size", "patience")
    @classmethod
    def _countable(cls, value: Axis | None) -> Axis | None:
        if value is not None and any(size > 2**31 for size in value.values):  # type: ignore[operator]
            raise ValueError(f"must be at most {2**31}")
        return value

    @model_validator(mode="after")
    def _consistent(self) -> SweepSpec:
        require_consistent(self)
        if isinstance(self.seeds, int) and self.seed + self.seeds > LARGEST_SEED:
            raise ValueError(f"seed + seeds must be at most {LARGEST_SEED}")
        named_once("preprocess", self.preprocess)
        return self

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
