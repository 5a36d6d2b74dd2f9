"""The corpus of documents that Python hands over."""

from collections.abc import Mapping, Sequence

import numpy as np
import scipy.sparse as sp

from etm_jax.config.build import Config
from etm_jax.corpus.metadata import Metadata, ValueTally
from etm_jax.corpus.types import Corpus, Documents, Vocabulary
from etm_jax.util.errors import UserError
from etm_jax.util.shares import nearest_part

FEWEST_TO_VALIDATE = 40
"""Documents; of fewer, all are trained on."""


def counts_in_order(corpus: Corpus, num_docs: int) -> sp.csr_matrix:
    """[D, V] of the documents that a corpus was prepared from, empty where one has gone."""
    rows = [int(name) for part in (corpus.train, corpus.valid) for name in part.ids]
    counts = sp.vstack([corpus.train.counts, corpus.valid.counts])
    places = sp.csr_matrix((np.ones(len(rows), np.int32), (rows, np.arange(len(rows)))), (num_docs, len(rows)))
    ordered = sp.csr_matrix(places @ counts)
    ordered.sort_indices()
    return ordered


def corpus_of_counts(
    counts: sp.csr_matrix,
    vocabulary: Vocabulary,
    config: Config,
    meta: Mapping[str, Sequence[str]] | None = None,
    metadata: Metadata | None = None,
) -> Corpus:
    """Counts as a corpus: some documents to validate with, where there are enough, the others to train on.

    meta: by field, D values as text, "" for none. metadata: what the fields are, where that is known already: those
    that `meta` lacks have no values.
    """
    if config.corpus.phrases and vocabulary.phrases is None:
        raise UserError("phrases are of running text, but counts were given; leave phrases out, or give the texts")
    rows = np.flatnonzero(np.diff(counts.indptr))
    if not len(rows):
        raise UserError("no document holds a word that the model knows: there is nothing to learn from")
    order = np.random.default_rng([config.corpus.split_seed]).permutation(rows)
    num_valid = nearest_part(config.corpus.valid_share, len(rows)) if len(rows) >= FEWEST_TO_VALIDATE else 0

    given = {
        name: (meta or {}).get(name, [""] * counts.shape[0]) for name in (metadata.names if metadata else meta or ())
    }

    def part(chosen: np.ndarray) -> Documents:
        rows = np.sort(chosen)
        names = list(map(str, rows))
        return Documents(counts[rows], names, names, {name: [x[i] for i in rows] for name, x in given.items()})

    none, train = part(order[:0]), part(order[num_valid:])
    if metadata is None:
        metadata = Metadata(tuple(ValueTally.of(values).column(name) for name, values in train.meta.items()))
    return Corpus(
        name="ETM.fit",
        digest="",
        vocabulary=vocabulary,
        train=train,
        valid=part(order[:num_valid]),
        test=none,
        test_h1=none.counts,
        test_h2=none.counts,
        metadata=metadata,
    )
