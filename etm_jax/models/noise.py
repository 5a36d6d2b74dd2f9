"""All that is random in one pass through a model: samples of δ, dropout, hidden words."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp

from etm_jax.models.layers import Masks
from etm_jax.ops import sparse


class Posterior(NamedTuple):
    """q(δ | x) = N(mu, diag(exp(logvar))). mu, logvar: [B, K]. Dieng et al. 2020, Algorithm 1."""

    mu: jax.Array
    logvar: jax.Array


class Noise(NamedTuple):
    """All that is random in one pass. eps: [B, K]; dropout: for each hidden layer a scaled mask [B, H], or None.

    The encoder's layers come first, then the decoder's where it has some. Masks left out at the end are None.
    visible: [N], 1 for the entries that the encoder reads and 0 for those hidden from it; None where it reads all.
    own: what a model draws besides, by names of its own; empty for no such noise.
    """

    eps: jax.Array
    dropout: Masks = ()
    visible: jax.Array | None = None
    own: dict[str, jax.Array] = {}  # noqa: RUF012 - an empty pytree, which nobody fills


class DropoutLayer(NamedTuple):
    """A hidden layer's width and the share of its units that training drops."""

    width: int
    rate: float


def reparameterize(posterior: Posterior, eps: jax.Array) -> jax.Array:
    """δ = μ + exp(logvar / 2)·ε, a sample of q(δ | x) where ε is one of N(0, I). eps: [B, K] → [B, K].

    Kingma, Welling 2014, arXiv 1312.6114, section 2.4; the sampling step of Dieng et al. 2020, Algorithm 1.
    """
    return posterior.mu + jnp.exp(posterior.logvar / 2) * eps


def draw(key: jax.Array, batch_size: int, latent: int, layers: Sequence[DropoutLayer] = ()) -> Noise:
    """Fresh ε [B, latent] and, for layers with dropout, masks [B, H] of 0 and 1 / (1 − rate), as torch's."""
    eps_key, *mask_keys = jax.random.split(key, 1 + len(layers))
    eps = jax.random.normal(eps_key, (batch_size, latent))
    masks = (
        jax.random.bernoulli(mask_key, 1 - rate, (batch_size, width)) / (1 - rate) if rate else None
        for mask_key, (width, rate) in zip(mask_keys, layers, strict=True)
    )
    return Noise(eps, tuple(masks))


def draw_visible(key: jax.Array, batch_size: int, pattern: sparse.Pattern, word_dropout: float) -> jax.Array:
    """Which entries of a batch the encoder reads: [N], 1 or 0.

    A document keeps a share of its entries that is uniform between 1 − word_dropout and 1. A document and an entry get
    the same numbers on any mesh of devices.
    """
    layout = pattern.layout
    # What the documents of a batch are given comes first, without those that only fill up a mesh.
    docs = batch_size if layout is None else layout.batch_size
    uniform = jax.random.uniform(key, (batch_size + pattern.cols.size,))
    share = sparse.gather_documents(1 - word_dropout * uniform[:batch_size], pattern)
    ranks = uniform[docs:] if pattern.places is None else uniform[docs + jnp.asarray(pattern.places)]
    return ranks < share
