"""Topic proportions and validation figures of many documents, a batch at a time."""

from collections import deque
from collections.abc import Iterator
from itertools import count
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse as sp

from etm_jax.batches import Batcher
from etm_jax.console import track
from etm_jax.metrics.posterior import Moments
from etm_jax.model import Variables
from etm_jax.steps import Spec, Sums, eval_step, log_px_step, posterior_step, theta_step

BATCHES_AHEAD = 8
"""That the device may have before it."""


class Bound(NamedTuple):
    """Nats per document: reconstruction, KL, and the negative evidence lower bound, recon + kl_weight · kl."""

    nelbo: float
    recon: float
    kl: float


def bounds(sums: list[Sums], kl_weight: float) -> list[Bound]:
    """Means over all documents of the batches, of each model that the sums are of. Waits for the device."""
    columns = zip(*jax.device_get(sums), strict=True)
    models = zip(*(np.atleast_1d(np.sum(column, axis=0)).tolist() for column in columns), strict=True)
    return [Bound((recon + kl_weight * kl) / docs, recon / docs, kl / docs) for recon, kl, docs in models]


def evaluate_bound(variables: Variables, batcher: Batcher, key: jax.Array, spec: Spec) -> Bound:
    """The bound, in nats a document, by one sample of δ each, the same one at each call with the same key."""
    batches = enumerate(batcher.epoch())
    sums = [eval_step(variables, batch, jax.random.fold_in(key, i), spec) for i, batch in batches]
    return bounds(sums, spec.objective.kl_weight)[0]


def infer_theta(variables: Variables, batcher: Batcher, spec: Spec) -> np.ndarray:
    """Topic proportions as of `theta_step`, in the order of the rows: [D, K], of the parameters' dtype."""
    num_docs = batcher.num_docs
    theta = np.empty((num_docs, spec.model.num_topics), jnp.result_type(float))
    batches = (theta_step(variables, batch, spec) for batch in batcher.epoch())
    for start, rows in _fetched(batches, batcher.batch_size):
        real = min(batcher.batch_size, num_docs - start)
        theta[start : start + real] = rows[:real]
    return theta


def infer_posterior(variables: Variables, batcher: Batcher, spec: Spec) -> Moments:
    """What the encoder makes of the documents: of mu and logvar of q(δ | x) the sums, so that they are never held."""
    num_docs, moments = batcher.num_docs, Moments(spec.model.num_topics, spec.model.prior_variance)
    epoch = track(batcher.epoch(), "posteriors", len(batcher), "batches")
    batches = (posterior_step(variables, batch, spec) for batch in epoch)
    for start, (mu, logvar) in _fetched(batches, batcher.batch_size):
        real = min(batcher.batch_size, num_docs - start)
        moments.add(mu[:real], logvar[:real])
    return moments


def _fetched(batches: Iterator[Any], batch_size: int) -> Iterator[tuple[int, Any]]:
    """What the device makes of each batch, and the row that it begins with.

    Some batches late, so that the host cuts a batch while the device works on those before it.
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
    """Logarithm of p(w | θ) at the nonzeros of `counts`, of a model that is no mixture of topics: [nnz] float32, nats.

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
