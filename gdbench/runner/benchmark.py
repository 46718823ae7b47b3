"""The job: compute the missing shards of a plan, look at what happened, write and return the result."""

from __future__ import annotations

import time
from contextlib import closing

from gdbench.planning.plan import Plan
from gdbench.results.derive import finished_tables, labelled_runs, table_of_sweep
from gdbench.runner.analysis import Policy, look, policy_of
from gdbench.runner.frames import curves_frame, trajectory_frame
from gdbench.runner.local_threads import compute_here
from gdbench.runner.progress import Listener
from gdbench.runner.result import Result
from gdbench.runner.shard_store import MemoryStore, Store
from gdbench.runner.sharding import Compute, manifest_of, shards_of


def benchmark(
    plan: Plan,
    store: Store | None = None,
    *,
    compute: Compute | None = None,
    listener: Listener | None = None,
    policy: Policy | None = None,
    starts: bool = True,
) -> Result:
    """Carry out `plan` from where `store` stands, and return the result; its tables are written, its pictures not.

    compute : who computes shards, threads of this process unless given; policy : how much is looked at afterwards;
    starts : whether the coordinates of the starts are kept in the result's `runs`, where they take most of the memory.
    A program that raises gives `error` rows; the others go on. Raises `GdbenchError` where the store cannot be used.
    """
    store, listener = store or MemoryStore(), listener or Listener()
    policy = policy or policy_of(plan.spec)
    began = time.perf_counter()
    shards = shards_of(plan.blocks)
    manifest = manifest_of(plan, shards)
    with store.opened(plan.spec, manifest):
        missing, damaged = store.missing(shards)
        listener.on_begin(shards, missing, damaged)
        # Closed at once where storing fails or the user interrupts: what computes ends before we do.
        with closing((compute or compute_here())(plan.blocks, missing, listener.on_advance)) as computed:
            for shard, content in computed:
                store.add(shard.key, content)
        ran = time.perf_counter()
        listener.on_finish()
        runs = labelled_runs(store.runs(manifest), starts=starts)
        table = table_of_sweep(runs, plan.spec, manifest)
        looked = look(plan, runs, table, policy)
        runs, table, summaries = finished_tables(runs, table, looked.theory, plan.spec, manifest)
        drawn = runs[runs["run"].isin(list(looked.paths))].set_index("run", drop=False)
        result = Result(
            runs=runs,
            table=table,
            trajectory=trajectory_frame(looked.paths, policy.path_numbers),
            curves=curves_frame(drawn, looked.paths, looked.grids),
            contours=looked.contours,
            summaries=summaries,
            theory=looked.theory,
            spec=plan.spec,
            manifest=manifest,
            seconds={"runs": ran - began, "analysis": time.perf_counter() - ran},
            store=store,
        )
        store.write(result)
    return result
