"""How far several models of the same documents find the same topics."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from scipy.optimize import linear_sum_assignment


def matched_overlap(words: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Share of each topic's top words that its match has among its own.

    The topics are matched one to one, such that the sum of the shares is largest (the Hungarian method, Kuhn 1955).

    Parameters
    ----------
    words, others : ndarray of shape (K, n), int
        Columns of the topics' words, of two models.

    Returns
    -------
    ndarray of shape (K,)
        In [0, 1].
    """
    shared = np.array([[len(np.intersect1d(a, b)) for b in others] for a in words])
    rows, cols = linear_sum_assignment(shared, maximize=True)
    return shared[rows, cols] / words.shape[1]


def stability(words: Sequence[np.ndarray]) -> float:
    """Mean of `matched_overlap` over all topics of all pairs of models.

    As in Greene, O'Callaghan, Cunningham 2014 (arXiv 1404.4606), who compare ranked words by their Jaccard index.

    Parameters
    ----------
    words : sequence of ndarray of shape (K, n)
        Of each model, at least two.

    Returns
    -------
    float
        In [0, 1]; 1 where all find the same topics, in whatever order.
    """
    return float(np.mean([matched_overlap(a, b) for a, b in combinations(words, 2)]))
