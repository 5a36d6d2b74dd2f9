"""Word vectors from bags of words: document-level PPMI, factorised by a randomised SVD.

Positive pointwise mutual information with the context distribution smoothed to the power 0.75 and vectors U·√S follow
Levy, Goldberg and Dagan 2015 (TACL 3); here a word's context is the whole document, and frequent words, whose PPMI is
estimated from more data, have larger weights in the factorisation.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from etm_jax.config.settings import VectorsConfig
from etm_jax.corpus.types import Corpus
from etm_jax.util.arrays import align
from etm_jax.util.console import note, track, warn, working_on
from etm_jax.util.threads import cores, in_threads, libraries
from etm_jax.vectors.base import SourceVectors
from etm_jax.vectors.pairs import Pairs

FREQUENCY_POWER = 0.5
"""A word's weight is its document frequency to this power. Unweighted, rare words' chance pairs would dominate."""

POWER_ITERATIONS, OVERSAMPLES = 3, 10
"""Of the randomised SVD."""

MAX_PAIRS = 200_000_000
"""Upper bound on the pairs of words that are kept: 8 bytes each, so 1.6 GB. The pairs of 14,000 words always fit."""

MAX_CONTEXTS = 10_000
"""Words whose pairs with each other are kept where those of all words might be too many."""

FULL = 0.15
"""Share of pairs that are together in a document from which a full matrix, of 4 bytes a pair, is quicker."""

_ROWS = 512
"""Of a full matrix, which a thread multiplies at once."""

_ENTRIES = 1_000_000
"""The same of a sparse one."""


class PairMatrix(NamedTuple):
    """A symmetric matrix of pairs of words: [N, N] float32, full or CSR."""

    values: np.ndarray | sp.csr_matrix

    def product(self) -> Callable[[np.ndarray], np.ndarray]:
        """Its products with matrices [N, n] float32, by threads, of whose number they do not depend."""
        from etm_jax.ops.csr import product_on_host

        if isinstance(self.values, sp.csr_matrix) and (product := product_on_host(self.values)) is not None:
            return product
        blocks = self._blocks()

        def times(columns: np.ndarray) -> np.ndarray:
            columns = np.ascontiguousarray(columns)  # scipy would copy them in each block.
            return np.concatenate(list(in_threads(lambda rows: rows @ columns, blocks)))

        return times

    def empty_rows(self) -> np.ndarray:
        """Which rows hold zeros alone: [N] bool."""
        if isinstance(self.values, np.ndarray):
            return np.logical_not(self.values.any(axis=1))
        return np.diff(self.values.indptr) == 0

    def seconds(self, dim: int) -> float:
        """About what its product with [N, dim] takes."""
        if isinstance(self.values, np.ndarray):
            return 4e-11 * self.values.size * dim / cores()
        return 2.5e-10 * self.values.nnz * dim / cores()

    def _blocks(self) -> Sequence[np.ndarray | sp.csr_matrix]:
        """Its rows, in blocks that share its memory."""
        values, num_rows = self.values, self.values.shape[0]
        if isinstance(values, np.ndarray):
            return [values[low : low + _ROWS] for low in range(0, num_rows, _ROWS)]
        starts = np.searchsorted(values.indptr, np.arange(0, values.nnz, _ENTRIES), side="right") - 1
        bounds = [*np.unique(starts).tolist(), num_rows] if values.nnz else [0, num_rows]
        blocks = []
        for low, high in pairwise(bounds):
            first, end = values.indptr[[low, high]]
            parts = (values.data[first:end], values.indices[first:end], values.indptr[low : high + 1] - first)
            blocks.append(sp.csr_matrix(parts, (high - low, num_rows)))
        return blocks


class Svd(NamedTuple):
    """The largest singular values of a matrix [N, N], and their vectors: [N, n], [n], [N, n]."""

    left: np.ndarray
    singular: np.ndarray
    right: np.ndarray


def ppmi_vectors(counts: sp.csr_matrix, dim: int, seed: int) -> np.ndarray:
    """W⁻¹U·√S of the `dim` largest singular values of W·M·W. counts: [D, V] CSR → [V, dim] float32; dim ≤ V.

    M is the PPMI matrix and W the diagonal matrix of the words' weights: the result is the best approximation of this
    rank in squared error, where a pair's error is weighted by the squared product of both words' weights. A word that
    co-occurs with no other has a row of zeros. Where the words are too many, M is that of the most frequent ones, and
    the others are folded in: of the pairs m of a word with those, m·V/√S is what U·√S would be of their own pairs. The
    same seed gives the same bytes on any number of cores.
    """
    num_words = counts.shape[1]
    weight = np.maximum(np.bincount(counts.indices, minlength=num_words), 1).astype(np.float32) ** FREQUENCY_POWER
    weight /= weight.mean()
    with working_on("ppmi vectors: in how many documents each word is"):
        pairs, contexts = Pairs.of(counts, weight), frequent_contexts(counts)
    matrix = pair_matrix(pairs, contexts)
    if (seconds := 8 * matrix.seconds(dim)) > 2:
        note(f"ppmi vectors: factorising the pairs of {len(contexts):,} words, about {seconds:.0f} s")
    start = np.random.RandomState(seed).normal(size=(num_words, dim + OVERSAMPLES)).astype(np.float32)
    left, singular, right = leading(matrix, min(dim, len(contexts)), start[contexts])
    left[matrix.empty_rows()] = 0
    vectors = np.zeros((num_words, dim), np.float32)
    vectors[contexts, : len(singular)] = left * np.sqrt(singular)
    others = np.setdiff1d(np.arange(num_words), contexts)
    if len(others):
        # A singular value that is rounding alone has no direction.
        kept = singular > len(contexts) * np.finfo(np.float32).eps * singular[0]
        basis = np.ascontiguousarray(right[:, kept] / np.sqrt(singular[kept]))
        number, blocks = pairs.rectangle(others, contexts, lambda _, rows: rows @ basis)
        folded = list(track(blocks, "ppmi vectors: pairs of the other words", number, "blocks"))
        vectors[np.ix_(others, np.flatnonzero(kept))] = np.concatenate(folded)
    return vectors / weight[:, None]


def pair_matrix(pairs: Pairs, words: np.ndarray) -> PairMatrix:
    """The pairs of these words with each other. words: [N], columns of the counts."""
    size, label = len(words), "ppmi vectors: pairs of words"
    if pairs.density(words) < FULL:
        number, blocks = pairs.triangle(words, lambda _, rows: rows)
        parts = list(track(blocks, label, number, "blocks"))
        lower = sp.vstack(
            [sp.csr_matrix((p.data, p.indices, p.indptr), (p.shape[0], size)) for p in parts], format="csr"
        )
        parts.clear()
        both = (lower + lower.T).tocsr()
        del lower
        align(both)
        return PairMatrix(both)
    full = np.zeros((size, size), np.float32)

    def put(low: int, rows: sp.csr_matrix) -> None:
        full[low : low + rows.shape[0], : rows.shape[1]] = rows.toarray()

    number, written = pairs.triangle(words, put)
    for _ in track(written, label, number, "blocks"):
        pass
    for low in range(0, size, _ROWS):
        high = low + _ROWS
        full[low:high, low:high] += full[low:high, low:high].T.copy()
        full[low:high, high:] = full[high:, low:high].T
    return PairMatrix(full)


def leading(matrix: PairMatrix, number: int, start: np.ndarray) -> Svd:
    """The `number` largest singular values by a randomised SVD (Halko, Martinsson and Tropp 2011, algorithm 4.4).

    It is that of scikit-learn's `randomized_svd`, whose numbers it gives to rounding, but for the threads.
    start: random columns, [N, n] with n > number.
    """
    from scipy.linalg import lu, qr, svd

    found, times = start, matrix.product()
    with libraries().limit(limits=1):
        for _ in range(2 * POWER_ITERATIONS):
            # Cheaper than orthogonal columns, and as far from all being the first.
            found = lu(times(found), permute_l=True)[0]
        basis = qr(times(found), mode="economic")[0]
        rows = times(basis)
        # rows = QR, so that rowsᵀ has the singular values and the left vectors of Rᵀ, which is small.
        within, singular, _ = svd(qr(rows, mode="r")[0][: rows.shape[1]].T)
        within, singular = within[:, :number], singular[:number]
        left, right = basis @ within, rows @ within
        right = np.divide(right, singular, out=right, where=singular > 0)
    # Signs, which are free, by the largest entry of each.
    signs = np.sign(left[np.abs(left).argmax(axis=0), np.arange(number)])
    return Svd(left * signs, singular, right * signs)


def frequent_contexts(
    counts: sp.csr_matrix, max_pairs: int = MAX_PAIRS, max_contexts: int = MAX_CONTEXTS
) -> np.ndarray:
    """Columns [N] whose pairs are factorised, by descending frequency: all, or the most frequent.

    counts: [D, V]. All if they are certain to have at most `max_pairs` pairs, otherwise `max_contexts`.
    """
    num_words = counts.shape[1]
    by_frequency = np.argsort(-np.asarray(counts.sum(axis=0)).ravel(), kind="stable")
    # A word co-occurs with at most as many words as its documents have in total.
    partners = np.minimum(counts.astype(bool).T @ np.diff(counts.indptr).astype(np.int64), num_words)
    if partners.sum() <= max_pairs or num_words <= max_contexts:
        return by_frequency
    note(f"ppmi vectors: of {num_words:,} words, the {max_contexts:,} most frequent are factorised, to save memory")
    return by_frequency[:max_contexts]


def check(config: VectorsConfig, counts_of: str | None) -> None:
    """Accept any corpus, as all have counts."""


def make(corpus: Corpus, config: VectorsConfig, seed: int) -> SourceVectors:
    """Vectors of at most V dimensions; words that co-occur with no other have none."""
    dim, num_words = config.embed_dim, len(corpus.vocabulary)
    assert dim is not None
    if dim > num_words:
        warn(f"--emb_dim={dim} is more than the {num_words} words; their PPMI has {num_words} dimensions at most")
    matrix = ppmi_vectors(corpus.train.counts, min(dim, num_words), seed)
    return SourceVectors(matrix, np.asarray(matrix.any(axis=1)), "document-level PPMI, randomised SVD")
