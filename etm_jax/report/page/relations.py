"""Relations of topics and words: overlap of topics, a tree of topics, and a map in two dimensions."""

from typing import NamedTuple

import numpy as np
from scipy.cluster.hierarchy import dendrogram, fcluster, leaves_list, linkage
from scipy.spatial.distance import squareform

from etm_jax.util.arrays import unit_rows

MOST_FAMILIES = 8
"""Number of colours that can be distinguished."""


class Tree(NamedTuple):
    """Topics clustered by overlap.

    order: the K topics in the order of the leaves. family: [K], from 0, numbered in the order of the leaves. joints:
    for each of the K − 1 joints its four corners: their leaf positions, in leaves from 0, and their distances.
    """

    order: list[int]
    family: list[int]
    joints: list[tuple[list[float], list[float]]]


def overlap(beta: np.ndarray) -> np.ndarray:
    """Bhattacharyya coefficients Σ_v √(β_kv β_lv) of all pairs of topics: [K, V] → [K, K], in [0, 1]; 1 on the
    diagonal.
    """
    root = unit_rows(np.sqrt(beta.astype(np.float64)))
    return np.clip(root @ root.T, 0.0, 1.0)


def tree_of(shared: np.ndarray) -> Tree:
    """Ward's clustering of the points √β, whose distances are √(2 − 2 overlap). shared: [K, K], of `overlap`."""
    num_topics = len(shared)
    if num_topics == 1:
        return Tree([0], [0], [])
    links = links_of(shared)
    drawn = dendrogram(links, no_plot=True)
    order = [int(k) for k in leaves_list(links)]
    cluster = fcluster(links, min(MOST_FAMILIES, num_topics), "maxclust")
    number = {c: i for i, c in enumerate(dict.fromkeys(cluster[order]))}
    # scipy places leaf i at 10 i + 5.
    joints = [
        ([(x - 5) / 10 for x in xs], [float(y) for y in ys])
        for xs, ys in zip(drawn["icoord"], drawn["dcoord"], strict=True)
    ]
    return Tree(order, [number[c] for c in cluster], joints)


def links_of(shared: np.ndarray) -> np.ndarray:
    """The merges of `tree_of` as scipy's linkage has them: [K − 1, 4], two nodes, their distance, topics below."""
    if len(shared) == 1:
        return np.zeros((0, 4))
    distance = np.sqrt(2 - 2 * shared)
    np.fill_diagonal(distance, 0.0)
    return np.asarray(linkage(squareform(distance, checks=False), "ward", optimal_ordering=True))


def flattened(points: np.ndarray) -> np.ndarray:
    """A map of points by their directions: [P, L] → [P, 2] in [0, 1], by t-SNE on cosine distances.

    The same points give the same map. Fewer than four points are placed on a line.
    """
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    if len(points) < 4:
        return np.stack([np.linspace(0, 1, len(points)), np.full(len(points), 0.5)], axis=1)
    with threadpool_limits(limits=1):
        flat = TSNE(
            perplexity=min(30.0, (len(points) - 1) / 3), metric="cosine", init="random", random_state=1, n_jobs=1
        ).fit_transform(unit_rows(points.astype(np.float64)))
    flat -= flat.min(axis=0)
    return flat / max(float(flat.max()), 1e-12)
