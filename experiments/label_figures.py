"""How far topic proportions go with labels that no model saw, and how plain the shown words are."""

from typing import Any

import numpy as np
import scipy.sparse as sp

from etm_jax.metrics.labels import purity
from experiments.labelled import Labels

SMALL = 5
"""A topic that is the largest of fewer training documents than this is small."""

STRENGTHS = (1, 10, 100)
"""C of the classifiers that the best is chosen from."""


def label_figures(train: np.ndarray, test: np.ndarray, labels: Labels) -> dict[str, float]:
    """Purity and NMI of the largest topics, on either part; and `lr`, of a linear classifier. train, test: θ [D, K]."""
    figures: dict[str, float] = {}
    for name, theta, truth in (("", train, labels.train), ("_test", test, labels.test)):
        largest = theta.argmax(axis=1)
        figures |= {f"purity{name}": purity(largest, truth), f"nmi{name}": nmi(largest, truth)}
    return figures | {"lr": accuracy(train, test, labels)}


def nmi(topics: np.ndarray, labels: np.ndarray) -> float:
    """The mutual information of two partitions [D], divided by the mean of their entropies."""
    from sklearn.metrics import normalized_mutual_info_score

    return float(normalized_mutual_info_score(labels, topics))


def accuracy(train: np.ndarray, test: np.ndarray, labels: Labels) -> float:
    """Share of the test documents whose label a logistic regression tells from θ, or from its logarithm.

    Every fifth training document chooses which of the two, and how strongly weights are bounded; the first of equals.
    """
    from sklearn.linear_model import LogisticRegression

    def plain(theta: np.ndarray) -> np.ndarray:
        return theta

    def logarithm(theta: np.ndarray) -> np.ndarray:
        return np.log(np.maximum(theta, 1e-6))

    def fitted(theta: np.ndarray, truth: np.ndarray, strength: float) -> Any:
        return LogisticRegression(C=strength, max_iter=300).fit(theta, truth)

    held = np.arange(len(train)) % 5 == 0
    choices = [(features, strength) for features in (plain, logarithm) for strength in STRENGTHS]

    def on_held(choice: tuple[Any, float]) -> float:
        features, strength = choice
        model = fitted(features(train[~held]), labels.train[~held], strength)
        return float(model.score(features(train[held]), labels.train[held]))

    features, strength = max(choices, key=on_held)
    return float(fitted(features(train), labels.train, strength).score(features(test), labels.test))


def small_topics(theta: np.ndarray, num_topics: int) -> int:
    """Topics that are the largest of fewer than five documents. theta: [D, K], or more columns, which are no topics."""
    return int((np.bincount(theta.argmax(axis=1), minlength=num_topics)[:num_topics] < SMALL).sum())


def commonness(words: np.ndarray, counts: sp.csr_matrix) -> float:
    """The median share of documents that hold a shown word. words: columns [K, n], each as often as it is shown."""
    holding = np.bincount(sp.csr_matrix(counts > 0).indices, minlength=counts.shape[1])
    return float(np.median(holding[words]) / counts.shape[0])
