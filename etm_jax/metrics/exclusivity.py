"""How much the words of a topic are its own."""

import numpy as np


def exclusivity(beta: np.ndarray, words: np.ndarray) -> np.ndarray:
    """Compute the mean of β_kw / Σ_j β_jw over each topic's words.

    Parameters
    ----------
    beta : ndarray of shape (K, V)
        Topics; rows sum to 1.
    words : ndarray of shape (K, n), int
        Columns of the topics' words.

    Returns
    -------
    ndarray of shape (K,)
        In (0, 1]; 1 where no other topic has any of the words, 1/K where all topics are the same.

    References
    ----------
    Bischof and Airoldi 2012, who rank words by it and by frequency; MALLET reports it of a topic, as here.
    """
    beta = beta.astype(np.float64)
    total = np.maximum(beta.sum(axis=0), np.finfo(np.float64).tiny)
    return (np.take_along_axis(beta, words, axis=1) / total[words]).mean(axis=1)
