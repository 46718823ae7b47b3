"""Store the trees of arrays that the lanes carry."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from gdbench.engine.scalarize import by_scalars

# A lane's state of at most this many numbers is packed in one [rows, lanes] array: one fusion a step instead of many.
PACKED_ROWS = 24

Tree = Any


class Layout:
    """The storage of trees of arrays, one for every lane or run: packed in one array when small, else as they are.

    In all trees but the template, the last axis of every array counts lanes or runs. A packed step takes and gives
    single numbers, so that every one is a vector over lanes and XLA has no lane-first layout to choose: three times
    faster than packing inside the step.
    """

    def __init__(self, template: Tree, dtype: Any, packed: bool | None = None) -> None:
        self.leaves, self.tree = jax.tree.flatten(template)
        self.dtype = dtype
        ends = np.cumsum([leaf.size for leaf in self.leaves])
        self.spans = [slice(int(end - leaf.size), int(end)) for leaf, end in zip(self.leaves, ends, strict=True)]
        self.rows = int(ends[-1])
        self.packed = self.rows <= PACKED_ROWS if packed is None else packed

    def pack(self, tree: Tree) -> Any:
        """Store a tree."""
        if not self.packed:
            return tree
        parts = [leaf.reshape(-1, leaf.shape[-1]).astype(self.dtype) for leaf in jax.tree.leaves(tree)]
        return np.concatenate(parts) if isinstance(parts[0], np.ndarray) else jnp.concatenate(parts)

    def unpack(self, stored: Any) -> Tree:
        """Return the tree that `pack` stored."""
        if not self.packed:
            return stored
        parts = [
            stored[span].reshape(*leaf.shape, stored.shape[-1]).astype(leaf.dtype)
            for leaf, span in zip(self.leaves, self.spans, strict=True)
        ]
        return jax.tree.unflatten(self.tree, parts)

    def split(self, stored: Float[Array, "rows lanes"]) -> Tree:
        """Return the tree of a template that holds single numbers only, from its packed rows."""
        return jax.tree.unflatten(self.tree, list(stored))

    def map(
        self, function: Callable[..., Any], inputs: Sequence[tuple[Layout, Any]], constants: Tree, *rest: Any
    ) -> Any:
        """Store `function(*inputs, constants, *rest)` of every lane in this layout; each input has its own layout.

        constants : a tree of arrays `[lanes]`. rest : what all lanes share.
        """
        if not self.packed:
            trees = [stored for _, stored in inputs]
            return jax.vmap(lambda trees, own: function(*trees, own, *rest), (-1, 0), -1)(trees, constants)

        def one(numbers: list[list[Array]], own: Tree) -> list[Array]:
            trees = [layout._tree_of(part) for (layout, _), part in zip(inputs, numbers, strict=True)]
            return self._numbers_of(by_scalars(function)(*trees, own, *rest))

        rows = [[stored[i] for i in range(layout.rows)] for layout, stored in inputs]
        return jnp.stack(jax.vmap(one)(rows, constants))

    def _tree_of(self, numbers: list[Array]) -> Tree:
        parts = []
        for leaf, span in zip(self.leaves, self.spans, strict=True):
            # Some libraries keep arrays without an entry.
            entries = numbers[span] or [jnp.zeros((0,), self.dtype)]
            part = entries[0] if leaf.shape == () or not leaf.size else jnp.stack(entries)
            parts.append(part.reshape(leaf.shape).astype(leaf.dtype))
        return jax.tree.unflatten(self.tree, parts)

    def _numbers_of(self, tree: Tree) -> list[Float[Array, ""]]:
        # An entry that is the same after every step comes out as a number of Python.
        leaves = [jnp.asarray(leaf) for leaf in jax.tree.leaves(tree)]
        return [number.astype(self.dtype) for leaf in leaves for number in leaf.reshape(-1)]
