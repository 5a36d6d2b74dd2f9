"""The negative evidence lower bound of many documents, a batch at a time."""

from typing import NamedTuple

import jax
import numpy as np

from etm_jax.models.layers import Variables
from etm_jax.models.objective import Sums
from etm_jax.training.batches import Batcher
from etm_jax.training.steps import Spec, eval_step


class Bound(NamedTuple):
    """Nats per document: reconstruction, KL, and the negative evidence lower bound, recon + kl_weight · kl."""

    nelbo: float
    recon: float
    kl: float


def bounds(sums: list[Sums], kl_weight: float) -> list[Bound]:
    """Means over all documents of the batches, of each member of the ensemble. Waits for the device."""
    columns = zip(*jax.device_get(sums), strict=True)
    models = zip(*(np.atleast_1d(np.sum(column, axis=0)).tolist() for column in columns), strict=True)
    return [Bound((recon + kl_weight * kl) / docs, recon / docs, kl / docs) for recon, kl, docs in models]


def evaluate_bound(variables: Variables, batcher: Batcher, key: jax.Array, spec: Spec) -> Bound:
    """The bound of all documents, by one sample of δ each: the same sample at each call with the same key."""
    batches = enumerate(batcher.epoch())
    sums = [eval_step(variables, batch, jax.random.fold_in(key, i), spec) for i, batch in batches]
    return bounds(sums, spec.objective.kl_weight)[0]
