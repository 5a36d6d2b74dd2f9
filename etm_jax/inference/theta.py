"""Topic proportions, posteriors and log-probabilities of many documents, computed a batch at a time."""

from collections import deque
from collections.abc import Iterator
from itertools import count
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse as sp

from etm_jax.metrics.posterior import Moments
from etm_jax.models.layers import Variables
from etm_jax.training.batches import Batcher
from etm_jax.training.steps import Spec, log_px_step, posterior_step, theta_step
from etm_jax.util.console import track

BATCHES_AHEAD = 8
"""Batches queued on the device while the host packs the next."""


def infer_theta(variables: Variables, batcher: Batcher, spec: Spec) -> np.ndarray:
    """Topic proportions by `theta_step`, in the order of the rows: [D, K], of the parameters' dtype."""
    num_docs = batcher.num_docs
    theta = np.empty((num_docs, spec.model.num_topics), jnp.result_type(float))
    batches = (theta_step(variables, batch, spec) for batch in batcher.epoch())
    for start, rows in _fetched(batches, batcher.batch_size):
        real = min(batcher.batch_size, num_docs - start)
        theta[start : start + real] = rows[:real]
    return theta


def infer_posterior(variables: Variables, batcher: Batcher, spec: Spec) -> Moments:
    """Moments of the posteriors q(δ | x) of all documents; mu and logvar themselves are never kept."""
    num_docs, moments = batcher.num_docs, Moments(spec.model.num_topics, spec.model.prior_variance)
    epoch = track(batcher.epoch(), "posteriors", len(batcher), "batches")
    batches = (posterior_step(variables, batch, spec) for batch in epoch)
    for start, (mu, logvar) in _fetched(batches, batcher.batch_size):
        real = min(batcher.batch_size, num_docs - start)
        moments.add(mu[:real], logvar[:real])
    return moments


def _fetched(batches: Iterator[Any], batch_size: int) -> Iterator[tuple[int, Any]]:
    """Yield the result of each batch, after the index of its first row.

    Results are fetched some batches late, so that the host packs a batch while the device computes those before it.
    """
    waiting: deque[Any] = deque()
    starts = count(0, batch_size)
    for batch in batches:
        waiting.append(batch)
        if len(waiting) > BATCHES_AHEAD:
            yield next(starts), jax.device_get(waiting.popleft())
    for batch in waiting:
        yield next(starts), jax.device_get(batch)


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
