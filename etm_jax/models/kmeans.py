"""k-means of weighted points, from the best of several starts: scikit-learn's, whose import takes longer than this."""

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from etm_jax.util.threads import in_threads, libraries

MOST_ITERATIONS = 300

TOLERANCE = 1e-4
"""Squared shift of all centres, relative to the points' mean variance, at which they stand still."""


def best_clustering(points: np.ndarray, weights: np.ndarray, number: int, restarts: int, seed: int) -> np.ndarray:
    """Centres of the best of several k-means clusterings of weighted points: [N, L], [N] → [number, L].

    They are those of scikit-learn's `KMeans` with as many restarts, to rounding. Threads share the restarts.
    """
    mean, rng = points.mean(axis=0), np.random.RandomState(seed)
    points, weights = points - mean, weights.astype(points.dtype)
    # With threads of its own for products that are small, BLAS waits for cores that a compiler may have.
    with libraries().limit(limits=1):
        starts = [spread_out(points, weights, number, rng) for _ in range(restarts)]
    found = list(in_threads(lambda start: lloyd(points, weights, start), starts))
    centres, _ = min(found, key=lambda one: one[1])
    return centres + mean


def spread_out(points: np.ndarray, weights: np.ndarray, number: int, rng: np.random.RandomState) -> np.ndarray:
    """Points to start from, each drawn by its squared distance to those before it: [number, L].

    Of 2 + log(number) draws the one is taken that leaves least inertia (Arthur and Vassilvitskii 2007, k-means++, whose
    code does so), in scikit-learn's order of random numbers.
    """
    norms, draws = np.einsum("nl,nl->n", points, points), 2 + int(np.log(number))
    chosen = [rng.choice(len(points), p=weights / weights.sum())]
    nearest = _squared_distances(points, norms, points[chosen])[0]
    inertia = nearest @ weights
    for _ in range(1, number):
        drawn = np.searchsorted(np.cumsum(weights * nearest), rng.uniform(size=draws) * inertia)
        drawn = np.minimum(drawn, len(points) - 1)  # The sum may round to less than the inertia.
        left = np.minimum(nearest, _squared_distances(points, norms, points[drawn]))
        inertias = left @ weights
        best = int(inertias.argmin())
        nearest, inertia = left[best], inertias[best]
        chosen.append(drawn[best])
    return points[chosen]


def lloyd(points: np.ndarray, weights: np.ndarray, centres: np.ndarray) -> tuple[np.ndarray, float]:
    """Centres [K, L] at which the iteration of Lloyd (1982) stands still, and the weighted sum of squared distances."""
    nearest, labels = _Nearest.of(points), np.full(len(points), -1)
    tolerance = TOLERANCE * float(np.var(points, axis=0).mean())
    for _ in range(MOST_ITERATIONS):
        before, labels = labels, nearest.labels(centres)
        if np.array_equal(labels, before):
            break
        if not np.bincount(labels, minlength=len(centres)).all():
            labels = _none_empty(labels, nearest.distances(centres), len(centres))
        moved = _means(points, weights, labels, len(centres))
        shift, centres = float(((moved - centres) ** 2).sum()), moved
        if shift <= tolerance:
            break
    return centres, float(nearest.distances(centres).min(axis=0) @ weights)


class _Nearest(NamedTuple):
    """Points [N, L] in double precision, their squared norms [N], and the points in single precision."""

    points: np.ndarray
    norms: np.ndarray
    rounded: np.ndarray

    @classmethod
    def of(cls, points: np.ndarray) -> "_Nearest":
        return cls(points, np.einsum("nl,nl->n", points, points), points.astype(np.float32))

    def labels(self, centres: np.ndarray) -> np.ndarray:
        """The centre that is nearest to each point, as double precision has it: [K, L] → [N].

        Single precision, in half the time, leaves only the points in doubt of which two centres are as far but for its
        rounding.
        """
        rounded, all_points = centres.astype(np.float32), np.arange(len(self.points))
        distances = rounded @ self.rounded.T
        distances *= -2
        distances += np.einsum("kl,kl->k", rounded, rounded)[:, None]
        labels = distances.argmin(axis=0)
        least = distances[labels, all_points]
        distances[labels, all_points] = np.inf
        # A dot product of L terms is off by L roundings of |x| |c| at most, and no centre is longer than all points.
        doubt = 8 * self.points.shape[1] * float(np.finfo(np.float32).eps * self.norms.max())
        doubtful = np.flatnonzero(distances.min(axis=0) - least < doubt)
        if len(doubtful):
            of_doubtful = _squared_distances(self.points[doubtful], self.norms[doubtful], centres)
            labels[doubtful] = of_doubtful.argmin(axis=0)
        return labels

    def distances(self, centres: np.ndarray) -> np.ndarray:
        """Squared, in double precision: [K, L] → [K, N]."""
        return _squared_distances(self.points, self.norms, centres)


def _squared_distances(points: np.ndarray, norms: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """[N, L], [N], [K, L] → [K, N]."""
    squares = centres @ points.T
    squares *= -2
    squares += norms
    squares += np.einsum("kl,kl->k", centres, centres)[:, None]
    return np.maximum(squares, 0, out=squares)


def _none_empty(labels: np.ndarray, distances: np.ndarray, number: int) -> np.ndarray:
    """The labels, where a cluster without points has got the one that is farthest from its centre."""
    empty = np.flatnonzero(np.bincount(labels, minlength=number) == 0)
    labels = labels.copy()
    labels[np.argsort(-distances.min(axis=0), kind="stable")[: len(empty)]] = empty
    return labels


def _means(points: np.ndarray, weights: np.ndarray, labels: np.ndarray, number: int) -> np.ndarray:
    """The weighted mean of each cluster: [K, L]; zero for one that weighs nothing."""
    of_cluster = sp.csr_matrix((weights, (labels, np.arange(len(labels)))), (number, len(labels)))
    total = np.maximum(np.asarray(of_cluster.sum(axis=1)), np.finfo(points.dtype).tiny)
    return np.asarray(of_cluster @ points) / total
