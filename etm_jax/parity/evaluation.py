"""Metrics of models, computed by published packages and by us from the same β and θ."""

import importlib.metadata
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import scipy.sparse as sp

from etm_jax.corpus.inputs import encoder_input
from etm_jax.metrics.perplexity import completion_perplexity
from etm_jax.metrics.topics import diversity, npmi_coherence, top_words
from etm_jax.parity import judges
from etm_jax.parity.cases import Material
from etm_jax.parity.rows import Row, compare
from etm_jax.util.console import note

NUM_TOPICS, EMBED_DIM, HIDDEN, EPOCHS, NUM_DOCS = 20, 50, 100, 5, 1000


def evaluation_rows(material: Material) -> Iterator[Row]:
    """Perplexity, coherence and diversity of a model that embedded-topic-model trains; tf-idf against gensim's."""
    yield _tfidf_row(material)
    if not judges.installed("embedded-topic-model"):
        return
    from embedded_topic_model.models import etm
    from embedded_topic_model.utils import metrics

    package = judges.version("embedded-topic-model")
    words = material.corpus.vocabulary.words
    # The package's coherence fails on documents of one distinct word, and its perplexity on empty halves.
    train = _rows_of(material.corpus.train.counts, at_least=2)[:NUM_DOCS]
    halves = material.corpus.test_h1, material.corpus.test_h2
    kept = np.flatnonzero(np.minimum(*(np.diff(half.indptr) for half in halves)) >= 2)
    halves = halves[0][kept], halves[1][kept]

    note(f"parity: {package} trains a model of {NUM_TOPICS} topics to be evaluated")
    model: Any = etm.ETM(
        words,
        train_embeddings=True,
        num_topics=NUM_TOPICS,
        rho_size=EMBED_DIM,
        t_hidden_size=HIDDEN,
        epochs=EPOCHS,
        # A single batch: it averages the means of batches, so that documents of a short last one would weigh more.
        eval_batch_size=len(kept),
    )
    model.fit(_as_tokens(train))
    test = {name: _as_tokens(half) for name, half in zip(("test", "test1", "test2"), (halves[0], *halves), strict=True)}
    # The package rounds perplexity to one decimal, which would hide differences.
    with mock.patch.object(etm, "round", lambda number, digits: number, create=True):
        wanted = model._perplexity(test)
    beta = model.get_topic_word_dist().numpy()
    theta = model.transform(_as_tokens(halves[0])).numpy()
    ours = completion_perplexity(theta, beta, halves[1]).by_document
    yield Row("float32", "evaluation", package, "completion perplexity", *compare(wanted, ours), 1e-5)

    documents = _as_tokens(train)["tokens"]
    wanted = metrics.get_topic_coherence(beta, documents, words, top_n=10)
    ours = float(npmi_coherence(top_words(beta, 10), train).mean())
    yield Row("float64", "evaluation", package, "NPMI over top 10", *compare(wanted, ours), 1e-9)

    ours = diversity(top_words(beta, 25))
    wanted = metrics.get_topic_diversity(beta, 25)
    yield Row("float64", "evaluation", package, "diversity over top 25", *compare(wanted, ours), 1e-9)
    if judges.installed("topmost"):
        lines = [" ".join(words[j] for j in topic) for topic in top_words(beta, 25)]
        wanted = _topmost_diversity()._diversity(lines)
        difference = compare(wanted, ours)
        yield Row("float64", "evaluation", judges.version("topmost"), "diversity over top 25", *difference, 1e-9)


def _tfidf_row(material: Material) -> Row:
    """Our tf-idf input compared with gensim's."""
    from gensim.models import TfidfModel

    counts = material.corpus.train.counts
    bags = [list(zip(row.indices.tolist(), row.data.tolist(), strict=True)) for row in counts]
    model = TfidfModel(bags)
    wanted = sp.lil_matrix(counts.shape)
    for i, bag in enumerate(bags):
        for word, weight in model[bag]:
            wanted[i, word] = weight
    ours = encoder_input(counts, "tfidf", material.corpus.vocabulary, np.float64)
    gensim = judges.version("gensim")
    return Row(
        "float64",
        "evaluation",
        gensim,
        "tf-idf input",
        *compare(wanted.tocsr()[counts.nonzero()], ours[counts.nonzero()]),
        1e-9,
    )


def _rows_of(counts: sp.csr_matrix, at_least: int) -> sp.csr_matrix:
    """The rows of counts [D, V] CSR with at least so many distinct words."""
    return counts[np.flatnonzero(np.diff(counts.indptr) >= at_least)]


def _as_tokens(counts: sp.csr_matrix) -> dict[str, list[np.ndarray]]:
    """Counts [D, V] CSR in the paper's format: distinct words of each document, and how often each occurs."""
    rows = [counts[i] for i in range(counts.shape[0])]
    return {"tokens": [row.indices for row in rows], "counts": [row.data for row in rows]}


def _topmost_diversity() -> Any:
    """TopMost's module of topic diversity, without importing the whole package."""
    file = Path(str(importlib.metadata.distribution("topmost").locate_file("topmost/eva/topic_diversity.py")))
    spec = importlib.util.spec_from_file_location("topmost_diversity", file)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
