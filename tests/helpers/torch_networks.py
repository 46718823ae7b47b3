"""Records torch's loss and gradient of small networks, which ours are held against; see `torch_record`.

Each case stands in `torch_networks/ACTIVATION.csv`: the loss, then the gradient, floats exact.
`python tests/helpers/torch_networks.py` writes them anew; where torch is installed a test does the same and compares.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent / "torch_networks"
# activation: classes, 0 for regression
CASES = {"tanh": 0, "relu": 2, "softplus": 3, "sin": 3}
HIDDEN, DECAY = (5, 4), 0.03


def problem(classes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights, inputs `[40, 3]` and targets `[40]` of a case."""
    generator = np.random.default_rng(1)
    sizes = (3, *HIDDEN, classes if classes > 2 else 1)
    x = generator.normal(size=sum((low + 1) * high for low, high in itertools.pairwise(sizes)))
    inputs = generator.normal(size=(40, 3))
    targets = generator.integers(0, classes, 40).astype(float) if classes else generator.normal(size=40)
    return x, inputs, targets


def record(name: str) -> np.ndarray:
    """Torch's loss with weight decay, and its gradient."""
    import torch
    from torch.nn import functional

    classes = CASES[name]
    x, inputs, numbers = problem(classes)
    weights, targets = torch.tensor(x, requires_grad=True), torch.tensor(numbers)
    act = getattr(torch, name, None) or getattr(functional, name)
    sizes = (3, *HIDDEN, classes if classes > 2 else 1)
    layer, first, penalty = torch.tensor(inputs), 0, torch.zeros((), dtype=torch.float64)
    for index, (low, high) in enumerate(itertools.pairwise(sizes)):
        matrix = weights[first : first + (low + 1) * high].reshape(low + 1, high)
        first += (low + 1) * high
        penalty = penalty + (matrix[:-1] ** 2).sum()
        layer = torch.addmm(matrix[-1], layer, matrix[:-1])
        layer = act(layer) if index < len(HIDDEN) else layer
    if classes > 2:
        error = functional.cross_entropy(layer, targets.long())
    elif classes:
        error = functional.binary_cross_entropy_with_logits(layer[:, 0], targets)
    else:
        error = functional.mse_loss(layer[:, 0], targets)
    loss = error + 0.5 * DECAY * penalty
    loss.backward()
    return np.append(loss.item(), weights.grad.numpy())


def recorded(name: str) -> np.ndarray:
    """The stored numbers of a case."""
    return np.loadtxt(FOLDER / f"{name}.csv")


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name in CASES:
        (FOLDER / f"{name}.csv").write_text("".join(f"{float(number)!r}\n" for number in record(name)))
