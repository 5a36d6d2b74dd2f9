"""Words of topics by relevance in place of probability: Sievert and Shirley 2014, LDAvis, equation 1."""

import numpy as np

WEIGHTS = (1.0, 0.8, 0.6, 0.4)
"""Of a word's probability beside its lift, as they are measured; 1 is the order of the probabilities."""


def relevant_words(beta: np.ndarray, share: np.ndarray, weight: float, n: int) -> np.ndarray:
    """The n words of each topic of the highest λ log β_kw + (1 − λ) log(β_kw / p_w): [K, V], [V] → columns [K, n].

    share: p, each word's share of the text; a word that is nowhere in it has no lift. weight: λ. Ties go to the lower
    column.
    """
    tiny = np.finfo(np.float64).tiny
    log_beta = np.log(np.maximum(beta.astype(np.float64), tiny))
    lift = np.where(share > 0, log_beta - np.log(np.maximum(share, tiny)), -np.inf)
    score = log_beta if weight == 1 else weight * log_beta + (1 - weight) * lift
    return np.argsort(-score, axis=1, kind="stable")[:, :n]
