"""How the loop stores what its lanes carry."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from gdbench.engine.scalarize import by_scalars

# up to so many numbers, a lane's state is packed in one [rows, lanes] array: one fusion a step instead of many
PACKED_ROWS = 24


class Layout:
    """How the lanes' trees of arrays are stored in the loop: packed in one array when small, else as they are.

    A packed step takes and gives single numbers, so that every one is a vector over lanes and XLA has no lane-first
    layout to choose: three times faster than packing inside the step.
    """

    def __init__(self, template: Any, lanes: int, dtype: Any, packed: bool | None = None) -> None:
        self.leaves, self.tree = jax.tree.flatten(template)
        self.lanes, self.dtype = lanes, dtype
        ends = np.cumsum([leaf.size for leaf in self.leaves])
        self.spans = [slice(int(end - leaf.size), int(end)) for leaf, end in zip(self.leaves, ends, strict=True)]
        self.rows = int(ends[-1])
        self.packed = self.rows <= PACKED_ROWS if packed is None else packed

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

    def map(
        self, function: Callable[..., Any], inputs: Sequence[tuple[Layout, Any]], constants: Sequence[Array], *rest: Any
    ) -> Any:
        """`function(*inputs, constants, *rest)` of every lane, stored in this layout; each input is stored in its."""
        if not self.packed:
            trees = [stored for _, stored in inputs]
            return jax.vmap(lambda trees, own: function(*trees, own, *rest), (-1, 0), -1)(trees, constants)

        def one(numbers: list[list[Array]], own: list[Array]) -> list[Array]:
            trees = [layout._tree_of(part) for (layout, _), part in zip(inputs, numbers, strict=True)]
            return self._numbers_of(by_scalars(function)(*trees, own, *rest))

        rows = [[stored[i] for i in range(layout.rows)] for layout, stored in inputs]
        return jnp.stack(jax.vmap(one)(rows, list(constants)))

    def _tree_of(self, numbers: list[Array]) -> Any:
        parts = []
        for leaf, span in zip(self.leaves, self.spans, strict=True):
            own = numbers[span] or [jnp.zeros((0,), self.dtype)]  # some libraries keep arrays without an entry
            part = own[0] if leaf.shape == () or not leaf.size else jnp.stack(own)
            parts.append(part.reshape(leaf.shape).astype(leaf.dtype))
        return jax.tree.unflatten(self.tree, parts)

    def _numbers_of(self, tree: Any) -> list[Array]:
        # an entry that is the same after every step comes out as a number of Python
        leaves = [jnp.asarray(leaf) for leaf in jax.tree.leaves(tree)]
        return [number.astype(self.dtype) for leaf in leaves for number in leaf.reshape(-1)]
