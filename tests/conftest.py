import os
import tempfile
from pathlib import Path

import pytest

from gdbench.blas import one_thread_from_the_start

# tests run side by side: threads of a BLAS in each of them would wait for each other
one_thread_from_the_start()
# compiled programs are shared by all test processes, and kept out of the user's own cache
os.environ.setdefault("GDBENCH_CACHE", str(Path(tempfile.gettempdir()) / "gdbench-test-cache"))


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


@pytest.fixture(scope="module")
def quickly_compiled():
    """Programs that compile in a third of the time and run slower, for a module that compiles much and runs little."""
    from gdbench import compiler
    from gdbench.lanes import forget_machines

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiler, "FAST", {**compiler.FAST, **compiler.ONCE})
        forget_machines()
        yield
    forget_machines()
