"""Products of a batch's sparse counts with dense matrices, and sums over its nonzeros.

This file alone uses `jax.experimental.sparse`, for the native CSR kernel that jaxlib has on CPU. Elsewhere, or where
that module is gone, a gather and a segment sum compute the same; on TPU, products of blocks made dense, where they are
not too large. All of it can be mapped by `jax.vmap`.
"""

import importlib.util
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_batching import custom_vmap

Array = jax.Array | np.ndarray

DENSE_BLOCK_BYTES = 2**24
"""Of a matrix that is made dense on a TPU: a scatter into so much stays on the chip, of whose 128 MiB others want some.
"""


class Pattern(NamedTuple):
    """Where the nonzeros of a [B, V] matrix lie, by row and by column.

    cols, rows: [N] int32, nonzeros in row order. row_starts: [B+1] int32. order: [N] int32, the nonzeros in column
    order. col_starts: [V+1] int32. Entries from `row_starts[-1]` on are padding; they belong to no row and no column.
    """

    cols: Array
    rows: Array
    row_starts: Array
    order: Array
    col_starts: Array


class Csr(NamedTuple):
    """The transpose of a batch's [B, V], by rows: V of them. values, cols: [N]; starts: [V+1]."""

    values: jax.Array
    cols: jax.Array
    starts: jax.Array


def transposed(values: Array, pattern: Pattern) -> Csr:
    """xᵀ [V, B] of x [B, V]. values: [N], at the nonzeros of `pattern`."""
    order = jnp.asarray(pattern.order)
    return Csr(jnp.asarray(values)[order], jnp.asarray(pattern.rows)[order], jnp.asarray(pattern.col_starts))


def dot_rows(matrix: Csr, dense: jax.Array, start: jax.Array | int, size: int) -> jax.Array:
    """Rows `start` to `start + size` of matrix · dense: [size, H]. dense: [B, H]. Takes no gradient."""
    return _csr_dot(matrix.values, matrix.cols, jax.lax.dynamic_slice(matrix.starts, (start,), (size + 1,)), dense)


@jax.custom_vjp
def matmul(values: jax.Array, pattern: Pattern, dense: jax.Array) -> jax.Array:
    """Sparse [B, V] times dense [V, H] → [B, H]. values: [N], data that takes no gradient."""
    return _csr_dot(values, pattern.cols, pattern.row_starts, dense)


def _matmul_fwd(values: jax.Array, pattern: Pattern, dense: jax.Array) -> tuple[jax.Array, tuple[jax.Array, Pattern]]:
    return matmul(values, pattern, dense), (values, pattern)


def _matmul_bwd(residuals: tuple[jax.Array, Pattern], grad: jax.Array) -> tuple[None, None, jax.Array]:
    return None, None, _csr_dot(*transposed(*residuals), grad)


matmul.defvjp(_matmul_fwd, _matmul_bwd)


@jax.custom_vjp
def sum_rows(values: jax.Array, pattern: Pattern) -> jax.Array:
    """Sum over the nonzeros of each row: [N, K] → [B, K]. Padding is left out."""
    ones = jnp.ones(values.shape[0], values.dtype)
    return _csr_dot(ones, jnp.arange(values.shape[0], dtype=jnp.int32), pattern.row_starts, values)


def _sum_rows_bwd(pattern: Pattern, grad: jax.Array) -> tuple[jax.Array, None]:
    real = jnp.arange(pattern.rows.shape[0]) < pattern.row_starts[-1]
    return jnp.where(real[:, None], grad[pattern.rows], 0), None


sum_rows.defvjp(lambda values, pattern: (sum_rows(values, pattern), pattern), _sum_rows_bwd)


@jax.custom_vjp
def product_at(left: jax.Array, right: jax.Array, pattern: Pattern) -> jax.Array:
    """The product left · rightᵀ at the nonzeros alone. left: [B, K], right: [V, K] → [N]; anything at padding."""
    # Summed by a product: XLA's own sum of so short rows takes up to ten times as long on a CPU.
    return (left[pattern.rows] * right[pattern.cols]) @ jnp.ones(left.shape[1], left.dtype)


def _product_at_fwd(
    left: jax.Array, right: jax.Array, pattern: Pattern
) -> tuple[jax.Array, tuple[jax.Array, jax.Array, Pattern]]:
    return product_at(left, right, pattern), (left, right, pattern)


def _product_at_bwd(
    residuals: tuple[jax.Array, jax.Array, Pattern], grad: jax.Array
) -> tuple[jax.Array, jax.Array, None]:
    left, right, pattern = residuals
    # The gradient is a sparse matrix: two products with it, where autodiff would write scatter-adds of [N, K].
    by_row = _csr_dot(grad, pattern.cols, pattern.row_starts, right)
    by_col = _csr_dot(*transposed(grad, pattern), left)
    return by_row, by_col, None


product_at.defvjp(_product_at_fwd, _product_at_bwd)


def _csr_dot(values: jax.Array, cols: Array, starts: Array, dense: jax.Array) -> jax.Array:
    """CSR (values [N], cols [N], starts [M+1]) times dense [n, H] → [M, H], by the kernel that the platform has."""
    kernels = {"tpu": _csr_dot_dense}
    if importlib.util.find_spec("jax.experimental.sparse") is not None:
        kernels["cpu"] = _csr_dot_native
    return jax.lax.platform_dependent(
        values, jnp.asarray(cols), jnp.asarray(starts), dense, **kernels, default=_csr_dot_gather
    )


