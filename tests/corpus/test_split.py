import numpy as np
import pytest
import scipy.sparse as sp

from etm_jax.corpus.words.split import halves, split_documents
from etm_jax.util.errors import UserError


def test_shares_parts_and_order():
    lengths = np.full(200, 5)
    parts = split_documents(lengths, 0.05, 0.10, seed=1)
    assert [len(part) for part in parts] == [170, 10, 20]
    assert sorted(np.concatenate(parts)) == list(range(200))
    assert all((np.diff(part) > 0).all() for part in parts)


def test_the_seed_decides():
    lengths = np.full(50, 5)
    again, same, other = (split_documents(lengths, 0.1, 0.2, seed)[2].tolist() for seed in (1, 1, 2))
    assert again == same != other


def test_documents_of_one_token_are_never_tested_and_empty_ones_nowhere():
    lengths = np.array([0, 1, 1, 1, 1, 1, 1, 2, 3, 4])
    for seed in range(20):
        train, valid, test = split_documents(lengths, 0.1, 0.2, seed)
        assert set(test) <= {7, 8, 9}
        assert len(test) == 2
        assert sorted([*train, *valid, *test]) == list(range(1, 10))


def test_shares_of_nothing_give_nothing():
    train, valid, test = split_documents(np.ones(3), 0.0, 0.0, seed=1)
    assert (train.tolist(), len(valid), len(test)) == ([0, 1, 2], 0, 0)


def test_too_few_documents_to_split():
    with pytest.raises(UserError, match=r"there are only 3 documents"):
        split_documents(np.array([3, 3, 0]), 0.05, 0.1, seed=1)


def test_halves_add_up_and_are_equal_in_size():
    counts = sp.random(40, 30, density=0.3, format="csr", rng=np.random.default_rng(0))
    counts = sp.csr_matrix((np.ceil(counts.data * 9).astype(np.int32), counts.indices, counts.indptr), counts.shape)
    counts.sort_indices()
    h1, h2 = halves(counts, seed=3)
    n = np.asarray(counts.sum(axis=1)).ravel()
    assert (h1 + h2 != counts).nnz == 0
    assert np.asarray(h1.sum(axis=1)).ravel().tolist() == (n // 2).tolist()
    for half in (h1, h2):
        assert half.dtype == np.int32
        assert half.has_canonical_format
        assert (half.data > 0).all()


def test_every_token_is_as_likely_in_either_half():
    # 2000 documents of one token of word 0 and nine of word 1: word 0 falls into each half 1000 ± 22 times.
    counts = sp.csr_matrix(np.tile(np.array([[1, 9]], dtype=np.int32), (2000, 1)))
    h1, _ = halves(counts, seed=0)
    assert abs(int(h1[:, 0].sum()) - 1000) < 90


def test_no_documents_have_no_halves():
    h1, h2 = halves(sp.csr_matrix((0, 4), dtype=np.int32), seed=1)
    assert h1.shape == h2.shape == (0, 4)


def test_a_share_is_taken_as_its_decimals():
    assert [len(part) for part in split_documents(np.full(100, 5), 0.575, 0.145, seed=1)] == [28, 58, 14]
