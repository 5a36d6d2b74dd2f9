"""How good the topics are as lists of words."""

import numpy as np
import scipy.sparse as sp


def top_words(beta: np.ndarray, n: int) -> np.ndarray:
    """Columns of the n most probable words of each topic. beta: [K, V] → [K, n]. Ties go to the lower column."""
    return np.argsort(-beta, axis=1, kind="stable")[:, :n]


def npmi_coherence(words: np.ndarray, counts: sp.csr_matrix) -> np.ndarray:
    """Mean document-level NPMI over the pairs of each topic's words. words: [K, n], counts: [D, V] → [K], in [−1, 1].

    A pair that never occurs together, also one with a word that no document holds, counts as −1; a pair that is in
    every document as 1. The topic coherence of Dieng et al. 2020, where n = 10.
    """
    num_docs = counts.shape[0]
    used, positions = np.unique(words, return_inverse=True)
    present = (counts[:, used] > 0).astype(np.float64).tocsc()
    joint = (present.T @ present).toarray() / max(num_docs, 1)
    rows, cols = np.triu_indices(words.shape[1], 1)
    scores = np.empty(len(words))
    for k, topic in enumerate(positions.reshape(words.shape)):
        p, p_row, p_col = (joint[topic[a], topic[b]] for a, b in ((rows, cols), (rows, rows), (cols, cols)))
        with np.errstate(divide="ignore", invalid="ignore"):
            npmi = np.log(p / (p_row * p_col)) / -np.log(p)
        scores[k] = np.where(p == 0, -1.0, np.where(p == 1, 1.0, npmi)).mean()
    return scores


def diversity(words: np.ndarray) -> float:
    """Unique share of the words of all topics, in (0, 1]. words: [K, n]. As in Dieng et al. 2020, where n = 25."""
    return len(np.unique(words)) / words.size


def topic_shares(theta: np.ndarray, counts: sp.csr_matrix) -> np.ndarray:
    """Share of the corpus' tokens that each topic explains. theta: [D, K], counts: [D, V] → [K], sums to 1."""
    tokens = np.asarray(counts.sum(1)).ravel().astype(np.float64)
    return tokens @ theta / max(tokens.sum(), 1.0)
