"""Relations of topics and words: a tree of topics, and a map in two dimensions."""

from typing import NamedTuple

import numpy as np
from scipy.cluster.hierarchy import dendrogram, fcluster, leaves_list

from etm_jax.metrics.topic_tree import ward_links
from etm_jax.util.arrays import unit_rows
from etm_jax.util.threads import libraries

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


def tree_of(shared: np.ndarray) -> Tree:
    """Ward's clustering of the points √β, whose distances are √(2 − 2 overlap). shared: [K, K], of
    `etm_jax.metrics.topic_tree.overlap`."""
    num_topics = len(shared)
    if num_topics == 1:
        return Tree([0], [0], [])
    links = ward_links(shared)
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


def flattened(points: np.ndarray) -> np.ndarray:
    """A map of points by their directions: [P, L] → [P, 2] in [0, 1], by t-SNE on cosine distances.

    The same points give the same map. Fewer than four points are placed on a line.
    """
    from sklearn.manifold import TSNE

    if len(points) < 4:
        return np.stack([np.linspace(0, 1, len(points)), np.full(len(points), 0.5)], axis=1)
    with libraries().limit(limits=1):
        flat = TSNE(
            perplexity=min(30.0, (len(points) - 1) / 3), metric="cosine", init="random", random_state=1, n_jobs=1
        ).fit_transform(unit_rows(points.astype(np.float64)))
    flat -= flat.min(axis=0)
    return flat / max(float(flat.max()), 1e-12)
