"""A fitted model as arrays, the same for every kind of model."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from etm_jax.metrics.word_shifts import WordShifts


class TopicArrays(NamedTuple):
    """A fitted model as arrays. beta: [K, V], rows sum to 1; theta_*: [·, K], of each part of the corpus.

    own: arrays that this kind of model has besides, by name: ρ [V, L], α [K, L] and the background [V], of which β is
    the softmax over V of ρα + background; the prior of θ [K] of LDA. activity: [K], of the encoder over the training
    documents, as `etm_jax.metrics.posterior` has it; None for a model without encoder. prior: [K], θ at the prior's
    mean; None where it is in `own`, or not known. shifts: what groups of documents make of the words; None where topics
    have the same words in all of them.
    """

    beta: np.ndarray
    theta_train: np.ndarray
    theta_valid: np.ndarray
    theta_test: np.ndarray
    theta_test_h1: np.ndarray
    own: Mapping[str, np.ndarray] = {}
    activity: np.ndarray | None = None
    prior: np.ndarray | None = None
    shifts: WordShifts | None = None

    @property
    def theta(self) -> np.ndarray:
        """[D, K], of the documents for training, validation and test, one part after the other."""
        return np.concatenate([self.theta_train, self.theta_valid, self.theta_test])

    @property
    def rho(self) -> np.ndarray | None:
        """Word embeddings [V, L], of a model that has them."""
        return self.own.get("rho")

    @property
    def alpha(self) -> np.ndarray | None:
        """Topic embeddings [K, L], of a model that has them."""
        return self.own.get("alpha")

    @property
    def background(self) -> np.ndarray | None:
        """A share of the words' log frequencies [V], which is added to every topic's logits, of a model that has it."""
        return self.own.get("background")
