"""CSR times dense by the kernel that each platform has.

This file alone uses `jax.experimental.sparse`, for the native kernel that jaxlib has on CPU. Elsewhere, or where that
module is gone, a gather and a segment sum compute the same; on TPU, products of blocks made dense, where they are not
too large. All of it can be mapped by `jax.vmap`.
"""

import importlib.util
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse as sp
from jax.custom_batching import custom_vmap

Array = jax.Array | np.ndarray

LANES = 8
"""Columns that jaxlib's kernel computes at once. The rest it computes one by one: 50 take twice as long as 56."""

DENSE_BLOCK_BYTES = 2**24
"""Of a matrix that is made dense on a TPU: a scatter into so much stays on the chip, of whose 128 MiB others want some.
"""


def product(values: jax.Array, cols: Array, starts: Array, dense: jax.Array) -> jax.Array:
    """CSR (values [N], cols [N], starts [M+1]) times dense [n, H] → [M, H], by the kernel that the platform has."""
    if values.shape[0] == 0:  # Kernels part entries into blocks.
        return jnp.zeros((starts.shape[0] - 1, dense.shape[1]), dense.dtype)
    kernels = {"tpu": dense_blocks}
    if _has_native():
        kernels["cpu"] = native
    return jax.lax.platform_dependent(values, jnp.asarray(cols), jnp.asarray(starts), dense, **kernels, default=gather)


def product_on_host(matrix: sp.csr_matrix) -> Callable[[np.ndarray], np.ndarray] | None:
    """Its products with many matrices, by jaxlib's kernel on this machine's CPU, whatever devices JAX computes with.

    It has them in two thirds of scipy's time. The same bytes on any number of cores. matrix: [M, n] float32, whose
    arrays are copied unless they are aligned. None where JAX may not use the CPU, or has no such kernel.
    """
    try:
        host = jax.local_devices(backend="cpu")[0]
    except (RuntimeError, AssertionError):  # The latter where no plugin for CUDA is installed.
        return None
    if not _has_native() or matrix.nnz > np.iinfo(np.int32).max:
        return None
    places = (part.astype(np.int32, copy=False) for part in (matrix.indices, matrix.indptr))
    arrays = [jax.device_put(part, host) for part in (matrix.data, *places)]
    compiled = jax.jit(product)
    return lambda dense: np.asarray(compiled(*arrays, jax.device_put(dense, host)))


def sum_ranges(values: jax.Array, starts: Array) -> jax.Array:
    """Sums of entries that stand together: values [N], the first of each sum in starts [M+1] → [M]."""

    def by_entries(values: jax.Array, starts: jax.Array) -> jax.Array:
        places = jnp.arange(values.shape[0], dtype=jnp.int32)
        return product(jnp.ones_like(values), places, starts, values[:, None])[:, 0]

    def by_ones(values: jax.Array, starts: jax.Array) -> jax.Array:
        return product(values, jnp.zeros(values.shape, jnp.int32), starts, jnp.ones((1, LANES), values.dtype))[:, 0]

    return jax.lax.platform_dependent(values, jnp.asarray(starts), cpu=by_ones, default=by_entries)


@custom_vmap
def native(values: jax.Array, cols: jax.Array, starts: jax.Array, dense: jax.Array) -> jax.Array:
    """By jaxlib's kernel, in columns that it takes whole where to add and drop some costs less than it saves."""
    from jax.experimental import sparse

    height, (num_rows, width) = starts.shape[0] - 1, dense.shape
    if 4 * (height + num_rows) <= values.shape[0]:
        dense = jnp.pad(dense, ((0, 0), (0, -width % LANES)))
    return (sparse.BCSR((values, cols, starts), shape=(height, num_rows)) @ dense)[:, :width]


@native.def_vmap
def _native_batched(axis_size: int, in_batched: list[bool], *args: jax.Array) -> tuple[jax.Array, bool]:
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
    out = native(values.ravel(), cols.ravel(), starts, dense.reshape(-1, dense.shape[2]))
    return out.reshape(axis_size, -1, dense.shape[2]), True


def gather(
    values: jax.Array, cols: jax.Array, starts: jax.Array, dense: jax.Array, search: str = "scan_unrolled"
) -> jax.Array:
    # Padding falls behind the last row, where segment_sum drops it, and what is before the first row falls below 0.
    rows = row_of_each(starts, values.shape[0], search)
    return jax.ops.segment_sum(values[:, None] * dense[cols], rows, starts.shape[0] - 1, indices_are_sorted=True)


def dense_blocks(values: jax.Array, cols: jax.Array, starts: jax.Array, dense: jax.Array) -> jax.Array:
    """The same by products of dense blocks, as a TPU has it: it gathers row by row, and scatters entry after entry.

    A matrix that is wider than high is made dense over its entries rather than its columns, which takes no scatter; one
    that is higher than wide is made dense as it is, unless it takes more than a block: each would scatter all entries.
    """
    height, width, nnz = starts.shape[0] - 1, dense.shape[0], values.shape[0]
    if height <= width:
        return _masked(values, cols, starts, dense)
    if height * width * dense.dtype.itemsize > DENSE_BLOCK_BYTES:
        return gather(values, cols, starts, dense, search="sort")
    rows = row_of_each(starts, nnz, search="sort")
    # Below 0 an index would count from the end.
    rows = jnp.where(rows < 0, height, rows)
    matrix = jnp.zeros((height, width), values.dtype).at[rows, cols].add(values, mode="drop")
    return jnp.matmul(matrix, dense, precision=jax.lax.Precision.HIGHEST)


def _masked(values: jax.Array, cols: jax.Array, starts: jax.Array, dense: jax.Array) -> jax.Array:
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


def _has_native() -> bool:
    """Whether JAX still has the module by which jaxlib's kernel is called."""
    return importlib.util.find_spec("jax.experimental.sparse") is not None


def row_of_each(starts: jax.Array, nnz: int, search: str) -> jax.Array:
    """The row of each entry: [N]; −1 before the first row, M behind the last.

    search: how, as of `jnp.searchsorted`. A GPU looks all entries up at once, where its sorts take half of the
    default variant's step; on a TPU, which gathers one by one, sorting is better.
    """
    return jnp.searchsorted(starts, jnp.arange(nnz), side="right", method=search) - 1
