"""The interface of a source of word vectors: one file with a function `check` and a function `make`.

A row in `etm_jax.config.vector_sources` registers it; `etm_jax.vectors` calls the two functions.
"""

from importlib import import_module
from typing import NamedTuple, Protocol, cast

import numpy as np

from etm_jax.config.settings import VectorsConfig
from etm_jax.config.vector_sources import VectorSource
from etm_jax.corpus.types import Corpus


class SourceVectors(NamedTuple):
    """Vectors of V words, of length L, as a source makes them.

    matrix: [V, L] float32. known: [V] bool, the words that have a vector; the rows of the others are not read and get
    random vectors of the same scale. None for a source whose vectors do not depend on the words. origin: what made the
    vectors, for display.
    """

    matrix: np.ndarray
    known: np.ndarray | None
    origin: str


class Source(Protocol):
    """The functions that the file of a source defines."""

    def check(self, config: VectorsConfig, counts_of: str | None) -> None:
        """Raise the UserErrors of `make` that can be found before the corpus is read.

        counts_of: the name of the corpus if it consists of counts, without running text.
        """

    def make(self, corpus: Corpus, config: VectorsConfig, seed: int) -> SourceVectors:
        """Vectors of the corpus' vocabulary. The same arguments give the same bytes. Raises UserError."""


def module_of(source: VectorSource) -> Source:
    """The file of a source, imported when its vectors are wanted."""
    return cast(Source, import_module(source.module))