@custom_vmap
def _csr_dot_native(values: jax.Array, cols: jax.Array, starts: jax.Array, dense: jax.Array) -> jax.Array:
    from jax.experimental import sparse

    return sparse.BCSR((values, cols, starts), shape=(starts.shape[0] - 1, dense.shape[0])) @ dense


@_csr_dot_native.def_vmap
def _csr_dot_native_batched(axis_size: int, in_batched: list[bool], *args: jax.Array) -> tuple[jax.Array, bool]:
    """One call for all: the sparse matrices as blocks on the diagonal of one, the dense ones below each other.

    Nothing large is copied or transposed, where BCSR's own rule would leave the native kernel.
    """
    values, cols, starts, dense = (
        arg if batched else jnp.broadcast_to(arg, (axis_size, *arg.shape))
        for arg, batched in zip(args, in_batched, strict=True)
    )
    block, nnz = jnp.arange(axis_size, dtype=jnp.int32)[:, None], values.shape[1]
    # Padding, and what is before the first row of the next block, lie within a block's last row here.
    entry = jnp.arange(nnz)[None]
    values = jnp.where((entry >= starts[:, :1]) & (entry < starts[:, -1:]), values, 0)
    cols = cols + block * dense.shape[1]
    starts = jnp.append((starts[:, :-1] + block * nnz).ravel(), jnp.int32(axis_size * nnz))
    out = _csr_dot_native(values.ravel(), cols.ravel(), starts, dense.reshape(-1, dense.shape[2]))
    return out.reshape(axis_size, -1, dense.shape[2]), True


def _csr_dot_gather(values: jax.Array, cols: jax.Array, starts: jax.Array, dense: jax.Array) -> jax.Array:
    # Padding falls behind the last row, where segment_sum drops it, and what is before the first row falls below 0.
    rows = _row_of_each(starts, values.shape[0])
    return jax.ops.segment_sum(values[:, None] * dense[cols], rows, starts.shape[0] - 1, indices_are_sorted=True)


def _csr_dot_dense(values: jax.Array, cols: jax.Array, starts: jax.Array, dense: jax.Array) -> jax.Array:
    """The same by products of dense blocks, as a TPU has it: it gathers row by row, and scatters entry after entry.

    A matrix that is wider than high is made dense over its entries rather than its columns, which takes no scatter; one
    that is higher than wide is made dense as it is, unless it takes more than a block: each would scatter all entries.
    """
    height, width, nnz = starts.shape[0] - 1, dense.shape[0], values.shape[0]
    if height <= width:
        return _csr_dot_masked(values, cols, starts, dense)
    if height * width * dense.dtype.itemsize > DENSE_BLOCK_BYTES:
        return _csr_dot_gather(values, cols, starts, dense)
    rows = _row_of_each(starts, nnz)
    # Below 0 an index would count from the end.
    rows = jnp.where(rows < 0, height, rows)
    matrix = jnp.zeros((height, width), values.dtype).at[rows, cols].add(values, mode="drop")
    return jnp.matmul(matrix, dense, precision=jax.lax.Precision.HIGHEST)


def _csr_dot_masked(values: jax.Array, cols: jax.Array, starts: jax.Array, dense: jax.Array) -> jax.Array:
    """The same, block by block of rows: which entries are a row's [size, N], times what each entry brings [N, H]."""
    height, nnz = starts.shape[0] - 1, values.shape[0]
    entry = jnp.arange(nnz, dtype=starts.dtype)
    # 0 times what padding holds need not be 0.
    real = (entry >= starts[0]) & (entry < starts[-1])
    terms = jnp.where(real[:, None], values[:, None] * dense[cols], 0)
    size = min(height, max(1, DENSE_BLOCK_BYTES // (nnz * dense.dtype.itemsize)))
    blocks = -(-height // size)
    # Rows behind the last one begin and end where it ends.
    bounds = jnp.pad(starts, (0, blocks * size - height), mode="edge")

    def block(first: jax.Array) -> jax.Array:
        begin, end = (jax.lax.dynamic_slice(bounds, (first + i,), (size,))[:, None] for i in (0, 1))
        mask = ((entry[None] >= begin) & (entry[None] < end)).astype(dense.dtype)
        return jnp.matmul(mask, terms, precision=jax.lax.Precision.HIGHEST)

    if blocks == 1:
        return block(jnp.int32(0))
    return jax.lax.map(block, jnp.arange(blocks) * size).reshape(blocks * size, -1)[:height]


def _row_of_each(starts: jax.Array, nnz: int) -> jax.Array:
    """The row of each entry: [N]; −1 before the first row, M behind the last."""
    return jnp.searchsorted(starts, jnp.arange(nnz), side="right", method="sort") - 1


def to_dense(values: jax.Array, pattern: Pattern) -> jax.Array:
    """The [B, V] matrix itself, for the criteria that need every word of every document."""
    shape = (pattern.row_starts.shape[0] - 1, pattern.col_starts.shape[0] - 1)
    real = jnp.arange(values.shape[0]) < pattern.row_starts[-1]
    return jnp.zeros(shape, values.dtype).at[pattern.rows, pattern.cols].add(jnp.where(real, values, 0))
