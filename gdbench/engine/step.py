"""Take one step of one run: test the iterate, and go on unless the run ends there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Bool, Float, Int

from gdbench.compilation import numbers_held
from gdbench.engine import stochastic
from gdbench.engine.carry import Constants, Numbers
from gdbench.engine.schedules import resolved, values_at
from gdbench.engine.signature import NOISE, NOISE_DECAY, Signature, split_settings
from gdbench.errors import UsageError
from gdbench.solvers.oracle import Evaluations, Oracle
from gdbench.surfaces.base import require_number


class Arguments(NamedTuple):
    """The arguments that all runs in the lanes have in common; every number is traced.

    shared : settings by name. budget : the most steps. gtol2 : the squared tolerance of the gradient's norm; no
    gradient meets one below 0. patience : the most steps without a lower held-out loss.
    """

    shared: Mapping[str, Float[Numbers, ""]]
    data: Sequence[Float[Numbers, ...]]
    budget: Float[Numbers, ""]
    gtol2: Float[Numbers, ""]
    patience: Float[Numbers, ""]


class Lane(NamedTuple):
    """The state that a run carries from step to step.

    state : the solver's. count : updates made. best : the lowest loss.
    spent : evaluations made in loops, if the solver makes any: see `Evaluations.looped`.
    watched : the lowest held-out loss and its step, if examples are held out.
    changing : scheduled hyperparameters by name, as they are in the next step. If that step computed them, XLA would
    compute them again for every row of the state.
    """

    x: Float[Numbers, " n"]
    state: Any
    count: Float[Numbers, ""]
    best: Float[Numbers, ""]
    spent: Int[Numbers, " 3"] | None = None
    watched: Float[Numbers, " 2"] | None = None
    changing: Mapping[str, Float[Numbers, ""]] | None = None


class Measured(NamedTuple):
    """The loss, the gradient and the held-out loss, if any, at a run's iterate."""

    loss: Float[Numbers, ""]
    gradient: Float[Numbers, " n"]
    held_out: Float[Numbers, ""] | None = None


