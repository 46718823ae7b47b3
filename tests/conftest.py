import os
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

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


@pytest.fixture(autouse=True, scope="module")
def no_programs_of_other_modules():
    """Compiled programs are let go with the module: all of them together would take gigabytes."""
    yield
    if "gdbench.engine.compiled_loop" in sys.modules:
        sys.modules["gdbench.engine.compiled_loop"].forget_machines()


@contextmanager
def _for_speed():
    from gdbench import compilation
    from gdbench.engine.compiled_loop import forget_machines

    options = {"xla_backend_optimization_level": 3, "xla_cpu_use_fusion_emitters": True}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compilation, "FAST", {**compilation.FAST, **options})
        forget_machines()
        yield
    forget_machines()


@pytest.fixture
def compiled_for_speed():
    """Programs compiled as users have them, for a test of what may depend on that: the last bits."""
    with _for_speed():
        yield


@pytest.fixture(scope="module")
def all_compiled_for_speed():
    """The same for a whole module."""
    with _for_speed():
        yield
