"""Word vectors, the initial ρ of a model. Each source is one file; `etm_jax.config.vector_sources` lists them."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import numpy as np

from etm_jax.config.settings import VectorsConfig
from etm_jax.config.vector_sources import VECTOR_SOURCES, vector_source
from etm_jax.corpus.types import Corpus
from etm_jax.util.errors import UserError
from etm_jax.vectors.base import Source, module_of


@dataclass(frozen=True)
class WordVectors:
    """Vectors of the words of a vocabulary.

    matrix: [V, L] float32, a row for every word. covered: how many words the source has a vector for; the others have a
    random one of the same scale. source: what made the vectors, e.g. `skipgram, gensim 4.4.0`.
    """

    matrix: np.ndarray
    covered: int
    source: str

    def describe(self) -> str:
        """One line for display: source, size, and the share of the vocabulary covered."""
        num_words, dim = self.matrix.shape
        size = f"word vectors ({self.source}): {num_words:,} words × {dim}"
        if not self.covered:
            return size
        if self.covered == num_words:
            return f"{size}, every word covered"
        return f"{size}, {self.covered:,} of them covered ({self.covered / num_words:.1%}); the rest got random ones"


_kept: ContextVar[list[tuple[Corpus, VectorsConfig, int, WordVectors]] | None] = ContextVar("kept", default=None)


def check_vectors(config: VectorsConfig, counts_of: str | None = None) -> None:
    """Raise the errors of `word_vectors` that can be found before the corpus is read.

    counts_of: the name of the corpus if it consists of counts. Raises UserError where the source does not exist or its
    package is not installed, it needs running text and gets counts, or its vectors have another length than --emb_dim.
    """
    source = vector_source(config.vectors)
    if source is None:
        names = ", ".join(source.shown for source in VECTOR_SOURCES.values())
        raise UserError(f"--vectors={config.vectors!r} is unknown; give one of {names}")
    if config.embed_dim is None and not source.own_length:
        raise UserError(f"--vectors={config.vectors} needs --emb_dim, the length of the vectors")
    _load(config).check(config, counts_of)


def word_vectors(corpus: Corpus, config: VectorsConfig, seed: int) -> WordVectors:
    """The vectors of the corpus' vocabulary, from the source in `config`. The same arguments give the same bytes.

    `ppmi` gives at most V dimensions, with a warning if --emb_dim is larger; the caller takes L from the matrix.

    Raises UserError as `check_vectors` does, and where the file of vectors is damaged or has none of the words.
    """
    check_vectors(config, corpus.name if corpus.text is None else None)
    kept = _kept.get()
    for of_corpus, of_config, of_seed, found in kept or ():
        if of_corpus is corpus and (of_config, of_seed) == (config, seed):
            return found
    matrix, known, origin = _load(config).make(corpus, config, seed)
    if known is None:
        found = WordVectors(matrix, 0, origin)
    else:
        found = WordVectors(_fill(matrix, known, seed), int(known.sum()), origin)
    if kept is not None:
        kept[:] = [(corpus, config, seed, found)]
    return found


@contextmanager
def vectors_kept() -> Iterator[None]:
    """Within the block `word_vectors` keeps what it made last, for models of one corpus that differ in other things."""
    token = _kept.set([])
    try:
        yield
    finally:
        _kept.reset(token)


def _load(config: VectorsConfig) -> Source:
    """The module of the source that `config` names, which exists."""
    source = vector_source(config.vectors)
    assert source is not None
    return module_of(source)


def _fill(matrix: np.ndarray, known: np.ndarray, seed: int) -> np.ndarray:
    """`matrix` with random normal vectors in the unknown rows, of the known rows' mean norm. [V, L] float32."""
    if known.all():
        return matrix
    dim = matrix.shape[1]
    norm = float(np.linalg.norm(matrix[known], axis=1).mean()) if known.any() else 1.0
    rng = np.random.default_rng([seed, dim])
    filled = matrix.copy()
    filled[~known] = rng.normal(scale=norm / dim**0.5, size=(int((~known).sum()), dim))
    return filled
