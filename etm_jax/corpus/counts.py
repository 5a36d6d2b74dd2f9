"""What a matrix of counts must be before anything computes with it."""

from collections import Counter

import numpy as np
import scipy.sparse as sp

from etm_jax.util.arrays import canonical
from etm_jax.util.errors import CONTROLS, UserError

MOST_WORDS = 2**24
"""Of a document. Up to here float32, in which models compute, holds every whole number; no text is nearly as long."""


def as_counts(matrix: sp.csr_matrix, name: str) -> sp.csr_matrix:
    """[D, V] CSR int32 with sorted indices, duplicates summed and no stored zeros.

    Raises UserError as `as_weights` does, and for a value that is not whole.
    """
    return as_weights(matrix, name, whole=True).astype(np.int32, copy=False)


def as_weights(matrix: sp.csr_matrix, name: str, whole: bool = False) -> sp.csr_matrix:
    """[D, V] CSR with sorted indices, duplicates summed and no stored zeros: int32, or float64 where not all are whole.

    whole: whether all have to be. Raises UserError, which calls the matrix `name`, for a column that does not exist,
    for a value that is not finite or below 0, and for a document of more than `MOST_WORDS`.
    """
    try:
        # A column out of range would make scipy's compiled code read and write outside its arrays.
        matrix.check_format(full_check=True)
    except ValueError as error:
        raise UserError(f"{name} does not fit a vocabulary of {matrix.shape[1]} words: {error}") from error
    data = matrix.data
    known = data.dtype.kind in "biuf"
    all_whole = known and (data.dtype.kind != "f" or np.array_equal(data, np.trunc(data)))
    if not known or (whole and not all_whole) or not np.isfinite(data).all() or (data < 0).any():
        raise UserError(f"{name} holds values that are not counts; give whole numbers of at least 0")
    # Sums, of entries that stand twice in one place too, do not fit the type that each of them does.
    summed = matrix if matrix.dtype == np.int32 and matrix.has_canonical_format else canonical(matrix, np.float64)
    # By a product, which takes an eighth of the time of scipy's own sum.
    totals = np.asarray(summed @ np.ones(summed.shape[1]))
    if totals.max(initial=0) > MOST_WORDS:
        longest = int(totals.argmax())
        raise UserError(
            f"{name}: document {longest} has {totals[longest]:.10g} words; a document has at most {MOST_WORDS:,}: part "
            "it into several, or correct its counts"
        )
    return canonical(summed, np.int32 if all_whole else np.float64)


def check_words(words: list[str], name: str) -> None:
    """Raises UserError for a word that no list of one word a line can hold, and for one that stands there twice."""
    odd = next((word for word in words if not word or CONTROLS.search(word)), None)
    if odd is not None:
        raise UserError(f"{name} has {odd[:40]!r} for a word; words have no line ends or control characters in them")
    if len(set(words)) < len(words):
        twice, times = Counter(words).most_common(1)[0]
        first = words.index(twice)
        places = f"{first} and {words.index(twice, first + 1)}"
        raise UserError(
            f"{name} has the word {twice[:40]!r} {times} times, in columns {places}, counted from 0; give each column "
            "a word of its own"
        )


def check_halves(test_h1: sp.csr_matrix, test_h2: sp.csr_matrix, name: str) -> None:
    """Raises UserError unless both halves hold the same documents."""
    if test_h1.shape[0] != test_h2.shape[0]:
        raise UserError(
            f"{name}: the first halves are of {test_h1.shape[0]} test documents and the second of {test_h2.shape[0]}; "
            "row i of both must come from one document"
        )
