"""Shards as tasks of Dask: the same bytes, on as many machines as there are workers. Needs the extra `dask`."""

from __future__ import annotations

import gc
import hashlib
import logging
import pickle
import signal
import sys
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import ExitStack, contextmanager
from multiprocessing import resource_tracker
from threading import Lock
from types import ModuleType
from typing import Any

import numpy as np

from gdbench.engine.records import Advance, Records
from gdbench.engine.threads import Task, execute_tasks
from gdbench.errors import GdbenchError, UsageError
from gdbench.planning.run_grid import RunGrid
from gdbench.runner.digest import build
from gdbench.runner.sharding import Compute, Shard, healthy_rows, runnable, shard_content
from gdbench.statuses import Status

# Wait so many seconds for a scheduler or for the first worker.
PATIENCE = 30
# A shard that has taken so many workers of our own cluster with it is at fault itself.
DEATHS = 5
GO_ON = "what is done is kept, and the same command goes on"
# Every worker has so many shards under way: enough that none waits, few enough that none piles up.
AHEAD = 2


def compute_on_dask(address: str | None = None, workers: int | None = None) -> Compute:
    """Return a function that computes shards on Dask: at `address`, or in a local cluster of `workers` processes.

    Every worker needs gdbench in the same versions. A worker that dies costs its shards' time: they go to others.
    Raises `UsageError` where Dask is missing or the scheduler does not answer.
    """
    try:
        import distributed
    except ImportError:
        raise UsageError("--executor dask needs Dask: pip install 'gdbench[dask]'") from None

    def compute(
        blocks: Sequence[RunGrid], shards: Sequence[Shard], on_advance: Callable[[Advance], None] | None
    ) -> Generator[tuple[Shard, bytes], None, None]:
        hopeless, able = runnable(blocks, shards)
        yield from hopeless
        if not able:
            return
        with ExitStack() as stack:
            client = _client(distributed, stack, address, workers)
            try:
                yield from _gather(distributed, client, blocks, able, on_advance)
            except (OSError, CancelledError, distributed.CancelledError):
                raise GdbenchError(f"the Dask scheduler is gone; {GO_ON}") from None

    return compute


def _client(distributed: ModuleType, stack: ExitStack, address: str | None, workers: int | None) -> Any:
    """Connect to the scheduler at `address`, or to a new cluster with one thread a process; `stack` ends both.

    Dask's own log stays silent meanwhile: what matters of it is told in our sentences.
    """
    import dask
    from distributed.utils import silence_logging_cmgr

    from gdbench.engine.threads import cores

    stack.enter_context(silence_logging_cmgr(logging.CRITICAL))
    settings = {
        "distributed.scheduler.allowed-failures": DEATHS,
        "distributed.admin.large-graph-warning-threshold": "1TB",
    }
    stack.enter_context(dask.config.set(settings))
    try:
        if address is None:
            with _interrupted_later():
                cluster = distributed.LocalCluster(
                    n_workers=workers or cores(),
                    threads_per_worker=1,
                    # A worker over its share of memory would be paused for good: Dask cannot spill what XLA holds.
                    memory_limit=0,
                    # Any free port serves: a fixed one may be taken by another cluster, which Dask would say on stderr.
                    dashboard_address="127.0.0.1:0",
                    silence_logs=logging.CRITICAL,
                    env=_compilation_cache(),
                )
            address = stack.enter_context(cluster)
        client = stack.enter_context(distributed.Client(address, timeout=PATIENCE))
        client.wait_for_workers(1, timeout=PATIENCE)
        return client
    except (OSError, ValueError, TimeoutError) as error:
        reason = str(error).strip().split("\n")[0] or type(error).__name__
    # A client that never connected ends its threads when it is collected. Were that while another thread starts, both
    # would wait for each other for ever; so it is collected now.
    gc.collect()
    raise UsageError(f"no Dask scheduler with workers answers at '{address}': {reason}")


