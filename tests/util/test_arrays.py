"""Rows of length 1, and the one form of a sparse matrix."""

import numpy as np
import scipy.sparse as sp

from etm_jax.metrics.topics import representative_documents
from etm_jax.util.arrays import canonical, unit_rows


def test_unit_rows_by_hand() -> None:
    np.testing.assert_allclose(unit_rows(np.array([[3.0, 4.0], [0.0, 0.0]])), [[0.6, 0.8], [0.0, 0.0]])
    np.testing.assert_allclose(unit_rows(np.array([[3e-7, 4e-7]]), least=1e-6), [[0.3, 0.4]])
    assert unit_rows(np.ones((1, 2), np.float32)).dtype == np.float32


def test_canonical_sums_what_stands_twice_and_drops_zeros() -> None:
    given = sp.csr_matrix((np.array([1, 2, 0, 4.0]), np.array([2, 2, 1, 0]), np.array([0, 4])), shape=(1, 3))
    found = canonical(given, np.int32)
    assert found.indices.tolist() == [0, 2]
    assert found.data.tolist() == [4, 3]
    assert found.dtype == np.int32
    assert given.nnz == 4
    assert canonical(given, keep_zeros=True).indices.tolist() == [0, 1, 2]
    np.testing.assert_array_equal(canonical(found).data, found.data)


def test_a_document_of_one_word_does_not_represent_a_topic_that_a_long_one_is_all_about() -> None:
    theta = np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9]])
    counts = sp.csr_matrix(np.array([[1, 0], [30, 30], [5, 5]]))
    # 0.9·log 2 = .62, 0.8·log 61 = 3.29, 0.1·log 11 = .24; 0.07, 0.82, 2.16.
    assert representative_documents(theta, counts, 2) == [[1, 0], [2, 1]]
