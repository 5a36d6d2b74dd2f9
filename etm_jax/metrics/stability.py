"""Agreement between the topics of several models of the same documents."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np


def matched_overlap(words: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Compute the share of each topic's top words that are also top words of its match.

    The topics are matched one to one, such that the sum of the shares is largest (the Hungarian method, Kuhn 1955).

    Parameters
    ----------
    words, others : ndarray of shape (K, n), int
        Columns of the topics' words, of two models with the same K and n.

    Returns
    -------
    ndarray of shape (K,)
        In [0, 1], in the order of `words`.
    """
    # Importing it takes a third of a second, and most runs match nothing.
    from scipy.optimize import linear_sum_assignment

    shared = np.array([[len(np.intersect1d(a, b)) for b in others] for a in words])
    rows, cols = linear_sum_assignment(shared, maximize=True)
    return shared[rows, cols] / words.shape[1]


def stability(words: Sequence[np.ndarray]) -> float:
    """Compute the mean of `matched_overlap` over all topics of all pairs of models.

    Parameters
    ----------
    words : sequence of ndarray of shape (K, n), int
        Columns of the topics' words, of each of at least two models.

    Returns
    -------
    float
        In [0, 1]; 1 where all models find the same topics, in any order.

    References
    ----------
    Greene, O'Callaghan, Cunningham 2014, arXiv 1404.4606, who compare ranked words by their Jaccard index.
    """
    return float(np.mean([matched_overlap(a, b) for a, b in combinations(words, 2)]))
