"""Skip-gram and CBOW vectors by gensim's Word2Vec (Mikolov et al. 2013, arXiv 1301.3781 and 1310.4546)."""

from collections.abc import Iterator, Sequence

import numpy as np

from etm_jax.config.settings import VectorsConfig
from etm_jax.corpus.types import Corpus, TokenStream
from etm_jax.util.console import track
from etm_jax.util.errors import UserError
from etm_jax.vectors.base import SourceVectors

MAX_PASSAGE = 10_000
"""Words that gensim reads of one passage; it drops the rest without a warning."""

SUBSAMPLE = 1e-4
"""Words more frequent than this share are subsampled. Ten times stronger than gensim's default, because stop words are
not removed from the text and topics consist of other words; Mikolov et al. recommend 1e-5 to 1e-3."""

MIN_SUBSAMPLED = 50
"""Words of fewer occurrences are never subsampled: in a small text every word's share is above `SUBSAMPLE`."""


def train(
    text: TokenStream,
    words: Sequence[str],
    kind: str,
    dim: int,
    window: int,
    epochs: int,
    seed: int,
    purpose: str = "",
) -> tuple[np.ndarray, np.ndarray]:
    """Vectors [V, L] float32 of `words`, and which of them occur in the text, [V] bool; the other rows are zero.

    kind: `skipgram` or `cbow`. dim: L. purpose: what they are for, as progress says it. There is one worker thread, so
    that the same seed always gives the same vectors.
    """
    from gensim.models import Word2Vec

    wanted = {word: row for row, word in enumerate(words)}
    counts = np.bincount(text.ids, minlength=len(text.words))
    rows = [(index, wanted[word]) for index, word in enumerate(text.words) if word in wanted and counts[index]]
    matrix = np.zeros((len(words), dim), dtype=np.float32)
    known = np.zeros(len(words), dtype=bool)
    if not rows:
        return matrix, known
    passages = _Passages(text, f"{kind} vectors{f' for {purpose}' if purpose else ''}", epochs)
    model = Word2Vec(
        vector_size=dim,
        window=window,
        sg=int(kind == "skipgram"),
        sample=max(SUBSAMPLE, MIN_SUBSAMPLED / len(text.ids)),
        # Vectors of words rarer than the vocabulary's rarest would not be used.
        min_count=int(min(counts[index] for index, _ in rows)),
        # The learning rate decreases once per batch: a small text needs small batches for a smooth decrease.
        batch_words=max(1, min(MAX_PASSAGE, len(text.ids) // 20)),
        workers=1,
        seed=seed,
    )
    model.build_vocab_from_freq(dict(zip(text.words, counts.tolist(), strict=True)), corpus_count=len(passages))
    model.train(passages, total_examples=len(passages), epochs=epochs)
    for index, row in rows:
        matrix[row] = model.wv[text.words[index]]
        known[row] = True
    return matrix, known


def source() -> str:
    """Name and version of the library that trains."""
    import gensim

    return f"gensim {gensim.__version__}"


class _Passages:
    """The text as lists of words. gensim iterates over it once an epoch; all epochs share one progress bar."""

    def __init__(self, text: TokenStream, label: str, epochs: int) -> None:
        self._text = text
        self._spans = [
            (start, min(start + MAX_PASSAGE, end))
            for first, end in zip(text.starts[:-1].tolist(), text.starts[1:].tolist(), strict=True)
            for start in range(first, end, MAX_PASSAGE)
        ]
        self._ticks = track(range(epochs * len(self._spans)), f"{label}, {epochs} passes", unit="documents")

    def __len__(self) -> int:
        return len(self._spans)

    def __iter__(self) -> Iterator[list[str]]:
        words = self._text.words
        for start, end in self._spans:
            next(self._ticks, None)
            yield [words[i] for i in self._text.ids[start:end].tolist()]


def check(config: VectorsConfig, counts_of: str | None) -> None:
    """Raise UserError where there is no running text."""
    if counts_of is not None:
        raise UserError(
            f"--vectors={config.vectors} needs running text, but {counts_of} came as counts; use --vectors=ppmi"
        )


def make(corpus: Corpus, config: VectorsConfig, seed: int) -> SourceVectors:
    """Train vectors of the words that occur in the training documents' text."""
    assert config.embed_dim is not None
    assert corpus.text is not None
    words, window, epochs = corpus.vocabulary.words, config.vectors_window, config.vectors_epochs
    matrix, known = train(corpus.text, words, config.vectors, config.embed_dim, window, epochs, seed)
    return SourceVectors(matrix, known, f"{config.vectors}, {source()}")
