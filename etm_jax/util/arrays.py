"""Small operations on numpy and scipy arrays that several floors need."""

from typing import Any

import numpy as np
import scipy.sparse as sp


def unit_rows(rows: np.ndarray, least: float = 1e-12) -> np.ndarray:
    """The rows divided by their Euclidean norm: [N, L] → [N, L], of the same dtype.

    least: the smallest norm that a row is divided by, so that one of zeros stays as it is. A larger one keeps rows that
    are zero but for rounding from being turned into directions of noise.
    """
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), least)


def canonical(matrix: Any, dtype: type | None = None, keep_zeros: bool = False) -> sp.csr_matrix:
    """A matrix [D, V] as CSR with sorted columns, one entry a place, and no stored zeros; given as such, itself.

    matrix: of any scipy format, which is left as it is. dtype: that of the result; None for the matrix's own.
    keep_zeros: leave stored zeros in their places, for a matrix that is to have the sparsity of another.
    """
    csr = sp.csr_matrix(matrix, dtype=dtype)
    if csr.has_canonical_format and (keep_zeros or csr.data.all()):
        return csr
    csr = csr.copy()
    csr.sum_duplicates()
    if not keep_zeros:
        csr.eliminate_zeros()
    return csr
