import ctypes
import gc
import os
import sys
import tempfile
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import psutil
import pytest

from gdbench.blas import one_thread_from_the_start

# tests run side by side: threads of a BLAS in each of them would wait for each other
one_thread_from_the_start()
# most of the time of these tests is XLA's: let it optimise less in all processes, which takes a third of the time and
# gives programs that run slower (see `compilation.ONCE`); `compiled_for_speed` takes this back
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false")
# compiled programs are shared by all test processes, and kept out of the user's own cache
CACHE = os.environ.setdefault("GDBENCH_CACHE", str(Path(tempfile.gettempdir()) / "gdbench-test-cache"))
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(Path(CACHE) / "xla"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")

# a program takes some 5 MB; the few that many tests share are used again before they are the oldest
PROGRAMS = 48
# the bytes a test process may have when a module begins; each module adds up to 1.5 GB
MEMORY = 1.5e9


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working directory, whose plug-ins are forgotten afterwards."""
    from gdbench import SOLVERS, SURFACES

    monkeypatch.chdir(tmp_path)
    before = {registry: set(registry) for registry in (SURFACES, SOLVERS)}
    yield tmp_path
    for registry, names in before.items():
        for name in set(registry) - names:
            registry.discard(name)


def _pool():
    """Return an empty pool of compiled programs with a bound: a worker with all of a session's would take gigabytes."""
    from gdbench.engine import compiled_loop

    return lru_cache(maxsize=PROGRAMS)(compiled_loop._machine.__wrapped__)


@pytest.fixture(autouse=True, scope="session")
def one_pool_of_programs():
    """Share compiled programs between all tests of a process, and let go the one that was used longest ago."""
    if "gdbench.engine.compiled_loop" not in sys.modules:  # no test of this session runs programs in this process
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gdbench.engine.compiled_loop._machine", _pool())
        yield


@pytest.fixture(autouse=True, scope="module")
def memory_within_a_bound():
    """Let go all that JAX keeps of what tests compiled, where a process has become too large."""
    yield
    if "jax" in sys.modules and psutil.Process().memory_info().rss > MEMORY:
        if "gdbench.engine.compiled_loop" in sys.modules:
            sys.modules["gdbench.engine.compiled_loop"].forget_machines()
        sys.modules["jax"].clear_caches()
        gc.collect()
        if sys.platform == "linux":  # glibc keeps what is free until it is asked
            ctypes.CDLL(None).malloc_trim(0)


@contextmanager
def _for_speed():
    from gdbench import compilation

    options = {"xla_backend_optimization_level": 3, "xla_cpu_use_fusion_emitters": True}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compilation, "FAST", {**compilation.FAST, **options})
        # a pool of their own: no program goes from these tests to others, nor the other way
        patch.setattr("gdbench.engine.compiled_loop._machine", _pool())
        yield


@pytest.fixture
def compiled_for_speed():
    """Compile programs as users have them, for a test of what may depend on that: the last bits."""
    with _for_speed():
        yield


@pytest.fixture(scope="module")
def all_compiled_for_speed():
    """Compile the programs of a whole module as users have them."""
    with _for_speed():
        yield
