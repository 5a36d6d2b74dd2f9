"""How much of a group of documents each topic is, with an interval."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

Z95 = 1.959964
"""The 97.5% quantile of the normal distribution."""


class Shares(NamedTuple):
    """A weighted mean of θ by group. mean, low, high: [G, K] in [0, 1]; low and high are NaN for a single document."""

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray


def shares_of(theta: np.ndarray, group: np.ndarray, num_groups: int, weight: np.ndarray) -> Shares:
    """Compute the weighted mean of θ in each group, and its 95% interval over documents.

    The mean is the ratio Σ wθ / Σ w. Its variance is that of the ratio estimator in a large population,
    n / (n − 1) · Σ w² (θ − mean)² / (Σ w)² (Cochran, Sampling Techniques, 1977, chapter 6); the interval is that of the
    normal distribution, cut at 0 and 1.
    It says how much the mean varies with the choice of documents, not how uncertain the θ of each of them is.

    Parameters
    ----------
    theta : ndarray of shape (D, K)
        Rows sum to 1.
    group : ndarray of shape (D,), int
        In [0, num_groups).
    num_groups : int
        G.
    weight : ndarray of shape (D,)
        Numbers of words for shares of the words, ones for the mean over documents.

    Returns
    -------
    Shares
        NaN for a group of weight 0.
    """
    theta, weight = theta.astype(np.float64), weight.astype(np.float64)
    of_group = sp.csr_matrix((weight, (group, np.arange(len(group)))), shape=(num_groups, len(group)))
    total = np.asarray(of_group.sum(axis=1))
    number = np.bincount(group[weight > 0], minlength=num_groups)[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(total > 0, of_group @ theta / total, np.nan)
        squares = of_group.power(2) @ (theta - np.nan_to_num(mean)[group]) ** 2
        half = Z95 * np.sqrt(np.where(number > 1, number / (number - 1) * squares, np.nan)) / total
    return Shares(mean, np.maximum(mean - half, 0.0), np.minimum(mean + half, 1.0))


class GroupTopic(NamedTuple):
    """A topic in a group of documents: a row of the tables of `etm_jax.report --tables` and of Python.

    documents, words: of the group. share: of its words, which longer documents have more of. mean_theta: of the topic's
    proportion θ over its documents. Both with the 95% interval of `shares_of`, nan for one document.
    """

    topic: int
    name: str
    group: Any
    documents: int
    words: int
    share: float
    share_low: float
    share_high: float
    mean_theta: float
    mean_theta_low: float
    mean_theta_high: float


def group_topics(
    theta: np.ndarray, words: np.ndarray, group: np.ndarray, levels: Sequence[Any], names: Sequence[str]
) -> list[GroupTopic]:
    """Every topic in every group: topic by topic, in the order of the groups.

    theta: [D, K]; words: [D], numbers of words; group: [D] places in `levels`, −1 for a document that is in none;
    names: of the K topics.
    """
    kept = np.flatnonzero(group >= 0)
    theta, group, words, num_groups = theta[kept], group[kept], words[kept], len(levels)
    by_words = shares_of(theta, group, num_groups, words)
    by_documents = shares_of(theta, group, num_groups, np.ones(len(kept)))
    documents, length = np.bincount(group, minlength=num_groups), np.bincount(group, words, minlength=num_groups)
    return [
        GroupTopic(
            k, name, level, int(documents[g]), int(length[g]), *(float(x[g, k]) for x in (*by_words, *by_documents))
        )
        for k, name in enumerate(names)
        for g, level in enumerate(levels)
    ]


def grouped(values: Sequence[str]) -> tuple[list[str], np.ndarray]:
    """The different values, sorted, and the place of each document's value among them, −1 for one that has none."""
    levels = sorted({value for value in values if value})
    place = {value: i for i, value in enumerate(levels)}
    return levels, np.array([place.get(value, -1) for value in values], np.int64)
