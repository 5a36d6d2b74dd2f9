"""Where `default` starts ρ and α: word vectors on a sphere, and the centres of clusters of words and documents."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from etm_jax.models.kmeans import best_clustering
from etm_jax.util.arrays import unit_rows

SCALE = 6**0.5
"""Norm of α's rows, and of ρ's on average, so that a topic's logits span ±6: peaked from the start, not yet settled."""

MAX_DOCUMENTS = 8_000
"""Documents that are clustered at most, drawn at random: more of them move no centre, and take their time."""

MAX_CANDIDATES = 4000
"""Of words only the most frequent are clustered."""

MIN_DOCUMENTS = 4
"""A word of fewer documents has a vector that is noise: neither it nor what it says of a document is clustered."""

WORDS_PER_TOPIC = 4
"""How many other words a topic needs before rare words are left out."""

WEIGHT_OF_WORDS = 0.5
"""Of all words that are clustered, beside 1 of all documents: with more, some topics are the largest of no document."""

HALF_WEIGHT = 10
"""Different words of a document that weighs half as much as a long one in the clustering."""

ENOUGH_DOCUMENTS = 2000
"""Of fewer, the weight is as much smaller: some hundred documents say less of the topics than words do."""

MOST_RESTARTS, FEWEST_RESTARTS, POINTS_CLUSTERED = 10, 4, 40_000
"""Clusterings to choose the best of, and how many points those beyond the fewest may have together.

With few clusterings, a cluster often splits one topic and another joins two; of many points all come out much alike.
"""


class WarmStart(NamedTuple):
    """Initial parameters. rho: [V, L] float32; alpha: [K, L] float32, every row of norm √6."""

    rho: np.ndarray
    alpha: np.ndarray


def warm_start(
    vectors: np.ndarray,
    counts: sp.csr_matrix,
    num_topics: int,
    rarity: float,
    seed: int,
    seed_words: Sequence[Sequence[int]] = (),
) -> WarmStart:
    """ρ and α from word vectors [V, L] and training counts [D, V] CSR.

    ρ is the vectors, centred, each row brought to norm √6 · (idf / mean idf)^rarity, idf = log(1 + D / document
    frequency): a word that is everywhere is then much alike in all topics, and a rare one belongs to few. α is the
    centres of a k-means clustering, brought to norm √6, so that topics differ from the first step and θ gets a
    gradient. What is clustered are the directions of the frequent words and those of the documents, all words together
    half as heavy as 2,000 documents and more: words make topics coherent, and documents see to it that each topic has
    some. Where there are more topics than words to cluster, the rest start in random directions. The same
    seed gives the same bytes. Ours; the published codes start at random.

    seed_words: columns for topics 0, 1, …; where there are some, the topic starts at their mean direction, in place of
    the cluster that is nearest to it.
    """
    directions = _directions(vectors - vectors.mean(axis=0))
    known = _known_words(counts, num_topics)
    words = directions[_most_frequent(counts, known)]
    documents, document_weights = weighted_documents(counts, np.where(known[:, None], directions, 0), seed)
    points = np.concatenate([words, documents])
    weights = np.concatenate([np.full(len(words), WEIGHT_OF_WORDS / len(words)), document_weights]) * len(points)
    restarts = max(FEWEST_RESTARTS, min(MOST_RESTARTS, POINTS_CLUSTERED // len(points)))
    num_clusters = min(num_topics, len(words))
    clusters = best_clustering(points, weights, num_clusters, restarts, seed)
    rest = np.random.default_rng(seed).normal(size=(num_topics - num_clusters, vectors.shape[1]))
    centres = guided(_directions(np.concatenate([clusters, rest])), directions, seed_words)
    norms = SCALE * _relative_idf(counts) ** rarity
    return WarmStart((norms[:, None] * directions).astype(np.float32), (SCALE * centres).astype(np.float32))


def weighted_documents(counts: sp.csr_matrix, directions: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Directions of at most `MAX_DOCUMENTS` documents, and weights: [D, V] CSR, [V, L] → [N, L], unit rows, and [N].

    A document's direction is that of Σ_v log(1 + x_v) idf_v ρ_v/|ρ_v|, less the mean of all documents' directions: what
    they have in common would be most of each. A document of n different words weighs n / (n + HALF_WEIGHT), or captions
    of three rare words would make topics; all together weigh 1, less where they are fewer than `ENOUGH_DOCUMENTS`. A
    document whose words have no direction is left out.
    """
    num_docs = counts.shape[0]
    if num_docs > MAX_DOCUMENTS:
        counts = counts[np.sort(np.random.default_rng(seed).permutation(num_docs)[:MAX_DOCUMENTS])]
    weights = sp.csr_matrix((np.log1p(counts.data), counts.indices, counts.indptr), counts.shape)
    documents = _directions(weights @ (_relative_idf(counts)[:, None] * directions))
    lengths, some = np.diff(counts.indptr), documents.any(axis=1)
    documents, lengths = documents[some], lengths[some]
    if len(documents):
        documents = _directions(documents - documents.mean(axis=0))
    # Where all are alike, what is left of each is rounding.
    some = np.linalg.norm(documents, axis=1) > 0.5
    documents, lengths = documents[some], lengths[some]
    shares = lengths / (lengths + HALF_WEIGHT)
    return documents, shares / max(shares.sum(), 1e-12) * min(1, len(documents) / ENOUGH_DOCUMENTS)


def guided(centres: np.ndarray, directions: np.ndarray, seed_words: Sequence[Sequence[int]]) -> np.ndarray:
    """The centres with those of guided topics in their places. centres: [K, L], directions: [V, L] → [K, L], unit rows.

    Each guided topic in turn replaces the centre that is nearest to its words' mean; the others keep their order.
    """
    free = list(range(len(centres)))
    wanted: dict[int, np.ndarray] = {}
    for k, words in enumerate(seed_words):
        if len(words):
            wanted[k] = _directions(directions[list(words)].mean(axis=0, keepdims=True))[0]
            free.remove(max(free, key=lambda i: float(centres[i] @ wanted[k])))
    rest = iter(free)
    return np.stack([wanted[k] if k in wanted else centres[next(rest)] for k in range(len(centres))])


def _relative_idf(counts: sp.csr_matrix) -> np.ndarray:
    """log(1 + D / document frequency) over its mean: [V], above 0."""
    documents = np.bincount(counts.indices, minlength=counts.shape[1])
    idf = np.log1p(counts.shape[0] / np.maximum(documents, 1))
    return idf / idf.mean()


def _known_words(counts: sp.csr_matrix, num_topics: int) -> np.ndarray:
    """Whether a word is of enough documents to be clustered, [V] bool; all are where too few would remain."""
    known = np.bincount(counts.indices, minlength=counts.shape[1]) >= MIN_DOCUMENTS
    return known if known.sum() >= WORDS_PER_TOPIC * num_topics else np.ones_like(known)


def _most_frequent(counts: sp.csr_matrix, known: np.ndarray) -> np.ndarray:
    """Columns of the known words among the most frequent ones, the most frequent first."""
    frequency = np.asarray(counts.sum(axis=0)).ravel()
    top = np.argsort(-frequency, kind="stable")[:MAX_CANDIDATES]
    return top[known[top]]


def _directions(vectors: np.ndarray) -> np.ndarray:
    """The vectors' directions; one at the centre but for rounding has none."""
    return unit_rows(vectors, least=1e-6)
