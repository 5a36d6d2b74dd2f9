"""The five coherences of the report (Röder, Both and Hinneburg 2015), as in gensim: UMass, C_V, C_UCI, C_NPMI, C_W2V.

`etm_jax.metrics.topics.npmi_coherence` is the document-level coherence of Dieng et al. 2020. Most of the measures here
look at windows of running text. A value can be compared only for the same text, window and number of words, so each
result names all three.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from etm_jax.corpus.types import Documents, TokenStream
from etm_jax.metrics.evaluator import FittedRun, Measured, Row
from etm_jax.metrics.topics import npmi_coherence
from etm_jax.metrics.windows import Spans, document_spans, joint_counts, window_spans

WINDOWS = {"UMass": 0, "C_V": 110, "C_UCI": 10, "C_NPMI": 10, "C_W2V": 5}
"""Window size in words, gensim's defaults; 0 for whole documents."""

VECTOR_DIM, VECTOR_EPOCHS = 100, 5
"""Length of the skip-gram vectors of C_W2V and passes over the text: gensim's defaults.

`etm_jax.vectors.word2vec` subsamples frequent words more than gensim does.
"""

_EPSILON = 1e-12
_LOG_EPSILON = float(np.log(_EPSILON))
LOWEST = {"UMass": _LOG_EPSILON, "C_V": 0.0, "C_UCI": _LOG_EPSILON, "C_NPMI": -1.0, "C_W2V": 0.0}
"""The score of a pair with a word that the reference lacks, by measure: log ε and −1 as in gensim, 0 for a cosine."""


class Coherence(NamedTuple):
    """One coherence measure of all topics.

    Attributes
    ----------
    measure : str
        Its name.
    value : float
        Mean of `per_topic`.
    per_topic : ndarray of shape (K,)
    reference : str
        What the words were looked up in.
    window : int
        Window size in words; 0 for whole documents.
    top_n : int
        Number of words of a topic.
    """

    measure: str
    value: float
    per_topic: np.ndarray
    reference: str
    window: int
    top_n: int


def evaluate(run: FittedRun) -> Measured:
    """Measure document-level NPMI on training and test documents, and gensim's five on the training documents.

    Parameters
    ----------
    run : FittedRun

    Returns
    -------
    Measured
        `coherences`: a list of `Coherence`, and a row for each.
    """
    corpus, words = run.corpus, run.words
    found = [
        _document_npmi("NPMI", words, corpus.train, "training"),
        *([_document_npmi("NPMI, held out", words, corpus.test, "test")] if len(corpus.test) else []),
        *coherences(words, corpus.vocabulary.words, corpus.train.counts, corpus.text, "training documents"),
    ]
    rows = [Row(c.measure, f"{c.value:.3f}", f"{c.reference}; {_window(c.window)}; top {c.top_n} words") for c in found]
    return Measured({"coherences": found}, rows)


def _document_npmi(name: str, words: np.ndarray, documents: Documents, which: str) -> Coherence:
    """The ETM paper's NPMI of words [K, n] over the bags of words of some documents."""
    scores = npmi_coherence(words, documents.counts)
    reference = f"bags of words of {len(documents):,} {which} documents"
    return Coherence(name, float(scores.mean()), scores, reference, 0, words.shape[1])


def _window(words: int) -> str:
    """The size of a window, for people."""
    return f"window {words}" if words else "whole documents"


def coherences(
    words: np.ndarray,
    vocab: Sequence[str],
    counts: sp.csr_matrix,
    text: TokenStream | None = None,
    label: str = "documents",
    seed: int = 1,
) -> list[Coherence]:
    """Compute all five measures of `coherence`: UMass, C_V, C_UCI, C_NPMI and C_W2V.

    Parameters
    ----------
    words, vocab, counts, text, label, seed
        As for `coherence`.

    Returns
    -------
    list of Coherence
        In the order of `WINDOWS`.
    """
    return [coherence(measure, words, vocab, counts, text, label, seed) for measure in WINDOWS]


