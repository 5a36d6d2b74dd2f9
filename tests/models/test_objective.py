"""The terms of the bound, against hand-computed constants, dense formulas and integrals."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, log_softmax
from scipy.stats import norm

from etm_jax.config.settings import ObjectiveConfig
from etm_jax.models.noise import Posterior, reparameterize
from etm_jax.models.objective import kl_divergence, log_px_nonzero, reconstruction, topic_overlap
from etm_jax.training.batches import Batcher

B, V, K = 6, 11, 4


@pytest.fixture
def case(float64):
    rng = np.random.default_rng(0)
    counts = sp.random(B, V, 0.4, format="csr", random_state=0)
    counts.data = rng.integers(1, 5, counts.nnz).astype(np.float64)
    batch = Batcher(counts, counts, B, dtype=np.float64).take(np.arange(B))
    theta = jax.nn.softmax(rng.normal(size=(B, K)))
    beta = jax.nn.softmax(3 * rng.normal(size=(K, V)))
    return counts.toarray(), batch, theta, beta


def dense_reconstruction(theta, beta, x, config):
    logits = jnp.log(theta @ beta + config.likelihood_eps)
    if config.criterion == "cross_entropy":
        return -(x * (jax.nn.log_softmax(logits) if config.renormalize else logits)).sum(1)
    p = jax.nn.softmax(logits) if config.criterion == "bce_softmax" else jax.nn.sigmoid(logits)
    target = jnp.minimum(x, 1)
    return -(target * jnp.log(p) + (1 - target) * jnp.log(1 - p)).sum(1)


def test_kl_by_hand():
    # ½ (e^0.5 + 1² − 1 − 0.5) + ½ (e^−1 + 4 − 1 + 1)
    assert kl_divergence(np.array([[1.0, -2.0]]), np.array([[0.5, -1.0]])) == pytest.approx(2.758300, abs=1e-5)


gaussians = st.lists(st.tuples(st.floats(-20, 20), st.floats(-15, 15)), min_size=1, max_size=6)


def kl_of(mu, logvar, prior):
    """Of one document."""
    return float(kl_divergence(np.asarray(mu)[None], np.asarray(logvar)[None], prior)[0])


def test_kl_is_positive_away_from_the_prior(float64):
    @settings(max_examples=200, deadline=None, derandomize=True)
    @given(gaussians, st.floats(1e-2, 1e2))
    def positive(q, prior):
        mu, logvar = np.array(q).T
        # e^l − 1 − l ≥ min(l², 1) / 3: zero at the prior alone.
        floor = 0.5 * (mu**2 / prior).sum() + (np.minimum((logvar - np.log(prior)) ** 2, 1) / 6).sum()
        assert kl_of(mu, logvar, prior) >= floor * (1 - 1e-12) - 1e-12

    positive()


@pytest.mark.parametrize("prior", [0.01, 1.0, 2.5, 100.0])
def test_kl_is_zero_at_the_prior(float64, prior):
    assert kl_of(np.zeros(3), np.full(3, np.log(prior)), prior) == pytest.approx(0, abs=1e-12)


def test_kl_equals_the_integral(float64):
    @settings(max_examples=40, deadline=None, derandomize=True)
    @given(st.floats(-5, 5), st.floats(-4, 3), st.floats(0.1, 20))
    def integrated(mu, logvar, prior):
        eps = np.linspace(-12, 12, 4801)
        z = mu + np.exp(logvar / 2) * eps
        log_q, log_p = norm.logpdf(z, mu, np.exp(logvar / 2)), norm.logpdf(z, 0, np.sqrt(prior))
        assert kl_of([mu], [logvar], prior) == pytest.approx(
            np.trapezoid(norm.pdf(eps) * (log_q - log_p), eps), rel=1e-8, abs=1e-8
        )

    integrated()


@pytest.mark.parametrize("seed", range(3))
def test_kl_equals_monte_carlo_within_its_standard_error(float64, seed):
    rng = np.random.default_rng(seed)
    mu, logvar, prior = rng.normal(size=4), rng.normal(size=4), rng.uniform(0.5, 10)
    z = mu + np.exp(logvar / 2) * rng.normal(size=(200_000, 4))
    ratio = (norm.logpdf(z, mu, np.exp(logvar / 2)) - norm.logpdf(z, 0, np.sqrt(prior))).sum(1)
    standard_error = ratio.std() / np.sqrt(len(ratio))
    assert kl_divergence(mu[None], logvar[None], prior)[0] == pytest.approx(ratio.mean(), abs=4 * standard_error)


@pytest.mark.parametrize("eps", [0.0, 1e-6])
def test_log_px_equals_dense(case, eps):
    _, batch, theta, beta = case
    dense = np.log(theta @ beta + eps)
    nnz = batch.pattern.row_starts[-1]
    got = log_px_nonzero(theta, beta, batch.pattern, eps)[:nnz]
    np.testing.assert_allclose(got, dense[batch.pattern.rows[:nnz], batch.pattern.cols[:nnz]], rtol=1e-12)


def test_log_px_survives_words_that_no_topic_holds(case):
    _, batch, theta, _ = case
    got, grads = jax.value_and_grad(lambda t: log_px_nonzero(t, jnp.zeros((K, V)), batch.pattern).sum())(theta)
    assert np.isfinite(got)
    assert np.isfinite(grads).all()


CRITERIA = [
    ObjectiveConfig(),
    ObjectiveConfig(likelihood_eps=1e-6),
    ObjectiveConfig(likelihood_eps=1e-6, renormalize=True),
    ObjectiveConfig(criterion="bce_softmax", likelihood_eps=1e-6),
    ObjectiveConfig(criterion="bce_sigmoid", likelihood_eps=1e-6),
]


@pytest.mark.parametrize("config", CRITERIA, ids=lambda c: f"{c.criterion}-{c.likelihood_eps}-{c.renormalize}")
def test_reconstruction_and_its_gradients_equal_dense(case, config):
    x, batch, theta, beta = case

    # Through softmaxes, as in the model: the shortcut for the normaliser holds for distributions alone.
    def sparse_loss(t, b):
        return reconstruction(jax.nn.softmax(t), jax.nn.softmax(b), batch.counts, batch.pattern, config)

    def dense_loss(t, b):
        return dense_reconstruction(jax.nn.softmax(t), jax.nn.softmax(b), x, config)

    np.testing.assert_allclose(sparse_loss(theta, beta), dense_loss(theta, beta), rtol=1e-11)
    got = jax.grad(lambda *a: sparse_loss(*a).sum(), argnums=(0, 1))(theta, beta)
    want = jax.grad(lambda *a: dense_loss(*a).sum(), argnums=(0, 1))(theta, beta)
    for g, w in zip(got, want, strict=True):
        np.testing.assert_allclose(g, w, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("eps", [1e-6, 1e-3])
@pytest.mark.parametrize("vocab_size", [2, 9, 300, 13_004])
def test_renormalizing_equals_log_softmax_over_all_words(float64, vocab_size, eps):
    """log_softmax of log(θβ + eps) over V subtracts log(1 + V·eps), since θβ sums to 1."""
    rng = np.random.default_rng(vocab_size)
    theta, beta = rng.dirichlet(np.ones(K), B), rng.dirichlet(np.full(vocab_size, 0.5), K)
    px = theta @ beta
    np.testing.assert_allclose(px.sum(1), 1, rtol=1e-13)
    logits = np.log(px + eps)
    dense = log_softmax(logits, axis=1)
    np.testing.assert_allclose(logits - dense, np.log1p(vocab_size * eps), rtol=1e-10, atol=1e-13)
    words = rng.integers(vocab_size, size=B)
    counts = sp.csr_matrix((np.ones(B), (np.arange(B), words)), shape=(B, vocab_size))
    batch = Batcher(counts, counts, B, dtype=np.float64).take(np.arange(B))
    config = ObjectiveConfig(likelihood_eps=eps, renormalize=True)
    got = reconstruction(jnp.asarray(theta), jnp.asarray(beta), batch.counts, batch.pattern, config)
    np.testing.assert_allclose(got, -dense[np.arange(B), words], rtol=1e-12)


def counts_of(rows):
    counts = sp.csr_matrix(np.array(rows, np.float64))
    return Batcher(counts, counts, len(rows), dtype=np.float64).take(np.arange(len(rows)))


@pytest.mark.parametrize("config", CRITERIA, ids=lambda c: f"{c.criterion}-{c.likelihood_eps}-{c.renormalize}")
def test_counts_scale_the_cross_entropy_and_not_the_binary_ones(float64, config):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 4, (B, V))
    theta, beta = jnp.asarray(rng.dirichlet(np.ones(K), B)), jnp.asarray(rng.dirichlet(np.ones(V), K))
    once, twice = (
        reconstruction(theta, beta, batch.counts, batch.pattern, config) for batch in (counts_of(x), counts_of(2 * x))
    )
    np.testing.assert_allclose(twice, once * (2 if config.criterion == "cross_entropy" else 1), rtol=1e-12)


class Grid(NamedTuple):
    """Points of a standard normal in the plane and their weights, by the trapezoid rule: exact to rounding here."""

    eps: np.ndarray
    weights: np.ndarray


def normal_grid(step: float = 0.3, reach: float = 8.4) -> Grid:
    line = np.arange(-reach, reach + step / 2, step)
    eps = np.stack(np.meshgrid(line, line), -1).reshape(-1, 2)
    return Grid(eps, step**2 * norm.pdf(eps).prod(1))


def test_the_bound_misses_the_evidence_by_the_divergence_from_the_true_posterior(float64):
    """K = 2: log p(x) + (recon + KL) is KL(q ‖ p(δ | x)), every integral on a grid, and so above 0."""
    grid = normal_grid()
    assert grid.weights.sum() == pytest.approx(1, abs=1e-12)
    words = 3

    @settings(max_examples=25, deadline=None, derandomize=True)
    @given(
        st.lists(st.integers(0, 12), min_size=words, max_size=words),
        st.tuples(st.floats(-2, 2), st.floats(-2, 2)),
        st.tuples(st.floats(-3, 1), st.floats(-3, 1)),
        st.floats(0.3, 10),
        st.integers(0, 10**6),
    )
    def bounded(x, mu, logvar, prior, seed):
        x, mu, logvar = np.array(x), np.array(mu), np.array(logvar)
        beta = np.random.default_rng(seed).dirichlet(np.ones(words), 2) * 0.97 + 0.01
        beta = beta / beta.sum(1, keepdims=True)

        # The library's own parts, at every point of the grid as if it were a document.
        num_points = len(grid.eps)
        same = [np.broadcast_to(a, (num_points, 2)) for a in (mu, logvar)]
        theta = jax.nn.softmax(reparameterize(Posterior(*same), grid.eps))
        rows = sp.csr_matrix(np.broadcast_to(x.astype(float), (num_points, words)))
        batch = Batcher(rows, rows, num_points, (num_points * words,), dtype=np.float64).take(np.arange(num_points))
        recon = grid.weights @ reconstruction(theta, jnp.asarray(beta), batch.counts, batch.pattern, ObjectiveConfig())
        elbo = -float(recon) - kl_of(mu, logvar, prior)

        # θ depends on δ₁ − δ₂ alone, which is N(0, 2·prior) before x is seen.
        def log_likelihood(difference):
            theta1 = expit(difference)[..., None]
            return np.log(theta1 * beta[0] + (1 - theta1) * beta[1]) @ x

        scale = np.sqrt(2 * prior)
        line = np.linspace(-12, 12, 6001) * scale
        evidence = np.log(np.trapezoid(np.exp(log_likelihood(line)) * norm.pdf(line, 0, scale), line))
        delta = mu + np.exp(logvar / 2) * grid.eps
        log_q = norm.logpdf(delta, mu, np.exp(logvar / 2)).sum(1)
        log_posterior = (
            log_likelihood(delta[:, 0] - delta[:, 1]) + norm.logpdf(delta, 0, np.sqrt(prior)).sum(1) - evidence
        )
        divergence = grid.weights @ (log_q - log_posterior)
        assert evidence - elbo == pytest.approx(divergence, rel=1e-8, abs=1e-9)
        assert elbo <= evidence + 1e-9

    bounded()


def test_overlap_by_hand():
    same = jnp.array([[0.5, 0.5], [0.5, 0.5]])
    assert topic_overlap(same) == pytest.approx(1.0, rel=1e-5)
    apart = jnp.array([[1.0, 0.0], [0.0, 1.0]])
    assert topic_overlap(apart) == pytest.approx(0.0, abs=1e-5)


def test_overlap_has_the_gradient_of_its_formula():
    beta = np.random.default_rng(0).dirichlet(np.full(30, 5.0), 4)

    def formula(flat: np.ndarray) -> float:
        root = np.sqrt(flat.reshape(4, 30))
        shared = root @ root.T
        return float((shared**2).sum() - (np.diagonal(shared) ** 2).sum()) / 4

    small = 1e-6 * np.eye(beta.size)
    expected = [(formula(beta.ravel() + h) - formula(beta.ravel() - h)) / 2e-6 for h in small]
    with jax.enable_x64(True):
        found = jax.grad(topic_overlap)(jnp.asarray(beta))
    np.testing.assert_allclose(np.ravel(found), expected, rtol=1e-5)
