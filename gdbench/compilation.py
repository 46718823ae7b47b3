"""How XLA is to compile: for speed where millions of steps run, quickly where a program runs once."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import jax

# one thread a program: the threads are ours, and the order of a sum must not depend on them
FAST: dict[str, Any] = {"xla_cpu_multi_thread_eigen": False, "xla_cpu_prefer_vector_width": 512}
# XLA's newer fusion emitters give a tenth more speed and take twice the time to compile
QUICK: dict[str, Any] = {"xla_cpu_use_fusion_emitters": False}
# where the caller computes on threads of its own
QUICK_ALONE: dict[str, Any] = {**QUICK, "xla_cpu_multi_thread_eigen": False}
ONCE: dict[str, Any] = {**QUICK, "xla_backend_optimization_level": 0}


def known(options: Mapping[str, Any]) -> dict[str, Any]:
    """`options`, or none of them on a backend or a release of XLA that does not know one."""
    return dict(options) if _accepted(tuple(options.items())) else {}


@lru_cache
def _accepted(options: tuple[tuple[str, Any], ...]) -> bool:
    try:
        jax.jit(lambda: 0, compiler_options=dict(options)).lower().compile()
    except jax.errors.JaxRuntimeError:
        return False
    return True
