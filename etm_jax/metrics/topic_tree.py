"""How alike topics are, and the tree that joins the most alike first."""

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from etm_jax.util.arrays import unit_rows


def overlap(beta: np.ndarray) -> np.ndarray:
    """Compute the Bhattacharyya coefficients Σ_v √(β_kv β_lv) of all pairs of topics.

    Parameters
    ----------
    beta : ndarray of shape (K, V)
        Topics; rows sum to 1.

    Returns
    -------
    ndarray of shape (K, K)
        In [0, 1]; 1 on the diagonal.
    """
    root = unit_rows(np.sqrt(beta.astype(np.float64)))
    return np.clip(root @ root.T, 0.0, 1.0)


def ward_links(shared: np.ndarray) -> np.ndarray:
    """Join topics by Ward's clustering of the points √β, whose distances are √(2 − 2 overlap).

    Parameters
    ----------
    shared : ndarray of shape (K, K)
        As `overlap` gives it.

    Returns
    -------
    ndarray of shape (K − 1, 4)
        The joints in the form of `scipy.cluster.hierarchy.linkage`, with the leaves in their optimal order.
    """
    if len(shared) == 1:
        return np.zeros((0, 4))
    distance = np.sqrt(2 - 2 * shared)
    np.fill_diagonal(distance, 0.0)
    return np.asarray(linkage(squareform(distance, checks=False), "ward", optimal_ordering=True))


def most_alike(beta: np.ndarray, to: int) -> list[list[int]]:
    """Cut the tree of topics where `to` branches are left.

    Parameters
    ----------
    beta : ndarray of shape (K, V)
        Topics; rows sum to 1.
    to : int
        Number of branches, from 1 to K.

    Returns
    -------
    list of lists of int
        The topics of each branch that has several, ascending.
    """
    if to >= len(beta):
        return []
    branch = fcluster(ward_links(overlap(beta)), to, "maxclust")
    groups = (np.flatnonzero(branch == b).tolist() for b in np.unique(branch))
    return sorted(group for group in groups if len(group) > 1)
