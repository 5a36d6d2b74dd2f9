"""Coherence of fifty topics on People's Daily: ours, and gensim's CoherenceModel on the same words and text.

NPMI is the paper's, by documents: gensim's with windows as long as the longest. It gives two words that never meet −1,
where gensim adds 1e-12 to their share of 0; the other two measures have the same values, or the row says that not.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from benchmarks.compare import Figures, Measured, Row, Side
from benchmarks.training import CORPUS, KEPT

TOPICS, WORDS = 50, 10


def rows() -> list[Row]:
    """Row 7 of the table."""
    return [
        Row(
            f"7 {measure}",
            f"{measure}, {TOPICS} topics, People's Daily",
            "call",
            Side("ours", f"{__name__}:ours", {"measure": measure}),
            (Side("gensim", f"{__name__}:by_gensim", {"measure": measure}),),
            (5.0,),
            (20.0,),
            finish=partial(same_values, tolerance=math.inf if measure == "NPMI" else 1e-9),
        )
        for measure in ("C_V", "C_NPMI", "NPMI")
    ]


def same_values(measured: list[Measured], tolerance: float) -> list[Measured]:
    """As measured, unless the two sides found different things."""
    ours, other = measured
    apart = [abs(a["value"] - b["value"]) for a, b in zip(ours.figures, other.figures, strict=True)]
    if max(apart, default=0) > tolerance:
        return [ours._replace(not_run=f"the values differ by {max(apart):.2g}"), other]
    return measured


def _case() -> tuple[Any, np.ndarray]:
    """The corpus, and topics to score: LDA's after fifty sweeps. [K, n] columns."""
    from etm_jax.config.build import make_config
    from etm_jax.corpus.prepare import prepare
    from etm_jax.corpus.sources import find_source
    from etm_jax.metrics.topics import top_words
    from etm_jax.models.lda import tomotopy_topics

    config = make_config("default", CORPUS)
    corpus = prepare(find_source(config.corpus), config.corpus, KEPT / "corpus")
    return corpus, top_words(tomotopy_topics(corpus.train.counts, TOPICS, 50, seed=1).beta, WORDS)


def ours(measure: str) -> Callable[[], Figures]:
    """From the text as it is kept to the topics' mean."""
    from etm_jax.metrics.coherence import coherence
    from etm_jax.metrics.topics import npmi_coherence

    corpus, words = _case()
    vocab, counts, text = corpus.vocabulary.words, corpus.train.counts, corpus.text
    if measure == "NPMI":
        return lambda: {"value": float(npmi_coherence(words, counts).mean())}
    return lambda: {"value": coherence(measure, words, vocab, counts, text).value}


def by_gensim(measure: str) -> Callable[[], Figures]:
    """From the documents as lists of words, made beforehand, to the topics' mean."""
    from gensim.corpora import Dictionary
    from gensim.models import CoherenceModel

    corpus, words = _case()
    vocab, text = corpus.vocabulary.words, corpus.text
    bounds = zip(text.starts[:-1].tolist(), text.starts[1:].tolist(), strict=True)
    texts = [[text.words[i] for i in text.ids[start:stop].tolist()] for start, stop in bounds]
    topics = [[vocab[j] for j in topic] for topic in words]
    dictionary = Dictionary(texts)
    name, window = ("c_npmi", max(map(len, texts))) if measure == "NPMI" else (measure.lower(), None)

    def timed() -> Figures:
        model = CoherenceModel(topics=topics, texts=texts, dictionary=dictionary, coherence=name, window_size=window)
        return {"value": float(model.get_coherence())}

    return timed