class Step:
    """The step of a signature, for one lane and its constants."""

    def __init__(self, signature: Signature) -> None:
        self.signature = signature
        self.solver = signature.solver
        self.dtype = jnp.dtype(signature.dtype)

    @property
    def constants(self) -> Constants:
        """The shapes and types of a lane's constants."""
        number = jax.ShapeDtypeStruct((), self.dtype)
        return Constants(dict.fromkeys(self.signature.swept, number), number, number, number)

    def settings(self, constants: Constants, shared: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the hyperparameters and the parameters of a lane, each under its own name."""
        return split_settings({**shared, **constants.swept})

    def objective(
        self, parameters: Mapping[str, Any], data: Sequence[Array]
    ) -> Callable[[Float[Array, " n"]], Float[Array, ""]]:
        """Return the surface as a function of x alone."""
        signature = self.signature
        options = dict(signature.surface_options)
        apart = (NOISE, NOISE_DECAY) if signature.noisy else ()
        settings = {name: value for name, value in parameters.items() if name not in apart}
        return lambda x: jnp.asarray(signature.function(x, *data, **settings, **options))

    def oracle(
        self,
        lane: Lane,
        measured: Measured,
        parameters: Mapping[str, Any],
        seed: Float[Array, ""],
        data: Sequence[Array],
    ) -> Oracle:
        """Return the oracle of this step: it answers from this step's examples alone."""
        signature, count = self.signature, lane.count
        # The solver gets the gradient that was measured, so that it is computed once.
        known: tuple[Array, Array, Array] | None = (lane.x, measured.loss, measured.gradient)
        data = self.split(data)[0]
        if signature.batch_size:
            examples = signature.data_shapes[0][0]
            rows = stochastic.batch(seed, count, examples, signature.batch_size, shuffled=signature.shuffled)
            data, known = [array.at[rows].get(mode="promise_in_bounds") for array in data], None

        def noise(call: int) -> Float[Array, " n"]:
            size = parameters[NOISE]
            if NOISE_DECAY in parameters:
                size = size * (1 + count) ** (-parameters[NOISE_DECAY] / 2)
            return jnp.asarray(size * stochastic.normals(seed, count, call, signature.dimension, self.dtype))

        return Oracle(
            self.objective(parameters, data),
            key=lambda: step_key(seed, count),
            known=known,
            noise=noise if signature.noisy else None,
        )

    def fresh(self, x: Float[Array, " n"], hyperparameters: Mapping[str, Any]) -> Lane:
        """Return the lane of a run at its start, where nothing has been measured yet."""
        lane = self.start(x, hyperparameters)
        return lane if self.evaluations.looped is None else lane._replace(spent=jnp.zeros(3, jnp.int32))

    def start(self, x: Float[Array, " n"], hyperparameters: Mapping[str, Any]) -> Lane:
        """Return the lane of `fresh` without a count of evaluations in loops, for which the solver must be traced."""
        count = jnp.zeros((), self.dtype)
        changing = values_at(self.signature.schedules, hyperparameters, count)
        options = dict(self.signature.solver_options)
        state = self.solver.initial_state(x, **resolved(hyperparameters, changing), **options)
        watched = jnp.asarray([jnp.inf, 0.0], self.dtype) if self.signature.held_out else None
        return Lane(x, state, count, jnp.full((), jnp.inf, self.dtype), None, watched, changing)

    def split(self, data: Sequence[Array]) -> tuple[Sequence[Array], Sequence[Array]]:
        """Separate the data of the loss from those held out."""
        count = len(data) - self.signature.held_out
        return data[:count], data[count:]

    def measure(self, lane: Lane, constants: Constants, arguments: Arguments) -> Measured:
        """Compute loss and gradient at a lane's iterate."""
        parameters = self.settings(constants, arguments.shared)[1]
        seen, held_out = self.split(arguments.data)
        measured = Measured(*jax.value_and_grad(self.objective(parameters, seen))(lane.x))
        return measured._replace(held_out=self.objective(parameters, held_out)(lane.x)) if held_out else measured

    def watch(self, lane: Lane, measured: Measured) -> Float[Array, " 2"]:
        """Return the lowest held-out loss, that of the iterate included, and its step."""
        assert lane.watched is not None
        assert measured.held_out is not None
        lowest, step = lane.watched
        lower = measured.held_out < lowest
        return jnp.stack([jnp.where(lower, measured.held_out, lowest), jnp.where(lower, lane.count, step)])

    def going(self, lane: Lane, measured: Measured, constants: Constants, arguments: Arguments) -> Float[Array, ""]:
        """Return 1 if a lane's run goes on from its iterate, 0 if it ends there."""
        loss = measured.loss
        # An unknown target is minus infinity: a loss of minus infinity or NaN ends a run as well.
        going: Bool[Array, ""] = (loss > constants.target) & (loss <= constants.limit) & (lane.count < arguments.budget)
        going &= ~(jnp.sum(measured.gradient * measured.gradient) <= arguments.gtol2)
        if self.signature.goal is not None:
            going &= ~self.signature.goal(lane.x)
        if lane.watched is not None:
            going &= lane.count - self.watch(lane, measured)[1] < arguments.patience
        return jnp.where(going, jnp.ones((), self.dtype), jnp.zeros((), self.dtype))

    def update(
        self, oracle: Oracle, x: Float[Array, " n"], state: Any, hyperparameters: Mapping[str, Any]
    ) -> tuple[Float[Array, " n"], Any]:
        """Let the solver take its step, with hyperparameters as they are in it; return the new iterate and state."""
        return self.solver.step(oracle, x, state, **hyperparameters, **dict(self.signature.solver_options))

    def __call__(
        self,
        lane: Lane,
        measured: Measured,
        going: Float[Array, ""],
        constants: Constants,
        arguments: Arguments,
    ) -> Lane:
        """Return the lane after its iterate has been tested and, unless its run ends there, one update made.

        The iterate of a run that has ended stays as it is however often this is called, and so ends the run again: the
        loop needs no flag for that. The solver's state may change, but nobody reads it any more.
        """
        x, state, count, best, spent, watched, changing = lane
        loss = measured.loss
        hyperparameters, parameters = self.settings(constants, arguments.shared)
        oracle = self.oracle(lane, measured, parameters, constants.seed, arguments.data)
        assert changing is not None
        after, state = self.update(oracle, x, state, resolved(hyperparameters, changing))
        if self.signature.bounds is not None:
            after = jnp.clip(after, *(jnp.asarray(side, self.dtype) for side in self.signature.bounds))
        if watched is not None:
            watched = self.watch(lane, measured)
        if spent is not None:
            spent = spent + jnp.where(going > 0, oracle.evaluations.looped, 0)
        x, count = jnp.where(going > 0, after, x), count + going
        changing = values_at(self.signature.schedules, hyperparameters, count)
        # A loss that is not a number is never the best.
        return Lane(x, state, count, jnp.where(loss < best, loss, best), spent, watched, changing)

    @property
    def template(self) -> Lane:
        """The shapes and types of a lane. Raises `UsageError` as `_probed` does."""
        return self._probed[0]

    @property
    def evaluations(self) -> Evaluations:
        """The evaluations that one step makes; `looped` is zeros if there are any in loops."""
        return self._probed[1]

    @cached_property
    def _probed(self) -> tuple[Lane, Evaluations]:
        """A lane and the evaluations of one step, found by tracing without computing.

        Raises `UsageError` if the surface is no scalar, or the solver returns another shape or type than it got.
        """
        signature, solver = self.signature, self.solver
        counted: list[Evaluations] = []

        def one(lane: Lane, settings: Mapping[str, Any], data: Sequence[Array]) -> tuple[Array, Any]:
            hyperparameters, parameters = split_settings(settings)
            f = self.objective(parameters, self.split(data)[0])
            loss = f(lane.x)
            require_number(signature.surface_name, loss.shape)
            if loss.dtype != self.dtype:
                raise UsageError(
                    f"surface '{signature.surface_name}' returned type {loss.dtype} where it was given {self.dtype}"
                )
            oracle = Oracle(f)
            new = self.update(oracle, lane.x, lane.state, resolved(hyperparameters, lane.changing or {}))
            counted.append(oracle.evaluations)
            return new

        settings = dict.fromkeys((*signature.swept, *signature.shared), jax.ShapeDtypeStruct((), self.dtype))
        start = jax.ShapeDtypeStruct((signature.dimension,), self.dtype)
        lane: Lane = jax.eval_shape(self.start, start, split_settings(settings)[0])
        data = tuple(jax.ShapeDtypeStruct(shape, self.dtype) for shape in signature.data_shapes)
        x, state = jax.eval_shape(one, lane, settings, data)
        _require_same(f"the iterate of solver '{solver.name}'", x, lane.x)
        _require_same(f"the state of solver '{solver.name}'", state, lane.state)
        evaluations = counted[0]
        if evaluations.looped is not None:
            lane = lane._replace(spent=jax.ShapeDtypeStruct((3,), jnp.int32))
            # A tracer must not outlive its trace.
            evaluations.looped = np.zeros(3, np.int32)
        return lane, evaluations

    def held(self) -> int:
        """Count the numbers that a step of one lane works on at once, 0 without data."""
        signature, number = self.signature, jax.ShapeDtypeStruct((), self.dtype)
        if not signature.data_shapes:
            return 0

        def one(varying: tuple[Lane, Constants], arguments: Arguments) -> Lane:
            lane, constants = varying
            measured = self.measure(lane, constants, arguments)
            return self(lane, measured, self.going(lane, measured, constants, arguments), constants, arguments)

        data = tuple(jax.ShapeDtypeStruct(shape, self.dtype) for shape in signature.data_shapes)
        arguments = Arguments(dict.fromkeys(signature.shared, number), data, number, number, number)
        return numbers_held(one, (self.template, self.constants), arguments)


def step_key(seed: Float[Array, ""], count: Float[Array, ""]) -> Array:
    """Return the random key of a run's step, which follows from the seed and the step's number alone."""
    return jax.random.fold_in(jax.random.key(seed.astype(jnp.uint32)), count.astype(jnp.uint32))


def _require_same(what: str, after: Any, before: Any) -> None:
    if str(jax.tree.structure(after)) != str(jax.tree.structure(before)):
        raise UsageError(f"{what} changed its structure in one step")
    for new, old in zip(jax.tree.leaves(after), jax.tree.leaves(before), strict=True):
        if new.shape != old.shape or new.dtype != old.dtype:
            raise UsageError(
                f"{what} has shape {new.shape} and type {new.dtype} after a step, expected {old.shape} and {old.dtype}"
            )
