"""Topic proportions, posteriors and log-probabilities of many documents, computed a batch at a time."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse as sp

from etm_jax.metrics.posterior import Moments
from etm_jax.models.layers import Variables
from etm_jax.ops.devices import num_threads
from etm_jax.training.batches import Batcher
from etm_jax.training.steps import Spec, log_px_nonzero_step, log_px_step, posterior_step, theta_step, topics_by_word
from etm_jax.util.console import track

BATCHES_AHEAD = 8
"""Batches that are computed, or queued on the device, while the host packs the next."""


def infer_theta(
    variables: Variables,
    batcher: Batcher,
    spec: Spec,
    order: np.ndarray | None = None,
    by_word: jax.Array | None = None,
) -> np.ndarray:
    """Topic proportions by `theta_step`: [D, K], of the parameters' dtype, a row for each of the batcher's.

    order: [D], the rows as they come into batches; mixed where it is not given, as `_mixed` says. by_word: of
    `topics_by_word`, where it is known.
    """
    theta = np.empty((batcher.num_docs, spec.model.num_topics), jnp.result_type(float))
    batches = batcher.parts(_mixed(batcher) if order is None else order)
    by_word = topics_by_word(variables, spec) if by_word is None else by_word
    # On a processor a batch uses one core. Several devices need their programs in one order, from one thread.
    threads = min(num_threads(), BATCHES_AHEAD) if batcher.layout is None else 1
    several = BATCHES_AHEAD // threads
    parts = [batches[start : start + several] for start in range(0, len(batches), several)]

    def infer(part: list[np.ndarray]) -> None:
        found = [theta_step(variables, batcher.take(rows), spec, by_word) for rows in part]
        for rows, of_batch in zip(part, jax.device_get(found), strict=True):
            theta[rows] = of_batch[: len(rows)]

    about = f"topic proportions, {several * batcher.batch_size:,} documents each"
    with ThreadPoolExecutor(threads, "infer") as pool:
        for _ in track(pool.map(infer, parts), about, len(parts), "parts"):
            pass
    return theta


def infer_posterior(variables: Variables, batcher: Batcher, spec: Spec) -> Moments:
    """Moments of the posteriors q(δ | x) of all documents; mu and logvar themselves are never kept."""
    moments, parts = Moments(spec.model.num_topics, spec.model.prior_variance), batcher.parts(_mixed(batcher))
    epoch = track(map(batcher.take, parts), "posteriors", len(parts), "batches")
    batches = (posterior_step(variables, batch, spec) for batch in epoch)
    for rows, (mu, logvar) in _fetched(batches, parts):
        moments.add(mu[: len(rows)], logvar[: len(rows)])
    return moments


def _mixed(batcher: Batcher) -> np.ndarray:
    """All rows [D] in the order of an epoch, whose batches are nearly all of the size that training has a program for.

    Documents that stand together are often much alike, and many long ones would need a larger one.
    """
    return np.random.default_rng(0).permutation(batcher.num_docs)


def _fetched(batches: Iterator[Any], parts: Iterable[np.ndarray]) -> Iterator[tuple[np.ndarray, Any]]:
    """Yield the rows of each batch, which `parts` has, and its result.

    Results are fetched some batches late, so that the host packs a batch while the device computes those before it.
    """
    waiting: deque[Any] = deque()
    rows = iter(parts)

    def oldest() -> tuple[np.ndarray, Any]:
        return next(rows), jax.device_get(waiting.popleft())

    for batch in batches:
        waiting.append(batch)
        if len(waiting) > BATCHES_AHEAD:
            yield oldest()
    while waiting:
        yield oldest()


def completion_log_px(
    variables: Variables, theta: np.ndarray, half2: sp.csr_matrix, test_h1: Batcher, spec: Spec
) -> np.ndarray | None:
    """log p(w | θ) at the nonzeros of the test documents' second halves: [nnz] float32, nats; None where it is log θβ.

    theta: [T, K], of the first halves; half2: [T, V] CSR; test_h1: batches of the first halves.
    """
    if spec.module().topics_vary:
        return _log_px_by_document(variables, theta, test_h1.of_counts(half2), spec)
    return None if spec.module().is_mixture else log_px_at(variables, theta, half2, test_h1.batch_size, spec)


def _log_px_by_document(variables: Variables, theta: np.ndarray, batcher: Batcher, spec: Spec) -> np.ndarray:
    """log p(w | θ) at the nonzeros of a batcher's counts, by the topics as each document has them: [nnz] float32."""
    counts = batcher.counts
    found = np.empty(counts.nnz, np.float32)
    for rows in batcher.parts():
        padded = np.full((batcher.batch_size, theta.shape[1]), 1 / theta.shape[1], theta.dtype)
        padded[: len(rows)] = theta[rows]
        at = np.concatenate([np.arange(counts.indptr[row], counts.indptr[row + 1]) for row in rows])
        found[at] = np.asarray(log_px_nonzero_step(variables, padded, batcher.take(rows), spec))[: len(at)]
    return found


def log_px_at(
    variables: Variables, theta: np.ndarray, counts: sp.csr_matrix, batch_size: int, spec: Spec
) -> np.ndarray:
    """log p(w | θ) at the nonzeros of `counts`, of a model that is not a mixture of topics: [nnz] float32, nats.

    theta: [D, K]; counts: [D, V] CSR.
    """
    parts = [np.empty(0, np.float32)]
    for start in range(0, len(theta), batch_size):
        rows = slice(start, start + batch_size)
        # Padded, so that the last batch runs the same program.
        padded = np.full((batch_size, theta.shape[1]), 1 / theta.shape[1], np.float32)
        padded[: len(theta[rows])] = theta[rows]
        entries = counts[rows].tocoo()
        parts.append(np.asarray(log_px_step(variables, padded, spec))[entries.row, entries.col])
    return np.concatenate(parts)
