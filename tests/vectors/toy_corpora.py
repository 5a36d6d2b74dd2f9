"""Small corpora whose words are known, for tests of word vectors."""

import numpy as np
import scipy.sparse as sp

from etm_jax.corpus.types import Corpus, Documents, TokenStream, Vocabulary


def corpus_of(documents: list[list[str]], *, with_text: bool = True) -> Corpus:
    words = sorted({word for document in documents for word in document})
    column = {word: j for j, word in enumerate(words)}
    counts = sp.lil_matrix((len(documents), len(words)), dtype=np.int32)
    for i, document in enumerate(documents):
        for word in document:
            counts[i, column[word]] += 1
    counts = counts.tocsr()
    doc_freq = np.bincount(counts.indices, minlength=len(words))
    term_freq = np.asarray(counts.sum(axis=0)).ravel()
    part = Documents(counts, [str(i) for i in range(len(documents))], [""] * len(documents))
    text = stream_of(documents) if with_text else None
    vocabulary = Vocabulary(words, doc_freq, term_freq, len(documents), "whitespace")
    return Corpus("toy", "", vocabulary, part, part, part, counts, counts, text)


def stream_of(documents: list[list[str]]) -> TokenStream:
    words = sorted({word for document in documents for word in document})
    column = {word: j for j, word in enumerate(words)}
    ids = np.array([column[word] for document in documents for word in document], dtype=np.int32)
    starts = np.concatenate([[0], np.cumsum([len(document) for document in documents])]).astype(np.int64)
    return TokenStream(words, ids, starts)


def planted_documents() -> list[list[str]]:
    """Two topics of ten words each, `a0`… and `b0`…; a document has words of one topic only."""
    rng = np.random.default_rng(0)
    return [[f"{'ab'[i % 2]}{j}" for j in rng.integers(0, 10, size=12)] for i in range(300)]


def cosines(matrix: np.ndarray) -> np.ndarray:
    unit = matrix / np.linalg.norm(matrix, axis=1, keepdims=True)
    return unit @ unit.T
