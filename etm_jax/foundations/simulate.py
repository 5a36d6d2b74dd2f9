"""Documents drawn from the generative processes of LDA and of ETM, so that their topics and proportions are known.

Both processes are defined as in Dieng, Ruiz and Blei 2020 (arXiv 1907.04907, sections 3 and 4). They differ in the
distributions of θ and of the topics; given both, the words are drawn in the same way, by `draw_counts`.
"""

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from scipy.special import softmax


class Simulated(NamedTuple):
    """Documents, and the parameters that they were drawn from.

    Attributes
    ----------
    counts : csr_matrix of shape (D, V), int32
        Words of the documents.
    theta : ndarray of shape (D, K)
        Topic proportions; rows sum to 1.
    beta : ndarray of shape (K, V)
        Topics; rows sum to 1.
    rho : ndarray of shape (V, L), optional
        Word embeddings; None where the topics do not come from embeddings.
    alpha : ndarray of shape (K, L), optional
        Topic embeddings; None where `rho` is.
    """

    counts: sp.csr_matrix
    theta: np.ndarray
    beta: np.ndarray
    rho: np.ndarray | None = None
    alpha: np.ndarray | None = None


def simulate_lda(
    seed: int,
    num_docs: int,
    vocab_size: int,
    num_topics: int,
    doc_length: int | np.ndarray = 100,
    *,
    alpha: float = 0.1,
    eta: float = 0.05,
) -> Simulated:
    """Draw documents by LDA: β_k ~ Dir(η), θ_d ~ Dir(α); for each word z ~ Cat(θ_d), w ~ Cat(β_z).

    Parameters
    ----------
    seed : int
        The same arguments give the same documents.
    num_docs, vocab_size, num_topics : int
        D, V and K.
    doc_length : int or ndarray of shape (D,)
        Words of a document: one number for all, or one for each.
    alpha, eta : float
        Concentrations of the symmetric Dirichlet priors. The smaller alpha is, the fewer topics a document has; the
        smaller eta is, the fewer words a topic has.

    Returns
    -------
    Simulated
        Without rho and alpha.

    References
    ----------
    Blei, Ng, Jordan 2003, Latent Dirichlet Allocation, section 3.
    """
    rng = np.random.default_rng(seed)
    beta = rng.dirichlet(np.full(vocab_size, eta), num_topics)
    theta = rng.dirichlet(np.full(num_topics, alpha), num_docs)
    return Simulated(draw_counts(rng, theta, beta, doc_length), theta, beta)


def simulate_etm(
    seed: int,
    num_docs: int,
    vocab_size: int,
    num_topics: int,
    doc_length: int | np.ndarray = 100,
    *,
    embed_dim: int = 20,
    logit_std: float = 3.0,
    prior_variance: float = 1.0,
) -> Simulated:
    """Draw documents by ETM: δ_d ~ N(0, s·I), θ_d = softmax(δ_d); for each word z ~ Cat(θ_d), w ~ Cat(softmax(ρ α_z)).

    The process takes ρ and α as given. Here their entries are normal, ρ's with variance 1 and α's with variance
    logit_std² / L.

    Parameters
    ----------
    seed : int
        The same arguments give the same documents.
    num_docs, vocab_size, num_topics : int
        D, V and K.
    doc_length : int or ndarray of shape (D,)
        Words of a document: one number for all, or one for each.
    embed_dim : int
        L, the length of the embeddings.
    logit_std : float
        Standard deviation of ρα over words: near 0 all topics are uniform; the larger it is, the fewer words a topic
        has.
    prior_variance : float
        s, 1 in the paper.

    Returns
    -------
    Simulated

    References
    ----------
    Dieng, Ruiz, Blei 2020, arXiv 1907.04907, section 4.
    """
    rng = np.random.default_rng(seed)
    rho = rng.normal(size=(vocab_size, embed_dim))
    alpha = rng.normal(scale=logit_std / embed_dim**0.5, size=(num_topics, embed_dim))
    beta = softmax(alpha @ rho.T, axis=1)
    theta = softmax(rng.normal(scale=prior_variance**0.5, size=(num_docs, num_topics)), axis=1)
    return Simulated(draw_counts(rng, theta, beta, doc_length), theta, beta, rho, alpha)


def draw_counts(
    rng: np.random.Generator, theta: np.ndarray, beta: np.ndarray, doc_length: int | np.ndarray
) -> sp.csr_matrix:
    """Draw words from topic proportions and topics: z ~ Cat(θ_d), w ~ Cat(β_z).

    All words of a topic are drawn at once, which is possible because a bag of words has no order.

    Parameters
    ----------
    rng : Generator
    theta : ndarray of shape (D, K)
        Topic proportions; rows sum to 1.
    beta : ndarray of shape (K, V)
        Topics; rows sum to 1.
    doc_length : int or ndarray of shape (D,)
        Words of a document: one number for all, or one for each.

    Returns
    -------
    csr_matrix of shape (D, V), int32
    """
    num_docs, vocab_size = len(theta), beta.shape[1]
    of_topic = rng.multinomial(doc_length, theta)
    rows = np.concatenate([np.repeat(np.arange(num_docs), column) for column in of_topic.T])
    words = np.concatenate(
        [rng.choice(vocab_size, size=size, p=row) for size, row in zip(of_topic.sum(0), beta, strict=True)]
    )
    return _counts(rows, words, (num_docs, vocab_size))


def shuffle_words(seed: int, counts: sp.csr_matrix) -> sp.csr_matrix:
    """Shuffle the words over documents, which keeps only the documents' lengths and the words' frequencies.

    Topics that a model finds in the result do not come from co-occurrence of words.

    Parameters
    ----------
    seed : int
        The same arguments give the same documents.
    counts : csr_matrix of shape (D, V), int

    Returns
    -------
    csr_matrix of shape (D, V), int32
    """
    lengths = np.asarray(counts.sum(axis=1)).ravel()
    words = np.random.default_rng(seed).permutation(np.repeat(counts.indices, counts.data))
    return _counts(np.repeat(np.arange(len(lengths)), lengths), words, counts.shape)


def _counts(rows: np.ndarray, words: np.ndarray, shape: tuple[int, int]) -> sp.csr_matrix:
    """A matrix of word counts from N tokens. rows, words: [N] their documents and columns. → CSR int32, canonical."""
    counts = sp.csr_matrix((np.ones(len(words), np.int32), (rows, words)), shape=shape)
    counts.sum_duplicates()
    return counts
