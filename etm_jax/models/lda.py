"""Latent Dirichlet Allocation on a prepared corpus, by gensim or tomotopy: the baseline that ETM is compared with."""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any, ClassVar, NamedTuple

import numpy as np
import scipy.sparse as sp

from etm_jax.config.build import Config
from etm_jax.corpus.types import Corpus
from etm_jax.models.kind import TopicModelKind
from etm_jax.models.topic_arrays import TopicArrays
from etm_jax.util.console import track
from etm_jax.util.errors import UserError
from etm_jax.util.extras import require
from etm_jax.util.threads import libraries

ITERATIONS = {"gensim": 20, "tomotopy": 500}
"""What --lda_iterations=0 means: passes over the documents, and sweeps of the sampler."""

ETA, LARGEST_ALPHA, ALPHA_TIMES_TOPICS = 0.1, 1.0, 50.0
"""gensim's Dirichlet priors: η = 0.1 and α = 50 / K, Griffiths and Steyvers 2004, but α at most 1.

With gensim's own, 1 / K, the topics of short texts hardly cohere.
"""

CHUNK = 2000
"""Documents between two updates of gensim's topics. Much fewer, and it forgets rare words from chunk to chunk."""

DOCUMENTS_AT_ONCE = 1000
MOST_ROUNDS, TOLERANCE = 100, 1e-3


class Topics(NamedTuple):
    """What LDA learns. beta: [K, V] float64, rows sum to 1; alpha: [K], the prior of θ."""

    beta: np.ndarray
    alpha: np.ndarray


class LDA(TopicModelKind):
    """Latent Dirichlet Allocation (Blei, Ng, Jordan 2003), which gensim or tomotopy fit."""

    fits_itself: ClassVar[bool] = True
    exports: ClassVar[tuple[str, ...]] = ("theta_prior",)

    @classmethod
    def check(cls, config: Config, ckpt: str) -> None:
        """Raise UserError where the engine is not installed, or --ckpt is given, from which LDA cannot start."""
        engine = config.lda.lda_engine
        require(engine, "lda", f"--lda_engine={engine}", otherwise="give --lda_engine=gensim")
        if ckpt:
            raise UserError(f"--ckpt={ckpt} is for models with weights to start from; leave it out with --model=lda")

    @classmethod
    def num_iterations(cls, config: Config) -> int:
        """Passes of gensim or sweeps of tomotopy: those asked for, or the engine's default."""
        return config.lda.lda_iterations or ITERATIONS[config.lda.lda_engine]

    @classmethod
    def fit(cls, config: Config, corpus: Corpus) -> TopicArrays:
        """Topics of the training documents and proportions of all. The same seed gives the same bytes.

        Raises UserError as `check` does.
        """
        cls.check(config, ckpt="")
        fit_topics = {"gensim": gensim_topics, "tomotopy": tomotopy_topics}[config.lda.lda_engine]
        num_topics, seed = config.model.num_topics, config.train.seed
        # Sums in another order round otherwise: one thread, for the same bytes everywhere.
        with libraries().limit(limits=1):
            topics = fit_topics(corpus.train.counts, num_topics, cls.num_iterations(config), seed)
            return TopicArrays(
                beta=topics.beta,
                theta_train=infer_theta(topics, corpus.train.counts),
                theta_valid=infer_theta(topics, corpus.valid.counts),
                theta_test=infer_theta(topics, corpus.test.counts),
                theta_test_h1=infer_theta(topics, corpus.test_h1),
                own={"theta_prior": topics.alpha},
            )

    @classmethod
    def infer_theta(cls, arrays: Mapping[str, np.ndarray], counts: sp.csr_matrix) -> np.ndarray:
        """Topic proportions under exported topics: [D, V] CSR → [D, K] float64; the prior's mean for an empty row."""
        topics = Topics(*(arrays[name].astype(np.float64) for name in ("beta", "theta_prior")))
        return infer_theta(topics, counts)


def gensim_topics(counts: sp.csr_matrix, num_topics: int, passes: int, seed: int) -> Topics:
    """Online variational Bayes (Hoffman, Blei and Bach 2010) by gensim. counts: [D, V] CSR."""
    from gensim.models import LdaModel

    model = LdaModel(
        corpus=_Bags(counts, f"LDA by gensim, {passes} passes", passes),
        id2word={column: str(column) for column in range(counts.shape[1])},
        num_topics=num_topics,
        passes=passes,
        alpha=np.full(num_topics, min(LARGEST_ALPHA, ALPHA_TIMES_TOPICS / num_topics), np.float32),
        eta=ETA,
        chunksize=CHUNK,
        eval_every=None,
        random_state=seed,
    )
    return Topics(_rows_to_one(model.get_topics()), model.alpha.astype(np.float64))


