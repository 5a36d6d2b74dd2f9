"""The summary that a run shows at its end: the quality and the table of its topics."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from etm_jax.corpus.types import Corpus
from etm_jax.metrics.perplexity import Perplexity, completion_perplexity, perplexity_of
from etm_jax.metrics.topics import WORDS_OF_DIVERSITY, WORDS_SHOWN, diversity, npmi_coherence, top_words, topic_shares
from etm_jax.models.topic_arrays import TopicArrays
from etm_jax.util.console import table


class Summary(NamedTuple):
    """Summary of a run. words: [K, 10] columns; share, npmi: [K]; topics are in the order of β's rows."""

    words: np.ndarray
    share: np.ndarray
    npmi: np.ndarray
    diversity: float
    perplexity: Perplexity


def summarize(model: TopicArrays, corpus: Corpus, log_px: np.ndarray | None = None) -> Summary:
    """Compute coherence (training documents, top 10 words), diversity (top 25) and completion perplexity.

    log_px: log p(w | θ) at the nonzeros of the test documents' second halves; None where it is the mixture θβ.
    """
    words = top_words(model.beta, WORDS_SHOWN)
    return Summary(
        words=words,
        share=topic_shares(model.theta_train, corpus.train.counts),
        npmi=npmi_coherence(words, corpus.train.counts),
        diversity=diversity(top_words(model.beta, WORDS_OF_DIVERSITY)),
        perplexity=completion(model.beta, model.theta_test_h1, corpus.test_h2, log_px),
    )


def completion(beta: np.ndarray, theta: np.ndarray, half2: sp.csr_matrix, log_px: np.ndarray | None) -> Perplexity:
    """Completion perplexity of second halves. beta: [K, V]; theta: [T, K], of the first halves; log_px: as above."""
    return completion_perplexity(theta, beta, half2) if log_px is None else perplexity_of(log_px, half2)


def topic_table(summary: Summary, vocab: list[str], names: Sequence[str] = ()) -> str:
    """A table of the topics by descending share, followed by the quality metrics. names: of the topics, if any."""
    words = [" ".join(vocab[j] for j in row) for row in summary.words]
    if names:
        words = [f"{name}: {row}" if name else row for name, row in zip(names, words, strict=True)]
    rows = (
        (
            k,
            f"{summary.share[k]:.1%}",
            f"{summary.npmi[k]:.2f}",
            words[k],
        )
        for k in np.argsort(-summary.share, kind="stable")
    )
    perplexity = summary.perplexity
    quality = (
        f"coherence {summary.npmi.mean():.3f} (NPMI of the top {WORDS_SHOWN} words)   "
        f"diversity {summary.diversity:.3f} (unique among the top {WORDS_OF_DIVERSITY})"
    )
    completion = "no completion perplexity, as there are no test documents"
    if not math.isnan(perplexity.by_document):
        completion = (
            f"completion perplexity {perplexity.by_document:,.0f} by document, {perplexity.by_token:,.0f} by token"
        )
    return table(rows, ("topic", "share", "NPMI", "words"), ">>><") + f"\n\n{quality}\n{completion}"
