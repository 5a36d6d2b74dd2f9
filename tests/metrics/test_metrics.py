"""The metrics, computed by hand and compared with an independent implementation."""

import numpy as np
import pytest
import scipy.sparse as sp

from conftest import planted_counts, yardstick
from etm_jax.metrics.labels import label_metrics, purity
from etm_jax.metrics.perplexity import completion_perplexity
from etm_jax.metrics.posterior import Moments, active_units
from etm_jax.metrics.relevance import relevant_words
from etm_jax.metrics.topics import (
    diversity,
    duplicate_topics,
    inverted_rbo,
    npmi_coherence,
    top_words,
    topic_shares,
    topics_used,
)
from etm_jax.models.objective import kl_divergence


def test_npmi_by_hand():
    # Of 4 documents: a in 2, b in 2, together in 1; c in all; d in none.
    counts = sp.csr_matrix(np.array([[3, 1, 1, 0], [1, 0, 1, 0], [0, 2, 1, 0], [0, 0, 1, 0]]))
    pairs = np.array([[0, 1], [0, 2], [0, 3], [2, 2]])
    # log(¼ / (½·½)) = 0; log(½ / ½) = 0; never together: −1; together in every document: 1.
    np.testing.assert_allclose(npmi_coherence(pairs, counts), [0, 0, -1, 1], atol=1e-12)


def test_words_that_always_and_only_come_together_have_npmi_one():
    counts = sp.csr_matrix(np.array([[1, 1, 0], [2, 5, 0], [0, 0, 1]]))
    assert npmi_coherence(np.array([[0, 1]]), counts)[0] == pytest.approx(1)


def test_npmi_averages_over_all_pairs():
    counts = planted_counts(200, 30, 3)
    three = npmi_coherence(np.array([[0, 1, 12]]), counts)[0]
    pairs = npmi_coherence(np.array([[0, 1], [0, 12], [1, 12]]), counts)
    assert three == pytest.approx(pairs.mean())
    assert pairs[0] > 0 > pairs[1]


def test_npmi_without_documents_is_defined():
    assert npmi_coherence(np.array([[0, 1]]), sp.csr_matrix((0, 2), dtype=np.int32))[0] == -1


def test_npmi_of_single_words_and_of_one_document_is_defined():
    one = sp.csr_matrix(np.array([[1, 1, 0], [0, 0, 0]]))
    assert npmi_coherence(np.array([[0]]), one)[0] == -1
    # In one of two documents, always together; the other one is empty.
    assert npmi_coherence(np.array([[0, 1]]), one)[0] == pytest.approx(1)


def test_inverted_rbo_by_hand():
    # Common words to depths 1 and 2: none, then one of two.
    swapped, half = np.array([[0, 1], [1, 0]]), np.array([[0, 1], [2, 0]])
    p = 0.9
    # Swapped: X = 0, 2. RBO_EXT = 2/2 p² + (1 − p)/p (0/1 p + 2/2 p²) = p² + (1 − p) p = p.
    assert inverted_rbo(swapped) == pytest.approx(1 - p)
    # Half: X = 0, 1. ½ p² + (1 − p)/p · ½ p² = ½ p.
    assert inverted_rbo(half) == pytest.approx(1 - p / 2)
    assert inverted_rbo(half, weight=0.5) == pytest.approx(1 - 0.25)
    # Three topics: the mean over three pairs, of which two share nothing.
    assert inverted_rbo(np.array([[0, 1], [1, 0], [2, 3]])) == pytest.approx(1 - p / 3)


def test_inverted_rbo_is_none_of_equal_and_all_of_disjoint_topics():
    assert inverted_rbo(np.tile(np.arange(10), (4, 1))) == pytest.approx(0)
    assert inverted_rbo(np.arange(40).reshape(4, 10)) == 1
    assert inverted_rbo(np.arange(10)[None]) == 1


def test_first_words_weigh_more_in_inverted_rbo_but_not_in_diversity():
    first, last = np.array([[0, 1, 2], [0, 3, 4]]), np.array([[1, 2, 0], [3, 4, 0]])
    assert inverted_rbo(first) < inverted_rbo(last)
    assert diversity(first) == diversity(last)