@contextmanager
def _interrupted_later() -> Iterator[None]:
    """Hold Ctrl-C back until the end, and hide it from processes that start here: a terminal sends it to all."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # Started below, it would lift the block.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _compilation_cache() -> dict[str, str]:
    """Return the environment that makes another process keep compiled programs where this one does."""
    import jax

    names = ("compilation_cache_dir", "persistent_cache_min_compile_time_secs", "persistent_cache_min_entry_size_bytes")
    settings = {f"jax_{name}": getattr(jax.config, f"jax_{name}") for name in names}
    return {name.upper(): str(value) for name, value in settings.items() if value is not None}


def _gather(
    distributed: ModuleType,
    client: Any,
    blocks: Sequence[RunGrid],
    shards: Sequence[Shard],
    on_advance: Callable[[Advance], None] | None,
) -> Generator[tuple[Shard, bytes], None, None]:
    """Keep every worker busy and yield what they finish."""
    pickled: dict[int, tuple[str, Any]] = {}
    waiting = list(reversed(shards))
    under_way: dict[Any, Shard] = {}
    code = build()
    finished = distributed.as_completed()

    def submit() -> None:
        shard = waiting.pop()
        if shard.block not in pickled:
            content = pickle_block(blocks[shard.block])
            digest = hashlib.sha256(content).hexdigest()
            # As a task, a block is fetched once by each worker, and made anew when the worker that had it dies.
            pickled[shard.block] = (digest, client.submit(bytes, content, pure=False))
        digest, content = pickled[shard.block]
        future = client.submit(compute_shard, digest, content, shard, code, pure=False)
        under_way[future] = shard
        finished.add(future)

    def ahead() -> int:
        return AHEAD * max(1, sum(client.nthreads().values()))

    for _ in range(min(len(waiting), ahead())):
        submit()
    for future in finished:
        shard = under_way.pop(future)
        if future.status == "error":
            raise _failure(distributed, blocks[shard.block], shard, future.exception())
        if future.status != "finished":
            raise CancelledError
        content, ended, steps = future.result()
        if on_advance is not None:
            on_advance(Advance(ended=np.array(ended), steps=steps, executed=steps))
        yield shard, content
        while waiting and len(under_way) < ahead():
            submit()


def _failure(distributed: ModuleType, block: RunGrid, shard: Shard, error: BaseException) -> GdbenchError:
    """Return the error for a shard that no worker could compute."""
    if isinstance(error, GdbenchError):
        return error
    runs = (
        f"runs {shard.first_run} to {shard.first_run + len(shard) - 1}, '{block.solver.name}' on '{block.surface.name}'"
    )
    if isinstance(error, distributed.KilledWorker):
        return GdbenchError(f"every Dask worker that took {runs} has died, perhaps for want of memory; {GO_ON}")
    reason = str(error).split("\n")[0]
    return GdbenchError(f"a Dask worker failed at {runs}: {type(error).__name__}: {reason}; {GO_ON}")


def pickle_block(block: RunGrid) -> bytes:
    """Pickle a block with its facts and with the plug-in files' definitions, which workers do not have."""
    import cloudpickle

    _ = block.problems
    ours = [module for name, module in sys.modules.items() if name.startswith("gdbench_plugin_")]
    for module in ours:
        cloudpickle.register_pickle_by_value(module)
    try:
        return cloudpickle.dumps(block)
    finally:
        for module in ours:
            cloudpickle.unregister_pickle_by_value(module)


_blocks: dict[str, RunGrid] = {}
_reading = Lock()


def compute_shard(digest: str, pickled: bytes, shard: Shard, code: str) -> tuple[bytes, list[int], int]:
    """Compute a shard on a worker: return its file, the count of each status, and the runs' useful steps.

    Raises `UsageError` where the worker's gdbench is not that of `code`: its numbers would be others.
    """
    if code != build():
        raise UsageError("a Dask worker has gdbench, JAX or numpy in another version than this machine has")
    with _reading:  # Unpickle once, because another copy of its functions would be compiled again.
        if digest not in _blocks:
            _blocks[digest] = pickle.loads(pickled)
        block = _blocks[digest]
    rows = healthy_rows(block, shard)
    [(_, outcome)] = execute_tasks([Task(block.group, len(rows), lambda: block.take(rows))], threads=1)
    content = shard_content(block, shard, outcome)
    if isinstance(outcome, Records):
        ended: Mapping[int, int] = dict(zip(*np.unique(outcome.status, return_counts=True), strict=True))
        return content, [int(ended.get(status, 0)) for status in Status], int(outcome.steps.sum())
    return content, [len(shard) if status is Status.ERROR else 0 for status in Status], 0
