"""The five coherences of the report, by gensim (Röder, Both and Hinneburg 2015): UMass, C_V, C_UCI, C_NPMI, C_W2V.

`etm_jax.metrics.topics.npmi_coherence` is the paper's, by documents. Most of these look at windows of running text, so
that a value means something only with the text, the window and the number of words: it comes with the three.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from etm_jax.console import track
from etm_jax.corpus.types import TokenStream

WINDOWS = {"UMass": 0, "C_V": 110, "C_UCI": 10, "C_NPMI": 10, "C_W2V": 5}
"""Words at once, gensim's defaults; 0 for whole documents."""

VECTOR_DIM, VECTOR_EPOCHS = 100, 5
"""Of the skip-gram vectors of C_W2V: gensim's defaults. `etm_jax.vectors.word2vec` thins frequent words more."""

_LOG_EPSILON = float(np.log(1e-12))
LOWEST = {"UMass": _LOG_EPSILON, "C_V": 0.0, "C_UCI": _LOG_EPSILON, "C_NPMI": -1.0, "C_W2V": 0.0}
"""What a word counts with every other where it cannot be looked up: gensim's log ε, −1, and in place of a cosine 0."""

_GENSIMS_NAMES = {"UMass": "u_mass", "C_V": "c_v", "C_UCI": "c_uci", "C_NPMI": "c_npmi", "C_W2V": "c_w2v"}
_WORD_AND_TOPIC = ("C_V", "C_W2V")
"""Measures that compare each word with its topic's words together; the others compare words in pairs."""


class Coherence(NamedTuple):
    """One measure of all topics. value: the mean of per_topic, [K].

    reference: what the words were looked up in. window: words at once, 0 for whole documents. top_n: words of a topic.
    """

    measure: str
    value: float
    per_topic: np.ndarray
    reference: str
    window: int
    top_n: int


def coherences(
    words: np.ndarray,
    vocab: Sequence[str],
    counts: sp.csr_matrix,
    text: TokenStream | None = None,
    called: str = "documents",
    seed: int = 1,
) -> list[Coherence]:
    """UMass, C_V, C_UCI, C_NPMI and C_W2V of topics that are given by their words.

    words: [K, n] columns, best first; vocab: the V words; counts: [D, V] of the reference documents, which the record
    says are `called`; text: their running text. Where there is none, each document is one window whatever a measure's
    own, and C_W2V takes document-level PPMI vectors in place of skip-gram ones. seed: of the vectors.

    A word that the reference lacks scores `LOWEST` with every other, and so does all of a topic without two others.
    Empty documents count as documents. gensim's sliding windows undercount a word that repeats within one.
    """
    used, positions = np.unique(words, return_inverse=True)
    topics = positions.reshape(words.shape)
    names = [vocab[j] for j in used]
    # Of bags, gensim is given only the words that it is asked for.
    bags = _rows(sp.csr_matrix(counts[:, used] > 0))
    in_bags = np.bincount(np.concatenate([*bags, []]).astype(np.int64), minlength=len(used)) > 0
    of_bags, of_text = (f"{what} of {counts.shape[0]:,} {called}" for what in ("bags of words", "running text"))

    def passages(label: str) -> Iterator[list[str]]:
        """The reference, a list of words a document."""
        if text is None:
            return ([names[j] for j in row] for row in track(bags, label, unit="documents"))
        spans = track(pairwise(text.starts.tolist()), label, len(text.starts) - 1, "documents")
        return ([text.words[i] for i in text.ids[start:stop].tolist()] for start, stop in spans)

    if text is None:
        found, reference = in_bags, of_bags
        vectors, vectors_of = _bag_vectors(counts, seed)[used], f"PPMI vectors of the {of_bags}"
    else:
        occurring = {text.words[i] for i in np.unique(text.ids)}
        found, reference = np.array([name in occurring for name in names]), of_text
        vectors, vectors_of = _text_vectors(text, names, seed), f"skip-gram vectors of the {of_text}"

    out: list[Coherence] = []

    def score(measures: Sequence[str], reference: str, known: np.ndarray, **source: Any) -> None:
        window = WINDOWS[measures[0]] if text is not None else 0
        scores = _by_gensim(measures, topics, names, known, window or max(len(names), 1), **source)
        for measure, values in zip(measures, scores, strict=True):
            out.append(Coherence(measure, float(values.mean()), values, reference, window, words.shape[1]))

    score(["UMass"], of_bags, in_bags, corpus=[[(j, 1) for j in row] for row in bags])
    score(["C_V"], reference, found, texts=passages("C_V"))
    # Both read the same windows, which gensim then counts but once.
    score(["C_UCI", "C_NPMI"], reference, found, texts=passages("C_UCI and C_NPMI"))
    score(["C_W2V"], vectors_of, vectors.any(axis=1), keyed_vectors=_keyed(names, vectors))
    return out


def _by_gensim(
    measures: Sequence[str], topics: np.ndarray, names: list[str], known: np.ndarray, window: int, **source: Any
) -> list[np.ndarray]:
    """Each measure of each topic: [K]. topics: [K, n], rows of `names`; known: whether each of them can be looked up.

    source: what gensim's model calls corpus, texts or keyed_vectors. The measures share one reading of it.
    """
    from gensim.corpora import Dictionary
    from gensim.models import CoherenceModel

    size = topics.shape[1]
    scored = [k for k, topic in enumerate(topics) if known[topic].sum() >= 2]
    scores = [np.full(len(topics), LOWEST[measure]) for measure in measures]
    if not scored:
        return scores
    dictionary = Dictionary()
    dictionary.token2id, dictionary.id2token = {name: j for j, name in enumerate(names)}, dict(enumerate(names))
    model = CoherenceModel(
        topics=[[names[j] for j in topics[k] if known[j]] for k in scored],
        dictionary=dictionary,
        window_size=window,
        coherence=_GENSIMS_NAMES[measures[0]],
        topn=size,
        processes=1,
        **source,
    )
    left = known[topics[scored]].sum(axis=1)
    for measure, values in zip(measures, scores, strict=True):
        model.coherence = _GENSIMS_NAMES[measure]
        compared = left / size if measure in _WORD_AND_TOPIC else left * (left - 1) / (size * (size - 1))
        by_gensim = np.array(model.get_coherence_per_topic(), np.float64)
        values[scored] = compared * by_gensim + (1 - compared) * LOWEST[measure]
    return scores


def _text_vectors(text: TokenStream, names: list[str], seed: int) -> np.ndarray:
    from etm_jax.vectors.word2vec import train

    return train(text, names, "skipgram", VECTOR_DIM, WINDOWS["C_W2V"], VECTOR_EPOCHS, seed)[0]


def _bag_vectors(counts: sp.csr_matrix, seed: int) -> np.ndarray:
    from etm_jax.vectors.ppmi import ppmi_vectors

    return ppmi_vectors(counts, min(VECTOR_DIM, counts.shape[1]), seed)


def _keyed(names: list[str], vectors: np.ndarray) -> Any:
    from gensim.models import KeyedVectors

    keyed = KeyedVectors(vectors.shape[1])
    keyed.add_vectors(names, vectors)
    return keyed


def _rows(present: sp.csr_matrix) -> list[list[int]]:
    """The columns of each row's entries."""
    columns = present.indices.tolist()
    return [columns[start:stop] for start, stop in pairwise(present.indptr.tolist())]
