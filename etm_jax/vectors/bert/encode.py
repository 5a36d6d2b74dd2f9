"""Texts to vectors by an encoder of the BERT family, kept among the user's caches."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from etm_jax.util.console import warn
from etm_jax.vectors.bert.cache import Kept
from etm_jax.vectors.bert.model import Encoder


@dataclass(frozen=True)
class TextVectors:
    """Vectors of D texts.

    matrix: [D, H] float32. truncated: how many texts were longer than the model, and were cut off. digest: SHA-256 over
    the model's weights, settings and tokenizer, and the pooling, in hexadecimal.
    """

    matrix: np.ndarray = field(repr=False)
    truncated: int
    digest: str


def model_digest(folder: str, pooling: str | None = None) -> str:
    """The digest of `TextVectors` that `encode_texts` would give. Raises UserError where the folder cannot be read."""
    return Encoder(folder, pooling).digest


def encode_texts(folder: str, texts: Sequence[str], pooling: str | None = None, dtype: str = "float32") -> TextVectors:
    """Encode texts, on all devices of this process.

    Parameters
    ----------
    folder : str
        A model as the hub lays it out.
    texts : sequence of str
        Texts that occur twice are encoded once. A text longer than the model is cut off at the end, and counted.
    pooling : str, optional
        `cls`, `mean` or `last4` (`etm_jax.vectors.bert.pooling`); what the folder says by default.
    dtype : str
        float32 or bfloat16, which the encoder computes in.

    Returns
    -------
    TextVectors
        The same bytes for the same arguments on the same machine: what was computed is kept in the user's cache
        (`etm_jax.vectors.bert.cache`).

    Raises
    ------
    UserError
        Where the folder cannot be read, its parts do not fit each other, or pooling or dtype are unknown.
    """
    encoder = Encoder(folder, pooling, dtype)
    kept = Kept(f"texts {encoder.digest} {encoder.dtype}", (text.encode("utf-8", "surrogatepass") for text in texts))
    found = kept.get((len(texts), encoder.config.width))
    if found is None:
        numbers = {text: number for number, text in enumerate(dict.fromkeys(texts))}
        pieces = encoder.tokenize(list(numbers))
        matrix = encoder.pooled(pieces, f"{encoder.folder.name}: encoding {len(numbers):,} texts")
        rows = np.array([numbers[text] for text in texts], np.int64)
        found = matrix[rows], np.array([pieces.long[rows].sum()])
        kept.put(*found)
    matrix, truncated = found[0], int(found[1][0])
    if truncated:
        warn(
            f"{truncated:,} of {len(texts):,} texts are longer than the {encoder.tokenize.max_pieces} pieces that "
            f"{encoder.folder} reads; of those the beginning alone counts"
        )
    return TextVectors(matrix, truncated, encoder.digest)
