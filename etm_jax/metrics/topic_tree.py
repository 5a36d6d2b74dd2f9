"""How alike topics are, and the tree that joins the most alike first."""

from collections.abc import Iterator

import numpy as np
from scipy.cluster.hierarchy import linkage
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


def alike(beta: np.ndarray, alpha: np.ndarray | None = None) -> np.ndarray:
    """How alike topics are, as the tree takes it: by their embeddings where the model has them, else by their words.

    The cosines of α less its mean over topics, which all topics have in common. Cut at six or seven branches, trees by
    these agree better with groups of labels than trees by the overlap of words, or by both (docs/hierarchy.md).

    Parameters
    ----------
    beta : ndarray of shape (K, V)
        Topics; rows sum to 1.
    alpha : ndarray of shape (K, L), optional
        Topic embeddings.

    Returns
    -------
    ndarray of shape (K, K)
        In [−1, 1]; 1 on the diagonal.
    """
    if alpha is None:
        return overlap(beta)
    unit = unit_rows(alpha.astype(np.float64) - alpha.mean(axis=0, dtype=np.float64))
    cosines = np.clip(unit @ unit.T, -1.0, 1.0)
    # A topic that is the mean itself has no direction; it is like itself nonetheless.
    np.fill_diagonal(cosines, 1.0)
    return cosines


def ward_links(shared: np.ndarray) -> np.ndarray:
    """Join topics by Ward's clustering of points of length 1, whose distances are √(2 − 2 products).

    Parameters
    ----------
    shared : ndarray of shape (K, K)
        The products of the points, as `alike` gives them: those of √β, or of the directions of α.

    Returns
    -------
    ndarray of shape (K − 1, 4)
        The joints in the form of `scipy.cluster.hierarchy.linkage`, by rising height, with the leaves in their optimal
        order.
    """
    if len(shared) == 1:
        return np.zeros((0, 4))
    distance = np.sqrt(2 - 2 * shared)
    np.fill_diagonal(distance, 0.0)
    return np.asarray(linkage(squareform(distance, checks=False), "ward", optimal_ordering=True))


def cuts(links: np.ndarray) -> Iterator[np.ndarray]:
    """Cut the tree at every level, from one branch to K: of each the branch that each topic is in, by its node.

    Parameters
    ----------
    links : ndarray of shape (K − 1, 4)
        As `ward_links` gives them. Node k below K is topic k; node K + i is what joint i makes.

    Yields
    ------
    ndarray of shape (K,), int
        Exactly as many different nodes as there are branches: joints of one height are undone one after the other.
    """
    every = [np.arange(len(links) + 1)]
    for i, (left, right) in enumerate(links[:, :2].astype(int)):
        last = every[-1]
        every.append(np.where((last == left) | (last == right), len(links) + 1 + i, last))
    yield from reversed(every)


def branches(links: np.ndarray, number: int) -> np.ndarray:
    """The branch that each topic is in where the tree is cut into so many: [K] nodes, as of `cuts`.

    Raises ValueError where the number is not from 1 to K.
    """
    num_topics = len(links) + 1
    if not 1 <= number <= num_topics:
        raise ValueError(f"{number} branches of {num_topics} topics")
    node = np.arange(num_topics)
    for i, (left, right) in enumerate(links[: num_topics - number, :2].astype(int)):
        node = np.where((node == left) | (node == right), num_topics + i, node)
    return node


def most_alike(beta: np.ndarray, to: int, alpha: np.ndarray | None = None) -> list[list[int]]:
    """Cut the tree of topics where `to` branches are left.

    Parameters
    ----------
    beta : ndarray of shape (K, V)
        Topics; rows sum to 1.
    to : int
        Number of branches, from 1 to K.
    alpha : ndarray of shape (K, L), optional
        Topic embeddings, as of `alike`.

    Returns
    -------
    list of lists of int
        The topics of each branch that has several, ascending.
    """
    if to >= len(beta):
        return []
    branch = branches(ward_links(alike(beta, alpha)), to)
    groups = (np.flatnonzero(branch == b).tolist() for b in np.unique(branch))
    return sorted(group for group in groups if len(group) > 1)