def tomotopy_topics(counts: sp.csr_matrix, num_topics: int, sweeps: int, seed: int) -> Topics:
    """Collapsed Gibbs sampling (Griffiths and Steyvers 2004) by tomotopy, which adapts α. counts: [D, V] CSR.

    One worker: with more, tomotopy does not repeat itself for a seed.
    """
    model = tomotopy_model(counts, num_topics, seed)
    for _ in track(range(sweeps), "LDA by tomotopy", unit="sweeps"):
        model.train(1, workers=1)
    return topics_of_tomotopy(model, counts.shape[1])


def tomotopy_model(counts: sp.csr_matrix, num_topics: int, seed: int) -> Any:
    """tomotopy's LDA with its documents and no sweep done. counts: [D, V] CSR."""
    import tomotopy

    model = tomotopy.LDAModel(k=num_topics, seed=seed)
    for words in _as_words(counts):
        if words:
            model.add_doc(words)
    return model


def topics_of_tomotopy(model: Any, vocab_size: int) -> Topics:
    """What a model made by `tomotopy_model` has learnt."""
    # tomotopy knows only the words it has seen; any other has the prior's count alone.
    seen = np.array(model.used_vocabs, dtype=np.int64)
    beta = np.full((model.k, vocab_size), model.eta)
    for k, tokens in enumerate(model.get_count_by_topics()):
        beta[k, seen] = model.get_topic_word_dist(k) * (tokens + model.eta * len(seen))
    return Topics(_rows_to_one(beta), np.asarray(model.alpha, np.float64))


def tomotopy_theta(model: Any, counts: sp.csr_matrix, iterations: int = 100) -> np.ndarray:
    """Topic proportions by tomotopy's own inference. counts: [D, V] CSR → [D, K]; uniform without a known word."""
    theta = np.full((counts.shape[0], model.k), 1 / model.k)
    made = [(row, model.make_doc(words)) for row, words in enumerate(_as_words(counts)) if words]
    known = [(row, doc) for row, doc in made if doc is not None]
    inferred, _ = model.infer([doc for _, doc in known], iterations=iterations) if known else ([], None)
    for (row, _), proportions in zip(known, inferred, strict=True):
        theta[row] = proportions
    return theta


def _as_words(counts: sp.csr_matrix) -> Iterator[list[str]]:
    """Each row as tomotopy reads it: its columns as words, each as often as it counts."""
    for start, stop in pairwise(counts.indptr):
        yield np.repeat(counts.indices[start:stop], counts.data[start:stop]).astype(str).tolist()


def infer_theta(topics: Topics, counts: sp.csr_matrix) -> np.ndarray:
    """Topic proportions of documents under fixed topics. counts: [D, V] CSR → [D, K] float64; an empty row: α's mean.

    The fixed point of θ_dk ∝ α_k + Σ_w x_dw p(z=k | w, θ_d), p(z=k | w, θ_d) ∝ θ_dk β_kw: the posterior's mode under
    Dir(α + 1), and CVB0 but for the word's own share (Asuncion et al. 2009, arXiv 1205.2662). Both engines' topics
    predict held-out words at least as well with it as with the inference that comes with the engine.
    """
    starts = range(0, counts.shape[0], DOCUMENTS_AT_ONCE)
    parts = [
        _infer(topics, counts[start : start + DOCUMENTS_AT_ONCE]) for start in track(starts, "topics of documents")
    ]
    return np.concatenate([*parts, np.empty((0, len(topics.alpha)))])


def _infer(topics: Topics, counts: sp.csr_matrix) -> np.ndarray:
    beta, alpha = topics
    rows = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
    word = beta.T[counts.indices]
    lengths = np.asarray(counts.sum(axis=1), np.float64)
    expected = np.tile(alpha, (counts.shape[0], 1)) + lengths / len(alpha)
    for _ in range(MOST_ROUNDS):
        before = expected
        # Σ_w x_dw p(z=k | w) = expected_dk Σ_w β_kw x_dw / Σ_j expected_dj β_jw: no [words, K] of shares is needed.
        per_word = sp.csr_matrix(
            (counts.data / np.einsum("nk,nk->n", before[rows], word), counts.indices, counts.indptr), counts.shape
        )
        expected = alpha + before * (per_word @ beta.T)
        if np.abs(expected - before).mean() < TOLERANCE:
            break
    return expected / expected.sum(axis=1, keepdims=True)


def _rows_to_one(x: np.ndarray) -> np.ndarray:
    values = x.astype(np.float64)
    return values / values.sum(axis=1, keepdims=True)


class _Bags:
    """Rows as gensim reads them: lists of (column, count). It iterates once a pass; all share one progress line."""

    def __init__(self, counts: sp.csr_matrix, label: str, passes: int) -> None:
        self._counts = counts
        self._ticks = track(range(passes * len(self)), label, unit="documents")

    def __len__(self) -> int:
        return self._counts.shape[0]

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        indices, data = self._counts.indices, self._counts.data
        for start, stop in pairwise(self._counts.indptr):
            next(self._ticks, None)
            yield list(zip(indices[start:stop].tolist(), data[start:stop].tolist(), strict=True))
