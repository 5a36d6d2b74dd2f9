"""A vector of each whole document in the encoder's input (--context), as the combined topic model has it.

Bianchi, Terragni, Hovy 2021 (ACL, arXiv 2004.03974); by the vector alone it is their zero-shot model (Bianchi et al.
2021, EACL, arXiv 2004.07737). What the encoder reads of a vector is its place on the R axes along which those of
training differ most (--context_axes): further ones tell languages and wording apart more than topics (docs/context.md).

Shapes: D documents to train on, B of a batch, V words, C numbers of a vector, R axes.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse as sp

from etm_jax.corpus.types import Contexts, Corpus
from etm_jax.util.threads import libraries

LEAST_DEVIATION = 1e-6
"""Of an axis, as a share of the first one's. Along others all documents are the same but for rounding: they stay 0."""

ROWS_AT_ONCE = 65_536
"""Documents whose vectors are held in double precision."""


class Axes(NamedTuple):
    """The directions in which vectors differ most, by which (x − mean) · axes has mean 0 and variance 1 in each number
    over the documents to train on, and no two numbers vary together. mean: [C]; axes: [C, R]; float32.
    """

    mean: np.ndarray
    axes: np.ndarray


def of_words(sums: jax.Array, mean: jax.Array) -> jax.Array:
    """Σ_v x_v w_v of each document at length 1: [B, C] → [B, C]; `mean` [C] for a document without such words."""
    length = jnp.linalg.norm(sums, axis=1, keepdims=True)
    return jnp.where(length > 0, sums / jnp.where(length > 0, length, 1), mean[None])


def principal_axes(vectors: np.ndarray, number: int) -> Axes:
    """The first axes, at most C, of the vectors [D, C] to train on. The same vectors give the same bytes."""
    size = vectors.shape[1]
    mean = vectors.mean(axis=0, dtype=np.float64)
    covariance = np.zeros((size, size))
    # One thread, or the sums would depend on how many there are.
    with libraries().limit(limits=1):
        for start in range(0, len(vectors), ROWS_AT_ONCE):
            some = vectors[start : start + ROWS_AT_ONCE] - mean
            covariance += some.T @ some
        variances, directions = np.linalg.eigh(covariance / len(vectors))
    number = min(number, size)
    deviations = np.sqrt(np.maximum(variances[::-1][:number], 0))
    real = deviations > max(LEAST_DEVIATION * float(deviations[0]), float(np.finfo(np.float32).tiny))
    axes = directions[:, ::-1][:, :number] * np.where(real, 1 / np.where(real, deviations, 1), 0)
    # Of the two directions of each axis, that in which the largest number is positive.
    axes *= np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(number)])
    return Axes(mean.astype(np.float32), axes.astype(np.float32))


def constants_of(contexts: Contexts, corpus: Corpus, number: int) -> dict[str, np.ndarray]:
    """The constants of a model that reads so many axes of these vectors, by name."""
    words = contexts.words
    if words is None:
        mean, axes = principal_axes(contexts.parts["train"], number)
        return {"context_mean": mean, "context_axes": axes}
    found = of_documents(corpus.train.counts, words)
    has_words = found.any(axis=1)
    mean, axes = principal_axes(found[has_words] if has_words.any() else found, number)
    return {"context_mean": mean, "context_axes": axes, "context_words": words}


def of_documents(counts: sp.csr_matrix, words: np.ndarray) -> np.ndarray:
    """What `of_words` gives documents [D, V], with zeros for those without such words: [D, C]. words: [V, C]."""
    sums = np.asarray(counts @ words)
    return sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), np.finfo(np.float32).tiny)
