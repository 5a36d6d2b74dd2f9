"""The topics that words ask for."""

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from etm_jax.metrics.topics import top_words


class FoundTopic(NamedTuple):
    """A topic that answers a query.

    Attributes
    ----------
    topic : int
    score : float
        Mean of p(topic | word) over the query's words, in [0, 1]; the scores of all topics sum to 1.
    words : list of str
        Its ten most probable words.
    """

    topic: int
    score: float
    words: list[str]


def find_topics(
    beta: np.ndarray, share: np.ndarray, query: sp.csr_matrix, words: list[str], n: int = 5
) -> list[FoundTopic]:
    """Rank topics by how likely the words of a query come from them.

    Parameters
    ----------
    beta : ndarray of shape (K, V)
    share : ndarray of shape (K,)
        Shares of the corpus' words, by which p(topic | word) ∝ share_k β_kw.
    query : csr_matrix of shape (1, V)
        Counts of the query's words, at least one.
    words : list of V str
    n : int
        Topics to give, best first.
    """
    joint = share[:, None] * beta[:, query.indices].astype(np.float64)
    of_word = joint / np.maximum(joint.sum(axis=0), np.finfo(np.float64).tiny)
    score = of_word @ query.data / query.data.sum()
    top = top_words(beta, 10)
    best = np.argsort(-score, kind="stable")[:n]
    return [FoundTopic(int(k), float(score[k]), [words[j] for j in top[k]]) for k in best]
