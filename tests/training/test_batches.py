"""Batches hold their documents whole, in a few static sizes."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from etm_jax.models.batch import Batch
from etm_jax.training.batches import Batcher, static_sizes


def dense_of(batch: Batch, vocab_size: int) -> np.ndarray:
    nnz = batch.pattern.row_starts[-1]
    dense = np.zeros((len(batch.real), vocab_size))
    np.add.at(dense, (batch.pattern.rows[:nnz], batch.pattern.cols[:nnz]), batch.counts[:nnz])
    return dense


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 30),
    st.integers(1, 12),
    st.floats(0, 1),
    st.integers(1, 9),
    st.integers(0, 10**6),
    st.sampled_from([1, 3, 8]),
)
def test_an_epoch_holds_every_document_once(num_docs, vocab_size, density, batch_size, seed, multiple):
    counts = sp.random(num_docs, vocab_size, density, format="csr", random_state=seed)
    batcher = Batcher(counts, counts, batch_size, multiple=multiple)
    order = np.random.default_rng(seed).permutation(num_docs)
    batches = list(batcher.epoch(order))
    assert len(batches) == len(batcher)
    rows = np.concatenate([dense_of(b, vocab_size)[b.real == 1] for b in batches])
    np.testing.assert_allclose(rows, counts.toarray()[order], rtol=1e-6)
    assert {len(b.counts) for b in batches} <= set(batcher.sizes)
    lengths = np.concatenate([np.diff(b.pattern.row_starts)[b.real == 1] for b in batches])
    np.testing.assert_array_equal(lengths, -(-np.diff(counts.indptr)[order] // multiple) * multiple)


def test_columns_are_the_transpose_of_rows():
    counts = sp.random(20, 15, 0.3, format="csr", random_state=3)
    batch = Batcher(counts, counts, 20).take(np.arange(20))
    nnz = batch.pattern.row_starts[-1]
    transposed = sp.csr_matrix(
        (
            batch.counts[batch.pattern.order][:nnz],
            batch.pattern.rows[batch.pattern.order][:nnz],
            batch.pattern.col_starts,
        ),
        shape=(15, 20),
    )
    np.testing.assert_allclose(transposed.toarray(), counts.toarray().T, rtol=1e-6)


def test_sizes_hold_the_longest_documents_and_are_few():
    lengths = np.random.default_rng(0).zipf(1.5, 10_000).clip(max=5_000)
    sizes = static_sizes(lengths, 256)
    assert sizes[-1] >= np.sort(lengths)[-256:].sum()
    assert len(sizes) <= 12
    assert list(sizes) == sorted(set(sizes))


def test_the_usual_size_is_that_of_the_documents_to_train_on():
    """Shorter ones that come with them, such as halves, would make it too small, and a second program compiled."""
    lengths, halves = np.full(1000, 40), np.full(1000, 20)
    assert static_sizes(lengths, 256, [halves]) == static_sizes(lengths, 256)
    # Longer ones are held too, each size half as large again as the one before, at most.
    longer = static_sizes(lengths, 256, [halves * 5])
    assert longer[0] == static_sizes(lengths, 256)[0]
    assert longer[-1] >= 256 * 100


def test_inputs_of_another_sparsity_are_refused():
    with pytest.raises(ValueError, match="sparsity"):
        Batcher(sp.eye(3, format="csr"), sp.csr_matrix((3, 3)), 2)
    with pytest.raises(ValueError, match="sparsity"):
        Batcher(sp.eye(3, format="csr"), sp.csr_matrix(np.eye(3)[::-1]), 2)


def test_repeated_and_unsorted_entries_are_summed_and_sorted_and_the_callers_matrix_stays():
    counts = sp.csr_matrix((np.array([1, 2, 4]), [3, 3, 0], [0, 3]), shape=(1, 5))
    inputs = sp.csr_matrix((np.array([0.5, 8.0]), [0, 3], [0, 2]), shape=(1, 5))
    batch = Batcher(counts, inputs, 1).take(np.array([0]))
    np.testing.assert_array_equal(batch.pattern.cols[:2], [0, 3])
    np.testing.assert_array_equal(batch.counts[:2], [4, 3])
    np.testing.assert_array_equal(batch.inputs[:2], [0.5, 8])
    assert counts.nnz == 3
