"""Shards as tasks of Dask: the same bytes, on as many machines as there are workers. Needs the extra `dask`."""

from __future__ import annotations

import atexit
import hashlib
import pickle
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack
from threading import Lock
from types import ModuleType
from typing import Any

import numpy as np

from gdbench.block import Block
from gdbench.engine import STATUSES, Advance, Records
from gdbench.errors import GdbenchError, UsageError
from gdbench.executors import Task, execute_tasks
from gdbench.shard_plan import Compute, Shard, shard_content

# seconds to wait for a scheduler or for the first worker
PATIENCE = 30
# a shard that has taken so many workers with it is at fault itself
DEATHS = 5
# shards that are under way for every worker: enough that none waits, few enough that none piles up
AHEAD = 2


def compute_on_dask(address: str | None = None, workers: int | None = None) -> Compute:
    """Computes on the workers of the scheduler at `address`, or of a local cluster of `workers` processes.

    Every worker needs gdbench in the same versions. A worker that dies costs its shards' time: they go to others.
    Raises `UsageError` where Dask is missing or the scheduler does not answer.
    """
    try:
        import distributed
    except ImportError:
        raise UsageError("--executor dask needs Dask: pip install 'gdbench[dask]'") from None

    def compute(
        blocks: Sequence[Block], shards: Sequence[Shard], on_advance: Callable[[Advance], None] | None
    ) -> Generator[tuple[Shard, bytes], None, None]:
        able = []
        for shard in shards:
            if blocks[shard.block].failure:
                yield shard, shard_content(blocks[shard.block], shard, None)
            else:
                able.append(shard)
        if not able:
            return
        with ExitStack() as stack:
            client = stack.enter_context(_client(distributed, address, workers))
            yield from _gather(distributed, client, blocks, able, on_advance)

    return compute


def _client(distributed: ModuleType, address: str | None, workers: int | None) -> Any:
    """A client of the scheduler at `address`, or of a cluster of its own with one thread a process."""
    if address is None:
        from gdbench.executors import cores

        cluster = distributed.LocalCluster(
            n_workers=workers or cores(), threads_per_worker=1, dashboard_address=None, silence_logs=50
        )
        client = distributed.Client(cluster)
        atexit.register(cluster.close)
        return client
    try:
        client = distributed.Client(address, timeout=PATIENCE)
        client.wait_for_workers(1, timeout=PATIENCE)
    except (OSError, ValueError, TimeoutError) as error:
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        raise UsageError(f"no Dask scheduler with workers answers at '{address}': {reason}") from None
    return client


def _gather(
    distributed: ModuleType,
    client: Any,
    blocks: Sequence[Block],
    shards: Sequence[Shard],
    on_advance: Callable[[Advance], None] | None,
) -> Generator[tuple[Shard, bytes], None, None]:
    """Keep every worker busy and yield what they finish."""
    pickled: dict[int, tuple[str, Any]] = {}
    waiting = list(reversed(shards))
    under_way: dict[Any, Shard] = {}
    finished = distributed.as_completed()

    def submit() -> None:
        shard = waiting.pop()
        if shard.block not in pickled:
            content = pickle_block(blocks[shard.block])
            digest = hashlib.sha256(content).hexdigest()
            # a worker fetches a block once, from the scheduler or from another worker
            pickled[shard.block] = (digest, client.scatter(content, hash=False))
        digest, content = pickled[shard.block]
        future = client.submit(compute_shard, digest, content, shard, pure=False, retries=DEATHS)
        under_way[future] = shard
        finished.add(future)

    def ahead() -> int:
        return AHEAD * max(1, sum(client.nthreads().values()))

    for _ in range(min(len(waiting), ahead())):
        submit()
    for future in finished:
        shard = under_way.pop(future)
        if future.status == "error":
            error = future.exception()
            raise GdbenchError(f"a Dask worker failed: {type(error).__name__}: {str(error).splitlines()[0]}")
        content, ended, steps = future.result()
        if on_advance is not None:
            on_advance(Advance(ended=np.array(ended), steps=steps, executed=steps))
        yield shard, content
        while waiting and len(under_way) < ahead():
            submit()


def pickle_block(block: Block) -> bytes:
    """A block as bytes, with its facts; what a plug-in file defines travels along, for workers do not have the file."""
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


_blocks: dict[str, Block] = {}
_reading = Lock()


def compute_shard(digest: str, pickled: bytes, shard: Shard) -> tuple[bytes, list[int], int]:
    """On a worker: the file of a shard, how its runs ended, and their useful steps."""
    with _reading:  # unpickled once: another copy of its functions would be compiled again
        if digest not in _blocks:
            _blocks[digest] = pickle.loads(pickled)
        block = _blocks[digest]
    [(_, outcome)] = execute_tasks([Task(block.group, len(shard), lambda: block.take(shard.rows))], threads=1)
    if isinstance(outcome, MemoryError):
        raise outcome
    content = shard_content(block, shard, outcome)
    if isinstance(outcome, Records):
        ended: Mapping[int, int] = dict(zip(*np.unique(outcome.status, return_counts=True), strict=True))
        return content, [int(ended.get(i, 0)) for i in range(len(STATUSES))], int(outcome.steps.sum())
    return content, [len(shard) if name == "error" else 0 for name in STATUSES], 0
