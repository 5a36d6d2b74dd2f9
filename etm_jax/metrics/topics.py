"""How good the topics are as lists of words."""

import numpy as np
import scipy.sparse as sp

from etm_jax.metrics.evaluator import FittedRun, Measured, Row

DUPLICATE_WORDS = 6
"""Of ten words, shared by two topics that a reader would call one."""

DOCUMENTS_AT_ONCE = 100_000
"""Bounds what is held besides the counts and θ."""

WORDS_SHOWN, WORDS_OF_DIVERSITY = 10, 25
"""Words of a topic that a run shows and coherence looks at; words that diversity looks at."""

DIVERSITY_WORDS = (10, 15, 25)
"""Words of a topic for each diversity of `evaluate`."""


def evaluate(run: FittedRun) -> Measured:
    """The topics as lists of words, and how many of them are used: the largest of some test document's first half."""
    diversities = {n: diversity(top_words(run.beta, n)) for n in DIVERSITY_WORDS}
    rbo, duplicates, used = inverted_rbo(run.words), duplicate_topics(run.words), topics_used(run.theta_test_h1)
    top = f"top {run.words.shape[1]} words"
    rows = [
        *(Row("diversity", f"{share:.3f}", f"unique among the top {n} words") for n, share in diversities.items()),
        Row("inverted RBO", f"{rbo:.3f}", f"{top}, weight 0.9; 1 where no two topics share any"),
        Row("duplicate topics", f"{duplicates} of {run.num_topics}", f"{top}, most of them another topic's"),
        Row("topics used", f"{used} of {run.num_topics}", "largest of some test document's first half"),
    ]
    return Measured({"diversity": diversities, "inverted_rbo": rbo, "duplicates": duplicates, "used": used}, rows)


def top_words(beta: np.ndarray, n: int) -> np.ndarray:
    """Choose the most probable words of each topic.

    Parameters
    ----------
    beta : ndarray of shape (K, V)
    n : int

    Returns
    -------
    ndarray of shape (K, n), int
        Columns, best first. Ties go to the lower column.
    """
    return np.argsort(-beta, axis=1, kind="stable")[:, :n]


def npmi_coherence(words: np.ndarray, counts: sp.csr_matrix) -> np.ndarray:
    """Mean document-level NPMI over the pairs of each topic's words: the coherence of Dieng et al. 2020, where n = 10.

    Parameters
    ----------
    words : ndarray of shape (K, n), int
        Columns of the topics' words.
    counts : csr_matrix of shape (D, V)
        The reference documents; empty ones count as documents.

    Returns
    -------
    ndarray of shape (K,)
        In [−1, 1]. A pair that never occurs together, also one with a word that no document holds, counts as −1; a pair
        that is in every document as 1. −1 without documents, and for n = 1, which has no pairs.
    """
    num_docs = counts.shape[0]
    used, positions = np.unique(words, return_inverse=True)
    joint = np.zeros((len(used), len(used)))
    for low in range(0, num_docs, DOCUMENTS_AT_ONCE):
        present = (counts[low : low + DOCUMENTS_AT_ONCE][:, used] > 0).astype(np.float64).tocsc()
        joint += (present.T @ present).toarray()
    joint /= max(num_docs, 1)
    rows, cols = np.triu_indices(words.shape[1], 1)
    scores = np.full(len(words), -1.0)
    if not len(rows):
        return scores
    for k, topic in enumerate(positions.reshape(words.shape)):
        p, p_row, p_col = (joint[topic[a], topic[b]] for a, b in ((rows, cols), (rows, rows), (cols, cols)))
        with np.errstate(divide="ignore", invalid="ignore"):
            npmi = np.log(p / (p_row * p_col)) / -np.log(p)
        scores[k] = np.where(p == 0, -1.0, np.where(p == 1, 1.0, npmi)).mean()
    return scores


