"""A vector of each whole document in the encoder's input (--context), as the combined topic model has it.

Bianchi, Terragni, Hovy 2021 (ACL, arXiv 2004.03974); by the vector alone it is their zero-shot model (Bianchi et al.
2021, EACL, arXiv 2004.07737). Shapes: B documents, V words, C numbers of a vector.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse as sp

from etm_jax.corpus.types import Contexts, Corpus

LEAST_DEVIATION = 1e-6
"""A number that is the same in all documents stays 0: it is divided by 1."""


class Scaling(NamedTuple):
    """By which vectors have mean 0 and variance 1 over the documents to train on. mean, deviation: [C] float32."""

    mean: np.ndarray
    deviation: np.ndarray


def of_words(sums: jax.Array, mean: jax.Array) -> jax.Array:
    """Σ_v x_v w_v of each document at length 1: [B, C] → [B, C]; `mean` [C] for a document without such words."""
    length = jnp.linalg.norm(sums, axis=1, keepdims=True)
    return jnp.where(length > 0, sums / jnp.where(length > 0, length, 1), mean[None])


def scaling(vectors: np.ndarray) -> Scaling:
    """That of the vectors [D, C] of the documents to train on."""
    wide = vectors.astype(np.float64)
    mean, deviation = wide.mean(axis=0), wide.std(axis=0)
    deviation[deviation < LEAST_DEVIATION] = 1
    return Scaling(mean.astype(np.float32), deviation.astype(np.float32))


def constants_of(contexts: Contexts, corpus: Corpus) -> dict[str, np.ndarray]:
    """The constants of a model that reads these vectors, by name."""
    if contexts.words is None:
        return dict(zip(("context_mean", "context_deviation"), scaling(contexts.parts["train"]), strict=True))
    found = of_documents(corpus.train.counts, contexts.words)
    has_words = found.any(axis=1)
    mean, deviation = scaling(found[has_words] if has_words.any() else found)
    return {"context_mean": mean, "context_deviation": deviation, "context_words": contexts.words}


def of_documents(counts: sp.csr_matrix, words: np.ndarray) -> np.ndarray:
    """What `of_words` gives documents [D, V], with zeros for those without such words: [D, C]. words: [V, C]."""
    sums = np.asarray(counts @ words)
    return sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), np.finfo(np.float32).tiny)
