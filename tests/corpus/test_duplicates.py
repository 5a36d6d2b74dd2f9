import numpy as np
import pytest
import scipy.sparse as sp

from conftest import planted_counts
from etm_jax.corpus.duplicates import duplicates_between


def test_test_documents_that_are_trained_on_are_counted():
    counts = planted_counts(300, 50, 5)
    train, test = counts[:200], counts[200:]
    assert duplicates_between(train, test) == 0
    assert duplicates_between(train, sp.vstack([test, train[7], train[7], train[190]], format="csr")) == 3
    # The same words, but one of them twice.
    other = train[7].copy()
    other.data[0] += 1
    assert duplicates_between(train, other) == 0


@pytest.mark.parametrize(("length", "found"), [(4, 0), (5, 1)])
def test_short_documents_are_alike_by_chance(length, found):
    row = sp.csr_matrix(np.array([[length, 0, 0]], np.int32))
    assert duplicates_between(row, row) == found


def test_no_documents_have_no_duplicates():
    none = sp.csr_matrix((0, 3), dtype=np.int32)
    assert duplicates_between(none, none) == 0
