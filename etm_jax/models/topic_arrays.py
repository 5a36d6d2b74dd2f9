"""A fitted model as arrays, the same for every kind of model."""

from typing import NamedTuple

import numpy as np


class TopicArrays(NamedTuple):
    """A fitted model as arrays. beta: [K, V]; theta_*: [·, K]; rho: [V, L], alpha: [K, L], background: [V].

    β is the softmax over V of ρα + background; a model whose β comes otherwise has none of the three. activity: [K], of
    the encoder over the training documents, as `etm_jax.metrics.posterior` has it; None for LDA, which has no encoder.
    theta_prior: [K], LDA's Dirichlet prior of θ; None for others.
    """

    beta: np.ndarray
    theta_train: np.ndarray
    theta_valid: np.ndarray
    theta_test: np.ndarray
    theta_test_h1: np.ndarray
    rho: np.ndarray | None = None
    alpha: np.ndarray | None = None
    background: np.ndarray | None = None
    activity: np.ndarray | None = None
    theta_prior: np.ndarray | None = None
