"""How well topics inferred from one half of a document predict the other."""

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

ENTRIES_AT_ONCE = 100_000
"""Bounds the memory to this many rows of K float64."""


class Perplexity(NamedTuple):
    """exp of nats per token. by_document: averaged over documents, as in the paper; by_token: over all tokens."""

    by_document: float
    by_token: float


def completion_perplexity(theta: np.ndarray, beta: np.ndarray, half2: sp.csr_matrix) -> Perplexity:
    """Document-completion perplexity. theta: [T, K] from the first halves, beta: [K, V], half2: [T, V] counts.

    Documents without a second half are left out; nan where none has one.
    """
    entries = half2.tocoo()
    nats = np.empty(entries.nnz)
    for start in range(0, entries.nnz, ENTRIES_AT_ONCE):
        part = slice(start, start + ENTRIES_AT_ONCE)
        rows, words = theta[entries.row[part]].astype(np.float64), beta.T[entries.col[part]].astype(np.float64)
        nats[part] = -entries.data[part] * np.log((rows * words).sum(1) + 1e-12)
    tokens = np.bincount(entries.row, entries.data, half2.shape[0])
    scored = tokens > 0
    if not scored.any():
        return Perplexity(float("nan"), float("nan"))
    per_token = np.bincount(entries.row, nats, half2.shape[0])[scored] / tokens[scored]
    return Perplexity(float(np.exp(per_token.mean())), float(np.exp(nats.sum() / tokens.sum())))
