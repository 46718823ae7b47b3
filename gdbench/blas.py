"""Linear algebra of numpy and scipy on one thread: the threads are ours, and the order of a sum must not hang on them.

OpenBLAS lets its threads wait for each other in a loop. Where something else wants the cores too that took fifty times
as long as one thread, for matrices of sixty rows.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

VARIABLES = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")


def one_thread_from_the_start() -> None:
    """Ask for it through the environment, before numpy is imported, unless the user has said otherwise."""
    for name in VARIABLES:
        os.environ.setdefault(name, "1")


@contextmanager
def one_thread() -> Iterator[None]:
    """Ask for it in a process that may be another's, for as long as this lasts."""
    import scipy.linalg  # noqa: F401 - a library that is loaded later would not hear of it
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="blas"):
        yield
