"""Coherence of fifty topics on People's Daily: ours, and gensim's CoherenceModel on the same words and text."""

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.compare import Figures, Row, Side
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
        )
        for measure in ("C_V", "C_NPMI", "UMass")
    ]


def _case() -> tuple[Any, np.ndarray]:
    """The corpus, and topics to score: LDA's after fifty sweeps. [K, n] columns."""
    from etm_jax.config import make_config
    from etm_jax.corpus.prepare import prepare
    from etm_jax.corpus.sources import find_source
    from etm_jax.lda import tomotopy_topics
    from etm_jax.metrics.topics import top_words

    config = make_config("default", CORPUS)
    corpus = prepare(find_source(config.corpus), config.corpus, KEPT / "corpus")
    return corpus, top_words(tomotopy_topics(corpus.train.counts, TOPICS, 50, seed=1).beta, WORDS)


def ours(measure: str) -> Callable[[], Figures]:
    """From the text as it is kept to the topics' mean."""
    from etm_jax.metrics.coherence import coherence

    corpus, words = _case()
    vocab, counts, text = corpus.vocabulary.words, corpus.train.counts, corpus.text
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
    bags = [dictionary.doc2bow(document) for document in texts]
    name = {"UMass": "u_mass"}.get(measure, measure.lower())

    def timed() -> Figures:
        model = CoherenceModel(topics=topics, texts=texts, corpus=bags, dictionary=dictionary, coherence=name)
        return {"value": model.get_coherence()}

    return timed
