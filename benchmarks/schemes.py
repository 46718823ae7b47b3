"""The ways to do the same sweep: gdbench, an expert's vectorised optax, a plain torch loop; the roof is in roof.py."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax

from gdbench import compilation
from gdbench.engine.program import Program
from gdbench.engine.status import DIVERGENCE
from gdbench.engine.threads import Task, cores, execute_tasks
from gdbench.runner.sharding import PARTS, WORTH_A_THREAD
from gdbench.statuses import Status

# lanes a chunk of the expert's: the best for both types together of 1,024 to 16,384
CHUNK = 8192
TORCH_STEPS = 2000


@dataclass(frozen=True)
class Work:
    """Momentum runs, as gdbench's program and as a plain function `loss` of a sequence of two numbers."""

    name: str
    program: Program
    loss: Callable[[Sequence[Any]], Any]

    @property
    def settings(self) -> tuple[np.ndarray, np.ndarray]:
        """Learning rate and momentum `[runs]` each."""
        chosen = self.program.hyperparameters
        rate, momentum = (
            np.asarray(chosen[name], self.program.conditions.dtype) for name in ("learning_rate", "momentum")
        )
        return np.broadcast_to(rate, len(self.program)), np.broadcast_to(momentum, len(self.program))


@dataclass(frozen=True)
class Outcome:
    """What a scheme did: `status` and `steps` `[runs]`, steps executed by all lanes, and wall seconds."""

    status: np.ndarray
    steps: np.ndarray
    executed: float
    seconds: float


def gdbench(work: Work) -> Outcome:
    """Execute a program as `gdbench sweep` does: cut into shards, on a thread per core."""
    return streamed(work, max(WORTH_A_THREAD, -(-len(work.program) // PARTS)))


def streamed(work: Work, shard: int) -> Outcome:
    """The path of a sweep too large for memory: tasks of `shard` runs, made when their turn comes."""
    began = time.perf_counter()
    rows = [np.arange(first, min(first + shard, len(work.program))) for first in range(0, len(work.program), shard)]
    tasks = [Task(0, len(chosen), lambda chosen=chosen: work.program.take(chosen)) for chosen in rows]
    executed = [0]
    status, steps = (np.empty(len(work.program), np.int64) for _ in range(2))
    for index, records in execute_tasks(tasks, on_advance=lambda advance: executed.append(advance.executed)):
        if isinstance(records, Exception):
            raise records
        status[rows[index]], steps[rows[index]] = records.status, records.steps
    return Outcome(status, steps, float(sum(executed)), time.perf_counter() - began)


def expert(work: Work, *, early_exit: bool) -> Callable[[], Outcome]:
    """What a good JAX programmer writes around optax: `jit(vmap(scan))` of fixed length, or `vmap(while_loop)`.

    Weights are a tuple of scalars, so that under `vmap` each is a vector over lanes: several times faster than
    `[lanes, n]`. A run that has ended is frozen. Chunks that fit the cache are handed to one thread per core.
    """
    program = work.program
    dtype, budget, x64 = (
        jnp.dtype(program.conditions.dtype),
        program.conditions.steps,
        program.conditions.dtype == "float64",
    )
    f_star = float(program.f_star[0])

    def one(rate: jax.Array, momentum: jax.Array, start: jax.Array) -> tuple[jax.Array, jax.Array]:
        transformation = optax.sgd(rate, momentum)
        x = (start[0], start[1])
        loss_start = work.loss(x)
        target = f_star + program.conditions.rtol * (loss_start - f_star)
        limit = DIVERGENCE * (1 + jnp.abs(loss_start))

        def measured(x: Any) -> Any:
            loss, gradient = jax.value_and_grad(work.loss)(x)
            return loss, gradient, gradient[0] ** 2 + gradient[1] ** 2

        def step(carry: Any, _: None = None) -> Any:
            x, state, count, going = carry
            loss, gradient, norm2 = measured(x)
            going = going & (loss > target) & (loss <= limit) & (norm2 > program.conditions.gtol**2)
            updates, after = transformation.update(gradient, state, x)
            moved = optax.apply_updates(x, updates)
            x, state = jax.tree.map(lambda new, old: jnp.where(going, new, old), (moved, after), (x, state))
            return (x, state, count + going, going), None

        first = (x, transformation.init(x), jnp.int32(0), jnp.bool_(True))
        if early_exit:
            last = lax.while_loop(lambda c: c[3] & (c[2] < budget), lambda c: step(c)[0], first)
        else:
            last = lax.scan(step, first, length=budget)[0]
        loss, _, norm2 = measured(last[0])
        hows = [int(how) for how in (Status.REACHED, Status.DIVERGED, Status.BUDGET, Status.STATIONARY)]
        ends = [loss <= target, ~(loss <= limit), last[2] >= budget, norm2 <= program.conditions.gtol**2]
        return last[2], jnp.select(ends, hows, int(Status.ERROR))

    chunked = jax.jit(jax.vmap(one, (0, 0, -1)), compiler_options=compilation.known(compilation.FAST))
    rates, momenta = work.settings
    starts = np.ascontiguousarray(program.starts.T.astype(dtype))

    def of_chunk(first: int) -> tuple[np.ndarray, np.ndarray]:
        rows = slice(first, first + CHUNK)
        with jax.enable_x64(x64):
            count, status = chunked(rates[rows], momenta[rows], starts[:, rows])
            return np.asarray(count), np.asarray(status)

    def go() -> Outcome:
        began = time.perf_counter()
        with ThreadPoolExecutor(cores()) as pool:
            parts = list(pool.map(of_chunk, range(0, len(program), CHUNK)))
        seconds = time.perf_counter() - began
        longest = [count.max() if early_exit else budget for count, _ in parts]
        executed = float(sum(int(steps) * len(count) for steps, (count, _) in zip(longest, parts, strict=True)))
        steps, status = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        return Outcome(status, steps, executed, seconds)

    return go


def torch_loop(work: Work, rows: Sequence[int]) -> Outcome:
    """The loop of every tutorial, one run at a time, for the runs `rows` and at most `TORCH_STEPS` steps each."""
    import torch

    torch.set_num_threads(1)
    program = work.program
    rates, momenta = work.settings
    steps, status = [], []
    began = time.perf_counter()
    for row in rows:
        x = torch.tensor(program.starts[row], dtype=getattr(torch, program.conditions.dtype), requires_grad=True)
        optimizer = torch.optim.SGD([x], lr=float(rates[row]), momentum=float(momenta[row]))
        target = limit = float("nan")
        for count in range(TORCH_STEPS + 1):
            optimizer.zero_grad()
            loss = work.loss(x)
            value = loss.item()
            if count == 0:
                target, limit = program.conditions.rtol * value, DIVERGENCE * (1 + abs(value))
            ended = Status.REACHED if value <= target else Status.BUDGET if value <= limit else Status.DIVERGED
            if ended != Status.BUDGET or count == TORCH_STEPS:
                break
            loss.backward()
            optimizer.step()
        steps.append(count)
        status.append(ended)
    seconds = time.perf_counter() - began
    return Outcome(np.array(status), np.array(steps), float(sum(steps)), seconds)
