"""The roof: the same runs in C, compiled on the spot by the machine's own compiler."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path

import numpy as np
from schemes import Outcome, Work

from gdbench.engine.status import DIVERGENCE
from gdbench.engine.threads import cores

# loss and gradient of the default parameters
SURFACES = {
    "rosenbrock": (
        "((1-(x))*(1-(x)) + 100*((y)-(x)*(x))*((y)-(x)*(x)))",
        "do { REAL t = (y)-(x)*(x); g = -2*(1-(x)) - 400*(x)*t; h = 200*t; } while (0)",
    ),
    "ellipse": ("((REAL)0.5*((x)*(x) + 100*(y)*(y)))", "do { g = (x); h = 100*(y); } while (0)"),
}
# everything but what would change a result
FLAGS = ("-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math", "-shared", "-fPIC")


class _Sweep(ctypes.Structure):
    """`Sweep` of roof.c."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("rate", "momentum", "x", "y")),
        *((name, ctypes.c_double) for name in ("rtol", "gtol2", "divergence")),
        *((name, ctypes.c_int64) for name in ("budget", "runs")),
        *((name, ctypes.c_void_p) for name in ("next", "status", "steps", "loss", "best", "norm")),
    )


class _SingleSweep(ctypes.Structure):
    """The same in float."""

    _fields_ = tuple((name, ctypes.c_float if kind is ctypes.c_double else kind) for name, kind in _Sweep._fields_)


def missing() -> str:
    """Why there is no roof here, "" where there is one."""
    return "" if shutil.which("cc") else "No roof: there is no C compiler (cc) on the path."


@lru_cache
def _compiled(surface: str, dtype: str) -> Callable[..., int]:
    loss, gradient = SURFACES[surface]
    real = {"float32": "float", "float64": "double"}[dtype]
    # loaded once, the library needs its file no more
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "roof.so"
        source = Path(__file__).with_name("roof.c")
        macros = (f"-DREAL={real}", f"-DLOSS(x,y)={loss}", f"-DGRADIENT(x,y,g,h)={gradient}")
        subprocess.run(["cc", *FLAGS, *macros, str(source), "-o", str(library), "-lm"], check=True)
        sweep = ctypes.CDLL(str(library)).sweep
    sweep.restype = ctypes.c_int64
    return sweep


def roof(work: Work) -> Callable[[], Outcome]:
    """The runs of `work`, on a thread per core (ctypes releases the interpreter's lock)."""
    program = work.program
    dtype = np.dtype(program.conditions.dtype)
    sweep = _compiled(program.surface.name, program.conditions.dtype)
    kind = _Sweep if dtype == np.float64 else _SingleSweep
    given = [*work.settings, *program.starts.T]
    arrays = [np.ascontiguousarray(array, dtype) for array in given]

    def go() -> Outcome:
        began = time.perf_counter()
        runs = len(program)
        following = np.zeros(1, np.int64)
        status, steps = np.empty(runs, np.int32), np.empty(runs, np.int32)
        numbers = [np.empty(runs, dtype) for _ in range(3)]
        pointers = [array.ctypes.data for array in (*arrays, following, status, steps, *numbers)]
        fixed = (program.conditions.rtol, program.conditions.gtol**2, DIVERGENCE, program.conditions.steps, runs)
        task = kind(*pointers[:4], *fixed, *pointers[4:])
        with ThreadPoolExecutor(cores()) as pool:
            executed = sum(pool.map(lambda _: sweep(ctypes.byref(task)), range(cores())))
        return Outcome(status, steps, float(executed), time.perf_counter() - began)

    return go
