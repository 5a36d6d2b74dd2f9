"""A regression of documents' δ on what is known of them, under topics that stay as they are: δ ~ N(Γᵀx, Σ).

Fitted by EM with Laplace's approximation, as the structural topic model is (Roberts, Stewart, Airoldi 2016, section 3)
but for its topics. Γ and Σ are the documents' own, whatever prior the topics were trained with: under a prior that does
not know the groups, θ of short documents is drawn to the mean of all of them, and differences come out too small.

Shapes: D documents, P columns of x with the intercept, K topics.
"""

from collections.abc import Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse as sp

from etm_jax.models.document_posterior import Block, Curved, blocks_of, curved, inverse_curvature, no_wider
from etm_jax.util.console import track, warn

MOST_PASSES = 60
"""Of EM."""

TOLERANCE = 0.01
"""EM has ended where a pass moves prior means by less than this share of their deviation, and Σ of its size."""

LARGEST_VARIANCE = 15.0
"""Of δ in any direction, the default of `prior_variance`. A topic that many documents lack altogether says only that
its δ is far below the others, and EM would let it fall without end."""

COEFFICIENT_VARIANCE = 1.0
"""Of the normal prior of Γ but for its intercept, the default of `prevalence_variance`, for the same reason."""

FIRST_STEPS, STEPS = 15, 3
"""Newton steps in the first pass, and in each of the others."""

PAIRS = 16
"""Draws of each document's θ, and as many on the other side of its mean, that its mean is taken from."""

LARGEST_INFORMATION = 6000
"""Coefficients, P (K − 1), whose covariance is computed."""


class PriorRegression(NamedTuple):
    """The fitted regression. gamma: [P, K]; sigma: [K, K]; delta: [D, K] float32, the mean of δ in each document.

    columns: [D, P], x. root: [P (K−1), P (K−1)], R with R Rᵀ the covariance of Γ Q, row by row; basis: Q, [K, K − 1],
    orthonormal to what is the same in all topics, which θ does not show.
    """

    gamma: np.ndarray
    sigma: np.ndarray
    delta: np.ndarray
    columns: np.ndarray
    root: np.ndarray
    basis: np.ndarray
    blocks: list[Block]
    by_word: jax.Array

    @property
    def precision(self) -> np.ndarray:
        """Σ⁻¹: [K, K]."""
        return np.linalg.inv(self.sigma)

    @property
    def score(self) -> np.ndarray:
        """The derivative of log p(x) by the prior's mean, of each document: [D, K]."""
        return (self.delta - self.columns @ self.gamma) @ self.precision

    def posteriors(self) -> Iterator[tuple[Block, Curved]]:
        """Every block with its posteriors."""
        mean, precision = (self.columns @ self.gamma).astype(np.float32), jnp.asarray(self.precision, jnp.float32)
        for block in self.blocks:
            yield block, no_wider(_visit(block, self.delta, mean, precision, self.by_word, STEPS), precision)


