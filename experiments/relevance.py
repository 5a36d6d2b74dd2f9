"""How good the words of topics are, whichever way they were chosen: by probability or by relevance.

Shapes: K topics, V words.
"""

import numpy as np

from etm_jax.corpus.types import Corpus
from etm_jax.metrics.topics import diversity, npmi_coherence
from experiments.label_figures import commonness

WEIGHTS = (0.8, 0.6, 0.4)
"""λ as it is measured: the weight of a word's probability beside its lift."""


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
