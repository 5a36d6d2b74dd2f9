"""What the encoder reads of a document's counts."""

import numpy as np
import scipy.sparse as sp

from etm_jax.corpus.types import Vocabulary

DOCUMENTS_AT_ONCE = 100_000
"""Bounds what is held in double precision."""


def encoder_input(counts: sp.csr_matrix, kind: str, vocabulary: Vocabulary, dtype: type = np.float32) -> sp.csr_matrix:
    """[D, V] of `dtype` with the indices of `counts`, entry by entry.

    kind: `counts`; `normalized`, divided by the document's total; `log1p`; or `tfidf`, count × log2(num_docs / df)
    scaled to Euclidean length 1 per document (gensim's `TfidfModel`). Words of every training document weigh 0 in
    tf-idf, as do those of none, but keep their place.
    """
    values: np.ndarray = np.empty(counts.nnz, dtype)
    for low in range(0, counts.shape[0], DOCUMENTS_AT_ONCE):
        some = counts[low : low + DOCUMENTS_AT_ONCE]
        start = counts.indptr[low]
        values[start : start + some.nnz] = _values(some, kind, vocabulary)
    return sp.csr_matrix((values, counts.indices, counts.indptr), shape=counts.shape)


def _values(counts: sp.csr_matrix, kind: str, vocabulary: Vocabulary) -> np.ndarray:
    """[nnz] float64."""
    values = counts.data.astype(np.float64)
    if kind == "normalized":
        return values / _per_entry(counts, values)
    if kind == "log1p":
        return np.log1p(values)
    if kind == "tfidf":
        df = vocabulary.doc_freq
        idf = np.where(df > 0, np.log2(vocabulary.num_docs / np.maximum(df, 1)), 0.0)
        values *= idf[counts.indices]
        norm = np.sqrt(_per_entry(counts, values**2))
        return np.divide(values, norm, out=np.zeros_like(values), where=norm > 0)
    if kind != "counts":
        raise ValueError(f"unknown encoder input {kind!r}")
    return values


def _per_entry(counts: sp.csr_matrix, values: np.ndarray) -> np.ndarray:
    """The sum of `values` over each entry's row. values: [nnz] → [nnz]."""
    row = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
    return np.bincount(row, values, minlength=counts.shape[0])[row]
