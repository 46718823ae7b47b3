"""Records the iterates of torch's own optimizers, which our `torch` conventions are held against.

torch is too heavy for the test extra: its iterates stand in `torch_iterates/CASE.csv`, one row a step, floats exact.
`python tests/helpers/torch_record.py [CASE ..]` writes them anew (all, or those named); where torch is installed a
test does the same and compares.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent / "torch_iterates"
STEPS, START = 200, (-1.2, 1.0)
# case: (class in torch.optim, its arguments); a case is named after the solver here, with a suffix where there are more
CASES = {
    "sgd": ("SGD", {"lr": 1e-3}),
    "sgd-decayed": ("SGD", {"lr": 1e-3, "weight_decay": 0.1}),
    "momentum": ("SGD", {"lr": 5e-4, "momentum": 0.9}),
    "momentum-dampened": ("SGD", {"lr": 1e-3, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1}),
    "nesterov": ("SGD", {"lr": 5e-4, "momentum": 0.9, "nesterov": True}),
    "nesterov-decayed": ("SGD", {"lr": 5e-4, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    "adam": ("Adam", {"lr": 0.1}),
    "adamax": ("Adamax", {"lr": 0.3}),
    "adamw": ("AdamW", {"lr": 0.1, "weight_decay": 0.01}),
    "amsgrad": ("Adam", {"lr": 0.1, "amsgrad": True}),
    "nadam": ("NAdam", {"lr": 0.05}),
    "nadamw": ("NAdam", {"lr": 0.05, "decoupled_weight_decay": True, "weight_decay": 0.01}),
    "radam": ("RAdam", {"lr": 2e-3}),
    "adagrad": ("Adagrad", {"lr": 0.5}),
    "adagrad-decayed": ("Adagrad", {"lr": 0.3, "lr_decay": 0.01, "initial_accumulator_value": 0.5}),
    "rmsprop": ("RMSprop", {"lr": 5e-3}),
    "rmsprop-centered": ("RMSprop", {"lr": 2e-4, "alpha": 0.9, "eps": 1e-2, "momentum": 0.9, "centered": True}),
    "adadelta": ("Adadelta", {}),
    "rprop": ("Rprop", {"lr": 1e-3}),
}


def record(case: str) -> np.ndarray:
    """The iterates `[STEPS + 1, 2]` of torch on Rosenbrock's function (a = 1, b = 100), in float64."""
    import torch

    name, arguments = CASES[case]
    default = torch.get_default_dtype()
    # NAdam keeps the product of its momenta in torch's default type: left at float32, that is seen at 1e-9
    torch.set_default_dtype(torch.float64)
    try:
        x = torch.tensor(START, dtype=torch.float64, requires_grad=True)
        optimizer = getattr(torch.optim, name)([x], **arguments)
        found = [x.detach().numpy().copy()]
        for _ in range(STEPS):
            optimizer.zero_grad()
            ((1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2).backward()
            optimizer.step()
            found.append(x.detach().numpy().copy())
    finally:
        torch.set_default_dtype(default)
    return np.array(found)


def recorded(case: str) -> np.ndarray:
    """The stored iterates of a case."""
    return np.loadtxt(FOLDER / f"{case}.csv", delimiter=",")


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for case in sys.argv[1:] or CASES:
        lines = [",".join(repr(float(number)) for number in row) for row in record(case)]
        (FOLDER / f"{case}.csv").write_text("\n".join(lines) + "\n")
