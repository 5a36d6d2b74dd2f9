"""How well a model finds topics that are known."""

from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from etm_jax.util.arrays import unit_rows


class Recovery(NamedTuple):
    """Agreement with the true topics, averaged over topics, each matched with a true one.

    Attributes
    ----------
    cosine : float
        Cosine of the rows of β.
    correlation : float
        Pearson correlation of the columns of θ.
    """

    cosine: float
    correlation: float


def recovery(beta: np.ndarray, theta: np.ndarray, true_beta: np.ndarray, true_theta: np.ndarray) -> Recovery:
    """Measure how well topics recover the true ones.

    The topics are matched one to one, such that the sum of the cosines is largest (the Hungarian method, Kuhn 1955).

    Parameters
    ----------
    beta, true_beta : ndarray of shape (K, V)
        Topics; rows sum to 1.
    theta, true_theta : ndarray of shape (D, K)
        Topic proportions of the same documents; rows sum to 1.

    Returns
    -------
    Recovery
        The correlation of a topic whose proportion is the same in every document counts as 0.
    """
    cosines = unit_rows(true_beta) @ unit_rows(beta).T
    true, found = linear_sum_assignment(cosines, maximize=True)
    centred, true_centred = (unit_rows((x - x.mean(axis=0)).T.astype(np.float64)) for x in (theta, true_theta))
    correlations = (true_centred[true] * centred[found]).sum(axis=1)
    return Recovery(float(cosines[true, found].mean()), float(correlations.mean()))
