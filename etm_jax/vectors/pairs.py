"""How much more often words are in the same documents than by chance: PPMI of pairs of words, in blocks of rows."""

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import NamedTuple, TypeVar

import numpy as np
import scipy.sparse as sp

from etm_jax.util.threads import in_threads

CONTEXT_POWER = 0.75

BLOCK_ENTRIES = 500_000
"""Pairs of a block, if none is missing."""

STRIPES = 8
"""Parts of the rows of a triangle. More of them compute less above the diagonal, and slice the counts more often."""

SAMPLED = 64
"""Words by which the number of pairs is estimated."""

T = TypeVar("T")
Then = Callable[[int, sp.csr_matrix], T]
"""What is to become of a block: gets the number of its first row, and its rows. Threads call it."""


class Pairs(NamedTuple):
    """What the PPMI of any pair of words depends on.

    With y = log(1 + counts), each document's row divided by the root of its sum, and c = yᵀy without its diagonal,
    PMI_ij = log c_ij − log r_i − log q_j + log Σr, where r is the row sums of c and q ∝ r^0.75 has their total. The
    PPMI of a pair is the mean of the positive parts of PMI_ij and PMI_ji, here times both words' weights. c is never
    stored as a whole.

    y: [D, V] CSR float32. log_r, log_q: [V] float32; log_q has −log Σr in it. weight: [V] float32.
    """

    y: sp.csr_matrix
    log_r: np.ndarray
    log_q: np.ndarray
    weight: np.ndarray

    @classmethod
    def of(cls, counts: sp.csr_matrix, weight: np.ndarray) -> "Pairs":
        """Those of the words of documents: [D, V] CSR."""
        # Matrices with the same nonzeros share their index arrays, which saves memory.
        y = sp.csr_matrix((np.log1p(counts.data.astype(np.float32)), counts.indices, counts.indptr), counts.shape)
        y = (sp.diags_array(1 / np.sqrt(np.maximum(_row_sums(y), 1)), dtype=np.float32) @ y).tocsr()
        # Row sums of c without c: Σ_d y_di · (row sum of y_d) − y_di², the word with itself.
        squares = sp.csr_matrix((y.data**2, y.indices, y.indptr), y.shape)
        r = y.T @ _row_sums(y) - np.asarray(squares.sum(axis=0)).ravel()
        r = np.maximum(r, np.finfo(np.float32).tiny)
        log_r = np.log(r).astype(np.float32)
        log_q = np.float32(CONTEXT_POWER) * log_r - np.float32(np.log(np.sum(r**CONTEXT_POWER)))
        return cls(y, log_r, log_q, weight.astype(np.float32))

    def triangle(self, words: np.ndarray, then: Then[T]) -> tuple[int, Iterator[T]]:
        """The pairs of words with those before them: how many blocks of rows, and what `then` makes of each, in order.

        words: [N], columns of y, the most frequent first if that is to be quick. A block has n ≤ N columns.
        """
        y_words = self.y[:, words].T.tocsr()
        bounds = np.unique(np.linspace(0, len(words), STRIPES + 1).astype(int)).tolist()
        stripes = [(low, high, max(1, BLOCK_ENTRIES // high)) for low, high in pairwise(bounds)]

        def blocks() -> Iterator[tuple[int, int, sp.csr_matrix]]:
            for low, high, step in stripes:
                before = self.y[:, words[:high]]
                yield from ((start, min(start + step, high), before) for start in range(low, high, step))

        def computed(block: tuple[int, int, sp.csr_matrix]) -> T:
            low, high, before = block
            c = y_words[low:high] @ before
            wanted = c.indices < np.repeat(np.arange(low, high, dtype=c.indices.dtype), np.diff(c.indptr))
            return then(low, self._ppmi(c, words[low:high], words, wanted))

        return sum(-(-(high - low) // step) for low, high, step in stripes), in_threads(computed, blocks())

    def rectangle(self, words: np.ndarray, contexts: np.ndarray, then: Then[T]) -> tuple[int, Iterator[T]]:
        """The same of the pairs of some words with others. words, contexts: [M], [N], columns of y, none in both."""
        y_words, y_contexts = self.y[:, words].T.tocsr(), self.y[:, contexts]
        step = max(1, BLOCK_ENTRIES // len(contexts))

        def computed(low: int) -> T:
            return then(low, self._ppmi(y_words[low : low + step] @ y_contexts, words[low : low + step], contexts))

        lows = range(0, len(words), step)
        return len(lows), in_threads(computed, lows)

    def _ppmi(
        self, c: sp.csr_matrix, rows: np.ndarray, columns: np.ndarray, wanted: np.ndarray | None = None
    ) -> sp.csr_matrix:
        """Weighted PPMI from c, which is used up, without pairs where it is 0 or that are not wanted.

        rows, columns: [m], [n] or more, the words of those of c [m, n]. wanted: of the pairs that c stores.
        """
        lengths, place = np.diff(c.indptr), c.indices
        log_c = np.log(c.data, out=c.data)
        # In this order, so that rounding depends on nothing but the pair.
        values = np.repeat(self.log_r[rows], lengths)
        np.subtract(log_c, values, out=values)
        values -= self.log_q[columns][place]
        others = self.log_r[columns][place]
        np.subtract(log_c, others, out=others)
        others -= np.repeat(self.log_q[rows], lengths)
        values = np.maximum(values, 0, out=values) + np.maximum(others, 0, out=others)
        kept = values > 0
        if wanted is not None:
            kept &= wanted
        values, place = values[kept], place[kept]
        ends = np.concatenate([[0], np.cumsum(kept, dtype=c.indptr.dtype)])[c.indptr].astype(c.indptr.dtype)
        values /= 2
        values *= np.repeat(self.weight[rows], np.diff(ends))
        values *= self.weight[columns][place]
        return sp.csr_matrix((values, place, ends), c.shape)

    def density(self, words: np.ndarray) -> float:
        """About the share of all pairs of these words that are together in some document."""
        y = self.y[:, words]
        some = np.unique(np.linspace(0, len(words) - 1, SAMPLED).astype(int))
        return float((y[:, some].T.tocsr() @ y).nnz / (len(some) * len(words)))


def _row_sums(matrix: sp.csr_matrix) -> np.ndarray:
    """Row sums [N] float64 of a matrix [N, M]."""
    return np.asarray(matrix.sum(axis=1, dtype=np.float64)).ravel()
