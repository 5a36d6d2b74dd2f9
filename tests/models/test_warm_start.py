"""The warm start of ρ and α."""

import numpy as np
import pytest
import scipy.sparse as sp

from etm_jax.models.warm_start import (
    ENOUGH_DOCUMENTS,
    HALF_WEIGHT,
    MAX_CANDIDATES,
    SCALE,
    warm_start,
    weighted_documents,
)

CENTRES = np.random.default_rng(1).normal(size=(5, 16))


def planted(words_per_cluster: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """Vectors [V, 16] around five centres, and each word's cluster [V]."""
    rng = np.random.default_rng(2)
    cluster = np.arange(5 * words_per_cluster) % 5
    return (CENTRES[cluster] + 0.1 * rng.normal(size=(len(cluster), 16))).astype(np.float32), cluster


def once_each(num_words: int, num_docs: int = 4) -> sp.csr_matrix:
    return sp.csr_matrix(np.ones((num_docs, num_words), dtype=np.int32))


def test_without_rarity_every_row_has_norm_root_six_and_rho_keeps_the_centred_directions() -> None:
    vectors, _ = planted()
    rho, alpha = warm_start(vectors, once_each(200), 5, rarity=0.0, seed=1)
    assert rho.dtype == alpha.dtype == np.float32
    assert rho.shape == (200, 16)
    assert alpha.shape == (5, 16)
    np.testing.assert_allclose(np.linalg.norm(rho, axis=1), 6**0.5, rtol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(alpha, axis=1), 6**0.5, rtol=1e-5)
    centred = vectors - vectors.mean(axis=0)
    np.testing.assert_allclose(rho * np.linalg.norm(centred, axis=1, keepdims=True) / SCALE, centred, atol=1e-5)


def test_length_of_rho_grows_with_rarity_in_documents() -> None:
    # Words in all four documents, in two and in one: idf log 2, log 3 and log 5.
    vectors, _ = planted()
    dense = np.ones((4, 198), dtype=np.int32)
    dense[2:, 66:] = 0
    dense[1:, 132:] = 0
    idf = np.log([2, 3, 5])
    rho, alpha = warm_start(vectors[:198], sp.csr_matrix(dense), 5, rarity=2.0, seed=1)
    np.testing.assert_allclose(np.linalg.norm(rho, axis=1), SCALE * np.repeat((idf / idf.mean()) ** 2, 66), rtol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(alpha, axis=1), SCALE, rtol=1e-5)


def test_alpha_finds_the_planted_clusters() -> None:
    vectors, cluster = planted()
    rho, alpha = warm_start(vectors, once_each(200), 5, rarity=0.0, seed=1)
    nearest = np.argmax(rho @ alpha.T, axis=1)
    assert sorted({(int(c), int(k)) for c, k in zip(cluster, nearest, strict=True)}, key=lambda pair: pair[1]) == [
        (int(cluster[nearest == k][0]), k) for k in range(5)
    ]


def test_rare_words_do_not_make_topics() -> None:
    # The fifth cluster's words stand in one document each, the others' in four: four topics, none at the fifth.
    vectors, cluster = planted()
    dense = np.ones((4, 200), dtype=np.int32)
    dense[1:, cluster == 4] = 0
    rho, alpha = warm_start(vectors, sp.csr_matrix(dense), 4, rarity=0.0, seed=1)
    cosine = alpha @ rho[cluster == 4].T / 6
    assert cosine.max() < 0.8
    assert all((alpha @ rho[cluster == c].T / 6).max() > 0.95 for c in range(4))


def test_rare_words_are_clustered_where_there_are_no_others() -> None:
    vectors, cluster = planted()
    rho, alpha = warm_start(vectors, once_each(200, num_docs=1), 5, rarity=0.0, seed=1)
    assert all((alpha @ rho[cluster == c].T / 6).max() > 0.95 for c in range(5))


def test_only_the_most_frequent_words_are_clustered() -> None:
    # Two directions; the words of the second are rarer and stand behind the candidates' limit.
    num_words = MAX_CANDIDATES + 1000
    rng = np.random.default_rng(3)
    vectors = np.concatenate([np.tile([1.0, 0, 0], (MAX_CANDIDATES, 1)), np.tile([0, 1.0, 0], (1000, 1))])
    vectors += 0.05 * rng.normal(size=vectors.shape)
    counts = np.full((4, num_words), 2, dtype=np.int32)
    counts[:, MAX_CANDIDATES:] = 1
    rho, alpha = warm_start(vectors, sp.csr_matrix(counts), 2, rarity=0.0, seed=1)
    assert (alpha @ rho[MAX_CANDIDATES:].mean(axis=0)).max() < 0


def test_more_topics_than_words_start_in_random_directions() -> None:
    vectors, _ = planted(words_per_cluster=2)
    rho, alpha = warm_start(vectors, once_each(10), 30, rarity=0.0, seed=1)
    assert alpha.shape == (30, 16)
    np.testing.assert_allclose(np.linalg.norm(alpha, axis=1), 6**0.5, rtol=1e-5)
    assert len(np.unique(alpha.round(4), axis=0)) == 30
    # The first ten are the words themselves.
    np.testing.assert_allclose((alpha[:10] @ rho.T / 6).max(axis=0), 1, atol=1e-5)


def documents_of_two_words(pairs: np.ndarray, num_words: int) -> sp.csr_matrix:
    """A document for each pair of columns [N, 2]."""
    rows = np.repeat(np.arange(len(pairs)), 2)
    return sp.csr_matrix((np.ones(2 * len(pairs), np.int32), (rows, pairs.ravel())), (len(pairs), num_words))


def test_topics_start_where_the_documents_are() -> None:
    # Two topics for words of four clusters; each document has a word of cluster 2c and one of 2c + 1.
    vectors, cluster = planted()
    rng = np.random.default_rng(4)
    of = [np.flatnonzero(cluster == c) for c in range(4)]
    pairs = np.array([[rng.choice(of[2 * (d % 2)]), rng.choice(of[2 * (d % 2) + 1])] for d in range(900)])
    rho, alpha = warm_start(vectors, documents_of_two_words(pairs, 200), 2, rarity=0.0, seed=1)
    nearest = np.argmax(rho @ alpha.T, axis=1)
    kinds = [{int(k) for c in (2 * d, 2 * d + 1) for k in nearest[of[c]]} for d in range(2)]
    assert sorted(map(sorted, kinds)) == [[0], [1]]


def test_a_rare_word_does_not_move_its_document() -> None:
    # Every document has two words of the five clusters and one that stands in no other: whatever the vectors of those
    # are, here in another order, so that the mean of all stays what it was, topics start at the same place.
    vectors, _ = planted()
    rng = np.random.default_rng(5)
    rare = rng.normal(size=(900, vectors.shape[1]))
    columns = np.column_stack([rng.integers(0, 200, (900, 2)), 200 + np.arange(900)]).ravel()
    counts = sp.csr_matrix((np.ones(2700, np.int32), (np.repeat(np.arange(900), 3), columns)), (900, 1100))

    def alpha(of_rare: np.ndarray) -> np.ndarray:
        return warm_start(np.concatenate([vectors, of_rare]), counts, 5, rarity=0.0, seed=1).alpha

    np.testing.assert_allclose(alpha(rare), alpha(rare[rng.permutation(900)]), atol=1e-5)


def test_the_same_document_again_and_again_is_one() -> None:
    vectors, cluster = planted()
    rho, alpha = warm_start(vectors, once_each(200, num_docs=1000), 5, rarity=0.0, seed=1)
    assert all((alpha @ rho[cluster == c].T / 6).max() > 0.95 for c in range(5))


def test_directions_of_documents() -> None:
    # Three documents of words that stand in one document each: the words' weights are the same, log 2 or log 3.
    counts = sp.csr_matrix(np.array([[1, 0, 0], [0, 1, 0], [0, 0, 2], [0, 0, 0]]))
    found, weights = weighted_documents(counts, np.eye(3), seed=1)
    # Less the mean (1, 1, 1) / 3: (2, −1, −1) / √6 and its permutations. The document without words is left out.
    np.testing.assert_allclose(found, (3 * np.eye(3) - 1) / 6**0.5, atol=1e-6)
    np.testing.assert_allclose(weights, np.full(3, 1 / ENOUGH_DOCUMENTS))


def test_a_document_of_few_words_weighs_less() -> None:
    # 3,000 documents, every other one of one word and of HALF_WEIGHT: 1/11 and 1/2 before they are scaled to 1 in all.
    short, long = np.eye(1, 30, dtype=np.int32), np.zeros((1, 30), np.int32)
    long[:, 10 : 10 + HALF_WEIGHT] = 1
    counts = sp.csr_matrix(np.tile(np.concatenate([short, long]), (1500, 1)))
    found, weights = weighted_documents(counts, np.eye(30), seed=1)
    assert len(found) == len(weights) == 3000
    np.testing.assert_allclose(weights.sum(), 1)
    np.testing.assert_allclose(weights[1::2] / weights[::2], 11 / 2)


@pytest.mark.parametrize("num_topics", [5, 300])
def test_a_seed_gives_the_same_bytes(num_topics: int) -> None:
    vectors, _ = planted()
    first, again, other = (warm_start(vectors, once_each(200), num_topics, 1.0, seed) for seed in (1, 1, 2))
    assert first.alpha.tobytes() == again.alpha.tobytes()
    assert first.rho.tobytes() == again.rho.tobytes()
    assert first.alpha.tobytes() != other.alpha.tobytes()
