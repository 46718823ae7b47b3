"""Execute programs on the threads of this process."""

from __future__ import annotations

import atexit
import os
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from threading import Condition, Thread

import jax

from gdbench.engine.program import Program
from gdbench.engine.records import Advance, Records
from gdbench.engine.signature import Signature
from gdbench.engine.stream import Stream

Outcome = Records | Exception


@dataclass(frozen=True)
class Task:
    """Runs to execute. The tasks of a `group` have equal signatures, and so share one compiled program.

    size : how many runs. program : makes them when their turn comes; a million must never be in memory at once.
    """

    group: Hashable
    size: int
    program: Callable[[], Program]


def cores() -> int:
    """Count the processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


def execute_tasks(
    tasks: Sequence[Task], *, threads: int | None = None, on_advance: Callable[[Advance], None] | None = None
) -> Iterator[tuple[int, Outcome]]:
    """Execute `tasks` and yield `(index, records)` as they end; a task that raises yields its exception.

    The tasks of a group stream through the same lanes, which never run empty between two of them. A thread stays with
    its group. When the group has no task left, the thread takes a group that no thread has begun, else it helps the
    group with the most runs left. XLA releases the interpreter's lock, so threads compile and compute side by side.
    Neither their number nor the order in which tasks end changes a result. `on_advance` is called in those threads,
    after each call of a compiled program. Threads wait while the caller is slow to take results. Closing the iterator
    early cancels the tasks that have not begun; the threads end after their current call of a compiled program.
    """
    pool = _Pool(tasks, threads or cores(), on_advance)
    try:
        pool.start()
        yield from pool.results()
    finally:
        pool.cancel()


@dataclass
class _Group:
    """The tasks of a group that no thread has begun, their runs, and what raised while its programs were traced."""

    tasks: deque[int] = field(default_factory=deque)
    left: int = 0
    begun: bool = False
    failures: dict[Signature, Exception] = field(default_factory=dict)


class _Pool:
    """The threads, the tasks that wait for them, and the outcomes that wait for the caller."""

    def __init__(self, tasks: Sequence[Task], threads: int, on_advance: Callable[[Advance], None] | None) -> None:
        self.tasks, self.on_advance = tasks, on_advance
        self.groups: dict[Hashable, _Group] = {}
        for index, task in enumerate(tasks):
            group = self.groups.setdefault(task.group, _Group())
            group.tasks.append(index)
            group.left += task.size
        self.changed = Condition()
        self.outcomes: deque[tuple[int, Outcome]] = deque()
        self.room = 2 * threads
        self.working = threads
        self.cancelled = False
        # What the pool itself or `on_advance` raised.
        self.fault: BaseException | None = None
        self.threads = [Thread(target=self._work, name=f"gdbench-{i}", daemon=True) for i in range(threads)]

    def start(self) -> None:
        """Start the threads.

        They are daemons, so that an iterator that nobody closes keeps no process from ending. But no thread may be in
        XLA while the interpreter shuts down: the exit waits until the last one has ended.
        """
        atexit.register(self.close)
        for thread in self.threads:
            thread.start()

    def cancel(self) -> None:
        """Begin nothing more."""
        with self.changed:
            self.cancelled = True
            self.outcomes.clear()
            self.changed.notify_all()

    def close(self) -> None:
        """Begin nothing more, and wait for the calls that are under way."""
        self.cancel()
        for thread in self.threads:
            thread.join()

    def results(self) -> Iterator[tuple[int, Outcome]]:
        """Yield the outcomes as they come, until there are no more."""
        while True:
            with self.changed:
                self.changed.wait_for(lambda: self.outcomes or not self.working or self.fault)
                if self.fault is not None:
                    raise self.fault
                if not self.outcomes:
                    return
                outcome = self.outcomes.popleft()
                self.changed.notify_all()
            yield outcome

    def _deliver(self, index: int, outcome: Outcome) -> None:
        with self.changed:
            self.changed.wait_for(lambda: len(self.outcomes) < self.room or self.cancelled)
            if not self.cancelled:
                self.outcomes.append((index, outcome))
                self.changed.notify_all()

    def _work(self) -> None:
        try:
            with jax.enable_x64(True):
                while (group := self._next_group()) is not None:
                    self._work_on(group)
        except BaseException as fault:
            with self.changed:
                self.fault = fault
                self.cancelled = True
        finally:
            with self.changed:
                self.working -= 1
                self.changed.notify_all()
            if not self.working:
                atexit.unregister(self.close)

    def _next_group(self) -> _Group | None:
        with self.changed:
            waiting = [group for group in self.groups.values() if group.tasks]
            if self.cancelled or not waiting:
                return None
            # `max` keeps the first of equals, so groups begin in their order.
            group = max(waiting, key=lambda group: (not group.begun, group.begun * group.left))
            group.begun = True
            return group

    def _next_task(self, group: _Group) -> int | None:
        with self.changed:
            if self.cancelled or not group.tasks:
                return None
            index = group.tasks.popleft()
            group.left -= self.tasks[index].size
            return index

    def _work_on(self, group: _Group) -> None:
        """Stream the tasks of `group` through one set of lanes until none is left."""
        stream: Stream | None = None
        while not self.cancelled:
            while stream is None or stream.hungry:
                index = self._next_task(group)
                if index is None:
                    break
                stream = self._begin(group, stream, index)
            if stream is None or not stream.open:
                return
            stream = self._advance(group, stream, drain=stream.hungry)

    def _begin(self, group: _Group, stream: Stream | None, index: int) -> Stream | None:
        """Add the runs of a task to `stream`, or to a new one if they do not fit."""
        try:
            program = self.tasks[index].program()
            signature = program.signature
            if signature in group.failures:
                raise group.failures[signature]
            if stream is not None and not stream.fits(program):
                while stream is not None and stream.open and not self.cancelled:
                    stream = self._advance(group, stream, drain=True)
                stream = None
            if stream is None:
                try:
                    stream = Stream(program)
                except Exception as error:
                    group.failures[signature] = error
                    raise
            stream.add(index, program)
        except Exception as error:
            self._deliver(index, error)
        return stream

    def _advance(self, group: _Group, stream: Stream, *, drain: bool) -> Stream | None:
        """Call the compiled program once. If it raises, all that was in the lanes has that outcome."""
        try:
            advance, done = stream.advance(drain=drain)
        except Exception as error:
            for item in stream.open:
                self._deliver(item.key, error)
            return None
        if self.on_advance is not None:
            self.on_advance(advance)
        for key, records in done:
            self._deliver(key, records)
        return stream
