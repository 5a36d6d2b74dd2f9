"""The uncertainty of θ: against automatic differentiation, and against sampling from the posterior itself."""

import jax
import jax.numpy as jnp
import numpy as np

from etm_jax.models.laplace import theta_covariance

V, K, VARIANCE = 12, 3, 1.5
RNG = np.random.default_rng(3)
BETA = RNG.dirichlet(np.full(V, 0.3), K)
COUNTS = RNG.multinomial(60, np.array([0.4, 0.35, 0.25]) @ BETA).astype(float)


def log_posterior(delta, counts):
    px = jax.nn.softmax(delta, axis=-1) @ BETA
    return jnp.log(px) @ counts - jnp.sum(delta**2, axis=-1) / (2 * VARIANCE)


def mode_of(counts):
    delta = jnp.zeros(K)

    @jax.jit
    def step(delta):
        return delta - jnp.linalg.solve(
            jax.hessian(log_posterior)(delta, counts), jax.grad(log_posterior)(delta, counts)
        )

    for _ in range(50):
        delta = step(delta)
    return delta


def test_it_is_the_inverse_hessian_carried_over_to_theta(float64):
    mode = mode_of(COUNTS)
    theta, slope = jax.nn.softmax(mode), jax.jacobian(jax.nn.softmax)(mode)
    expected = -slope @ jnp.linalg.inv(jax.hessian(log_posterior)(mode, COUNTS)) @ slope.T
    found = theta_covariance(np.asarray(theta), BETA, COUNTS, VARIANCE)
    np.testing.assert_allclose(found, expected, atol=1e-10)
    np.testing.assert_allclose(found.sum(axis=1), 0, atol=1e-12)


def test_samples_from_the_posterior_have_these_deviations(float64):
    """By importance sampling from a normal distribution wider than Laplace's, which needs no chain to settle."""
    counts, mode = COUNTS, mode_of(COUNTS)
    wide = -2.0 * np.linalg.inv(np.asarray(jax.hessian(log_posterior)(mode, counts)))
    delta = np.random.default_rng(0).multivariate_normal(np.asarray(mode), wide, 40_000)
    away = delta - np.asarray(mode)
    proposal = -0.5 * np.einsum("nk,kl,nl->n", away, np.linalg.inv(wide), away)
    log_weight = np.asarray(log_posterior(jnp.asarray(delta), counts)) - proposal
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    theta = np.asarray(jax.nn.softmax(jnp.asarray(delta)))
    mean = weight @ theta
    sampled = np.sqrt(weight @ (theta - mean) ** 2)
    found = np.sqrt(np.diag(theta_covariance(np.asarray(jax.nn.softmax(mode)), BETA, counts, VARIANCE)))
    np.testing.assert_allclose(found, sampled, rtol=0.03)


def test_a_document_without_words_has_the_priors_spread_and_more_words_less():
    even, none = np.full(K, 1 / K), np.zeros(V)
    slope = np.diag(even) - np.outer(even, even)
    np.testing.assert_allclose(theta_covariance(even, BETA, none, VARIANCE), VARIANCE * slope @ slope, atol=1e-12)
    spreads = [np.trace(theta_covariance(even, BETA, n * COUNTS, VARIANCE)) for n in (1, 4, 16)]
    assert spreads == sorted(spreads, reverse=True)