def test_a_duplicate_shares_most_words_with_a_topic_before_it():
    words = np.arange(30).reshape(3, 10)
    assert duplicate_topics(words) == 0
    words[1, :5] = words[0, :5]
    assert duplicate_topics(words) == 0
    words[1, 5] = words[0, 9]
    assert duplicate_topics(words) == 1
    assert duplicate_topics(np.tile(np.arange(10), (4, 1))) == 3


def test_topics_used_are_some_documents_largest():
    assert topics_used(np.array([[0.5, 0.3, 0.2], [0.4, 0.4, 0.2], [0.1, 0.2, 0.7]])) == 2
    assert topics_used(np.empty((0, 3))) == 0


def moments(mu, logvar, prior_variance=1.0, at_once=1) -> Moments:
    ours = Moments(mu.shape[1], prior_variance)
    for start in range(0, len(mu), at_once):
        ours.add(mu[start : start + at_once], logvar[start : start + at_once])
    return ours


def test_active_units_vary_from_document_to_document():
    # Variances 0, 0.0025, 0.25 and 25.
    mu = np.array([[1, 0.1, 1, 0], [1, 0.2, 2, 10]], np.float32)
    of = moments(mu, mu)
    np.testing.assert_allclose(of.activity, [0, 0.0025, 0.25, 25], rtol=1e-6)
    assert active_units(of.activity) == 2
    assert active_units(moments(mu, mu, prior_variance=100).activity) == 1
    for few in (mu[:1], mu[:0]):
        assert active_units(moments(few, few).activity) == 0


@pytest.mark.parametrize("at_once", [1, 3, 100])
def test_a_variance_is_the_same_however_the_documents_come(at_once):
    # Far from zero, where sums of squares would lose it.
    mu = 1e4 + np.random.default_rng(0).normal(size=(100, 3))
    np.testing.assert_allclose(moments(mu, 0 * mu, 4.0, at_once).activity, mu.var(axis=0) / 4, rtol=1e-9)


def test_kl_per_topic_by_hand_and_in_sum():
    assert moments(np.array([[0.0, 2.0]]), np.zeros((1, 2))).kl_per_topic == pytest.approx([0, 2])
    # The posterior is the prior: N(0, 10).
    assert moments(np.zeros((1, 1)), np.log(np.full((1, 1), 10.0)), 10.0).kl_per_topic == pytest.approx([0])
    rng = np.random.default_rng(0)
    mu, logvar = rng.normal(size=(2, 7, 4)).astype(np.float32)
    whole = np.asarray(kl_divergence(mu, logvar, 3.0)).mean()
    assert moments(mu, logvar, 3.0, at_once=2).kl_per_topic.sum() == pytest.approx(whole, rel=1e-5)
    assert moments(mu[:0], logvar[:0]).kl_per_topic.tolist() == [0, 0, 0, 0]


def test_purity_by_hand():
    # Cluster 0: a a b; cluster 1: b. Three of four are their cluster's commonest.
    assert purity(np.array([0, 0, 0, 1]), np.array(["a", "a", "b", "b"])) == pytest.approx(3 / 4)


def test_labels_that_are_topics_are_told_apart_wholly_and_random_ones_not():
    rng = np.random.default_rng(0)
    labels = rng.integers(3, size=400)
    theta = rng.dirichlet(np.ones(3), 400) * 0.1 + 0.9 * np.eye(3)[labels]
    names = np.array(["红", "黄", "蓝"])
    own = label_metrics(theta[:300], names[labels[:300]], theta[300:], names[labels[300:]])
    assert own[:4] == pytest.approx((1, 1, 1, 1))
    shuffled = rng.permutation(labels)
    none = label_metrics(theta[:300], names[shuffled[:300]], theta[300:], names[shuffled[300:]])
    assert none.nmi < 0.05
    assert none.accuracy < 0.5
    assert none.macro_f1 <= none.accuracy + 0.05


def test_the_majority_is_that_of_the_training_documents():
    theta = np.full((4, 2), 0.5)
    found = label_metrics(theta, ["a", "a", "a", "b"], theta, ["b", "b", "a", "b"])
    assert found.majority == found.accuracy == 0.25
    assert found.macro_f1 == pytest.approx(0.4 / 2)
    assert found.nmi == pytest.approx(0)


@pytest.mark.parametrize("labels", [(["a", "a"], ["a"]), (["a", "b"], [])])
def test_too_few_labels_are_refused(labels):
    train, test = labels
    with pytest.raises(ValueError, match="labels of test documents"):
        label_metrics(np.full((2, 2), 0.5), train, np.full((len(test), 2), 0.5), test)


