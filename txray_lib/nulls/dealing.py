"""Arrangements of blocks on two sides, as signs: 1 where a block's records (before) are on the first side.

Both kinds turn rows of uniform numbers, one a block, into arrangements: the stream of numbers alone, never how many
arrangements are drawn side by side, decides what the i-th arrangement is.
"""

from __future__ import annotations

import numpy as np


class Swaps:
    """Each block's records before and after change sides with probability 1/2. `sides`: the blocks of each, the same ones."""

    def __init__(self, blocks: int) -> None:
        self.blocks = blocks
        self.sides = blocks, blocks
        self.observed = np.ones((blocks, 1))

    def signs(self, uniform: np.ndarray) -> np.ndarray:
        """Signs (blocks, k) of k arrangements from uniform numbers (k, blocks)."""
        return np.ascontiguousarray((uniform < 0.5).T, dtype=np.float64)


class Splits:
    """Blocks in random order, the first of them to the first side: as many as come nearest to the observed tokens there.

    No side is left without a block. The observed arrangement is one of these: its own blocks first, and the total is met.
    `sides` is how many blocks the text before and the text after have.
    """

    def __init__(self, tokens: np.ndarray, is_before: np.ndarray) -> None:
        self.blocks = len(tokens)
        self.sides = int(is_before.sum()), int((~is_before).sum())
        self.tokens = tokens
        self.target = tokens[is_before].sum()
        self.observed = is_before[:, None].astype(np.float64)

    def signs(self, uniform: np.ndarray) -> np.ndarray:
        """Signs (blocks, k) of k arrangements from uniform numbers (k, blocks)."""
        order = np.argsort(uniform, axis=1, kind="stable")
        filled = np.cumsum(self.tokens[order], axis=1)[:, :-1]
        taken = np.abs(filled - self.target).argmin(axis=1) + 1
        signs = np.empty(uniform.shape)
        np.put_along_axis(signs, order, np.arange(self.blocks) < taken[:, None], axis=1)
        return np.ascontiguousarray(signs.T)
