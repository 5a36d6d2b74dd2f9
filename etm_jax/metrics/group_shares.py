"""How much of a group of documents each topic is, with an interval."""

from collections.abc import Sequence
from typing import NamedTuple

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


def grouped(values: Sequence[str]) -> tuple[list[str], np.ndarray]:
    """The different values, sorted, and the place of each document's value among them, −1 for one that has none."""
    levels = sorted({value for value in values if value})
    place = {value: i for i, value in enumerate(levels)}
    return levels, np.array([place.get(value, -1) for value in values], np.int64)
