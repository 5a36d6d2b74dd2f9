"""The posteriors of δ of many documents under given topics, as normal distributions at their modes (Laplace).

Of each document the whole curvature, K × K, is used: that of each δ_k alone takes what two topics share of a document's
words for known. Shapes: B documents of a block, n different words at most, K topics, V words.
"""

from collections.abc import Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse as sp

from etm_jax.ops.sparse import Array

FIRST_DAMPING = 0.1
"""Of Levenberg and Marquardt, as a share of the curvature's bound: the true curvature can be 0 or less."""

ENTRIES_OF_BLOCK = 2**21
"""Words times topics of the documents that are computed at once."""

LEAST_WIDTH = 16

MOST_SKEW = 0.3
"""How far the mean may lie from the mode, in standard deviations: beyond, the series does not hold."""


class Block(NamedTuple):
    """Documents with about as many different words.

    rows: [b] their places, b ≤ B; columns, counts: [B, n], 0 beyond.
    """

    rows: np.ndarray
    columns: np.ndarray
    counts: np.ndarray


class Curved(NamedTuple):
    """The posteriors of a block.

    delta: [B, K], means; factor: [B, K, K] lower, L with L Lᵀ the curvature at the mode.
    """

    delta: jax.Array
    factor: jax.Array


class _Terms(NamedTuple):
    """log p(x, δ) up to a constant [B], its gradient [B, K], minus its Hessian [B, K, K] and a bound of that [B, K]."""

    value: jax.Array
    gradient: jax.Array
    curvature: jax.Array
    bound: jax.Array


