"""Words that are distinctive of a topic: relevance, a compromise between probability and lift."""

import numpy as np

from etm_jax.util.arrays import largest_columns

WEIGHT = 0.6
"""λ that Sievert and Shirley 2014 found best in a study with people who had to recognise topics."""


def relevant_words(beta: np.ndarray, share: np.ndarray, n: int, weight: float = WEIGHT) -> np.ndarray:
    """Choose the words of each topic with the highest relevance λ log β_kw + (1 − λ) log(β_kw / p_w).

    Parameters
    ----------
    beta : ndarray of shape (K, V)
        Topics; rows sum to 1.
    share : ndarray of shape (V,)
        p, each word's share of the text, or its number there: a factor changes nothing. A word that is nowhere in the
        text has no lift.
    n : int
        Words of a topic.
    weight : float
        λ, in [0, 1]; 1 ranks by probability alone.

    Returns
    -------
    ndarray of shape (K, n), int
        Columns, best first; fewer than n where there are fewer words. Ties go to the lower column.

    References
    ----------
    Sievert and Shirley 2014, LDAvis, equation 1.
    """
    tiny = np.finfo(np.float64).tiny
    log_beta = np.log(np.maximum(beta.astype(np.float64), tiny))
    lift = np.where(share > 0, log_beta - np.log(np.maximum(share, tiny)), -1e300)
    return largest_columns(weight * log_beta + (1 - weight) * lift, n)
