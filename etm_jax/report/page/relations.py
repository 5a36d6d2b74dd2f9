"""Relations of topics and words: a tree of topics, and a map in two dimensions."""

from typing import NamedTuple

import numpy as np
from scipy.cluster.hierarchy import leaves_list

from etm_jax.metrics.topic_tree import branches
from etm_jax.util.arrays import unit_rows
from etm_jax.util.threads import libraries

MOST_FAMILIES = 8
"""Number of colours that can be distinguished."""


class Tree(NamedTuple):
    """The tree of topics as it is drawn.

    order: the K topics in the order of the leaves. family: [K], from 0, numbered in the order of the leaves. joints:
    for each of the K − 1 joints, by rising height, its four corners: their leaf positions, in leaves from 0, and their
    heights.
    """

    order: list[int]
    family: list[int]
    joints: list[tuple[list[float], list[float]]]


def tree_of(links: np.ndarray) -> Tree:
    """The tree whose joints these are. links: [K − 1, 4], of `etm_jax.metrics.topic_tree.ward_links`."""
    num_topics = len(links) + 1
    if num_topics == 1:
        return Tree([0], [0], [])
    order = [int(k) for k in leaves_list(links)]
    of_branch = branches(links, min(MOST_FAMILIES, num_topics))
    number = {branch: i for i, branch in enumerate(dict.fromkeys(of_branch[order]))}
    position = dict(zip(order, map(float, range(num_topics)), strict=True))
    height = dict.fromkeys(order, 0.0)
    joints = []
    for i, (left, right, top, _) in enumerate(links.tolist()):
        low, high = sorted((int(left), int(right)), key=position.__getitem__)
        joints.append(([position[low]] * 2 + [position[high]] * 2, [height[low], top, top, height[high]]))
        position[num_topics + i] = (position[low] + position[high]) / 2
        height[num_topics + i] = top
    return Tree(order, [number[branch] for branch in of_branch], joints)


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
