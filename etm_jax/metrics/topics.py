"""Quality of topics as lists of words."""

import numpy as np
import scipy.sparse as sp

from etm_jax.metrics.evaluator import FittedRun, Measured, Row
from etm_jax.util.arrays import largest_columns

DUPLICATE_WORDS = 6
"""Two topics that share this many of their ten words are duplicates: a reader would call them one topic."""

DOCUMENTS_AT_ONCE = 100_000
"""Documents processed in one block, which bounds the memory needed besides the counts and θ."""

WORDS_SHOWN, WORDS_OF_DIVERSITY = 10, 25
"""Words of a topic that a run shows and that coherence uses; words that diversity uses."""

DIVERSITY_WORDS = (10, 15, 25)
"""Numbers of words of a topic for which `evaluate` reports diversity."""


def evaluate(run: FittedRun) -> Measured:
    """Measure diversity, inverted RBO, duplicates and how many topics are used.

    A topic is used if it is the largest of the first half of at least one test document.

    Parameters
    ----------
    run : FittedRun

    Returns
    -------
    Measured
        `diversity` (by number of words), `inverted_rbo`, `duplicates`, and `used`, None without test documents.
    """
    diversities = {n: diversity(top_words(run.beta, n)) for n in DIVERSITY_WORDS}
    rbo, duplicates = inverted_rbo(run.words), duplicate_topics(run.words)
    top = f"top {run.words.shape[1]} words"
    rows = [
        *(Row("diversity", f"{share:.3f}", f"unique among the top {n} words") for n, share in diversities.items()),
        Row("inverted RBO", f"{rbo:.3f}", f"{top}, weight 0.9; 1 where no two topics share any"),
        Row("duplicate topics", f"{duplicates} of {run.num_topics}", f"{top}, most of them another topic's"),
    ]
    used = topics_used(run.theta_test_h1) if len(run.theta_test_h1) else None
    if used is not None:
        rows.append(Row("topics used", f"{used} of {run.num_topics}", "largest of some test document's first half"))
    return Measured({"diversity": diversities, "inverted_rbo": rbo, "duplicates": duplicates, "used": used}, rows)


def top_words(beta: np.ndarray, n: int) -> np.ndarray:
    """Choose the most probable words of each topic.

    Parameters
    ----------
    beta : ndarray of shape (K, V)
        Topics; rows sum to 1.
    n : int
        Words of a topic.

    Returns
    -------
    ndarray of shape (K, n), int
        Columns, best first. Ties go to the lower column.
    """
    return largest_columns(beta, n)


def npmi_coherence(words: np.ndarray, counts: sp.csr_matrix) -> np.ndarray:
    """Compute the mean document-level NPMI over the pairs of each topic's words.

    This is the coherence of Dieng et al. 2020, where n = 10.

    Parameters
    ----------
    words : ndarray of shape (K, n), int
        Columns of the topics' words.
    counts : csr_matrix of shape (D, V)
        The reference documents; empty ones count as documents.

    Returns
    -------
    ndarray of shape (K,)
        In [−1, 1]. A pair that never occurs together counts as −1, also where no document holds one of its words; a
        pair that is in every document counts as 1. −1 without documents, and for n = 1, which has no pairs.
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
    """Compute the unique share of the words of all topics, as in Dieng et al. 2020, where n = 25.

    Parameters
    ----------
    words : ndarray of shape (K, n), int
        Columns of the topics' words.

    Returns
    -------
    float
        In (0, 1].
    """
    return len(np.unique(words)) / words.size


def inverted_rbo(words: np.ndarray, weight: float = 0.9) -> float:
    """Compute 1 − the mean rank-biased overlap of the words of every two topics.

    Diversity measures whether words are shared; inverted RBO also how high they rank.

    Parameters
    ----------
    words : ndarray of shape (K, n), int
        Columns of the topics' words, best first.
    weight : float
        p below, in (0, 1); the smaller, the more the first ranks count.

    Returns
    -------
    float
        In [0, 1]: 0 where all topics are the same list, 1 where no two share a word and for a single topic.

    Notes
    -----
    The overlap is RBO_EXT (eq. 32 of the reference). With X_d words common to the first d ranks and n ranks seen, it is
    X_n/n · pⁿ + (1 − p)/p · Σ_{d≤n} X_d/d · p^d.

    References
    ----------
    Webber, Moffat, Zobel 2010, A Similarity Measure for Indefinite Rankings.
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
    """Count the topics that share at least `shared` of their words with a topic before them.

    Parameters
    ----------
    words : ndarray of shape (K, n), int
        Columns of the topics' words.
    shared : int
        Number of common words from which a topic is a duplicate.

    Returns
    -------
    int
        In [0, K − 1].
    """
    sets = [set(row) for row in words.tolist()]
    return sum(any(len(topic & before) >= shared for before in sets[:k]) for k, topic in enumerate(sets))


def topics_used(theta: np.ndarray) -> int:
    """Count the topics that are the largest of at least one document.

    Parameters
    ----------
    theta : ndarray of shape (D, K)
        Topic proportions; rows sum to 1.

    Returns
    -------
    int
        0 without documents. Ties go to the lower topic.
    """
    return len(np.unique(theta.argmax(axis=1)))


def topic_shares(theta: np.ndarray, counts: sp.csr_matrix) -> np.ndarray:
    """Compute the share of the corpus' tokens that each topic explains.

    Parameters
    ----------
    theta : ndarray of shape (D, K)
        Topic proportions; rows sum to 1.
    counts : csr_matrix of shape (D, V)
        Word counts of the same documents.

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
    """Compute coherence over the top 10 words and diversity over the top 25.

    Parameters
    ----------
    beta : ndarray of shape (K, V)
        Topics; rows sum to 1.
    counts : csr_matrix of shape (D, V)
        The reference documents of the coherence.

    Returns
    -------
    dict of str to float
        `npmi`, the mean over topics, and `diversity`.
    """
    coherence = npmi_coherence(top_words(beta, WORDS_SHOWN), counts)
    return {"npmi": float(coherence.mean()), "diversity": diversity(top_words(beta, WORDS_OF_DIVERSITY))}


def representative_documents(theta: np.ndarray, counts: sp.csr_matrix, n: int) -> list[list[int]]:
    """Find the n documents that represent each topic best.

    Parameters
    ----------
    theta : ndarray of shape (D, K)
        Topic proportions; rows sum to 1.
    counts : csr_matrix of shape (D, V)
        Word counts of the same documents.
    n : int
        Documents of a topic.

    Returns
    -------
    list of K lists of int
        Rows of `theta`, best first; fewer than n where there are fewer documents.

    Notes
    -----
    Ranking by θ alone prefers the shortest documents, and ranking by the number of a topic's words the longest. The
    rank is that of θ·log(1 + words), where more than 100 words count as 100.
    """
    lengths = np.asarray(counts.sum(axis=1)).ravel()
    weight = theta * np.log1p(np.minimum(lengths, 100))[:, None]
    return [[int(i) for i in np.argsort(-weight[:, k], kind="stable")[:n]] for k in range(theta.shape[1])]
