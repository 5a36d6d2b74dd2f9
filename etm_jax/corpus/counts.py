"""What a matrix of counts must be before anything computes with it."""

import numpy as np
import scipy.sparse as sp

from etm_jax.util.arrays import canonical
from etm_jax.util.errors import CONTROLS, UserError


def as_counts(matrix: sp.csr_matrix, name: str) -> sp.csr_matrix:
    """[D, V] CSR int32 with sorted indices, duplicates summed and no stored zeros.

    Raises UserError, which calls the matrix `name`, for a column that does not exist and for a value that is no count.
    """
    try:
        # A column out of range would make scipy's compiled code read and write outside its arrays.
        matrix.check_format(full_check=True)
    except ValueError as error:
        raise UserError(f"{name} does not fit a vocabulary of {matrix.shape[1]} words: {error}") from error
    data = matrix.data
    if data.dtype.kind not in "iuf" or not np.array_equal(data, np.trunc(data)) or (data < 0).any():
        raise UserError(f"{name} holds values that are not counts; give whole numbers of at least 0")
    return canonical(matrix, np.int32)


def check_words(words: list[str], name: str) -> None:
    """Raises UserError for a word that no list of one word a line can hold."""
    odd = next((word for word in words if not word or CONTROLS.search(word)), None)
    if odd is not None:
        raise UserError(f"{name} has {odd[:40]!r} for a word; words have no line ends or control characters in them")


def check_halves(test_h1: sp.csr_matrix, test_h2: sp.csr_matrix, name: str) -> None:
    """Raises UserError unless both halves hold the same documents."""
    if test_h1.shape[0] != test_h2.shape[0]:
        raise UserError(
            f"{name}: the first halves are of {test_h1.shape[0]} test documents and the second of {test_h2.shape[0]}; "
            "row i of both must come from one document"
        )