def coherence(
    measure: str,
    words: np.ndarray,
    vocab: Sequence[str],
    counts: sp.csr_matrix,
    text: TokenStream | None = None,
    label: str = "documents",
    seed: int = 1,
) -> Coherence:
    """Compute one coherence measure of topics, with gensim's values.

    Parameters
    ----------
    measure : str
        A key of WINDOWS: UMass, C_V, C_UCI, C_NPMI or C_W2V.
    words : ndarray of shape (K, n), int
        Columns of the topics' words, best first.
    vocab : sequence of V str
        The words of the columns.
    counts : csr_matrix of shape (D, V)
        The reference documents; empty ones count as documents.
    text : TokenStream, optional
        Running text of the documents. Without it each document is one window, and C_W2V takes document-level PPMI
        vectors in place of skip-gram ones.
    label : str
        Name of the documents in the result's `reference`.
    seed : int
        Seed of the vectors of C_W2V.

    Returns
    -------
    Coherence

    Notes
    -----
    A pair with a word that the reference lacks scores `LOWEST`, and so does a topic with fewer than two known words.
    gensim's sliding windows undercount a word that repeats within one; it rounds the values of C_W2V to float32.

    References
    ----------
    Röder, Both, Hinneburg 2015, Exploring the Space of Topic Coherence Measures.
    """
    used, positions = np.unique(words, return_inverse=True)
    topics = positions.reshape(words.shape)
    names = [vocab[j] for j in used]
    in_bags = measure == "UMass" or text is None
    reference = f"{'bags of words' if in_bags else 'running text'} of {counts.shape[0]:,} {label}"
    if measure == "C_W2V":
        vectors = _bag_vectors(counts, seed)[used] if text is None else _text_vectors(text, names, seed)
        reference = f"{'PPMI' if text is None else 'skip-gram'} vectors of the {reference}"
        scores, known = _mean_cosine(vectors[topics].astype(np.float64)), np.asarray(vectors.any(axis=1))[topics]
    else:
        if in_bags:
            spans = document_spans(sp.csr_matrix(counts[:, used]))
        else:
            assert text is not None
            spans = window_spans(text, names, WINDOWS[measure])
        shares = _shares(spans, topics)
        scores, known = _SCORES[measure](shares), shares.known
    per_topic = np.where(known.sum(axis=1) >= 2, scores, LOWEST[measure])
    window = WINDOWS[measure] if text is not None else 0
    return Coherence(measure, float(per_topic.mean()), per_topic, reference, window, words.shape[1])


class _Shares(NamedTuple):
    """Shares of the windows that hold a word of each topic, [K, n], and both of two of its words, [K, n, n].

    known: whether any window holds the word; where none does, its share is set to 1, so that all logarithms exist.
    """

    word: np.ndarray
    joint: np.ndarray
    known: np.ndarray

    @property
    def pairs(self) -> np.ndarray:
        """Whether both words of a pair are known: [K, n, n]."""
        return self.known[:, :, None] & self.known[:, None, :]


def _shares(spans: Spans, topics: np.ndarray) -> _Shares:
    """The shares of words [K, n] in the windows of `spans`."""
    joint = joint_counts(spans, topics) / max(spans.total, 1)
    word = np.diagonal(joint, axis1=1, axis2=2)
    return _Shares(np.where(word > 0, word, 1), joint, word > 0)


def _pmi(shares: _Shares) -> np.ndarray:
    """log (p(u, v) + ε) / p(u) p(v), [K, n, n]."""
    return np.log((shares.joint + _EPSILON) / (shares.word[:, :, None] * shares.word[:, None, :]))


def _npmi(shares: _Shares) -> np.ndarray:
    """PMI / −log (p(u, v) + ε), [K, n, n]. A word that is in every window has the value −1 with itself."""
    return _pmi(shares) / -np.log(shares.joint + _EPSILON)


def _log_conditional(shares: _Shares) -> np.ndarray:
    """log (p(u, v) + ε) / p(v), [K, n, n]."""
    return np.log((shares.joint + _EPSILON) / shares.word[:, None, :])


def _mean_of_pairs(values: np.ndarray, shares: _Shares, lowest: float) -> np.ndarray:
    """Mean over pairs of a word u and a higher-ranked word v; `lowest` where one is unknown. [K, n, n] → [K]."""
    worse, better = np.tril_indices(values.shape[1], -1)
    return np.where(shares.pairs, values, lowest)[:, worse, better].sum(axis=1) / max(len(worse), 1)


def _mean_cosine(vectors: np.ndarray) -> np.ndarray:
    """Mean cosine between a word's vector and the sum of its topic's vectors: [K, n, L] → [K]. 0 for zero vectors."""
    together = vectors.sum(axis=1, keepdims=True)
    lengths = np.linalg.norm(vectors, axis=2) * np.linalg.norm(together, axis=2)
    products = (vectors * together).sum(axis=2)
    return np.divide(products, lengths, out=np.zeros_like(products), where=lengths > 0).mean(axis=1)


_SCORES: dict[str, Callable[[_Shares], np.ndarray]] = {
    "UMass": lambda shares: _mean_of_pairs(_log_conditional(shares), shares, LOWEST["UMass"]),
    "C_V": lambda shares: _mean_cosine(np.where(shares.pairs, _npmi(shares), 0)),
    "C_UCI": lambda shares: _mean_of_pairs(_pmi(shares), shares, LOWEST["C_UCI"]),
    "C_NPMI": lambda shares: _mean_of_pairs(_npmi(shares), shares, LOWEST["C_NPMI"]),
}
"""Scores of the topics, [K], by measure."""


def _text_vectors(text: TokenStream, names: list[str], seed: int) -> np.ndarray:
    """Skip-gram vectors of the U `names`, trained on the text: [U, 100] float32."""
    from etm_jax.vectors.word2vec import train

    return train(text, names, "skipgram", VECTOR_DIM, WINDOWS["C_W2V"], VECTOR_EPOCHS, seed, "coherence C_W2V")[0]


def _bag_vectors(counts: sp.csr_matrix, seed: int) -> np.ndarray:
    """Document-level PPMI vectors of all words: [V, L] float32, where L is at most 100."""
    from etm_jax.vectors.ppmi import ppmi_vectors

    return ppmi_vectors(counts, min(VECTOR_DIM, counts.shape[1]), seed)
