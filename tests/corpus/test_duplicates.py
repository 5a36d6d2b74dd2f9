from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse as sp

from conftest import planted_counts
from etm_jax.corpus.duplicates import duplicates_between, tell_duplicates
from etm_jax.corpus.types import Documents


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


@pytest.mark.parametrize(("copies", "told"), [(0, ""), (1, "1 of 200"), (2, "warning: 2 of 200")])
def test_a_copy_among_many_is_told_and_more_are_warned_of(copies, told, capsys):
    counts = planted_counts(400, 50, 5)
    test = sp.vstack([counts[200 : 400 - copies], counts[:copies]], format="csr")
    names = list(map(str, range(200)))
    tell_duplicates(SimpleNamespace(train=Documents(counts[:200], names, names), test=Documents(test, names, names)))
    said = capsys.readouterr().err
    assert said.startswith(told)
    assert bool(said) == bool(copies)
