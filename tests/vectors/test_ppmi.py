"""PPMI word vectors: the matrix of pairs, its factors, and what becomes of rare words."""

import numpy as np
import pytest
import scipy.sparse as sp
from toy_corpora import corpus_of, cosines

from etm_jax.config.settings import VectorsConfig
from etm_jax.ops import csr
from etm_jax.vectors import pairs as pairs_module
from etm_jax.vectors import ppmi, word_vectors
from etm_jax.vectors.pairs import Pairs
from etm_jax.vectors.ppmi import FREQUENCY_POWER, frequent_contexts, leading, pair_matrix, ppmi_vectors


def ppmi_matrix(counts: sp.csr_matrix, words: np.ndarray | None = None) -> np.ndarray:
    """Of all words, or of some, unweighted."""
    pairs = Pairs.of(counts, np.ones(counts.shape[1]))
    values = pair_matrix(pairs, np.arange(counts.shape[1]) if words is None else words).values
    return values.toarray() if sp.issparse(values) else values


def test_ppmi_of_three_words_by_hand() -> None:
    # Documents {x, y}, {x, y}, {y, z}, each word once: after log1p and the division by the root of the row's sum
    # 2·log 2, every entry is s with s² = log 2 / 2, so c_xy = 2s², c_yz = s², c_xz = 0; r = (2, 3, 1)·s².
    counts = sp.csr_matrix(np.array([[1, 1, 0], [1, 1, 0], [0, 1, 1]], dtype=np.int32))
    s2 = np.log(2) / 2
    r = np.array([2, 3, 1]) * s2
    q = r**0.75 / np.sum(r**0.75) * np.sum(r)

    def pmi(c: float, i: int, j: int) -> float:
        return max(0.0, np.log(c * np.sum(r) / (r[i] * q[j])))

    xy = (pmi(2 * s2, 0, 1) + pmi(2 * s2, 1, 0)) / 2
    yz = (pmi(s2, 1, 2) + pmi(s2, 2, 1)) / 2
    expected = np.array([[0, xy, 0], [xy, 0, yz], [0, yz, 0]])
    np.testing.assert_allclose(ppmi_matrix(counts), expected, rtol=1e-5)


def random_counts(num_docs: int, num_words: int) -> sp.csr_matrix:
    rng = np.random.default_rng(3)
    return sp.csr_matrix(rng.poisson(0.3 / (1 + np.arange(num_words) / 10), (num_docs, num_words)).astype(np.int32))


@pytest.mark.parametrize("full", [0.0, 2.0])
def test_ppmi_matrix_equals_its_dense_definition(full: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ppmi, "FULL", full)
    counts = random_counts(60, 40)
    y = np.log1p(counts.toarray().astype(float))
    y /= np.sqrt(np.maximum(y.sum(axis=1, keepdims=True), 1))
    c = y.T @ y
    np.fill_diagonal(c, 0)
    r = c.sum(axis=1)
    q = r**0.75 / np.sum(r**0.75) * r.sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        pmi = np.nan_to_num(np.log(c * r.sum() / np.outer(r, q)), nan=0, neginf=0)
    expected = (np.maximum(pmi, 0) + np.maximum(pmi, 0).T) / 2
    np.testing.assert_allclose(ppmi_matrix(counts), expected, atol=2e-6)
    order = np.random.default_rng(0).permutation(40)
    np.testing.assert_array_equal(ppmi_matrix(counts, order), ppmi_matrix(counts)[np.ix_(order, order)])


def test_ppmi_is_the_same_in_small_blocks_and_with_any_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = random_counts(60, 40)
    whole, vectors = {}, {}
    for full in (0.0, 2.0):
        monkeypatch.setattr(ppmi, "FULL", full)
        whole[full], vectors[full] = ppmi_matrix(counts), ppmi_vectors(counts, 5, 1)
    np.testing.assert_array_equal(whole[0.0], whole[2.0])
    np.testing.assert_allclose(vectors[0.0], vectors[2.0], atol=2e-5)
    monkeypatch.setattr(pairs_module, "BLOCK_ENTRIES", 120)
    for full, number in ((0.0, 1), (2.0, 1), (0.0, 3), (2.0, 3)):
        monkeypatch.setattr(ppmi, "FULL", full)
        monkeypatch.setattr("etm_jax.util.threads.cores", lambda number=number: number)
        np.testing.assert_array_equal(ppmi_matrix(counts), whole[full])
        np.testing.assert_array_equal(ppmi_vectors(counts, 5, 1), vectors[full])


def test_products_are_those_of_the_whole_matrix_in_blocks_of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    for full in (0.0, 2.0):
        monkeypatch.setattr(ppmi, "FULL", full)
        matrix = pair_matrix(Pairs.of(random_counts(60, 40), np.ones(40)), np.arange(40))
        columns = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
        for size in (1, 7, 40, 1000):
            monkeypatch.setattr(ppmi, "_ROWS", size)
            monkeypatch.setattr(ppmi, "_ENTRIES", size)
            np.testing.assert_allclose(matrix.product()(columns), matrix.values @ columns, atol=1e-4)
            with monkeypatch.context() as patch:
                patch.setattr(csr, "product_on_host", lambda _: None)
                np.testing.assert_allclose(matrix.product()(columns), matrix.values @ columns, atol=1e-4)


