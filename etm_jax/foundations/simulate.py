"""Documents drawn from the generative processes of LDA and of ETM, whose topics and proportions are therefore known.

Both are as Dieng, Ruiz and Blei 2020 (arXiv 1907.04907, sections 3 and 4) write them out. They differ in where θ and
the topics come from; a document's words come from them in the same way, which is `draw_counts`.
"""

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from scipy.special import softmax


class Simulated(NamedTuple):
    """Documents and what they were drawn from. counts: [D, V] CSR int32; theta: [D, K], beta: [K, V], rows sum to 1.

    rho: [V, L] and alpha: [K, L], where the topics come from embeddings.
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
    """β_k ~ Dir(η), θ_d ~ Dir(α); for each word z ~ Cat(θ_d), w ~ Cat(β_z). Blei, Ng and Jordan 2003, section 3.

    doc_length: words of every document, or [D] those of each. alpha, eta: parameters of the symmetric Dirichlets;
    the smaller, the fewer topics a document has and the fewer words a topic.
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
    """δ_d ~ N(0, s·I), θ_d = softmax(δ_d); for each word z ~ Cat(θ_d), w ~ Cat(softmax(ρ α_z)). Dieng et al. 2020, 4.

    The process takes ρ and α as given. Here their entries are normal, ρ's with variance 1 and α's with variance
    logit_std² / L, so that `logit_std` is the standard deviation of ρα over words: near 0 all topics are uniform, and
    the larger, the fewer words a topic has. prior_variance: the s above, 1 in the paper.
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
    """For each word z ~ Cat(θ_d), w ~ Cat(β_z). theta: [D, K], beta: [K, V] → counts [D, V] CSR int32.

    Words that share a topic are drawn together: a bag of words does not know their order.
    """
    num_docs, vocab_size = len(theta), beta.shape[1]
    of_topic = rng.multinomial(doc_length, theta)
    rows = np.concatenate([np.repeat(np.arange(num_docs), column) for column in of_topic.T])
    words = np.concatenate(
        [rng.choice(vocab_size, size=size, p=row) for size, row in zip(of_topic.sum(0), beta, strict=True)]
    )
    return _counts(rows, words, (num_docs, vocab_size))


def shuffle_words(seed: int, counts: sp.csr_matrix) -> sp.csr_matrix:
    """The same words shuffled over documents: each document keeps its length and each word its frequency, no more.

    counts: [D, V] CSR → [D, V] CSR int32. What a model still finds there is not of the documents.
    """
    lengths = np.asarray(counts.sum(axis=1)).ravel()
    words = np.random.default_rng(seed).permutation(np.repeat(counts.indices, counts.data))
    return _counts(np.repeat(np.arange(len(lengths)), lengths), words, counts.shape)


def _counts(rows: np.ndarray, words: np.ndarray, shape: tuple[int, int]) -> sp.csr_matrix:
    counts = sp.csr_matrix((np.ones(len(words), np.int32), (rows, words)), shape=shape)
    counts.sum_duplicates()
    return counts
