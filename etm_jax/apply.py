"""A trained model applied to new documents: their topic proportions, a few documents at a time."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import jax
import numpy as np
import scipy.sparse as sp

from etm_jax.batches import Batcher
from etm_jax.corpus.inputs import encoder_input
from etm_jax.corpus.new_documents import DOCUMENTS_AT_ONCE, CountedDocuments
from etm_jax.corpus.types import Vocabulary
from etm_jax.inference import infer_theta
from etm_jax.interop import Trained
from etm_jax.model import prior_theta

SIZES = tuple(2**i for i in range(12, 31))
"""Nonzeros to pad a batch to: the same for any text, so that few programs are compiled however much there is of it."""


class Mixtures(NamedTuple):
    """Topic proportions of D documents. ids: D; theta: [D, K] float32, rows sum to 1.

    tokens: [D] int64, their words; unknown: [D] float64, the share of words that the model does not know. Where it is
    1, theta is that of the prior.
    """

    ids: list[str]
    theta: np.ndarray
    tokens: np.ndarray
    unknown: np.ndarray


class Applied:
    """The model as a function of documents."""

    def __init__(self, trained: Trained, vocabulary: Vocabulary) -> None:
        self.spec, self.vocabulary = trained.spec(), vocabulary
        # Once for all calls.
        self.variables = jax.device_put(trained.variables)
        self.prior = np.asarray(prior_theta(self.spec.module(), self.variables))

    def theta(self, counts: sp.csr_matrix) -> np.ndarray:
        """Topic proportions: [D, V] CSR → [D, K] float32; the prior's for a row without words."""
        model = self.spec.model
        kind = "tfidf" if model.use_tfidf else model.encoder_input
        inputs = encoder_input(counts, kind, self.vocabulary)
        theta = infer_theta(self.variables, Batcher(counts, inputs, DOCUMENTS_AT_ONCE, SIZES), self.spec)
        return np.where(np.diff(counts.indptr)[:, None] == 0, self.prior, theta)

    def mixtures(self, documents: Iterable[CountedDocuments]) -> Iterator[Mixtures]:
        """The same of documents as they come."""
        for some in documents:
            yield Mixtures(some.ids, self.theta(some.counts), some.tokens, some.unknown)