def fit_prior_regression(counts: sp.csr_matrix, beta: np.ndarray, columns: np.ndarray) -> PriorRegression:
    """Fit it to documents. counts: [D, V] CSR; beta: [K, V]; columns: [D, P] of full rank, the intercept among them."""
    num_docs, num_topics = counts.shape[0], len(beta)
    by_word, blocks = jnp.asarray(beta.T, jnp.float32), list(blocks_of(counts, num_topics))
    delta = np.zeros((num_docs, num_topics), np.float32)
    gamma, sigma = np.zeros((columns.shape[1], num_topics)), np.eye(num_topics)
    # How many there will be is not known, which `iter` hides from the progress.
    for done in track(iter(range(MOST_PASSES)), "the prior of each document", unit="passes"):
        mean, precision = (columns @ gamma).astype(np.float32), jnp.asarray(np.linalg.inv(sigma), jnp.float32)
        spread = np.zeros_like(sigma)
        for block in blocks:
            found = _visit(block, delta, mean, precision, by_word, STEPS if done else FIRST_STEPS)
            delta[block.rows] = found.delta[: len(block.rows)]
            spread += np.asarray(inverse_curvature(found.factor)[: len(block.rows)].sum(0), np.float64)
        gamma, before = _coefficients(columns, delta, sigma), gamma
        apart = delta - columns @ gamma
        # A weak pull to the start: of few documents Σ would have no inverse.
        new = _bounded((apart.T @ apart + spread + num_topics * np.eye(num_topics)) / (num_docs + num_topics))
        moved, sigma = np.abs(new - sigma).max() / new.diagonal().max(), new
        far = np.abs(columns @ (gamma - before)) / np.sqrt(new.diagonal())
        if moved < TOLERANCE and far.max() < TOLERANCE:
            break
    else:
        warn(
            f"the prior of documents still moves after {MOST_PASSES} passes, by {max(moved, far.max()):.0%} of its "
            "size at most in the last: intervals may be somewhat off; fewer topics, or more documents, settle sooner"
        )
    basis = np.linalg.qr(np.eye(num_topics) - 1 / num_topics)[0][:, : num_topics - 1]
    none = np.empty((0, 0))
    fitted = PriorRegression(gamma, sigma, delta, columns, none, basis, blocks, by_word)
    values, vectors = np.linalg.eigh(_information(fitted))
    return fitted._replace(root=vectors / np.sqrt(np.maximum(values, 1 / COEFFICIENT_VARIANCE)))


