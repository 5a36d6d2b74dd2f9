"""Nearest vectors by cosine."""

import numpy as np

from etm_jax.util.arrays import unit_rows


def nearest(points: np.ndarray, others: np.ndarray, n: int, skip_self: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Find the vectors with the largest cosines.

    Parameters
    ----------
    points : ndarray of shape (P, L)
        The vectors whose neighbours are wanted.
    others : ndarray of shape (Q, L)
        The candidates.
    n : int
        Neighbours of a point; fewer where there are fewer candidates.
    skip_self : bool
        Whether `points` are `others`, and a point is not a neighbour of itself.

    Returns
    -------
    found, cosines : ndarray of shape (P, n)
        Rows of `others`, best first, and their cosines. Ties go to the lower row.
    """
    left, right = (unit_rows(x.astype(np.float64)) for x in (points, others))
    n = min(n, len(right) - skip_self)
    found, cosines = np.empty((len(left), n), np.int64), np.empty((len(left), n))
    for start in range(0, len(left), 1024):
        cosine = left[start : start + 1024] @ right.T
        rows = np.arange(len(cosine))[:, None]
        if skip_self:
            cosine[rows[:, 0], start + rows[:, 0]] = -np.inf
        some = np.argpartition(-cosine, min(n, cosine.shape[1] - 1), axis=1)[:, :n]
        some.sort(axis=1)
        best = np.take_along_axis(some, np.argsort(-cosine[rows, some], axis=1, kind="stable"), axis=1)
        found[start : start + 1024], cosines[start : start + 1024] = best, cosine[rows, best]
    return found, cosines
