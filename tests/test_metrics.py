"""The figures of merit, by hand and against an independent yardstick."""

import json
import subprocess
import sys

import numpy as np
import pytest
import scipy.sparse as sp

from conftest import planted_counts
from etm_jax.metrics.perplexity import completion_perplexity
from etm_jax.metrics.topics import diversity, npmi_coherence, top_words, topic_shares


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


def test_diversity_is_the_unique_share():
    assert diversity(np.array([[0, 1, 2], [2, 3, 4]])) == pytest.approx(5 / 6)
    assert diversity(np.zeros((4, 1), int)) == pytest.approx(1 / 4)


def test_top_words_are_the_most_probable_ties_to_the_left():
    np.testing.assert_array_equal(top_words(np.array([[0.2, 0.5, 0.2, 0.1]]), 3), [[1, 0, 2]])


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


def test_figures_equal_the_yardsticks(shared, tmp_path):
    rng = np.random.default_rng(0)
    beta, theta = rng.dirichlet(np.full(300, 0.05), 12), rng.dirichlet(np.full(12, 0.3), 80)
    train, half1, half2 = (planted_counts(d, 300, 6, seed=d, length=12) for d in (400, 80, 80))
    half2 = sp.csr_matrix(half2)[rng.permutation(80)]
    np.save(tmp_path / "beta.npy", beta)
    np.save(tmp_path / "theta_test_h1.npy", theta)
    (tmp_path / "vocab.txt").write_text("\n".join(f"w{i}" for i in range(300)) + "\n")
    for name, matrix in (("train", train), ("test_h1", half1), ("test_h2", half2)):
        sp.save_npz(tmp_path / f"{name}.npz", matrix)
    script = shared / "yardstick" / "score.py"
    scored = json.loads(subprocess.run([sys.executable, script, tmp_path], capture_output=True, check=True).stdout)
    perplexity = completion_perplexity(theta, beta, half2)
    assert npmi_coherence(top_words(beta, 10), train).mean() == pytest.approx(scored["tc10"], abs=5.1e-5)
    assert diversity(top_words(beta, 25)) == pytest.approx(scored["td25"], abs=5.1e-5)
    assert perplexity.by_document == pytest.approx(scored["ppl_doc"], abs=0.051)
    assert perplexity.by_token == pytest.approx(scored["ppl_tok"], abs=0.051)
