"""Word vectors from bags of words: document-level PPMI, factorised by a randomised SVD.

Positive pointwise mutual information with the context distribution smoothed to the power 0.75 and vectors U·√S follow
Levy, Goldberg and Dagan 2015 (TACL 3); here a word's context is the whole document, and frequent words, whose PPMI is
estimated from more data, have larger weights in the factorisation.
"""

import numpy as np
import scipy.sparse as sp

from etm_jax.config.settings import VectorsConfig
from etm_jax.corpus.types import Corpus
from etm_jax.util.console import note, track, warn
from etm_jax.vectors.base import SourceVectors

CONTEXT_POWER = 0.75
FREQUENCY_POWER = 0.5
"""A word's weight is its document frequency to this power. Unweighted, rare words' chance pairs would dominate."""

POWER_ITERATIONS = 3
MAX_PAIRS = 200_000_000
"""Upper bound on the pairs of words kept: 8 bytes each, so 1.6 GB. The pairs of 14,000 words always fit."""

_BLOCK_ENTRIES = 4_000_000
_SECONDS_PER_PAIR = 4e-7


def ppmi_vectors(counts: sp.csr_matrix, dim: int, seed: int) -> np.ndarray:
    """W⁻¹U·√S of the `dim` largest singular values of W·M·W. counts: [D, V] CSR → [V, dim] float32; dim ≤ V.

    M is the PPMI matrix and W the diagonal matrix of the words' weights: the result is the best approximation of this
    rank in squared error, where a pair's error is weighted by the squared product of both words' weights. A word that
    co-occurs with no other has a row of zeros. The same seed gives the same bytes on any number of cores.
    """
    from sklearn.utils.extmath import randomized_svd
    from threadpoolctl import threadpool_limits

    contexts = frequent_contexts(counts)
    matrix = ppmi_matrix(counts, contexts)
    in_documents = np.bincount(counts.indices, minlength=counts.shape[1])
    weight = np.maximum(in_documents, 1).astype(np.float32) ** FREQUENCY_POWER
    weight /= weight.mean()
    # In place, since the matrix may take up much of the memory.
    matrix.data *= np.repeat(weight, np.diff(matrix.indptr))
    matrix.data *= weight[contexts][matrix.indices]
    # The library's factorisation reports no progress.
    if (seconds := matrix.nnz * _SECONDS_PER_PAIR) > 2:
        note(f"ppmi vectors: factorising {matrix.nnz / 1e6:.0f} million pairs of words, about {seconds:.0f} s")
    # Rounding depends on the order of summation: one thread gives the same bytes on any number of cores.
    with threadpool_limits(limits=1):
        left, singular, _ = randomized_svd(matrix, dim, n_iter=POWER_ITERATIONS, random_state=seed)
    vectors = (left * np.sqrt(singular) / weight[:, None]).astype(np.float32)
    vectors[np.diff(matrix.indptr) == 0] = 0
    return vectors


def ppmi_matrix(counts: sp.csr_matrix, contexts: np.ndarray) -> sp.csr_matrix:
    """Symmetrised PPMI of words and context words. counts: [D, V] CSR → [V, N] CSR float32, zero where i = j.

    contexts: [N], columns of counts.

    With y = log(1 + counts), each document's row divided by the root of its sum, and c = yᵀy without its diagonal,
    PMI_ij = log c_ij − log r_i − log q_j + log Σr, where r is the row sums of c and q ∝ r^0.75 has their total. The
    result is the mean of the positive parts of PMI_ij and PMI_ji. c is computed in blocks and never stored as a whole.
    """
    # Matrices with the same nonzeros share their index arrays, which saves memory.
    y = sp.csr_matrix((np.log1p(counts.data.astype(np.float32)), counts.indices, counts.indptr), counts.shape)
    y = (sp.diags_array(1 / np.sqrt(np.maximum(_row_sums(y), 1)), dtype=np.float32) @ y).tocsr()
    num_words = y.shape[1]
    # Row sums of c without c: Σ_d y_di · (row sum of y_d) − y_di², the word with itself.
    squares = sp.csr_matrix((y.data**2, y.indices, y.indptr), y.shape)
    r = y.T @ _row_sums(y) - np.asarray(squares.sum(axis=0)).ravel()
    del squares
    r = np.maximum(r, np.finfo(np.float32).tiny)
    log_r = np.log(r).astype(np.float32)
    log_q = np.float32(CONTEXT_POWER) * log_r - np.float32(np.log(np.sum(r**CONTEXT_POWER)))

    y_contexts = y if len(contexts) == num_words else y[:, contexts]
    y_words = y.T.tocsr()
    step = max(1, _BLOCK_ENTRIES // len(contexts))
    data, indices, lengths = [], [], []
    for low in track(range(0, num_words, step), "ppmi vectors: pairs of words", unit="blocks"):
        block = y_words[low : low + step] @ y_contexts
        rows = np.repeat(np.arange(low, low + block.shape[0]), np.diff(block.indptr))
        cols = contexts[block.indices]
        log_c = np.log(block.data)
        values = np.maximum(log_c - log_r[rows] - log_q[cols], 0)
        values += np.maximum(log_c - log_r[cols] - log_q[rows], 0)
        kept = (values > 0) & (rows != cols)
        data.append(values[kept] / 2)
        indices.append(block.indices[kept])
        lengths.append(np.bincount(rows[kept] - low, minlength=block.shape[0]))
    # One array after the other, so that at most half of the matrix is in memory twice.
    all_data = np.concatenate(data)
    data.clear()
    all_indices = np.concatenate(indices)
    indices.clear()
    indptr = np.concatenate([[0], np.cumsum(np.concatenate(lengths))]).astype(all_indices.dtype)
    return sp.csr_matrix((all_data, all_indices, indptr), shape=(num_words, len(contexts)))


def _row_sums(matrix: sp.csr_matrix) -> np.ndarray:
    """Row sums [N] float64 of a matrix [N, M]."""
    return np.asarray(matrix.sum(axis=1, dtype=np.float64)).ravel()


def frequent_contexts(counts: sp.csr_matrix, max_pairs: int = MAX_PAIRS) -> np.ndarray:
    """Columns to use as contexts [N]: all, or the most frequent that are certain to have at most `max_pairs` pairs.

    In the second case they are sorted by descending frequency. counts: [D, V].
    """
    num_words = counts.shape[1]
    present = counts.astype(bool)
    # A word co-occurs with at most as many words as its documents have in total.
    partners = np.minimum(present.T @ np.diff(counts.indptr).astype(np.int64), num_words)
    if partners.sum() <= max_pairs:
        return np.arange(num_words)
    by_frequency = np.argsort(-np.asarray(counts.sum(axis=0)).ravel(), kind="stable")
    fitting = max(1, int(np.searchsorted(np.cumsum(partners[by_frequency]), max_pairs, side="right")))
    note(f"ppmi vectors: only the {fitting:,} most frequent of {num_words:,} words serve as contexts, to save memory")
    return by_frequency[:fitting]


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
