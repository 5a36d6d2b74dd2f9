"""Small operations on numpy and scipy arrays that several folders need."""

from typing import Any

import numpy as np
import scipy.sparse as sp

_CACHE_LINE = 64
"""Bytes."""


def unit_rows(rows: np.ndarray, least: float = 1e-12) -> np.ndarray:
    """Rows divided by their Euclidean norms: [N, L] → [N, L], of the same dtype.

    least: lower bound on the divisor, so that a row of zeros stays zero. A larger bound keeps rows that are zero except
    for rounding from becoming unit vectors of noise.
    """
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), least)


def align(matrix: sp.csr_matrix) -> None:
    """Let the arrays of a CSR matrix begin where cache lines do: JAX takes such arrays without a copy on CPUs.

    One array after the other is copied, so that little memory is taken besides.
    """
    for name in ("data", "indices", "indptr"):
        array = getattr(matrix, name)
        space = np.empty(array.nbytes + _CACHE_LINE, np.uint8)
        first = -space.ctypes.data % _CACHE_LINE
        place = space[first : first + array.nbytes].view(array.dtype)
        place[:] = array
        setattr(matrix, name, place)


def canonical(matrix: Any, dtype: type | None = None, keep_zeros: bool = False) -> sp.csr_matrix:
    """A matrix [D, V] as CSR in canonical form: sorted columns, no duplicate entries and no stored zeros.

    matrix: of any scipy format; it is not modified, and is returned itself if it is canonical CSR already. dtype: that
    of the result; None for the matrix's own. keep_zeros: keep stored zeros, for a matrix that is to have the sparsity
    pattern of another.
    """
    csr = sp.csr_matrix(matrix, dtype=dtype)
    if csr.has_canonical_format and (keep_zeros or csr.data.all()):
        return csr
    csr = csr.copy()
    csr.sum_duplicates()
    if not keep_zeros:
        csr.eliminate_zeros()
    return csr


def largest_columns(scores: np.ndarray, n: int) -> np.ndarray:
    """Columns of the n largest scores of each row, largest first; ties go to the lower column: [K, V] → [K, n]."""
    n = min(n, scores.shape[1])
    least = np.partition(scores, -n, axis=1)[:, -n]
    found = []
    # To sort those alone that can be among them takes a tenth of the time of sorting a large vocabulary.
    for row, bound in zip(scores, least, strict=True):
        columns = np.flatnonzero(row >= bound)
        found.append(columns[np.argsort(-row[columns], kind="stable")[:n]])
    return np.array(found)
