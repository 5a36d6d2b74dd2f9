"""Documents that Python hands over, as strings, lists of words or counts: what they are, and the corpus of them."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp

from etm_jax.config.build import Config
from etm_jax.corpus.types import Corpus, Document, Documents, Vocabulary
from etm_jax.util.errors import UserError

Texts = Sequence[str] | Sequence[Sequence[str]]

FEWEST_TO_VALIDATE = 40
"""Documents; of fewer, all are trained on."""


def are_texts(documents: Any) -> bool:
    """Whether documents are given as strings or as lists of words, and not as counts."""
    if isinstance(documents, str):
        raise ValueError("one string is no corpus; give a list of strings, one a document")
    if not isinstance(documents, Sequence) and getattr(documents, "ndim", 0) != 1:
        return False
    for document in documents:
        if not isinstance(document, list | tuple):
            return isinstance(document, str)
        if document:
            return isinstance(document[0], str)
    return False


def as_documents(texts: Texts) -> Iterator[Document]:
    """The documents of strings or lists of words, named by their place in the list, from 0."""
    for i, document in enumerate(texts):
        yield Document(str(i), document) if isinstance(document, str) else Document(str(i), tokens=list(document))


def counts_in_order(corpus: Corpus, num_docs: int) -> sp.csr_matrix:
    """[D, V] of the documents that a corpus was prepared from, empty where one has gone."""
    rows = [int(name) for part in (corpus.train, corpus.valid) for name in part.ids]
    counts = sp.vstack([corpus.train.counts, corpus.valid.counts])
    places = sp.csr_matrix((np.ones(len(rows), np.int32), (rows, np.arange(len(rows)))), (num_docs, len(rows)))
    ordered = sp.csr_matrix(places @ counts)
    ordered.sort_indices()
    return ordered


def vocabulary_of(counts: sp.csr_matrix, names: Sequence[str] | None) -> Vocabulary:
    """The words that the columns of counts stand for; without names their numbers."""
    words = [str(j) for j in range(counts.shape[1])] if names is None else list(map(str, names))
    if len(words) != counts.shape[1]:
        raise UserError(f"vocab has {len(words)} words for {counts.shape[1]} columns of counts")
    if len(words) < 2:
        raise UserError(f"counts of {len(words)} feature(s): topics need at least 2 words")
    doc_freq = np.bincount(counts.indices, minlength=counts.shape[1]).astype(np.int64)
    return Vocabulary(words, doc_freq, np.asarray(counts.sum(axis=0)).ravel(), counts.shape[0], "none")


def corpus_of_counts(counts: sp.csr_matrix, vocabulary: Vocabulary, config: Config) -> Corpus:
    """Counts as a corpus: some documents to validate with, where there are enough, the others to train on."""
    if config.corpus.phrases and vocabulary.phrases is None:
        raise UserError("phrases are of running text, but counts were given; leave phrases out, or give the texts")
    rows = np.flatnonzero(np.diff(counts.indptr))
    if not len(rows):
        raise UserError("no document holds a word that the model knows: there is nothing to learn from")
    order = np.random.default_rng([config.corpus.split_seed]).permutation(rows)
    num_valid = round(config.corpus.valid_share * len(rows)) if len(rows) >= FEWEST_TO_VALIDATE else 0

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
