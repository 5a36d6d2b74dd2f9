"""A map of documents by their topics, as a figure."""

from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from etm_jax.report.page.relations import flattened
from etm_jax.report.palette import SIDE_BY_SIDE, colours_apart
from etm_jax.util.console import note

MOST_DOCUMENTS = 2000
"""Documents on the map; of more, so many are drawn."""

SLOW = 1000
"""Documents whose placing takes more than two seconds."""

LABELLED = 20
"""Topics that are named on the map, those with most documents."""

NEAR = 5
"""Documents around one whose topics must not have its topic's colour."""


def place_documents(theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Place documents in the plane by t-SNE on Hellinger's distance of their θ.

    Parameters
    ----------
    theta : ndarray of shape (D, K)
        Rows sum to 1.

    Returns
    -------
    rows : ndarray of shape (N,), int
        The documents that are shown, ascending; the same ones again for the same D.
    points : ndarray of shape (N, 2)
        In [0, 1].
    """
    number = len(theta)
    rows = np.arange(number)
    if number > MOST_DOCUMENTS:
        rows = np.sort(np.random.default_rng([0]).choice(number, MOST_DOCUMENTS, replace=False))
    if len(rows) >= SLOW:
        note(f"map of documents: placing {len(rows):,} of {number:,}, which takes some seconds")
    # Rows of √θ have length 1, and 1 − cosine of two of them is the square of Hellinger's distance.
    return rows, flattened(np.sqrt(theta[rows]))


def document_map(theta: np.ndarray, labels: list[str], ink: str) -> Any:
    """Draw the map: a point is a document, in the colour of its largest topic.

    Parameters
    ----------
    theta : ndarray of shape (D, K)
    labels : list of K str
    ink : str
        The colour of labels.

    Returns
    -------
    matplotlib.figure.Figure
    """
    from matplotlib import patheffects
    from matplotlib import pyplot as plt

    rows, points = place_documents(theta)
    largest = theta[rows].argmax(axis=1)
    figure, axis = plt.subplots(figsize=(11, 8))
    axis.set_axis_off()
    near = np.asarray(cKDTree(points).query(points, min(NEAR, len(points)))[1])
    pairs = [(int(largest[i]), int(largest[j])) for i, row in enumerate(near) for j in row]
    colours = [SIDE_BY_SIDE[c] for c in colours_apart(pairs, len(labels))]
    axis.scatter(points[:, 0], points[:, 1], s=12, c=[colours[k] for k in largest], linewidths=0, alpha=0.85)
    halo = [patheffects.withStroke(linewidth=3, foreground="white")]
    number = np.bincount(largest, minlength=len(labels))
    for k in np.argsort(-number, kind="stable")[:LABELLED]:
        if number[k]:
            x, y = np.median(points[largest == k], axis=0)
            # Above the point, which would be hidden where it is the only one.
            axis.annotate(labels[k], (x, y), (0, 6), textcoords="offset points", fontsize=9, color=ink, ha="center",
                          path_effects=halo)  # fmt: skip
    return figure
