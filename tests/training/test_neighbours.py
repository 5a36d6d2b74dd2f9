"""Pooling by neighbours: who is near, and what a document then has to explain."""

import numpy as np
import scipy.sparse as sp

from etm_jax.training import neighbours
from etm_jax.training.neighbours import nearest, pooled_counts, spread_over


def test_the_nearest_are_those_of_the_largest_cosines(monkeypatch) -> None:
    vectors = np.random.default_rng(1).normal(size=(23, 4)).astype(np.float32)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = unit @ unit.T
    np.fill_diagonal(cosines, -2)
    expected = np.argsort(-cosines, axis=1)[:, :5]
    # Blocks of 5 documents, of which the last overlaps.
    monkeypatch.setattr(neighbours, "NUMBERS_AT_ONCE", 23 * 5)
    found, like = nearest(vectors * 7, 5)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_allclose(like, np.take_along_axis(cosines, expected, 1), atol=1e-6)


def test_a_share_of_the_neighbours_words_by_hand() -> None:
    counts = sp.csr_matrix(np.array([[2, 0, 0], [0, 1, 3], [0, 5, 0]]))
    near, like = np.array([[1, 2], [0, 2], [0, 1]]), np.array([[0.9, 0.5], [0.9, -0.1], [0.0, -1.0]], np.float32)
    pooled = pooled_counts(counts, near, like, 0.5)
    # 2 (½ (1, 0, 0) + ½ (0, ¼ + 1, ¾)/2); 4 (½ (0, ¼, ¾) + ½ (1, 0, 0)); no neighbour that is like it.
    np.testing.assert_allclose(pooled.toarray(), [[1, 0.625, 0.375], [2, 0.5, 1.5], [0, 5, 0]])
    assert pooled.dtype == np.float32


def test_documents_keep_their_lengths_and_empty_ones_count_for_nothing() -> None:
    rng = np.random.default_rng(2)
    counts = sp.csr_matrix(rng.poisson(0.1, (40, 12)))
    assert (counts.sum(axis=1) == 0).any()
    near, like = nearest(rng.normal(size=(40, 3)), 6)
    pooled = pooled_counts(counts, near, like, 0.7)
    np.testing.assert_allclose(pooled.sum(axis=1), counts.sum(axis=1), rtol=1e-5)
    np.testing.assert_allclose(pooled_counts(counts, near, like, 0.0).toarray(), counts.toarray())


def test_entries_are_spread_over_a_larger_pattern() -> None:
    pattern = sp.csr_matrix(np.array([[1, 1, 0, 1], [0, 0, 0, 0], [1, 0, 1, 0]]))
    values = sp.csr_matrix(np.array([[0, 5, 0, 7], [0, 0, 0, 0], [0, 0, 9, 0]]))
    spread = spread_over(values, pattern)
    np.testing.assert_array_equal(spread.toarray(), values.toarray())
    np.testing.assert_array_equal(spread.indices, pattern.indices)
