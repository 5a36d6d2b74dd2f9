"""k-means: scikit-learn's numbers, and what its code does where a cluster is left without points."""

import numpy as np
import pytest
from sklearn.cluster import KMeans, kmeans_plusplus

from etm_jax.models.kmeans import _Nearest, best_clustering, lloyd, spread_out


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_best_of_several_clusterings_is_scikit_learns(dtype: type) -> None:
    rng = np.random.default_rng(6)
    points, weights = (rng.normal(size=(400, 8)) + 3).astype(dtype), rng.random(400)
    found = best_clustering(points, weights, 7, restarts=6, seed=3)
    expected = KMeans(7, n_init=6, random_state=3).fit(points, sample_weight=weights).cluster_centers_
    np.testing.assert_allclose(found, expected, rtol=1e-12 if dtype is np.float64 else 2e-5)
    one = KMeans(7, n_init=1, random_state=3).fit(points, sample_weight=weights).cluster_centers_
    assert np.abs(one - expected).max() > 0.1  # The first is not the best.


def test_starts_are_those_of_k_means_plus_plus() -> None:
    rng = np.random.default_rng(2)
    points, weights = rng.normal(size=(300, 5)), rng.random(300)
    found = spread_out(points, weights, 12, np.random.RandomState(9))
    expected, _ = kmeans_plusplus(points, 12, sample_weight=weights, random_state=np.random.RandomState(9))
    np.testing.assert_array_equal(found, expected)


def test_centres_that_single_precision_cannot_tell_apart_are_told_by_double() -> None:
    rng = np.random.default_rng(5)
    points, centres = rng.normal(size=(300, 40)), rng.normal(size=(3, 40))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    centres /= 2 * np.linalg.norm(centres, axis=1, keepdims=True)
    # Each centre has another beside it, nearer than single precision rounds.
    centres = np.repeat(centres, 2, axis=0)
    centres[1::2] += 1e-9 * rng.normal(size=(3, 40))
    exact = ((points[:, None] - centres) ** 2).sum(axis=2).argmin(axis=1)
    rounded = np.float32(points) @ np.float32(centres).T
    assert (exact != (np.float32(centres**2).sum(axis=1) - 2 * rounded).argmin(axis=1)).sum() > 50
    np.testing.assert_array_equal(_Nearest.of(points).labels(centres), exact)


def test_the_number_of_threads_changes_no_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    points = np.random.default_rng(4).normal(size=(500, 6)).astype(np.float32)
    found = []
    for number in (1, 3):
        monkeypatch.setattr("etm_jax.util.threads.cores", lambda number=number: number)
        found.append(best_clustering(points, np.ones(500), 5, 4, 1).tobytes())
    assert found[0] == found[1]


def test_an_empty_cluster_takes_the_point_that_is_farthest_from_its_centre() -> None:
    # Of the centres 0, 1 and 50 the last has no point; 9 is farthest from its own.
    points = np.array([[0.0], [0.2], [1.0], [1.2], [9.0]])
    centres, inertia = lloyd(points, np.ones(5), np.array([[0.0], [1.0], [50.0]]))
    np.testing.assert_allclose(np.sort(centres.ravel()), [0.1, 1.1, 9.0])
    assert inertia == pytest.approx(4 * 0.01)
