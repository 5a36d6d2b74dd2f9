"""The sparse products equal the dense ones, forward and backward, by every platform's kernel."""

import importlib
import sys
from unittest.mock import Mock

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse as sp

from etm_jax.ops import csr, sparse
from etm_jax.training.batches import Batcher
from etm_jax.util.arrays import align


def batch_of(density: float, rows: int = 7, cols: int = 23, pad_rows: int = 2, seed: int = 0, multiple: int = 1):
    counts = sp.random(rows, cols, density, format="csr", random_state=seed, dtype=np.float32)
    batch = Batcher(counts, counts, rows + pad_rows, multiple=multiple).take(np.arange(rows))
    dense = np.zeros((rows + pad_rows, cols), np.float32)
    dense[:rows] = counts.toarray()
    return batch, dense


KERNELS = {"cpu": csr.native, "cuda": csr.gather, "tpu": csr.dense_blocks}


@pytest.fixture(params=[*KERNELS, "tpu in small blocks"])
def kernel(request, monkeypatch):
    platform, _, in_small_blocks = request.param.partition(" ")
    monkeypatch.setattr(csr, "product", on_arrays(KERNELS[platform]))
    if in_small_blocks:
        # Two rows of the masks and, of what is higher than wide, less than the whole.
        monkeypatch.setattr(csr, "DENSE_BLOCK_BYTES", 2**11)
    return request.param


def on_arrays(product):
    return lambda values, cols, starts, dense: product(values, jnp.asarray(cols), jnp.asarray(starts), dense)


@pytest.mark.parametrize("density", [0.0, 0.02, 0.4, 1.0])
def test_matmul_and_its_gradient_equal_dense(kernel, density):
    batch, dense = batch_of(density)
    weights = np.random.default_rng(1).normal(size=(23, 5)).astype(np.float32)
    out, pullback = jax.vjp(lambda w: sparse.spmm(batch.counts, batch.pattern, w), weights)
    np.testing.assert_allclose(out, dense @ weights, rtol=1e-5, atol=1e-6)
    cotangent = np.random.default_rng(2).normal(size=out.shape).astype(np.float32)
    np.testing.assert_allclose(pullback(cotangent)[0], dense.T @ cotangent, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("start", "size"), [(0, 23), (0, 4), (5, 9), (22, 1)])
def test_some_rows_of_the_transposes_product_equal_dense(kernel, start, size):
    batch, dense = batch_of(0.4)
    behind = np.random.default_rng(1).normal(size=(len(dense), 5)).astype(np.float32)
    found = sparse.spmm_rows(sparse.transposed(batch.counts, batch.pattern), jnp.asarray(behind), start, size)
    np.testing.assert_allclose(found, (dense.T @ behind)[start : start + size], rtol=1e-5, atol=1e-6)


def test_some_rows_of_several_seeds_products_equal_dense(kernel):
    batch, dense = batch_of(0.4)
    behind = np.random.default_rng(1).normal(size=(3, len(dense), 5)).astype(np.float32)

    def rows(behind):
        return sparse.spmm_rows(sparse.transposed(batch.counts, batch.pattern), behind, 5, 9)

    want = np.einsum("bv,sbh->svh", dense, behind)[:, 5:14]
    np.testing.assert_allclose(jax.vmap(rows)(jnp.asarray(behind)), want, rtol=1e-5, atol=1e-6)


def test_a_product_on_the_host_is_scipys_whatever_begins_where():
    """By the real dispatch, of matrices without entries and of arrays that JAX takes as they are."""
    dense = np.random.default_rng(1).normal(size=(23, 5)).astype(np.float32)
    for density in (0.0, 0.4):
        counts = sp.random(11, 23, density, format="csr", random_state=0, dtype=np.float32)
        before = csr.product_on_host(counts)(dense)
        align(counts)
        assert all(part.ctypes.data % 64 == 0 for part in (counts.data, counts.indices, counts.indptr) if part.size)
        np.testing.assert_array_equal(csr.product_on_host(counts)(dense), before)
        np.testing.assert_allclose(before, counts @ dense, rtol=1e-5, atol=1e-6)


