"""Random vectors, initialised as torch's Linear(L, V), as in both published models."""

import numpy as np

from etm_jax.config.settings import VectorsConfig
from etm_jax.corpus.types import Corpus
from etm_jax.vectors.base import SourceVectors


def check(config: VectorsConfig, counts_of: str | None) -> None:
    """Accept any settings and corpus."""


def make(corpus: Corpus, config: VectorsConfig, seed: int) -> SourceVectors:
    """Random vectors, uniform within ±1/√L."""
    assert config.embed_dim is not None
    bound = config.embed_dim**-0.5
    size = (len(corpus.vocabulary), config.embed_dim)
    matrix = np.random.default_rng(seed).uniform(-bound, bound, size).astype(np.float32)
    return SourceVectors(matrix, None, f"random, uniform within ±{bound:.3g}")
