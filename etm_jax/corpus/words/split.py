"""The split into training, validation and test documents, and the two halves of each test document."""

import numpy as np
import scipy.sparse as sp

from etm_jax.corpus.words.enough import check_enough
from etm_jax.util.errors import UserError
from etm_jax.util.shares import nearest_part


def split_documents(
    lengths: np.ndarray, valid_share: float, test_share: float, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row numbers of the training, validation and test documents, each in corpus order.

    lengths: [D] tokens of each document. Documents without tokens are in none of the three; documents with one token
    are never test documents, since they cannot be halved. A share above 0 gives at least one document. Raises UserError
    where no document is left to train on.
    """
    rows = np.flatnonzero(lengths)
    num_valid = max(1, nearest_part(valid_share, len(rows))) if valid_share else 0
    num_test = max(1, nearest_part(test_share, len(rows))) if test_share else 0
    if num_valid + num_test >= len(rows):
        check_enough(len(lengths))
        raise UserError(
            f"{len(rows)} of {len(lengths)} documents have words left after filtering, too few to split into train, "
            f"validation and test with --valid_share={valid_share:g} --test_share={test_share:g}; "
            "filter less, give more documents, or --valid_share=0 --test_share=0"
        )
    order = np.random.default_rng([seed]).permutation(rows)
    test = order[lengths[order] >= 2][:num_test]
    rest = order[~np.isin(order, test)]
    return np.sort(rest[num_valid:]), np.sort(rest[:num_valid]), np.sort(test)


def halves(counts: sp.csr_matrix, seed: int) -> tuple[sp.csr_matrix, sp.csr_matrix]:
    """Split each document's tokens at random: n // 2 of its n tokens, and the rest. counts: [T, V] CSR → two [T, V].

    The two add up to `counts`, and each token is equally likely to be in the first.
    """
    lengths = np.asarray(counts.sum(axis=1)).ravel().astype(np.int64)
    row = np.repeat(np.arange(len(lengths)), lengths)
    column = np.repeat(counts.indices, counts.data)
    order = np.lexsort((np.random.default_rng([seed, 1]).random(len(row)), row))
    rank = np.arange(len(row)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    first = order[rank < lengths[row] // 2]
    h1 = sp.csr_matrix((np.ones(len(first), dtype=counts.dtype), (row[first], column[first])), shape=counts.shape)
    h1.sum_duplicates()
    h2 = sp.csr_matrix(counts - h1)
    h2.eliminate_zeros()
    h2.sort_indices()
    return h1, h2
