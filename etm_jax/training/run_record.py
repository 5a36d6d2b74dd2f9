"""The record of a run: what decides its numbers, once the corpus has been read."""

import dataclasses
import math
from typing import Literal, NamedTuple

import jax.numpy as jnp

from etm_jax.config.build import Config
from etm_jax.config.settings import ObjectiveConfig, RunOptions, TrainConfig
from etm_jax.corpus.metadata import Metadata
from etm_jax.corpus.types import Corpus
from etm_jax.models.registry import model_kind
from etm_jax.training.steps import Spec

STEPS_PER_ROOT, FEWEST_EPOCHS, MOST_EPOCHS = 60, 4, 60

OVERLAP_WEIGHT, MOST_OVERLAP_WEIGHT = 0.6, 1.0
"""The weight of the overlap penalty for documents of `USUAL_WORDS` different words, and for the longest."""

USUAL_WORDS = 20
"""Different words of a document that is neither short nor long: a paragraph of a newspaper."""

ENOUGH_DOCUMENTS = 20
"""Documents a topic: with fewer, topics that are kept apart are of few documents or of none."""


class RunRecord(NamedTuple):
    """What decides a run's numbers: its settings and what became of them once the corpus was read.

    seed_words: for each topic the columns of its seed words, none for a free topic. dtype: of the parameters: float64
    where JAX was set to compute in that. epoch_steps: of a corpus of shards, and where documents
     come in groups; else 0, as an epoch then has as many as its documents need. overlap_weight: of
    `ObjectiveConfig`, with what its default comes to for this corpus. restarted_after: the epochs after which the run
    had ended and was given more, so that its step size began to fall anew; 0 if it was not. metadata: the fields of
    documents that the model reads. context_dim, context_digest: of the vectors of --context, as of
    `etm_jax.corpus.types.Contexts`; 0 and empty without.
    """

    config: Config
    ckpt: str
    corpus: str
    corpus_digest: str
    vocabulary_hash: str
    vocab_size: int
    num_docs: int
    embed_dim: int
    batch_size: int
    num_epochs: int
    seed_words: tuple[tuple[int, ...], ...] = ()
    dtype: str = "float32"
    epoch_steps: int = 0
    overlap_weight: float = 0.0
    restarted_after: int = 0
    metadata: Metadata = Metadata()
    context_dim: int = 0
    context_digest: str = ""

    @property
    def exported(self) -> Literal["last", "best"]:
        """Which epoch the run's results are of."""
        return "last" if self.config.train.export_from == "last" else "best"

    @property
    def identity(self) -> dict[str, str | int]:
        """What no resumption changes, by which a checkpoint knows its run."""
        train = self.config.train
        return {
            "corpus": self.corpus_digest,
            "vocabulary": self.vocabulary_hash,
            "model": self.config.model.kind,
            "seed": train.seed,
            "num_seeds": train.num_seeds,
        }

    def settled(self) -> Config:
        """The settings with what became of those that follow from the corpus where they are not given."""
        c = self.config
        if not self.batch_size:  # A model that fits itself reads none of these.
            return c
        return dataclasses.replace(
            c,
            objective=dataclasses.replace(c.objective, overlap_weight=self.overlap_weight),
            train=dataclasses.replace(c.train, num_epochs=self.num_epochs, batch_size=self.batch_size),
        )

    def spec(self) -> Spec:
        """What the compiled programs of this run depend on."""
        epoch_steps = self.epoch_steps or math.ceil(self.num_docs / self.batch_size)
        return Spec(
            model=self.config.model,
            objective=self.settled().objective,
            optimizer=self.config.optimizer,
            vocab_size=self.vocab_size,
            embed_dim=self.embed_dim,
            num_steps=self.num_epochs * epoch_steps,
            first_step=self.restarted_after * epoch_steps,
            train_rho=self.config.vectors.train_rho,
            seed_words=self.seed_words,
            metadata=self.metadata,
            context_dim=self.context_dim,
        )