def blocks_of(counts: sp.csr_matrix, num_topics: int) -> Iterator[Block]:
    """The documents [D, V] CSR in blocks, short ones first, of few different shapes."""
    lengths = np.diff(counts.indptr)
    widths = np.maximum(LEAST_WIDTH, 2 ** np.ceil(np.log2(np.maximum(lengths, 1))).astype(int))
    for width in np.unique(widths).tolist():
        found = np.flatnonzero(widths == width)
        most = max(1, 2 ** int(np.log2(max(ENTRIES_OF_BLOCK // (width * num_topics), 1))))
        # Of few sizes, each of which is compiled.
        size = min(most, 4 ** max(3, int(np.ceil(np.log2(len(found)) / 2))))
        for start in range(0, len(found), size):
            rows = found[start : start + size]
            columns, values = np.zeros((size, width), np.int32), np.zeros((size, width), np.float32)
            for place, row in enumerate(rows):
                own = slice(counts.indptr[row], counts.indptr[row + 1])
                columns[place, : lengths[row]], values[place, : lengths[row]] = counts.indices[own], counts.data[own]
            yield Block(rows, columns, values)


@jax.jit
def curved(delta: Array, block: Block, by_word: Array, mean: Array, precision: Array, steps: int) -> Curved:
    """Climb log p(x | softmax(δ), β) + log N(δ; m, precision⁻¹) from δ [B, K], and measure the curvature there.

    by_word: [V, K], βᵀ; mean: [B, K]; precision: [K, K]. Newton steps, damped as Levenberg and Marquardt do: one that
    does not climb is not taken, and the next is shorter.
    """
    rows, counts = jnp.asarray(by_word)[block.columns], jnp.asarray(block.counts)
    rows = jnp.log(jnp.maximum(rows, jnp.finfo(rows.dtype).tiny))

    def step(_: int, carry: tuple[Array, Array, _Terms]) -> tuple[Array, Array, _Terms]:
        delta, damping, terms = carry
        factor = jnp.linalg.cholesky(terms.curvature + _diagonals(damping[:, None] * terms.bound))
        moved = delta + jax.scipy.linalg.cho_solve((factor, True), terms.gradient[..., None])[..., 0]
        there = _terms(moved, rows, counts, mean, precision)
        # Where the curvature has no root, everything is NaN, which is not above anything. Near the mode values are
        # equal but for rounding.
        better = there.value >= terms.value - 1e-6 * jnp.abs(terms.value)

        def chosen(new: Array, old: Array) -> Array:
            return jnp.where(better.reshape(-1, *(1,) * (new.ndim - 1)), new, old)

        shorter = jnp.maximum(4 * damping, 0.1 * FIRST_DAMPING)
        return chosen(moved, delta), jnp.where(better, 0.1 * damping, shorter), jax.tree.map(chosen, there, terms)

    delta = jnp.asarray(delta)
    start = delta, jnp.full(len(delta), FIRST_DAMPING, delta.dtype), _terms(delta, rows, counts, mean, precision)
    delta, _, terms = jax.lax.fori_loop(0, steps, step, start)
    factor = jnp.linalg.cholesky(terms.curvature)
    # Not yet at a mode, where the curvature has a root.
    bad = jnp.isnan(factor).any((1, 2))[:, None, None]
    factor = jnp.where(bad, _diagonals(jnp.sqrt(terms.bound)), factor)
    covariance = inverse_curvature(factor)
    slope = jax.grad(lambda at: (_terms(at, rows, counts, mean, precision).curvature * covariance).sum())(delta)
    skew = -0.5 * (covariance @ slope[..., None])[..., 0]
    most = MOST_SKEW * jnp.sqrt(jnp.diagonal(covariance, axis1=1, axis2=2))
    return Curved(jnp.asarray(delta + jnp.clip(skew, -most, most)), factor)


@jax.jit
def no_wider(found: Curved, precision: Array) -> Curved:
    """The same, no wider than the prior in any direction. precision: [K, K], the prior's.

    Where two topics may explain the same words, the likelihood can be convex at a mode; taken as it is, such documents
    would follow a change of the prior by a multiple of it.
    """
    likelihood = found.factor @ jnp.swapaxes(found.factor, 1, 2) - precision[None]
    values, vectors = jnp.linalg.eigh(likelihood)
    curvature = (vectors * jnp.maximum(values, 0)[:, None, :]) @ jnp.swapaxes(vectors, 1, 2) + precision[None]
    return Curved(found.delta, jnp.linalg.cholesky(curvature))


@jax.jit
def inverse_curvature(factor: jax.Array) -> jax.Array:
    """The posteriors' covariances: [B, K, K] → [B, K, K]."""
    unit = jnp.broadcast_to(jnp.eye(factor.shape[-1], dtype=factor.dtype), factor.shape)
    return jax.scipy.linalg.cho_solve((factor, True), unit)


def _terms(delta: Array, rows: Array, counts: Array, mean: Array, precision: Array) -> _Terms:
    """rows: [B, n, K], log β of the words; counts: [B, n]."""
    theta = jax.nn.softmax(delta, axis=-1)
    # By logarithms, as a product of small shares and its powers, which the derivatives hold, would be 0.
    joint = delta[:, None, :] + rows
    z = jax.nn.softmax(joint, axis=-1)
    log_px = jax.nn.logsumexp(joint, axis=-1) - jax.nn.logsumexp(delta, axis=-1)[:, None]
    weighted = z * counts[..., None]
    explained, expected = weighted.sum(1), counts.sum(-1)[:, None] * theta
    pull = (delta - mean) @ precision
    value = (counts * log_px).sum(-1) - 0.5 * (pull * (delta - mean)).sum(-1)
    curvature = jnp.swapaxes(weighted, 1, 2) @ z - expected[:, :, None] * theta[:, None, :]
    curvature = curvature + _diagonals(expected - explained) + precision[None]
    return _Terms(
        value, explained - expected - pull, curvature, jnp.maximum(explained, expected) + jnp.diag(precision)[None]
    )


def _diagonals(values: Array) -> jax.Array:
    """[B, K] → [B, K, K]."""
    return jnp.asarray(values)[..., None] * jnp.eye(values.shape[-1], dtype=values.dtype)[None]
