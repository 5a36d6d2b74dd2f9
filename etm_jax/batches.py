"""Minibatches of sparse rows, padded to a few static sizes so that `jit` compiles once a size."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from etm_jax.sparse import Array, Pattern


class Batch(NamedTuple):
    """B documents, the last of which may be padding.

    counts, inputs: [N], at the nonzeros: word counts, and what the encoder reads. real: [B], 1 for a
    document and 0 for padding.
    """

    counts: Array
    inputs: Array
    pattern: Pattern
    real: Array


class Batcher:
    """Cuts rows of `counts` into batches of `batch_size`. `inputs` has the sparsity of `counts`. Both: [D, V] CSR.

    An entry given more than once stands for the sum, as everywhere in scipy: a word is present once a document, however
    its count was put together. Raises ValueError where the two matrices, so summed, have entries in different places.

    sizes: numbers of nonzeros to pad to, as of `static_sizes`, where several batchers are to share compiled programs.
    dtype: of the batches' numbers.
    """

    def __init__(
        self,
        counts: sp.csr_matrix,
        inputs: sp.csr_matrix,
        batch_size: int,
        sizes: tuple[int, ...] = (),
        dtype: type = np.float32,
    ) -> None:
        counts, inputs = _canonical(counts), _canonical(inputs)
        if not (np.array_equal(counts.indptr, inputs.indptr) and np.array_equal(counts.indices, inputs.indices)):
            raise ValueError("counts and inputs differ in their sparsity")
        self.counts, self.inputs, self.batch_size = counts, inputs, batch_size
        self.dtype = dtype
        self.sizes = sizes or static_sizes(np.diff(counts.indptr), batch_size)

    def __len__(self) -> int:
        """Batches an epoch; the last one may be short."""
        return -(-self.counts.shape[0] // self.batch_size)

    def epoch(self, order: np.ndarray) -> Iterator[Batch]:
        """All rows in the given order [D]."""
        for start in range(0, len(order), self.batch_size):
            yield self.take(order[start : start + self.batch_size])

    def take(self, rows: np.ndarray) -> Batch:
        """The batch of these rows, at most `batch_size` of them."""
        picked = np.zeros(self.batch_size, np.int64)
        starts, ends = self.counts.indptr[:-1][rows].astype(np.int64), self.counts.indptr[1:][rows]
        picked[: len(rows)] = ends - starts
        row_starts = np.concatenate([[0], np.cumsum(picked)])
        nnz = int(row_starts[-1])
        size = next(s for s in self.sizes if s >= nnz)
        source = np.repeat(starts - row_starts[: len(rows)], picked[: len(rows)]) + np.arange(nnz)
        cols = self.counts.indices[source]
        per_col = np.bincount(cols, minlength=self.counts.shape[1])
        return Batch(
            counts=_padded(self.counts.data[source], size, self.dtype),
            inputs=_padded(self.inputs.data[source], size, self.dtype),
            pattern=Pattern(
                cols=_padded(cols, size, np.int32),
                rows=_padded(np.repeat(np.arange(self.batch_size), picked), size, np.int32),
                row_starts=row_starts.astype(np.int32),
                order=_padded(np.argsort(cols, kind="stable"), size, np.int32),
                col_starts=np.concatenate([[0], np.cumsum(per_col)]).astype(np.int32),
            ),
            real=(np.arange(self.batch_size) < len(rows)).astype(self.dtype),
        )


def static_sizes(lengths: np.ndarray, batch_size: int) -> tuple[int, ...]:
    """Ascending numbers of nonzeros to pad a batch to. lengths: [D] nonzeros of each document.

    The first holds nearly every random batch (its mean and five standard deviations), the last holds the longest
    `batch_size` documents at once, and those between grow by half.
    """
    worst = int(np.sort(lengths)[::-1][:batch_size].sum())
    typical = lengths.mean() * batch_size + 5 * lengths.std() * np.sqrt(batch_size) if len(lengths) else 0
    sizes = [_round_up(min(typical, worst))]
    while sizes[-1] < worst:
        sizes.append(_round_up(min(sizes[-1] * 1.5, worst)))
    return tuple(sizes)


def _canonical(matrix: sp.csr_matrix) -> sp.csr_matrix:
    """Sorted by column and without repeated entries: the matrix itself where it is so already."""
    if matrix.has_canonical_format:
        return matrix
    matrix = matrix.copy()
    matrix.sum_duplicates()
    return matrix


def _round_up(size: float, step: int = 256) -> int:
    return max(step, -(-int(np.ceil(size)) // step) * step)


def _padded(values: np.ndarray, size: int, dtype: type) -> np.ndarray:
    out: np.ndarray = np.zeros(size, dtype)
    out[: len(values)] = values
    return out
