"""Random vectors: torch's Linear(L, V), with which both published models start."""

import numpy as np

from etm_jax.config.settings import VectorsConfig
from etm_jax.corpus.types import Corpus
from etm_jax.vectors.base import Made


def check(config: VectorsConfig, counts_of: str | None) -> None:
    """Nothing can be wrong with them."""


def make(corpus: Corpus, config: VectorsConfig, seed: int) -> Made:
    """Uniform within ±1/√L."""
    assert config.embed_dim is not None
    bound = config.embed_dim**-0.5
    size = (len(corpus.vocabulary), config.embed_dim)
    matrix = np.random.default_rng(seed).uniform(-bound, bound, size).astype(np.float32)
    return Made(matrix, None, f"random, uniform within ±{bound:.3g}")