def trained_record(
    config: Config,
    options: RunOptions,
    corpus: Corpus,
    batch_size: int,
    epoch_steps: int,
    seed_words: tuple[tuple[int, ...], ...],
    metadata: Metadata,
    embed_dim: int,
) -> RunRecord:
    """The record of a run that is trained step by step."""
    vocab_size, nnz = len(corpus.vocabulary), corpus.stream.nnz if corpus.stream else corpus.train.counts.nnz
    return RunRecord(
        config=config,
        ckpt=options.ckpt,
        corpus=corpus.name,
        corpus_digest=corpus.digest,
        vocabulary_hash=corpus.vocabulary.hash,
        vocab_size=vocab_size,
        num_docs=corpus.num_train,
        embed_dim=embed_dim,
        batch_size=batch_size,
        num_epochs=num_epochs_for(config.train, corpus.num_train, vocab_size, nnz, batch_size),
        epoch_steps=epoch_steps,
        seed_words=seed_words,
        dtype=default_dtype(),
        overlap_weight=overlap_weight_for(config.objective, corpus.num_train, nnz, config.model.num_topics),
        metadata=metadata,
        context_dim=corpus.contexts.dim if corpus.contexts else 0,
        context_digest=corpus.contexts.digest if corpus.contexts else "",
    )


def self_fitted_record(config: Config, corpus: Corpus) -> RunRecord:
    """The record of a model that fits itself: no vectors and no batches; its epochs are the engine's iterations."""
    return RunRecord(
        config=config,
        ckpt="",
        corpus=corpus.name,
        corpus_digest=corpus.digest,
        vocabulary_hash=corpus.vocabulary.hash,
        vocab_size=len(corpus.vocabulary),
        num_docs=len(corpus.train),
        embed_dim=0,
        batch_size=0,
        num_epochs=model_kind(config.model.kind).num_iterations(config),
    )


def num_epochs_for(config: TrainConfig, num_docs: int, num_words: int, nnz: int, batch_size: int) -> int:
    """The epochs asked for, or enough for STEPS_PER_ROOT·√n steps, n the mean number of documents that a word is in.

    num_docs, num_words, nnz: of the counts to train on. ρ starts from what all documents say of a word, and has more
    to learn from their likelihood the more of them there are; its noise falls with their root. Between FEWEST_EPOCHS
    and MOST_EPOCHS.
    """
    if config.num_epochs:
        return config.num_epochs
    steps = STEPS_PER_ROOT * math.sqrt(nnz / num_words)
    return max(FEWEST_EPOCHS, min(MOST_EPOCHS, math.ceil(steps * batch_size / num_docs)))


def overlap_weight_for(config: ObjectiveConfig, num_docs: int, nnz: int, num_topics: int) -> float:
    """The weight asked for, or one by n, the mean number of different words of a document, and documents a topic.

    num_docs, nnz: of the counts to train on. The penalty is a constant beside the mean loss of a document, which grows
    with its length; and what tells topics apart is pairs of words in one document, whose number grows with n². Below
    `USUAL_WORDS` the weight therefore falls with n², or rare words that never meet become topics. Above, it grows with
    the cube root of n: in long documents common words meet everywhere, and the penalty alone keeps them from heading
    every topic. It falls with the documents a topic below `ENOUGH_DOCUMENTS`: so many topics have to share words.
    """
    if config.overlap_weight is not None:
        return config.overlap_weight
    ratio = nnz / max(num_docs, 1) / USUAL_WORDS
    by_length = min(MOST_OVERLAP_WEIGHT, OVERLAP_WEIGHT * ratio ** (2 if ratio < 1 else 1 / 3))
    return by_length * min(1, num_docs / (ENOUGH_DOCUMENTS * num_topics))


def default_dtype() -> str:
    """That of parameters, as JAX is set."""
    return str(jnp.result_type(float))
