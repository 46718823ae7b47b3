import os
import tempfile
from pathlib import Path

import pytest

# compiled programs are shared by all test processes, and kept out of the user's own cache
os.environ.setdefault("GDBENCH_CACHE", str(Path(tempfile.gettempdir()) / "gdbench-test-cache"))


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
