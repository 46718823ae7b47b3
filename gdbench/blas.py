"""Keep the linear algebra of numpy and scipy on one thread: gdbench has its own, and they would change sums' order.

OpenBLAS's threads wait for each other in a busy loop. While other work wants the cores too, this took fifty times as
long as one thread, for matrices of sixty rows.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

VARIABLES = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")


def one_thread_from_the_start() -> None:
    """Ask for one thread through the environment, before numpy is imported, unless the user has set another number."""
    for name in VARIABLES:
        os.environ.setdefault(name, "1")


@contextmanager
def one_thread() -> Iterator[None]:
    """Use one thread while this context lasts, in a process that may have imported numpy already."""
    import scipy.linalg  # noqa: F401 - a library that is loaded later would not be limited
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="blas"):
        yield