def test_without_jaxs_kernel_or_a_cpu_products_on_the_host_are_left_to_scipy(monkeypatch):
    counts = sp.csr_matrix(np.eye(3, dtype=np.float32))
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "jax.experimental.sparse", None)
        patch.setattr(csr.importlib.util, "find_spec", lambda name: None)
        assert csr.product_on_host(counts) is None

    for error in (RuntimeError("Unknown backend: 'cpu' requested"), AssertionError()):
        monkeypatch.setattr(jax, "local_devices", Mock(side_effect=error))
        assert csr.product_on_host(counts) is None


def test_sums_leave_padding_out(kernel):
    batch, dense = batch_of(0.3)
    poisoned = np.full(len(batch.counts), np.float32(1e6))
    nnz = int(batch.pattern.row_starts[-1])
    assert nnz < len(batch.counts)
    poisoned[:nnz] = batch.counts[:nnz]
    np.testing.assert_allclose(sparse.sum_rows(jnp.asarray(poisoned), batch.pattern), dense.sum(1), rtol=1e-5)


@pytest.mark.parametrize("members", [0, 3])
@pytest.mark.parametrize("density", [0.0, 0.02, 0.4, 1.0])
@pytest.mark.parametrize("multiple", [1, sparse.PIECE])
def test_products_with_the_words_rows_equal_dense(kernel, multiple, density, members):
    """Nonzero by nonzero and by pieces; of several seeds, mapped, as of each."""
    batch, dense = batch_of(density, multiple=multiple)
    rng = np.random.default_rng(1)
    left, right = (jnp.asarray(rng.normal(size=(n, 5)), jnp.float32) for n in dense.shape)
    lengths = np.diff(batch.pattern.row_starts)
    np.testing.assert_array_equal(lengths, -(-(dense > 0).sum(axis=1) // multiple) * multiple)
    given = np.flatnonzero(batch.counts)

    def products(right):
        rows = sparse.word_rows(right, batch.pattern)
        dots = sparse.dot_rows(left, rows, batch.pattern)
        weighed = sparse.weigh_rows(batch.pattern, (batch.counts, rows), (batch.counts**2, 2 * rows))
        return dots[given], *(x[:, :5] for x in weighed), sparse.sum_rows(jnp.asarray(batch.counts), batch.pattern)

    want = (left @ right.T)[dense > 0], dense @ right, dense**2 @ right * 2, dense.sum(axis=1)
    if members:
        scales = jnp.arange(1.0, 1 + members)
        found = jax.vmap(lambda scale: products(scale * right))(scales)
        each = [np.stack([x] * members) for x in want]
        want = (*(x * np.asarray(scales).reshape(-1, *(1,) * (x.ndim - 1)) for x in each[:3]), each[3])
    else:
        found = products(right)
    for got, expected in zip(found, want, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("density", [0.0, 0.02, 0.4, 1.0])
def test_a_product_at_the_nonzeros_and_its_gradients_equal_dense(kernel, density):
    batch, dense = batch_of(density)
    rng = np.random.default_rng(1)
    left, right = (rng.normal(size=(n, 5)).astype(np.float32) for n in dense.shape)
    out, pullback = jax.vjp(lambda a, b: sparse.sddmm(a, b, batch.pattern), left, right)
    nnz = int(batch.pattern.row_starts[-1])
    rows, cols = batch.pattern.rows[:nnz], batch.pattern.cols[:nnz]
    np.testing.assert_allclose(out[:nnz], (left @ right.T)[rows, cols], rtol=1e-5, atol=1e-6)
    # What comes back at the padding must not matter.
    cotangent = np.full(out.shape, np.float32(1e6))
    cotangent[:nnz] = rng.normal(size=nnz)
    whole = np.zeros_like(dense)
    whole[rows, cols] = cotangent[:nnz]
    for got, want in zip(pullback(cotangent), (whole @ right, whole.T @ left), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)


def test_gradient_of_sum_rows_is_zero_at_padding(kernel):
    batch, _ = batch_of(0.3)
    nnz = int(batch.pattern.row_starts[-1])
    grad = jax.grad(lambda v: (sparse.sum_rows(v, batch.pattern) * 3.0).sum())(jnp.ones(len(batch.counts)))
    np.testing.assert_array_equal(grad[:nnz], 3.0)
    np.testing.assert_array_equal(grad[nnz:], 0.0)


def test_repeated_columns_add_up(kernel):
    # A pattern made by hand: batches sum such entries.
    pattern = sparse.Pattern(
        cols=np.array([4, 4, 1, 0], np.int32),
        rows=np.array([0, 0, 1, 0], np.int32),
        row_starts=np.array([0, 2, 3], np.int32),
        order=np.array([2, 0, 1, 0], np.int32),
        col_starts=np.array([0, 0, 1, 1, 1, 3, 3], np.int32),
    )
    values = np.array([1.0, 2.0, 5.0, 1e6], np.float32)
    dense = np.array([[0, 0, 0, 0, 3, 0], [0, 5, 0, 0, 0, 0]])
    out, pullback = jax.vjp(lambda w: sparse.spmm(values, pattern, w), jnp.eye(6))
    np.testing.assert_allclose(out, dense)
    np.testing.assert_allclose(pullback(jnp.eye(2, 6))[0], dense.T @ np.eye(2, 6))
    np.testing.assert_allclose(sparse.to_dense(jnp.asarray(values), pattern), dense)


def test_without_the_experimental_module_the_products_are_the_same(monkeypatch):
    batch, dense = batch_of(0.4)
    weights = np.random.default_rng(1).normal(size=(23, 5)).astype(np.float32)
    monkeypatch.setitem(sys.modules, "jax.experimental.sparse", None)
    with pytest.raises(ImportError):
        importlib.import_module("jax.experimental.sparse")
    out, pullback = jax.vjp(lambda w: sparse.spmm(batch.counts, batch.pattern, w), weights)
    np.testing.assert_allclose(out, dense @ weights, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(pullback(out)[0], dense.T @ np.asarray(out), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("shape", [(5, 40), (40, 5), (300, 7), (1, 1), (40, 40)], ids=str)
@pytest.mark.parametrize("members", [0, 3])
def test_every_platforms_product_is_the_same(kernel, shape, members, monkeypatch, float64):
    """Rows without entries, padding that holds no numbers, rows from the middle; and, as of several seeds, mapped."""
    rng = np.random.default_rng(0)
    whole = sp.random(*shape, 0.3, random_state=1).toarray()
    whole[shape[0] // 2] = 0
    counts = sp.csr_matrix(whole)
    begin = min(2, shape[0] - 1)
    starts = jnp.asarray(counts.indptr[begin:].astype(np.int32))
    padding = np.full(9, np.nan)
    values = jnp.asarray(np.append(counts.data, padding))
    cols = jnp.asarray(np.append(counts.indices, np.zeros(9)).astype(np.int32))
    dense = rng.normal(size=(shape[1], 6))
    if members:
        values = values[None] * jnp.arange(1.0, members + 1)[:, None]
    mapped = [0 if members else None, None, None, None]

    def product(of):
        return jax.vmap(of, mapped) if members else of

    args = (values, cols, starts, dense)
    want = np.stack([n * (whole @ dense)[begin:] for n in range(1, max(members, 1) + 1)])
    want = want if members else want[0]
    for block_bytes in (csr.DENSE_BLOCK_BYTES, 1000):
        monkeypatch.setattr(csr, "DENSE_BLOCK_BYTES", block_bytes)
        np.testing.assert_allclose(product(KERNELS[kernel])(*args), want, rtol=0, atol=1e-12)
