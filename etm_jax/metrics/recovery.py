"""How well a model finds topics that are known."""

from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from etm_jax.util.arrays import unit_rows


class Recovery(NamedTuple):
    """Means over topics, each matched with a true one: cosine of β's rows, Pearson correlation of θ's columns."""

    cosine: float
    correlation: float


def recovery(beta: np.ndarray, theta: np.ndarray, true_beta: np.ndarray, true_theta: np.ndarray) -> Recovery:
    """How well topics recover true ones, matched one to one for the largest sum of cosines (Hungarian method).

    Parameters
    ----------
    beta, true_beta : ndarray of shape (K, V)
    theta, true_theta : ndarray of shape (D, K)

    Returns
    -------
    Recovery
        A topic whose share is the same in every document correlates with nothing: 0.
    """
    cosines = unit_rows(true_beta) @ unit_rows(beta).T
    true, found = linear_sum_assignment(cosines, maximize=True)
    centred, true_centred = (unit_rows((x - x.mean(axis=0)).T.astype(np.float64)) for x in (theta, true_theta))
    correlations = (true_centred[true] * centred[found]).sum(axis=1)
    return Recovery(float(cosines[true, found].mean()), float(correlations.mean()))
