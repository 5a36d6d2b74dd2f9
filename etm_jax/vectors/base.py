"""What a source of word vectors is: one file with a function `check` and a function `make`.

Its row in `etm_jax.config.vector_sources` makes it known; `etm_jax.vectors` does the rest.
"""

from typing import NamedTuple, Protocol

import numpy as np

from etm_jax.config.settings import VectorsConfig
from etm_jax.corpus.types import Corpus


class Made(NamedTuple):
    """Vectors as a source makes them. V words, L their length.

    matrix: [V, L] float32. known: [V] bool, the words that have a vector; the rows of the others are not read, and get
    random vectors of the same scale. None where the source knows no word, but has a vector for each.
    origin: what made them, for people.
    """

    matrix: np.ndarray
    known: np.ndarray | None
    origin: str


class Source(Protocol):
    """The functions of a source's file."""

    def check(self, config: VectorsConfig, counts_of: str | None) -> None:
        """Raise what `make` would, as far as it can be known before the corpus is read: UserError.

        counts_of: the name of the corpus where it comes as counts, without running text.
        """

    def make(self, corpus: Corpus, config: VectorsConfig, seed: int) -> Made:
        """Vectors of the corpus' vocabulary. The same arguments give the same bytes. Raises UserError."""