def test_the_largest_singular_values_are_those_of_scikit_learn() -> None:
    from sklearn.utils.extmath import randomized_svd

    matrix = pair_matrix(Pairs.of(random_counts(300, 200), np.ones(200)), np.arange(200))
    start = np.random.RandomState(4).normal(size=(200, 15)).astype(np.float32)
    found = leading(matrix, 5, start)
    left, singular, right = randomized_svd(matrix.values, 5, n_iter=3, random_state=4)
    np.testing.assert_allclose(found.singular, singular, rtol=1e-5)
    np.testing.assert_allclose(found.left, left, atol=1e-4)
    np.testing.assert_allclose(found.right, right.T, atol=1e-4)
    assert found.left[np.abs(found.left).argmax(axis=0), range(5)].min() > 0


def test_ppmi_factorises_the_most_frequent_words_where_memory_is_short() -> None:
    counts = random_counts(60, 40)
    by_frequency = np.argsort(-np.asarray(counts.sum(axis=0)).ravel(), kind="stable")
    np.testing.assert_array_equal(frequent_contexts(counts, 40 * 40, 12), by_frequency)
    np.testing.assert_array_equal(frequent_contexts(counts, 300, 12), by_frequency[:12])
    np.testing.assert_array_equal(frequent_contexts(counts, 300, 40), by_frequency)


def planted_themes(num_words: int, num_themes: int) -> sp.csr_matrix:
    """Documents whose words are of one theme each, the words' frequencies as of text."""
    rng = np.random.default_rng(5)
    frequency = 1 / (1 + np.arange(num_words) // num_themes)
    theme = rng.integers(num_themes, size=(900, 1))
    mean = 0.7 * frequency * (np.arange(num_words) % num_themes == theme) + 0.01
    return sp.csr_matrix(rng.poisson(mean).astype(np.int32))


def test_words_that_are_folded_in_lie_where_the_whole_matrix_puts_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Principal angles between what both span, and cosines of the words that were folded in."""
    counts = planted_themes(200, 8)
    whole = ppmi_vectors(counts, 7, 1)
    monkeypatch.setattr(ppmi, "frequent_contexts", lambda c: frequent_contexts(c, 300, 60))
    some = ppmi_vectors(counts, 7, 1)
    weight = np.sqrt(np.maximum(np.bincount(counts.indices, minlength=200), 1))[:, None]
    (q_whole, _), (q_some, _) = np.linalg.qr(weight * whole), np.linalg.qr(weight * some)
    cosines_of_angles = np.linalg.svd(q_whole.T @ q_some, compute_uv=False)
    assert cosines_of_angles.min() > 0.9
    rare = np.setdiff1d(np.arange(200), frequent_contexts(counts, 300, 60))
    same_theme = rare[:, None] % 8 == rare % 8
    gaps = []
    for vectors in (whole, some):
        near = cosines(vectors)[np.ix_(rare, rare)]
        gaps.append(near[same_theme].mean() - near[~same_theme].mean())
    assert gaps[1] > 0.9 * gaps[0] > 0.2


def test_dot_products_of_all_dimensions_are_the_absolute_value_of_weighted_ppmi() -> None:
    counts = random_counts(60, 12)
    vectors = ppmi_vectors(counts, 12, seed=1)
    weight = np.asarray((counts > 0).sum(axis=0)).ravel() ** FREQUENCY_POWER
    weight = weight / weight.mean()
    # PPMI has negative eigenvalues (its diagonal is zero), and U·√S takes their absolute values.
    weighted = weight[:, None] * ppmi_matrix(counts) * weight
    eigenvalues, axes = np.linalg.eigh(weighted)
    expected = axes * np.abs(eigenvalues) @ axes.T / np.outer(weight, weight)
    np.testing.assert_allclose(vectors @ vectors.T, expected, atol=1e-4)


def test_few_dimensions_of_ppmi_go_to_frequent_words() -> None:
    """Two pairs of words of equal PPMI, one of them in ten times as many documents, and one dimension for both."""
    pairs = [["a", "b"]] * 40 + [["c", "d"]] * 4
    words = word_vectors(corpus_of(pairs), VectorsConfig("ppmi", embed_dim=1), 1)
    frequent, rare = np.abs(words.matrix[:2]).min(), np.abs(words.matrix[2:]).max()
    assert frequent > 100 * rare


def test_a_word_without_company_has_no_ppmi_vector_and_gets_a_random_one() -> None:
    result = word_vectors(
        corpus_of([["x", "y"], ["x", "y"], ["y", "z"], ["alone"]]), VectorsConfig("ppmi", embed_dim=2), 1
    )
    assert result.covered == 3
    assert np.all(np.linalg.norm(result.matrix, axis=1) > 0)
    assert "3 of them covered (75.0%)" in result.describe()


def test_ppmi_has_no_more_dimensions_than_words(capsys: pytest.CaptureFixture[str]) -> None:
    result = word_vectors(corpus_of([["x", "y"], ["y", "z"]]), VectorsConfig("ppmi", embed_dim=100), 1)
    assert result.matrix.shape == (3, 3)
    assert capsys.readouterr().err.startswith("warning: --emb_dim=100 is more than the 3 words")
