"""Words of topics by relevance in place of probability (Sievert and Shirley 2014, LDAvis, equation 1), and how good.

Shapes: K topics, V words.
"""

import numpy as np

from etm_jax.corpus.types import Corpus
from etm_jax.metrics.topics import diversity, npmi_coherence
from experiments.label_figures import commonness

WEIGHTS = (0.8, 0.6, 0.4)
"""λ as it is measured: the weight of a word's probability beside its lift."""


def relevant_words(beta: np.ndarray, share: np.ndarray, weight: float, n: int) -> np.ndarray:
    """The n words of each topic of the highest λ log β_kw + (1 − λ) log(β_kw / p_w): [K, V], [V] → columns [K, n].

    share: p, each word's share of the text; a word that is nowhere in it has no lift. weight: λ, below 1. Ties go to
    the lower column.
    """
    tiny = np.finfo(np.float64).tiny
    log_beta = np.log(np.maximum(beta.astype(np.float64), tiny))
    lift = np.where(share > 0, log_beta - np.log(np.maximum(share, tiny)), -np.inf)
    return np.argsort(-(weight * log_beta + (1 - weight) * lift), axis=1, kind="stable")[:, :n]


def word_figures(ten: np.ndarray, many: np.ndarray, corpus: Corpus) -> dict[str, float]:
    """The figures that depend on how a topic's words are chosen. ten: columns [K, 10]; many: [K, 25], for diversity."""
    counts = corpus.train.counts
    coherence, diverse = float(npmi_coherence(ten, counts).mean()), diversity(many)
    return {
        "tc": coherence,
        "tc_test": float(npmi_coherence(ten, corpus.test_h1 + corpus.test_h2).mean()),
        "td": diverse,
        "tq": coherence * diverse,
        "common": commonness(ten, counts),
    }