def _coefficients(columns: np.ndarray, delta: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """Γ of largest posterior density, topic by topic: [P, K]. The first column is the intercept's."""
    pull = np.diag([0.0] + [1 / COEFFICIENT_VARIANCE] * (columns.shape[1] - 1))
    squares, products = columns.T @ columns, columns.T @ delta
    return np.stack(
        [np.linalg.solve(squares + variance * pull, products[:, k]) for k, variance in enumerate(sigma.diagonal())], 1
    )


def _bounded(sigma: np.ndarray) -> np.ndarray:
    """With no eigenvalue above `LARGEST_VARIANCE`."""
    values, vectors = np.linalg.eigh(sigma)
    return np.asarray((vectors * np.minimum(values, LARGEST_VARIANCE)) @ vectors.T)


def shifts(fitted: PriorRegression, found: Curved, size: int) -> np.ndarray:
    """∂ δ / ∂ prior mean of the first `size` documents of a block, H⁻¹ Σ⁻¹: [b, K, K]."""
    covariance = np.asarray(inverse_curvature(found.factor)[:size], np.float64)
    return np.asarray(covariance @ fitted.precision)


def theta_draws(fitted: PriorRegression, seed: int, first: int, number: int) -> np.ndarray:
    """Draws of all documents' θ, of numbers first, first + 1, …: [number, D, K] float32.

    Each has a Γ of its own, drawn from the distribution that says how uncertain the prior is.
    """
    num_docs, num_topics = fitted.delta.shape
    theta = np.empty((number, num_docs, num_topics), np.float32)
    moves = np.array([_gamma_draw(fitted, seed, first + i) for i in range(number)])
    for place, (block, found) in enumerate(fitted.posteriors()):
        size = len(block.rows)
        shift = shifts(fitted, found, size)
        x = fitted.columns[block.rows]
        for i in range(number):
            noise = np.random.default_rng([seed, first + i, place]).standard_normal(found.delta.shape, np.float32)
            moved = np.zeros_like(noise)
            moved[:size] = np.einsum("bkj,bj->bk", shift, x @ moves[i])
            theta[i, block.rows] = _drawn(found, noise, moved)[:size]
    return theta


def theta_means(fitted: PriorRegression, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Means of all documents' θ [D, K] float64, and how Σ_d x θᵀ follows the score: [P (K−1), P K].

    The latter is ∂ vec(Σ_d x θ_dᵀ) / ∂ vec(Γ Q) after one Newton step of Γ Q from Σ_d x ⊗ Qᵀ score_d.
    """
    size, num_topics = fitted.gamma.shape
    theta, total = np.empty(fitted.delta.shape), np.zeros((size, size, num_topics - 1, num_topics))
    for place, (block, found) in enumerate(fitted.posteriors()):
        x = fitted.columns[block.rows]
        rng = np.random.default_rng([seed, place])
        noise = jnp.asarray(rng.standard_normal((PAIRS, *found.delta.shape), np.float32))
        mean, square = (np.asarray(each, np.float64)[: len(x)] for each in _moments(found, noise))
        theta[block.rows] = mean
        slope = mean[:, :, None] * np.eye(num_topics) - square
        moved = slope @ shifts(fitted, found, len(x)) @ fitted.basis
        total += np.tensordot(x[:, :, None] * x[:, None, :], np.swapaxes(moved, 1, 2), (0, 0))
    # From [P of θ, P of Γ, K − 1, K].
    by_gamma = total.transpose(1, 2, 0, 3).reshape(len(fitted.root), size * num_topics)
    return theta, fitted.root @ (fitted.root.T @ by_gamma)


@jax.jit
def _drawn(found: Curved, noise: jax.Array, moved: jax.Array) -> jax.Array:
    """A draw of θ [B, K]. noise: [B, K], normal; moved: [B, K], by which δ moves."""
    apart = jax.scipy.linalg.solve_triangular(jnp.swapaxes(found.factor, 1, 2), noise[..., None])[..., 0]
    return jax.nn.softmax(found.delta + apart + moved, axis=-1)


@jax.jit
def _moments(found: Curved, noise: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Mean of θ [B, K] and of θ θᵀ [B, K, K]. noise: [·, B, K], normal."""
    turned = jnp.swapaxes(found.factor, 1, 2)

    def add(carry: tuple[jax.Array, jax.Array], one: jax.Array) -> tuple[tuple[jax.Array, jax.Array], None]:
        apart = jax.scipy.linalg.solve_triangular(turned, one[..., None])[..., 0]
        for theta in (jax.nn.softmax(found.delta + sign * apart, axis=-1) for sign in (1, -1)):
            carry = carry[0] + theta, carry[1] + theta[:, :, None] * theta[:, None, :]
        return carry, None

    sums, _ = jax.lax.scan(add, (jnp.zeros_like(found.delta), jnp.zeros_like(found.factor)), noise)
    return sums[0] / (2 * len(noise)), sums[1] / (2 * len(noise))


def _gamma_draw(fitted: PriorRegression, seed: int, number: int) -> np.ndarray:
    """How far a Γ lies from the fitted one: [P, K]."""
    noise = np.random.default_rng([seed, number]).standard_normal(len(fitted.root))
    drawn = fitted.root @ noise
    return np.asarray(drawn.reshape(len(fitted.gamma), -1) @ fitted.basis.T)


def _information(fitted: PriorRegression) -> np.ndarray:
    """Σ_d x xᵀ ⊗ Qᵀ (Σ⁻¹ − Σ⁻¹ H⁻¹ Σ⁻¹) Q, minus the second derivative of log p(x) by Γ Q, and that of Γ's prior."""
    size, width = fitted.columns.shape[1], fitted.basis.shape[1]
    total = np.zeros((size, size, width, width))
    projected = fitted.precision @ fitted.basis
    for block, found in fitted.posteriors():
        x = fitted.columns[block.rows]
        covariance = np.asarray(inverse_curvature(found.factor)[: len(x)], np.float64)
        known = fitted.basis.T @ projected - projected.T @ covariance @ projected
        total += np.tensordot(x[:, :, None] * x[:, None, :], known, (0, 0))
    for column in range(1, size):
        total[column, column] += np.eye(width) / COEFFICIENT_VARIANCE
    return total.transpose(0, 2, 1, 3).reshape(size * width, size * width)


def _visit(
    block: Block, delta: np.ndarray, mean: np.ndarray, precision: jax.Array, by_word: jax.Array, steps: int
) -> Curved:
    """delta, mean: [D, K]."""
    pad = ((0, len(block.counts) - len(block.rows)), (0, 0))
    own, centre = np.pad(delta[block.rows], pad), np.pad(mean[block.rows], pad)
    return curved(own, block._replace(rows=np.empty(0, np.int32)), by_word, centre, precision, steps)