def diversity(words: np.ndarray) -> float:
    """Unique share of the words of all topics, as in Dieng et al. 2020, where n = 25.

    Parameters
    ----------
    words : ndarray of shape (K, n)

    Returns
    -------
    float
        In (0, 1].
    """
    return len(np.unique(words)) / words.size


def inverted_rbo(words: np.ndarray, weight: float = 0.9) -> float:
    """1 − the mean rank-biased overlap of every two topics' words. words: [K, n], best first → in [0, 1].

    0 where all topics are the same list, 1 where no two share a word, as for a single topic. The overlap is RBO_EXT of
    Webber, Moffat and Zobel 2010 (eq. 32): with X_d words common to the first d ranks, p = `weight` and n ranks seen,
    X_n/n · pⁿ + (1 − p)/p · Σ_{d≤n} X_d/d · p^d. Diversity asks whether words are shared; this, how high they stand.
    """
    num_topics, n = words.shape
    if num_topics < 2:
        return 1.0
    used, positions = np.unique(words, return_inverse=True)
    seen = np.zeros((num_topics, len(used)))
    overlap = np.zeros((num_topics, num_topics))
    agreement = overlap
    for depth, column in enumerate(positions.reshape(words.shape).T, start=1):
        seen[np.arange(num_topics), column] = 1
        agreement = seen @ seen.T / depth
        overlap += (1 - weight) / weight * weight**depth * agreement
    overlap += weight**n * agreement
    return float(1 - overlap[np.triu_indices(num_topics, 1)].mean())


def duplicate_topics(words: np.ndarray, shared: int = DUPLICATE_WORDS) -> int:
    """How many topics share at least `shared` of their words with a topic before them. words: [K, n]."""
    sets = [set(row) for row in words.tolist()]
    return sum(any(len(topic & before) >= shared for before in sets[:k]) for k, topic in enumerate(sets))


def topics_used(theta: np.ndarray) -> int:
    """Topics that are the largest of at least one document. theta: [D, K]; 0 without documents. Ties go to the left."""
    return len(np.unique(theta.argmax(axis=1)))


def topic_shares(theta: np.ndarray, counts: sp.csr_matrix) -> np.ndarray:
    """Share of the corpus' tokens that each topic explains.

    Parameters
    ----------
    theta : ndarray of shape (D, K)
    counts : csr_matrix of shape (D, V)

    Returns
    -------
    ndarray of shape (K,)
        Sums to 1.
    """
    tokens = np.asarray(counts.sum(1)).ravel().astype(np.float64)
    explained = np.zeros(theta.shape[1])
    for low in range(0, len(theta), DOCUMENTS_AT_ONCE):
        some = slice(low, low + DOCUMENTS_AT_ONCE)
        explained += tokens[some] @ theta[some]
    return explained / max(tokens.sum(), 1.0)


def topic_quality(beta: np.ndarray, counts: sp.csr_matrix) -> dict[str, float]:
    """`npmi`: coherence over the top 10 words, and `diversity` over the top 25. beta: [K, V]; counts: [D, V]."""
    coherence = npmi_coherence(top_words(beta, WORDS_SHOWN), counts)
    return {"npmi": float(coherence.mean()), "diversity": diversity(top_words(beta, WORDS_OF_DIVERSITY))}


def representative_documents(theta: np.ndarray, counts: sp.csr_matrix, n: int) -> list[list[int]]:
    """For each topic the rows of the n documents that show it best: [K] lists, best first.

    theta: [D, K]; counts: [D, V] CSR. By θ alone they would be the shortest documents, by the number of a topic's words
    the longest: they are those of the largest θ·log(1 + words), where more than 100 words count as 100.
    """
    lengths = np.asarray(counts.sum(axis=1)).ravel()
    weight = theta * np.log1p(np.minimum(lengths, 100))[:, None]
    return [[int(i) for i in np.argsort(-weight[:, k], kind="stable")[:n]] for k in range(theta.shape[1])]
