"""Topic proportions, posteriors and log-probabilities of many documents, computed a batch at a time."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse as sp

from etm_jax.metrics.posterior import Moments
from etm_jax.models.layers import Variables
from etm_jax.ops.devices import num_threads
from etm_jax.training.batches import Batcher
from etm_jax.training.steps import Spec, beta_to_infer, log_px_step, posterior_step, theta_step
from etm_jax.util.console import track

BATCHES_AHEAD = 8
"""Batches that are computed, or queued on the device, while the host packs the next."""


def infer_theta(
    variables: Variables, batcher: Batcher, spec: Spec, order: np.ndarray | None = None, beta: jax.Array | None = None
) -> np.ndarray:
    """Topic proportions by `theta_step`: [D, K], of the parameters' dtype, a row for each of the batcher's.

    order: [D], the rows as they come into batches; mixed where it is not given, as `_mixed` says. beta: of
    `beta_to_infer`, where it is known.
    """
    theta = np.empty((batcher.num_docs, spec.model.num_topics), jnp.result_type(float))
    order = _mixed(batcher) if order is None else order
    beta = beta_to_infer(variables, spec) if beta is None else beta
    # On a processor a batch uses one core. Several devices need their programs in one order, from one thread.
    threads = min(num_threads(), BATCHES_AHEAD) if batcher.layout is None else 1
    several = batcher.batch_size * (BATCHES_AHEAD // threads)
    parts = [order[start : start + several] for start in range(0, len(order), several)]

    def infer(rows: np.ndarray) -> None:
        found = [theta_step(variables, batch, spec, beta) for batch in batcher.epoch(rows)]
        theta[rows] = np.concatenate(jax.device_get(found))[: len(rows)]

    with ThreadPoolExecutor(threads, "infer") as pool:
        for _ in track(pool.map(infer, parts), f"topic proportions, {several:,} documents each", len(parts), "parts"):
            pass
    return theta


def infer_posterior(variables: Variables, batcher: Batcher, spec: Spec) -> Moments:
    """Moments of the posteriors q(δ | x) of all documents; mu and logvar themselves are never kept."""
    moments, order = Moments(spec.model.num_topics, spec.model.prior_variance), _mixed(batcher)
    epoch = track(batcher.epoch(order), "posteriors", len(batcher), "batches")
    batches = (posterior_step(variables, batch, spec) for batch in epoch)
    for rows, (mu, logvar) in _fetched(batches, order, batcher.batch_size):
        moments.add(mu[: len(rows)], logvar[: len(rows)])
    return moments


def _mixed(batcher: Batcher) -> np.ndarray:
    """All rows [D] in the order of an epoch, whose batches are nearly all of the size that training has a program for.

    Documents that stand together are often much alike, and many long ones would need a larger one.
    """
    return np.random.default_rng(0).permutation(batcher.num_docs)


def _fetched(batches: Iterator[Any], order: np.ndarray, batch_size: int) -> Iterator[tuple[np.ndarray, Any]]:
    """Yield the rows of each batch, and its result.

    Results are fetched some batches late, so that the host packs a batch while the device computes those before it.
    """
    waiting: deque[Any] = deque()
    starts = count(0, batch_size)

    def oldest() -> tuple[np.ndarray, Any]:
        start = next(starts)
        return order[start : start + batch_size], jax.device_get(waiting.popleft())

    for batch in batches:
        waiting.append(batch)
        if len(waiting) > BATCHES_AHEAD:
            yield oldest()
    while waiting:
        yield oldest()


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