def test_diversity_is_the_unique_share():
    assert diversity(np.array([[0, 1, 2], [2, 3, 4]])) == pytest.approx(5 / 6)
    assert diversity(np.zeros((4, 1), int)) == pytest.approx(1 / 4)


def test_top_words_are_the_most_probable_ties_to_the_left():
    np.testing.assert_array_equal(top_words(np.array([[0.2, 0.5, 0.2, 0.1]]), 3), [[1, 0, 2]])


def test_relevant_words_are_in_the_order_of_a_sort_with_ties_to_the_left():
    beta = np.random.default_rng(0).integers(1, 4, (5, 30)) / 40  # Of three values, so that nearly all are ties.
    share = np.random.default_rng(1).integers(0, 3, 30)
    for weight in (0.0, 0.4, 1.0):
        lift = np.where(share > 0, np.log(beta) - np.log(np.maximum(share, 1)), -1e300)
        order = np.argsort(-(weight * np.log(beta) + (1 - weight) * lift), axis=1, kind="stable")
        for n in (1, 7, 30, 40):
            np.testing.assert_array_equal(relevant_words(beta, share, n, weight), order[:, :n])


def test_shares_weigh_documents_by_length():
    counts = sp.csr_matrix(np.array([[3, 0], [0, 1]]))
    np.testing.assert_allclose(topic_shares(np.array([[1.0, 0.0], [0.0, 1.0]]), counts), [0.75, 0.25])


def test_perplexity_of_uniform_words_is_the_vocabulary_size():
    theta, beta = np.full((3, 4), 0.25), np.full((4, 50), 1 / 50)
    assert completion_perplexity(theta, beta, planted_counts(3, 50, 5)) == pytest.approx((50, 50))


def test_perplexity_by_hand():
    beta = np.array([[0.5, 0.5]])
    half2 = sp.csr_matrix(np.array([[4, 0], [0, 1], [0, 0]]))
    skewed = np.array([[0.8, 0.2]])
    got = completion_perplexity(np.ones((3, 1)), skewed, half2)
    assert got.by_document == pytest.approx(np.exp((-np.log(0.8) - np.log(0.2)) / 2))
    assert got.by_token == pytest.approx(np.exp(-(4 * np.log(0.8) + np.log(0.2)) / 5))
    assert completion_perplexity(np.ones((3, 1)), beta, half2) == pytest.approx((2, 2))


def test_perplexity_without_second_halves_is_nan():
    assert np.isnan(completion_perplexity(np.ones((2, 1)), np.ones((1, 3)) / 3, sp.csr_matrix((2, 3)))).all()


def test_metrics_equal_the_yardsticks(shared, tmp_path):
    rng = np.random.default_rng(0)
    beta, theta = rng.dirichlet(np.full(300, 0.05), 12), rng.dirichlet(np.full(12, 0.3), 80)
    train, half1, half2 = (planted_counts(d, 300, 6, seed=d, length=12) for d in (400, 80, 80))
    half2 = sp.csr_matrix(half2)[rng.permutation(80)]
    np.save(tmp_path / "beta.npy", beta)
    np.save(tmp_path / "theta_test_h1.npy", theta)
    (tmp_path / "vocab.txt").write_text("\n".join(f"w{i}" for i in range(300)) + "\n")
    for name, matrix in (("train", train), ("test_h1", half1), ("test_h2", half2)):
        sp.save_npz(tmp_path / f"{name}.npz", matrix)
    scored = yardstick(shared, tmp_path)
    perplexity, words = completion_perplexity(theta, beta, half2), top_words(beta, 10)
    assert npmi_coherence(words, train).mean() == pytest.approx(scored["tc10"], abs=1e-6)
    assert npmi_coherence(words, half1 + half2).mean() == pytest.approx(scored["tc10_test"], abs=1e-6)
    assert diversity(top_words(beta, 25)) == pytest.approx(scored["td25"], abs=1e-6)
    assert perplexity.by_document == pytest.approx(scored["ppl_doc"], rel=1e-6)
    assert perplexity.by_token == pytest.approx(scored["ppl_tok"], rel=1e-6)
    assert topics_used(theta) == scored["used"]
