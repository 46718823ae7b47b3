"""How the loop stores what its lanes carry."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from gdbench.scalars import by_scalars

# up to so many numbers, a lane's state is packed in one [rows, lanes] array: one fusion a step instead of many
PACKED_ROWS = 24


class Layout:
    """How the lanes' trees of arrays are stored in the loop: packed in one array when small, else as they are.

    A packed step takes and gives single numbers, so that every one is a vector over lanes and XLA has no lane-first
    layout to choose: three times faster than packing inside the step.
    """

    def __init__(self, template: Any, lanes: int, dtype: Any) -> None:
        self.leaves, self.tree = jax.tree.flatten(template)
        self.lanes, self.dtype = lanes, dtype
        ends = np.cumsum([leaf.size for leaf in self.leaves])
        self.spans = [slice(int(end - leaf.size), int(end)) for leaf, end in zip(self.leaves, ends, strict=True)]
        self.rows = int(ends[-1])
        self.packed = self.rows <= PACKED_ROWS

    def pack(self, tree: Any) -> Any:
        """From a tree with the lane as last axis to what the loop carries."""
        if not self.packed:
            return tree
        parts = [leaf.reshape(-1, self.lanes).astype(self.dtype) for leaf in jax.tree.leaves(tree)]
        return np.concatenate(parts) if isinstance(parts[0], np.ndarray) else jnp.concatenate(parts)

    def unpack(self, stored: Any) -> Any:
        """The inverse of `pack`."""
        if not self.packed:
            return stored
        parts = [
            stored[span].reshape(*leaf.shape, self.lanes).astype(leaf.dtype)
            for leaf, span in zip(self.leaves, self.spans, strict=True)
        ]
        return jax.tree.unflatten(self.tree, parts)

    def map(self, step: Callable[..., Any], stored: Any, constants: Sequence[Array], *rest: Any) -> Any:
        """`step(lane, constants, *rest) -> lane` for every lane."""
        if not self.packed:
            return jax.vmap(lambda lane, own: step(lane, own, *rest), (-1, 0), -1)(stored, constants)

        def one(numbers: list[Array], own: list[Array]) -> Any:
            return self._numbers_of(by_scalars(step)(self._tree_of(numbers), own, *rest))

        return jnp.stack(jax.vmap(one)([stored[i] for i in range(self.rows)], list(constants)))

    def _tree_of(self, numbers: list[Array]) -> Any:
        parts = [
            (numbers[span.start] if leaf.shape == () else jnp.stack(numbers[span]).reshape(leaf.shape)).astype(
                leaf.dtype
            )
            for leaf, span in zip(self.leaves, self.spans, strict=True)
        ]
        return jax.tree.unflatten(self.tree, parts)

    def _numbers_of(self, tree: Any) -> list[Array]:
        return [number.astype(self.dtype) for leaf in jax.tree.leaves(tree) for number in leaf.reshape(-1)]
