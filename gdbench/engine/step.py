"""One step of one run: test the iterate, and go on unless the run ends there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from gdbench.compilation import numbers_held
from gdbench.engine import stochastic
from gdbench.engine.schedules import resolved, values_at
from gdbench.engine.signature import NOISE, NOISE_DECAY, Signature, split_settings
from gdbench.errors import UsageError
from gdbench.solvers.oracle import Evaluations, Oracle
from gdbench.surfaces.base import require_number


class Arguments(NamedTuple):
    """What all runs in the lanes have in common; every number is traced.

    A squared gradient tolerance below 0 is met by no gradient. patience : steps without a lower held-out loss.
    """

    shared: Any  # settings by name
    data: Any
    budget: Any
    gtol2: Any
    patience: Any


class Lane(NamedTuple):
    """What a run carries from step to step."""

    x: Any  # [n]
    state: Any  # the solver's
    count: Any  # updates made
    best: Any  # lowest loss
    spent: Any = None  # [3] evaluations made in loops, where the solver has any: see `Evaluations.looped`
    watched: Any = None  # [2] lowest loss on held-out examples and its step, where there are any
    # by name, the hyperparameters that change as they are in the next step: computed in that step, XLA would compute
    # them again for every row of the state
    changing: Any = None


class Measured(NamedTuple):
    """What a run's iterate is tested by, and its solver's gradient there."""

    loss: Any
    gradient: Any  # [n]
    held_out: Any = None  # the loss on held-out examples, where there are any


class Step:
    """The step of a signature, for one lane and its constants.

    A lane's constants are its swept settings in the order of the signature, then the loss at which it has reached the
    target, the loss at which it has diverged, and its seed.
    """

    searches = False  # whether the solver asks in loops: `probe` finds out

    def __init__(self, signature: Signature) -> None:
        self.signature = signature
        self.solver = signature.solver
        self.dtype = jnp.dtype(signature.dtype)

    def settings(self, constants: Sequence[Any], shared: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Hyperparameters and parameters of a lane, each under its own name."""
        swept = {name: constants[i] for i, name in enumerate(self.signature.swept)}
        return split_settings({**shared, **swept})

    def objective(self, parameters: Mapping[str, Any], data: Sequence[Any]) -> Callable[[Array], Array]:
        """The surface as a function of x alone."""
        signature = self.signature
        options = dict(signature.surface_options)
        own = dict(parameters)
        if signature.noisy:
            own = {name: value for name, value in own.items() if name not in (NOISE, NOISE_DECAY)}
        return lambda x: jnp.asarray(signature.function(x, *data, **own, **options))

    def oracle(self, lane: Lane, measured: Measured, parameters: Mapping[str, Any], seed: Array, data: Any) -> Oracle:
        """What the solver may ask in this step: all that it is told comes from this step's examples."""
        signature, count = self.signature, lane.count
        # the gradient that was measured is the one that the solver uses: computed once
        known: Any = (lane.x, measured.loss, measured.gradient)
        data = self.split(data)[0]
        if signature.batch_size:
            examples = signature.data_shapes[0][0]
            rows = stochastic.batch(seed, count, examples, signature.batch_size, shuffled=signature.shuffled)
            data, known = [array.at[rows].get(mode="promise_in_bounds") for array in data], None

        def noise(call: int) -> Array:
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

    def fresh(self, x: Array, hyperparameters: Mapping[str, Any]) -> Lane:
        """The lane of a run at its start, where nothing has been measured yet."""
        count = jnp.zeros((), self.dtype)
        changing = values_at(self.signature.schedules, hyperparameters, count)
        options = dict(self.signature.solver_options)
        state = self.solver.initial_state(x, **resolved(hyperparameters, changing), **options)
        spent = jnp.zeros(3, jnp.int32) if self.searches else None
        watched = jnp.asarray([jnp.inf, 0.0], self.dtype) if self.signature.held_out else None
        return Lane(x, state, count, jnp.full((), jnp.inf, self.dtype), spent, watched, changing)

    def split(self, data: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any]]:
        """The data that the loss is of, and those held out."""
        count = len(data) - self.signature.held_out
        return data[:count], data[count:]

    def measure(self, lane: Lane, constants: Sequence[Any], given: Arguments) -> Measured:
        """Loss and gradient at a lane's iterate."""
        parameters = self.settings(constants, given.shared)[1]
        seen, held_out = self.split(given.data)
        measured = Measured(*jax.value_and_grad(self.objective(parameters, seen))(lane.x))
        return measured._replace(held_out=self.objective(parameters, held_out)(lane.x)) if held_out else measured

    def watch(self, lane: Lane, measured: Measured) -> Array:
        """`[2]` the lowest held-out loss with that of the iterate, and its step."""
        lowest, step = lane.watched
        lower = measured.held_out < lowest
        return jnp.stack([jnp.where(lower, measured.held_out, lowest), jnp.where(lower, lane.count, step)])

    def going(self, lane: Lane, measured: Measured, constants: Sequence[Any], given: Arguments) -> Array:
        """1 where a lane's run goes on from its iterate, 0 where it ends there."""
        target, limit = constants[len(self.signature.swept) : len(self.signature.swept) + 2]
        # an unknown target is minus infinity: a loss of that, or none at all, ends a run as well
        going = (measured.loss > target) & (measured.loss <= limit) & (lane.count < given.budget)
        going &= ~(jnp.sum(measured.gradient * measured.gradient) <= given.gtol2)
        if self.signature.goal is not None:
            going &= ~self.signature.goal(lane.x)
        if lane.watched is not None:
            going &= lane.count - self.watch(lane, measured)[1] < given.patience
        return jnp.where(going, jnp.ones((), self.dtype), jnp.zeros((), self.dtype))

    def update(self, oracle: Oracle, x: Array, state: Any, hyperparameters: Mapping[str, Any]) -> Any:
        """The solver's own step: the new iterate and the new state.

        hyperparameters : as they are in this step.
        """
        return self.solver.step(oracle, x, state, **hyperparameters, **dict(self.signature.solver_options))

    def __call__(
        self,
        lane: Lane,
        measured: Measured,
        going: Array,
        constants: Sequence[Any],
        given: Arguments,
    ) -> Lane:
        """The lane after its iterate has been tested and, unless its run ends there, one update made.

        The iterate of a run that has ended stays as it is however often this is called, and so ends it again: the loop
        needs no flag for it. What its solver remembers may change, for nobody asks for it any more.
        """
        x, state, count, best, spent, watched, changing = lane
        loss = measured.loss
        hyperparameters, parameters = self.settings(constants, given.shared)
        seed = constants[len(self.signature.swept) + 2]
        oracle = self.oracle(lane, measured, parameters, seed, given.data)
        after, state = self.update(oracle, x, state, resolved(hyperparameters, changing))
        if self.signature.bounds is not None:
            after = jnp.clip(after, *(jnp.asarray(side, self.dtype) for side in self.signature.bounds))
        if watched is not None:
            watched = self.watch(lane, measured)
        if spent is not None:
            spent = spent + jnp.where(going > 0, oracle.evaluations.looped, 0)
        x, count = jnp.where(going > 0, after, x), count + going
        changing = values_at(self.signature.schedules, hyperparameters, count)
        # a loss that is not a number is never the best
        return Lane(x, state, count, jnp.where(loss < best, loss, best), spent, watched, changing)

    def probe(self) -> tuple[Lane, Evaluations]:
        """The shapes of a lane, and the evaluations that one step makes, found by tracing without computing.

        Raises `UsageError` where the surface is no scalar, or the solver returns another shape or type than it got.
        """
        signature, solver = self.signature, self.solver
        self.searches = False
        counted: list[Evaluations] = []

        def one(lane: Any, settings: Any, data: Any) -> Any:
            hyperparameters, parameters = split_settings(settings)
            f = self.objective(parameters, self.split(data)[0])
            loss = f(lane.x)
            require_number(signature.surface_name, loss.shape)
            if loss.dtype != self.dtype:
                raise UsageError(
                    f"surface '{signature.surface_name}' returned type {loss.dtype} where it was given {self.dtype}"
                )
            oracle = Oracle(f)
            new = self.update(oracle, lane.x, lane.state, resolved(hyperparameters, lane.changing))
            counted.append(oracle.evaluations)
            return new

        settings = dict.fromkeys((*signature.swept, *signature.shared), jax.ShapeDtypeStruct((), self.dtype))
        start = jax.ShapeDtypeStruct((signature.dimension,), self.dtype)
        lane = jax.eval_shape(self.fresh, start, split_settings(settings)[0])
        data = tuple(jax.ShapeDtypeStruct(shape, self.dtype) for shape in signature.data_shapes)
        x, state = jax.eval_shape(one, lane, settings, data)
        _require_same(f"the iterate of solver '{solver.name}'", x, lane.x)
        _require_same(f"the state of solver '{solver.name}'", state, lane.state)
        evaluations = counted[0]
        self.searches = evaluations.looped is not None
        if self.searches:
            lane = lane._replace(spent=jax.ShapeDtypeStruct((3,), jnp.int32))
            # a sign that there are such; what the trace holds must not outlive it
            evaluations.looped = np.zeros(3, np.int32)
        return lane, evaluations

    def held(self, template: Lane) -> int:
        """How many numbers a step of one lane works on at once, 0 without data; `template` is of `probe`."""
        signature, number = self.signature, jax.ShapeDtypeStruct((), self.dtype)
        if not signature.data_shapes:
            return 0

        def one(own: tuple[Lane, Sequence[Any]], given: Arguments) -> Lane:
            measured = self.measure(*own, given)
            return self(own[0], measured, self.going(own[0], measured, own[1], given), own[1], given)

        data = tuple(jax.ShapeDtypeStruct(shape, self.dtype) for shape in signature.data_shapes)
        given = Arguments(dict.fromkeys(signature.shared, number), data, number, number, number)
        return numbers_held(one, (template, [number] * (len(signature.swept) + 3)), given)


def step_key(seed: Array, count: Array) -> Array:
    """The random key of a run's step: of its seed and the step's number alone."""
    return jax.random.fold_in(jax.random.key(seed.astype(jnp.uint32)), count.astype(jnp.uint32))


def _require_same(what: str, found: Any, wanted: Any) -> None:
    if str(jax.tree.structure(found)) != str(jax.tree.structure(wanted)):
        raise UsageError(f"{what} changed its structure in one step")
    for new, old in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        if new.shape != old.shape or new.dtype != old.dtype:
            raise UsageError(
                f"{what} has shape {new.shape} and type {new.dtype} after a step, expected {old.shape} and {old.dtype}"
            )
