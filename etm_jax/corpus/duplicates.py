"""Documents that are in more than one part of the split."""

import numpy as np
import scipy.sparse as sp

from etm_jax.corpus.types import Corpus
from etm_jax.util.console import note, warn

LEAST_TOKENS = 5
"""Shorter documents have the same words by chance."""

LEAST_SHARE = 0.01
"""Of the test documents. Fewer copies change no figure that is read from them."""


def duplicates_between(train: sp.csr_matrix, test: sp.csr_matrix) -> int:
    """How many rows of `test` are rows of `train` too, of those with at least `LEAST_TOKENS` tokens.

    train: [D, V], test: [T, V]; CSR with sorted indices and without zeros. Rows are compared by 64-bit fingerprints:
    among a million documents two different ones are taken for the same with a probability below 1e-7.
    """
    of_word = np.random.default_rng(0).integers(1, 2**63, train.shape[1], np.int64).astype(np.uint64) | np.uint64(1)
    return int(np.isin(_fingerprints(test, of_word), _fingerprints(train, of_word)).sum())


def tell_duplicates(corpus: Corpus) -> None:
    """Say how many test documents have the words of a document to train on; warn where that is a good part of them."""
    if not (found := duplicates_between(corpus.train.counts, corpus.test.counts)):
        return
    told = f"{found:,} of {len(corpus.test):,} test documents have exactly the words of a document that is trained on"
    if found < LEAST_SHARE * len(corpus.test):
        note(told)
    else:
        warn(f"{told}; what is measured on them is too good by that: leave copies out of the corpus")


def _fingerprints(counts: sp.csr_matrix, of_word: np.ndarray) -> np.ndarray:
    """The sums of count × random number, modulo 2⁶⁴, of the rows with enough tokens: [n] uint64."""
    rows = np.flatnonzero(np.asarray(counts.sum(axis=1, dtype=np.int64)).ravel() >= LEAST_TOKENS)
    if not len(rows):
        return np.zeros(0, np.uint64)
    some = counts[rows]
    # Every row has an entry, so that no segment of the sums is empty.
    return np.add.reduceat(some.data.astype(np.uint64) * of_word[some.indices], some.indptr[:-1])
