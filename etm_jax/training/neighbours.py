"""Pooling by neighbours: what a short document is to be explained with gets a share of its nearest documents' words.

A headline of six words says little of its topics; the twenty nearest to it say more. After GloCOM (Nguyen et al. 2025,
arXiv 2412.00525), which adds the words of clusters of documents to the counts that a decoder is to explain; here every
document has neighbours of its own, in the space of the documents' vectors. The encoder reads the document alone, as it
does of new documents.

Shapes: D documents, C numbers of a vector, V words.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse as sp

from etm_jax.config.build import Config
from etm_jax.corpus.types import Corpus
from etm_jax.models.context import of_documents
from etm_jax.training.batches import Batcher
from etm_jax.util.arrays import unit_rows
from etm_jax.util.console import note, track
from etm_jax.util.errors import UserError
from etm_jax.vectors.documents import words_contexts

NUMBERS_AT_ONCE = 2**26
"""Similarities that are held at once."""


def check_neighbours(corpus: Corpus, config: Config) -> None:
    """Raise UserError where --neighbour_share is given and the documents are not all at hand."""
    if corpus.stream and (share := config.objective.neighbour_share):
        raise UserError(
            f"--neighbour_share={share} compares all documents, and those of a corpus of shards are not all in memory; "
            "give the texts or their counts as --corpus"
        )


def pooled(in_memory: Batcher, corpus: Corpus, config: Config) -> Batcher:
    """The batcher of the training documents with what --neighbour_share makes of their counts; itself without.

    Near is what has similar vectors of --context or, where there are none, of `words_contexts`. What an encoder reads
    stays.
    """
    share, number = config.objective.neighbour_share, config.objective.neighbours
    if not share:
        return in_memory
    number = min(number, in_memory.num_docs - 1)
    if not number:
        return in_memory
    contexts = corpus.contexts or words_contexts(corpus, config)
    vectors = contexts.parts.get("train")
    if vectors is None:
        assert contexts.words is not None
        vectors = of_documents(corpus.train.counts, contexts.words)
    note(f"{number} nearest documents by {contexts.origin} give {share:.0%} of what each document is to explain")
    near, cosines = nearest(vectors, number)
    counts = pooled_counts(in_memory.counts, near, cosines, share)
    context = None
    if corpus.contexts and contexts.words is not None:
        # The model would make them of the counts, which are now others. A document without words has the mean.
        known = vectors.any(axis=1, keepdims=True)
        context = np.where(known, vectors, vectors.sum(axis=0) / max(1, known.sum()))
    return in_memory.with_counts(counts, spread_over(in_memory.inputs, counts), context)


def nearest(vectors: np.ndarray, number: int) -> tuple[np.ndarray, np.ndarray]:
    """The documents of the most similar vectors, by cosine, without the document itself: two [D, number].

    The first has their rows, the nearest first, the second the cosines. number: at most D − 1. Every pair is compared,
    D² C multiplications: half a minute for 40,000 documents of 100 numbers on two cores.
    """
    num_docs = len(vectors)
    unit = jnp.asarray(unit_rows(np.asarray(vectors, np.float32)))
    rows = min(num_docs, max(1, NUMBERS_AT_ONCE // num_docs))
    starts = range(0, num_docs, rows)
    found, cosines = np.empty((num_docs, number), np.int32), np.empty((num_docs, number), np.float32)
    for start in track(starts, f"nearest documents, {rows:,} a block", unit="blocks"):
        # The last block begins earlier, so that all have one shape.
        first = min(start, num_docs - rows)
        like, which = _most_similar(unit, first, rows, number)
        found[first : first + rows], cosines[first : first + rows] = np.asarray(which), np.asarray(like)
    return found, cosines


@partial(jax.jit, static_argnames=("rows", "number"))
def _most_similar(unit: jax.Array, first: int, rows: int, number: int) -> tuple[jax.Array, jax.Array]:
    """Of the documents from `first` on: the largest cosines, and with whom: two [rows, number]."""
    own = first + jnp.arange(rows)
    like = jax.lax.dynamic_slice_in_dim(unit, first, rows) @ unit.T
    return jax.lax.top_k(like.at[jnp.arange(rows), own].set(-jnp.inf), number)


def pooled_counts(counts: sp.csr_matrix, near: np.ndarray, cosines: np.ndarray, share: float) -> sp.csr_matrix:
    """(1 − share) n_d p_d + share n_d p̄_d: [D, V] float32, p_d a document's shares of words and n_d its length.

    p̄ is the mean of its neighbours' shares; those without words, or whose cosine is not above 0, do not count, and a
    document that has no others keeps its counts. So the sums of the rows stay as they are. near, cosines: [D, number].
    """
    own = sp.csr_matrix(counts, dtype=np.float32)
    lengths = np.asarray(own.sum(axis=1)).ravel()
    shares = sp.diags(1 / np.maximum(lengths, 1)) @ own
    counted = ((cosines > 0) & (lengths[near] > 0)).astype(np.float32)
    together = counted.sum(axis=1, keepdims=True)
    weights = counted / np.maximum(together, 1)
    starts = np.arange(0, near.size + 1, near.shape[1])
    of_near = sp.csr_matrix((weights.ravel(), near.ravel(), starts), shape=(len(near), len(near))) @ shares
    given = np.where(together.ravel() > 0, np.float32(share), 0)
    pooled = sp.csr_matrix(sp.diags(1 - given) @ own + sp.diags(given * lengths) @ of_near, dtype=np.float32)
    pooled.sort_indices()
    return pooled


def spread_over(values: sp.csr_matrix, pattern: sp.csr_matrix) -> sp.csr_matrix:
    """The entries of `values` in the places of `pattern`, which has all of theirs, with zeros in its others: [D, V]."""
    columns = pattern.shape[1]
    places, own = (
        np.repeat(np.arange(matrix.shape[0], dtype=np.int64) * columns, np.diff(matrix.indptr)) + matrix.indices
        for matrix in (pattern, values)
    )
    data = np.zeros(pattern.nnz, values.dtype)
    data[np.searchsorted(places, own)] = values.data
    return sp.csr_matrix((data, pattern.indices, pattern.indptr), shape=pattern.shape)
