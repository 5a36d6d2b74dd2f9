"""Counts and documents that a program gives, and the corpus that they make: what `etm_jax.ETM` trains on."""

from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp

from etm_jax.config.settings import CorpusConfig
from etm_jax.corpus.types import Corpus, Documents, Vocabulary
from etm_jax.util.errors import UserError

FEWEST_TO_VALIDATE = 40
"""Documents; of fewer, all are trained on."""


def in_given_order(corpus: Corpus, num_docs: int) -> sp.csr_matrix:
    """[D, V] of the documents that a corpus was prepared from, named by their numbers; empty where one has gone."""
    rows = [int(name) for part in (corpus.train, corpus.valid) for name in part.ids]
    counts = sp.vstack([corpus.train.counts, corpus.valid.counts])
    places = sp.csr_matrix((np.ones(len(rows), np.int32), (rows, np.arange(len(rows)))), (num_docs, len(rows)))
    ordered = sp.csr_matrix(places @ counts)
    ordered.sort_indices()
    return ordered


def columns(counts: sp.csr_matrix, names: Sequence[str] | None) -> Vocabulary:
    """The words that the columns of counts [D, V] stand for; without names their numbers.

    Raises UserError where there are fewer than two, or not as many as columns.
    """
    words = [str(j) for j in range(counts.shape[1])] if names is None else list(map(str, names))
    if len(words) != counts.shape[1]:
        raise UserError(f"vocab has {len(words)} words for {counts.shape[1]} columns of counts")
    if len(words) < 2:
        raise UserError(f"counts of {len(words)} feature(s): topics need at least 2 words")
    doc_freq = np.bincount(counts.indices, minlength=counts.shape[1]).astype(np.int64)
    return Vocabulary(words, doc_freq, np.asarray(counts.sum(axis=0)).ravel(), counts.shape[0], "none")


def corpus_of_counts(counts: sp.csr_matrix, vocabulary: Vocabulary, config: CorpusConfig) -> Corpus:
    """Counts [D, V] as a corpus: some documents to validate with, where there are enough, the others to train on.

    Raises UserError where no document holds a word.
    """
    rows = np.flatnonzero(np.diff(counts.indptr))
    if not len(rows):
        raise UserError("no document holds a word that the model knows: there is nothing to learn from")
    order = np.random.default_rng([config.split_seed]).permutation(rows)
    num_valid = round(config.valid_share * len(rows)) if len(rows) >= FEWEST_TO_VALIDATE else 0

    def part(chosen: np.ndarray) -> Documents:
        names = list(map(str, chosen))
        return Documents(counts[np.sort(chosen)], names, names)

    none = part(order[:0])
    return Corpus(
        name="ETM.fit",
        digest="",
        vocabulary=vocabulary,
        train=part(order[num_valid:]),
        valid=part(order[:num_valid]),
        test=none,
        test_h1=none.counts,
        test_h2=none.counts,
    )
