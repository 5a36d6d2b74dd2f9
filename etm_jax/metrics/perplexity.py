"""Document completion: how well topics inferred from one half of a document predict the other half."""

import math
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from etm_jax.metrics.evaluator import FittedRun, Measured, Row

ENTRIES_AT_ONCE = 20_000
"""Nonzeros processed in one block, which bounds the memory needed to this many rows of K float64."""


class Perplexity(NamedTuple):
    """Perplexity: exp of the mean nats per token.

    Attributes
    ----------
    by_document : float
        Nats per token averaged over documents, as in adjidieng/ETM.
    by_token : float
        Nats per token averaged over all tokens.
    """

    by_document: float
    by_token: float


def evaluate(run: FittedRun) -> Measured:
    """Measure the document-completion perplexity of the test documents.

    Parameters
    ----------
    run : FittedRun

    Returns
    -------
    Measured
        `perplexity`: a `Perplexity`, nan and without rows where there are no test documents.
    """
    half2 = run.corpus.test_h2
    if run.log_px is None:
        found = completion_perplexity(run.theta_test_h1, run.beta, half2)
    else:
        found = perplexity_of(run.log_px, half2)
    how = "second halves of test documents, given the first"
    rows = [
        Row("perplexity", f"{found.by_document:,.1f}", f"by document; {how}"),
        Row("", f"{found.by_token:,.1f}", f"by token; {how}"),
    ]
    return Measured({"perplexity": found}, [] if math.isnan(found.by_document) else rows)


def completion_perplexity(theta: np.ndarray, beta: np.ndarray, half2: sp.csr_matrix) -> Perplexity:
    """Compute the document-completion perplexity of a mixture of topics.

    This is the predictive quality of Dieng et al. 2020, as adjidieng/ETM computes it except for the 1e-12 that is added
    to each probability.

    Parameters
    ----------
    theta : ndarray of shape (T, K)
        Topic proportions of the documents' first halves; rows sum to 1.
    beta : ndarray of shape (K, V)
        Topics; rows sum to 1.
    half2 : csr_matrix of shape (T, V)
        Counts of their second halves.

    Returns
    -------
    Perplexity
        nan where all second halves are empty.
    """
    return perplexity_of(mixture_log_px(theta, beta, half2), half2)


def perplexity_of(log_px: np.ndarray, counts: sp.csr_matrix) -> Perplexity:
    """Compute the perplexity of counts under any model.

    Parameters
    ----------
    log_px : ndarray of shape (nnz,)
        log p(w | document) at the nonzeros of `counts`, in nats.
    counts : csr_matrix of shape (T, V)
        Empty documents are left out.

    Returns
    -------
    Perplexity
        nan where all documents are empty.
    """
    entries = counts.tocoo()
    nats = -entries.data * log_px.astype(np.float64)
    tokens = np.bincount(entries.row, entries.data, counts.shape[0])
    scored = tokens > 0
    if not scored.any():
        return Perplexity(float("nan"), float("nan"))
    per_token = np.bincount(entries.row, nats, counts.shape[0])[scored] / tokens[scored]
    return Perplexity(float(np.exp(per_token.mean())), float(np.exp(nats.sum() / tokens.sum())))


def mixture_log_px(theta: np.ndarray, beta: np.ndarray, counts: sp.csr_matrix) -> np.ndarray:
    """Compute log(θβ + 1e-12) at the nonzeros of counts.

    Parameters
    ----------
    theta : ndarray of shape (T, K)
        Topic proportions; rows sum to 1.
    beta : ndarray of shape (K, V)
        Topics; rows sum to 1.
    counts : csr_matrix of shape (T, V)

    Returns
    -------
    ndarray of shape (nnz,), float64
        In nats, in the order of `counts.data`.
    """
    entries = counts.tocoo()
    log_px = np.empty(entries.nnz)
    for start in range(0, entries.nnz, ENTRIES_AT_ONCE):
        part = slice(start, start + ENTRIES_AT_ONCE)
        rows, words = theta[entries.row[part]].astype(np.float64), beta.T[entries.col[part]].astype(np.float64)
        log_px[part] = np.log((rows * words).sum(1) + 1e-12)
    return log_px
