"""What is drawn from a generative process has that process' moments. Tolerances: five standard errors, or as noted."""

import numpy as np
import pytest
from scipy.special import softmax

from etm_jax.foundations.simulate import Simulated, draw_counts, shuffle_words, simulate_etm, simulate_lda

DOCS, WORDS, TOPICS, LENGTH = 5000, 50, 4, 100


@pytest.fixture(scope="module", params=[simulate_lda, simulate_etm], ids=lambda process: process.__name__)
def simulated(request) -> Simulated:
    return request.param(7, DOCS, WORDS, TOPICS, LENGTH)


def test_shapes_and_sums(simulated):
    assert simulated.counts.shape == (DOCS, WORDS)
    assert simulated.counts.dtype == np.int32
    assert simulated.counts.has_sorted_indices
    assert simulated.theta.shape == (DOCS, TOPICS)
    assert simulated.beta.shape == (TOPICS, WORDS)
    for matrix in (simulated.theta, simulated.beta):
        np.testing.assert_allclose(matrix.sum(1), 1)
    assert (np.asarray(simulated.counts.sum(1)) == LENGTH).all()


def test_word_frequencies_are_theta_beta(simulated):
    """Given θ, the count of a word is a sum of independent Bernoulli draws: a variance of at most its mean."""
    expected = LENGTH * (simulated.theta @ simulated.beta).sum(0)
    drawn = np.asarray(simulated.counts.sum(0)).ravel()
    assert (np.abs(drawn - expected) <= 5 * np.sqrt(expected) + 1).all()


def test_words_of_a_document_depend_through_its_theta_alone(simulated):
    """E[x_v x_w | θ] = N (N − 1) (θβ)_v (θβ)_w for v ≠ w: summed over documents, for the two commonest words."""
    mixed = simulated.theta @ simulated.beta
    v, w = np.argsort(-mixed.sum(0))[:2]
    x = simulated.counts.toarray().astype(np.float64)
    product = x[:, v] * x[:, w] - LENGTH * (LENGTH - 1) * mixed[:, v] * mixed[:, w]
    assert abs(product.mean()) <= 5 * product.std() / DOCS**0.5


def test_theta_of_lda_has_the_moments_of_the_dirichlet():
    """Dir(a, …, a): mean 1/K; covariance (δ_ij/K − 1/K²) / (K a + 1)."""
    a = 0.5
    theta = simulate_lda(3, DOCS, WORDS, TOPICS, 1, alpha=a).theta
    covariance = (np.eye(TOPICS) / TOPICS - 1 / TOPICS**2) / (TOPICS * a + 1)
    np.testing.assert_allclose(theta.mean(0), 1 / TOPICS, atol=5 * (covariance[0, 0] / DOCS) ** 0.5)
    np.testing.assert_allclose(np.cov(theta.T), covariance, atol=5 * 0.1 / DOCS**0.5)


@pytest.mark.parametrize("variance", [1.0, 4.0])
def test_theta_of_etm_is_the_softmax_of_a_normal(variance):
    """log θ_i − log θ_j = δ_i − δ_j ~ N(0, 2s), whatever the softmax divides by."""
    theta = simulate_etm(3, DOCS, WORDS, TOPICS, 1, prior_variance=variance).theta
    against_last = np.log(theta[:, :-1] / theta[:, -1:])
    np.testing.assert_allclose(against_last.mean(0), 0, atol=5 * (2 * variance / DOCS) ** 0.5)
    covariance = variance * (np.eye(TOPICS - 1) + 1)
    np.testing.assert_allclose(np.cov(against_last.T), covariance, atol=5 * 2 * variance * (2 / DOCS) ** 0.5)


def test_topics_of_lda_have_the_moments_of_the_dirichlet():
    eta, topics = 0.2, 2000
    beta = simulate_lda(3, 1, 10, topics, 1, eta=eta).beta
    variance = 0.1 * 0.9 / (10 * eta + 1)
    np.testing.assert_allclose(beta.mean(0), 0.1, atol=5 * (variance / topics) ** 0.5)
    np.testing.assert_allclose(beta.var(0), variance, rtol=0.2)


def test_topics_of_etm_are_the_softmax_of_rho_alpha():
    simulated = simulate_etm(3, 10, 2000, 5, embed_dim=8, logit_std=2.0)
    assert simulated.rho.shape == (2000, 8)
    assert simulated.alpha.shape == (5, 8)
    logits = simulated.alpha @ simulated.rho.T
    np.testing.assert_allclose(simulated.beta, softmax(logits, axis=1))
    # Over many draws of α the mean square is 4; with forty normal entries it is within 5 · 4 · √(2/40).
    assert abs((logits**2).mean() - 4) < 5 * 4 * (2 / 40) ** 0.5


def test_a_word_comes_from_its_topic():
    """θ and β of zeros and ones leave nothing to chance."""
    theta, beta = np.eye(3)[[2, 0, 1, 0]], np.eye(5)[[4, 1, 2]]
    counts = draw_counts(np.random.default_rng(1), theta, beta, np.array([3, 1, 0, 2]))
    np.testing.assert_array_equal(counts.toarray(), [[0, 0, 3, 0, 0], [0, 0, 0, 0, 1], [0] * 5, [0, 0, 0, 0, 2]])


@pytest.mark.parametrize("process", [simulate_lda, simulate_etm])
def test_a_seed_decides_everything(process):
    once, again, other = (process(seed, 50, 30, 3, 20) for seed in (1, 1, 2))
    for a, b in zip(once, again, strict=True):
        assert a is b is None or (a != b).sum() == 0
    assert (once.counts != other.counts).nnz > 0


def test_shuffled_words_keep_lengths_and_frequencies_and_lose_their_documents():
    counts = simulate_lda(1, 300, 40, 2, np.arange(300), alpha=0.01).counts
    shuffled = shuffle_words(1, counts)
    for axis in (0, 1):
        np.testing.assert_array_equal(shuffled.sum(axis), counts.sum(axis))
    assert (shuffled != shuffle_words(1, counts)).nnz == 0
    lengths = np.maximum(np.asarray(counts.sum(1)), 1)
    # Between documents, the share of a word now varies as a binomial's does: far less than by topic.
    spread = [np.asarray(x / lengths)[100:].var(0).sum() for x in (counts.toarray(), shuffled.toarray())]
    assert spread[1] < spread[0] / 5
