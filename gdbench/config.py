"""What a run is asked to do: one validated specification, from flags, YAML or Python alike."""

from __future__ import annotations

import math
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from gdbench.errors import UsageError, nearest

Setting = bool | int | float | str


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
        return self


class RunSpec(BaseModel):
    """Everything that decides the numbers of a run; its keys are the command line's long options."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    surface: list[str] = Field(default_factory=list, description="error surfaces, by name")
    solver: list[str] = Field(default_factory=list, description="solvers, by name")
    data: str | None = Field(default=None, description="a CSV file, or sklearn:NAME")
    target: str | None = Field(default=None, description="the column of the data to predict")
    model: Literal["linear", "logistic"] = Field(default="linear", description="the regression on the data")
    preprocess: list[str] = Field(default_factory=lambda: ["raw"], description="raw, center, scale, standardize")
    learning_rate: float | None = Field(
        default=None, gt=0, allow_inf_nan=False, description="fix it; tuned when absent"
    )
    rates: Rates = Field(
        default_factory=lambda: Rates(), description="the grid that a tuned learning rate is chosen from"
    )
    set: dict[str, Setting] = Field(default_factory=dict, description="hyperparameters: NAME or SOLVER.NAME")
    param: dict[str, Setting] = Field(default_factory=dict, description="parameters: NAME or SURFACE.NAME")
    start: list[float] | None = Field(default=None, description="one start for every surface")
    starts: int | None = Field(default=None, ge=1, le=1_000_000, description="random starts in each surface's box")
    seed: int = Field(default=0, ge=0, lt=2**24, description="of the random starts")
    steps: int = Field(default=10_000, ge=0, le=2**24, description="the budget of steps of one run")
    rtol: float = Field(default=1e-6, ge=0, allow_inf_nan=False, description="target, relative to the gap at the start")
    atol: float = Field(default=0.0, ge=0, allow_inf_nan=False, description="target, absolute")
    gtol: float = Field(default=1e-12, ge=0, allow_inf_nan=False, description="gradient norm that counts as stationary")
    dtype: Literal["float32", "float64"] = "float64"
    plugin: list[str] = Field(default_factory=list, description="Python files with surfaces and solvers")

    @field_validator("start")
    @classmethod
    def _finite(cls, value: list[float] | None) -> list[float] | None:
        if value is not None and not all(math.isfinite(number) for number in value):
            raise ValueError("every number of a start must be finite")
        return value

    @model_validator(mode="after")
    def _consistent(self) -> RunSpec:
        if self.start is not None and self.starts is not None:
            raise ValueError("give start or starts, not both")
        if not self.surface and self.data is None:
            raise ValueError("name at least one surface, or a data file")
        if not self.solver:
            raise ValueError("name at least one solver")
        if self.data is None and self.target is not None:
            raise ValueError("target needs data")
        for kind in ("surface", "solver", "preprocess"):
            names = getattr(self, kind)
            for name in names:
                if names.count(name) > 1:
                    raise ValueError(f"{kind} '{name}' is named twice")
        return self


def make_spec(values: dict[str, Any], where: str = "", elsewhere: Collection[str] = ()) -> RunSpec:
    """The specification of `values`; a `UsageError` names the key, what is wrong, and `where` it stands.

    The keys `elsewhere` do not stand there: flags that override a file.
    """
    try:
        return RunSpec(**values)
    except ValidationError as error:
        keys = error.errors()[0]["loc"]
        in_file = str(keys[0]) not in elsewhere if keys else not elsewhere
        # a key may hold line breaks, a sentence may not
        raise UsageError(" ".join(_sentence(error, where if in_file else "").split())) from None


def _sentence(error: ValidationError, where: str) -> str:
    """The first problem of a validation error as one sentence."""
    problem = error.errors()[0]
    path = ".".join(str(part) for part in problem["loc"] if part not in ("int", "float", "str", "bool"))
    prefix = f"{where}: " if where else ""
    if problem["type"] == "extra_forbidden":
        model = Rates if problem["loc"][0] == "rates" else RunSpec
        close = nearest(str(problem["loc"][-1]), model.model_fields)
        hint = f"did you mean '{close}'?" if close else f"choose from: {', '.join(model.model_fields)}"
        return f"{prefix}unknown key '{path}'; {hint}"
    message = problem["msg"].removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    if not path:
        return f"{prefix}{message}"
    given = problem["input"]
    shown = f", not {given!r}" if isinstance(given, int | float | str | bool) else ""
    return f"{prefix}{path.replace('_', '-') if not where else path}: {message.replace('input ', '')}{shown}"


def read_config(path: str | Path) -> dict[str, Any]:
    """The mapping in a YAML file, loaded safely; a `UsageError` names the file and the line."""
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        close = nearest(file.name, [p.name for p in file.parent.glob("*.y*ml")]) if file.parent.is_dir() else None
        hint = f"; did you mean '{file.parent / close}'?" if close else ""
        raise UsageError(f"there is no file '{file}'{hint}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"'{file}' cannot be read as text: {error}") from None
    try:
        values = yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark is not None else ""
        problem = getattr(error, "problem", None) or "cannot be parsed"
        raise UsageError(f"{file}{line}: not valid YAML: {problem}") from None
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{file}: not valid YAML: {error}") from None
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise UsageError(f"{file}: expected a mapping of keys such as 'surface' and 'solver'")
    return values


class _Loader(yaml.SafeLoader):
    """Safe YAML in which `1e-6` is a number, as everyone means it."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"),
    list("-+0123456789."),
)


def dump_config(spec: RunSpec) -> str:
    """The complete specification as YAML; running it again reproduces the numbers."""
    return yaml.safe_dump(spec.model_dump(), sort_keys=False, allow_unicode=True)
