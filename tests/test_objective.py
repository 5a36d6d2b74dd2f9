"""The terms of the bound, against hand-computed constants, dense formulas, integrals and finite differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse as sp
from jax.scipy.special import logsumexp

from etm_jax.batches import Batcher
from etm_jax.config import ObjectiveConfig
from etm_jax.objective import kl_divergence, log_px_nonzero, reconstruction, topic_overlap

B, V, K = 6, 11, 4


@pytest.fixture(scope="module")
def case():
    rng = np.random.default_rng(0)
    counts = sp.random(B, V, 0.4, format="csr", random_state=0)
    counts.data = rng.integers(1, 5, counts.nnz).astype(np.float32)
    batch = Batcher(counts, counts, B).take(np.arange(B))
    log_theta = jax.nn.log_softmax(rng.normal(size=(B, K)).astype(np.float32))
    log_beta = jax.nn.log_softmax(3 * rng.normal(size=(K, V)).astype(np.float32))
    return counts.toarray(), batch, log_theta, log_beta


def dense_reconstruction(log_theta, log_beta, x, config):
    logits = jnp.log(jnp.exp(log_theta) @ jnp.exp(log_beta) + config.likelihood_eps)
    if config.criterion == "cross_entropy":
        return -(x * (jax.nn.log_softmax(logits) if config.renormalize else logits)).sum(1)
    p = jax.nn.softmax(logits) if config.criterion == "bce_softmax" else jax.nn.sigmoid(logits)
    target = jnp.minimum(x, 1)
    return -(target * jnp.log(p) + (1 - target) * jnp.log(1 - p)).sum(1)


def test_kl_by_hand():
    # ½ (e^0.5 + 1² − 1 − 0.5) + ½ (e^−1 + 4 − 1 + 1)
    assert kl_divergence(np.array([[1.0, -2.0]]), np.array([[0.5, -1.0]])) == pytest.approx(2.758300, abs=1e-5)


def test_kl_is_zero_at_the_prior_alone():
    assert kl_divergence(np.zeros((1, 3)), np.full((1, 3), np.log(4.0)), 4.0)[0] == pytest.approx(0, abs=1e-6)
    rng = np.random.default_rng(0)
    assert (kl_divergence(rng.normal(size=(100, 3)), rng.normal(size=(100, 3)), 4.0) > 0).all()


def test_kl_equals_monte_carlo():
    mu, logvar, prior = np.array([0.3, -1.0]), np.array([0.2, -0.7]), 2.5
    z = mu + np.exp(logvar / 2) * np.random.default_rng(0).normal(size=(400_000, 2))
    log_q = -0.5 * (np.log(2 * np.pi) + logvar + (z - mu) ** 2 / np.exp(logvar))
    log_p = -0.5 * (np.log(2 * np.pi * prior) + z**2 / prior)
    assert kl_divergence(mu[None], logvar[None], prior)[0] == pytest.approx((log_q - log_p).sum(1).mean(), rel=0.01)


@pytest.mark.parametrize("eps", [0.0, 1e-6])
def test_log_px_equals_dense(case, eps):
    _, batch, log_theta, log_beta = case
    dense = np.log(np.exp(log_theta) @ np.exp(log_beta) + eps)
    nnz = batch.pattern.row_starts[-1]
    got = log_px_nonzero(log_theta, log_beta, batch.pattern, eps)[:nnz]
    np.testing.assert_allclose(got, dense[batch.pattern.rows[:nnz], batch.pattern.cols[:nnz]], rtol=1e-5)


def test_log_px_survives_words_that_no_topic_holds(case):
    _, batch, log_theta, _ = case
    log_beta = jnp.full((K, V), -200.0)
    got, grads = jax.value_and_grad(lambda t: log_px_nonzero(t, log_beta, batch.pattern).sum())(log_theta)
    assert np.isfinite(got)
    assert np.isfinite(grads).all()


def test_permuting_topics_leaves_the_likelihood_alone(case):
    _, batch, log_theta, log_beta = case
    order = np.array([2, 0, 3, 1])
    before = log_px_nonzero(log_theta, log_beta, batch.pattern)
    np.testing.assert_allclose(log_px_nonzero(log_theta[:, order], log_beta[order], batch.pattern), before, rtol=1e-5)


CRITERIA = [
    ObjectiveConfig(),
    ObjectiveConfig(likelihood_eps=1e-6),
    ObjectiveConfig(likelihood_eps=1e-6, renormalize=True),
    ObjectiveConfig(criterion="bce_softmax", likelihood_eps=1e-6),
    ObjectiveConfig(criterion="bce_sigmoid", likelihood_eps=1e-6),
]


@pytest.mark.parametrize("config", CRITERIA, ids=lambda c: f"{c.criterion}-{c.likelihood_eps}-{c.renormalize}")
def test_reconstruction_and_its_gradients_equal_dense(case, config):
    x, batch, log_theta, log_beta = case

    # Through softmaxes, as in the model: the shortcut for the normaliser holds for distributions alone.
    def sparse_loss(t, b):
        return reconstruction(jax.nn.log_softmax(t), jax.nn.log_softmax(b), batch.counts, batch.pattern, config)

    def dense_loss(t, b):
        return dense_reconstruction(jax.nn.log_softmax(t), jax.nn.log_softmax(b), x, config)

    np.testing.assert_allclose(sparse_loss(log_theta, log_beta), dense_loss(log_theta, log_beta), rtol=2e-5)
    got = jax.grad(lambda *a: sparse_loss(*a).sum(), argnums=(0, 1))(log_theta, log_beta)
    want = jax.grad(lambda *a: dense_loss(*a).sum(), argnums=(0, 1))(log_theta, log_beta)
    for g, w in zip(got, want, strict=True):
        np.testing.assert_allclose(g, w, rtol=1e-3, atol=1e-4)


def test_renormalizing_takes_off_one_constant_a_token(case):
    x, batch, log_theta, log_beta = case
    plain, renormalized = (
        reconstruction(
            log_theta, log_beta, batch.counts, batch.pattern, ObjectiveConfig(likelihood_eps=1e-3, renormalize=on)
        )
        for on in (False, True)
    )
    np.testing.assert_allclose(renormalized - plain, x.sum(1) * np.log1p(V * 1e-3), rtol=1e-3)


def test_the_bound_is_below_the_integrated_likelihood():
    """K = 2: log ∫ p(x | δ) p(δ) dδ on a grid is at least −(recon + KL) for any q."""
    log_beta = jnp.log(jnp.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]]))
    counts = sp.csr_matrix(np.array([[3.0, 0.0, 2.0]], np.float32))
    batch = Batcher(counts, counts, 1).take(np.array([0]))
    grid = np.stack(np.meshgrid(*[np.linspace(-7, 7, 141)] * 2), -1).reshape(-1, 2)
    log_lik = (np.log(np.asarray(jax.nn.softmax(grid) @ jnp.exp(log_beta))) @ counts.toarray()[0]).astype(np.float64)
    log_prior = -np.log(2 * np.pi) - 0.5 * (grid**2).sum(1)
    evidence = logsumexp(log_lik + log_prior) + 2 * np.log(0.1)
    rng = np.random.default_rng(0)
    for mu, logvar in [([0.0, 0.0], [0.0, 0.0]), ([0.3, -0.2], [-0.4, -0.3]), ([1.0, 1.0], [0.5, -1.0])]:
        eps = rng.normal(size=(4000, 2))
        log_theta = jax.nn.log_softmax(jnp.asarray(np.array(mu) + np.exp(np.array(logvar) / 2) * eps))
        recon = -np.mean(np.log(np.exp(log_theta) @ np.exp(log_beta)) @ counts.toarray()[0])
        one = reconstruction(log_theta[:1], log_beta, batch.counts, batch.pattern, ObjectiveConfig())
        assert one[0] == pytest.approx(
            -float(np.log(np.exp(log_theta[0]) @ np.exp(log_beta)) @ counts.toarray()[0]), rel=1e-4
        )
        elbo = -recon - float(kl_divergence(np.array([mu]), np.array([logvar]))[0])
        assert elbo < evidence + 0.02


def test_overlap_by_hand():
    same = jnp.log(jnp.array([[0.5, 0.5], [0.5, 0.5]]))
    assert topic_overlap(same) == pytest.approx(1.0, rel=1e-5)
    apart = jnp.log(jnp.array([[1.0, 1e-12], [1e-12, 1.0]]))
    assert topic_overlap(apart) == pytest.approx(0.0, abs=1e-5)
