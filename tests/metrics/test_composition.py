"""Intervals of regressed shares: hand-computed for two groups, and what does not change them."""

import numpy as np
import pytest

from etm_jax.metrics.composition import Response, bootstrap, composition, influence

THETA = np.array([[0.1, 0.9], [0.3, 0.7], [0.5, 0.5], [0.6, 0.4], [0.8, 0.2]])
COLUMNS = np.array([[1, 0], [1, 0], [1, 0], [1, 1], [1, 1]], float)
WANTED = np.array([[1, 0], [1, 1], [0, 1]], float)


def known(first: int, number: int) -> np.ndarray:
    return np.repeat(THETA[None], number, axis=0)


def test_a_share_is_the_mean_of_its_group_and_a_difference_that_of_two_means():
    for found in (
        composition(COLUMNS, WANTED, known, 5, 0.95, 1),
        bootstrap(COLUMNS, WANTED, THETA, 50, 0.95, 1),
    ):
        np.testing.assert_allclose(found.estimate[:, 0], [0.3, 0.7, 0.4], atol=1e-12)
        np.testing.assert_allclose(found.estimate[:, 1], [0.7, 0.3, -0.4], atol=1e-12)


def test_the_variance_of_a_group_is_that_of_a_sample_over_its_number():
    own = influence(COLUMNS, WANTED)
    residual = THETA[:, 0] - np.array([0.3, 0.3, 0.3, 0.7, 0.7])
    first, second = np.var(THETA[:3, 0], ddof=1) / 3, np.var(THETA[3:, 0], ddof=1) / 2
    np.testing.assert_allclose(own.spread @ residual**2, [first, second, first + second], rtol=1e-10)


def test_intervals_of_known_proportions_are_those_of_the_normal_distribution():
    found = composition(COLUMNS, WANTED, known, 2000, 0.95, 1, at_once=100)
    deviation = np.sqrt(np.var(THETA[:3, 0], ddof=1) / 3)
    assert found.low[0, 0] == pytest.approx(0.3 - 1.96 * deviation, abs=0.01)
    assert found.high[0, 0] == pytest.approx(0.3 + 1.96 * deviation, abs=0.01)


def test_uncertain_proportions_make_wider_intervals():
    rng = np.random.default_rng(0)

    def drawn(first: int, number: int) -> np.ndarray:
        return THETA + rng.normal(scale=0.3, size=(number, *THETA.shape))

    narrow, wide = (composition(COLUMNS, WANTED, draws, 400, 0.9, 1) for draws in (known, drawn))
    assert (wide.high - wide.low > narrow.high - narrow.low).all()


def test_the_order_of_documents_changes_nothing():
    order = np.array([3, 0, 4, 2, 1])
    one = composition(COLUMNS, WANTED, known, 10, 0.95, 1)
    other = composition(COLUMNS[order], WANTED, lambda first, number: known(first, number)[:, order], 10, 0.95, 1)
    for values, same in zip(one, other, strict=True):
        np.testing.assert_allclose(values, same, atol=1e-10)


def test_draws_in_parts_are_the_same():
    rng = np.random.default_rng(0)
    every = rng.dirichlet([1, 1], (12, len(THETA)))
    for at_once in (1, 5, 12):
        found = composition(COLUMNS, WANTED, lambda a, n: every[a : a + n], 12, 0.95, 1, at_once)
        np.testing.assert_allclose(found.estimate, WANTED @ np.linalg.pinv(COLUMNS) @ every.mean(axis=0), atol=1e-12)


def test_merged_topics_have_the_sum_of_their_shares():
    merged = THETA.sum(axis=1, keepdims=True)
    found = composition(COLUMNS, WANTED, lambda first, number: np.repeat(merged[None], number, 0), 3, 0.95, 1)
    np.testing.assert_allclose(found.estimate[:, 0], [1, 1, 0], atol=1e-12)
    np.testing.assert_allclose(found.high - found.low, 0, atol=1e-7)


def test_one_document_alone_has_no_interval():
    columns = np.array([[1, 0], [1, 0], [1, 0], [1, 1]], float)
    for found in (
        composition(columns, WANTED, lambda first, number: np.repeat(THETA[None, :4], number, 0), 5, 0.95, 1),
        bootstrap(columns, WANTED, THETA[:4], 20, 0.95, 1),
    ):
        np.testing.assert_array_equal(np.isnan(found.low).all(axis=1), [False, True, True])
        np.testing.assert_allclose(found.estimate[1], THETA[3], atol=1e-9)


def test_a_bootstrap_varies_as_the_mean_of_a_sample_does():
    rng = np.random.default_rng(2)
    theta = rng.dirichlet([2, 3], 400)
    ones = np.ones((400, 1))
    found = bootstrap(ones, np.ones((1, 1)), theta, 3000, 0.95, 1)
    width = 2 * 1.96 * theta[:, 0].std() / 20
    assert found.high[0, 0] - found.low[0, 0] == pytest.approx(width, rel=0.06)


def test_a_response_adds_what_the_prior_moves():
    """With θ that does not vary, and a score that moves Σ θ by as much: the mean varies as the score's does."""
    rng = np.random.default_rng(3)
    score = rng.normal(size=(400, 1))
    score -= score.mean()
    theta, ones = np.full((400, 2), 0.5), np.ones((400, 1))
    response = Response(score, np.array([[1.0, -1.0]]))
    found = bootstrap(ones, np.ones((1, 1)), theta, 3000, 0.95, 1, response)
    assert found.high[0, 0] - found.low[0, 0] == pytest.approx(2 * 1.96 * score.std() / 20, rel=0.06)
    np.testing.assert_allclose(found.low[0, 0] - 0.5, 0.5 - found.high[0, 1], atol=1e-9)
