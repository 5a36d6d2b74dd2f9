"""What is known of a kind of topic model before one is made: what the settings, the corpus and the results ask of it.

Shapes: V words, K topics, L embedding size, D documents.
"""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np

from etm_jax.config.build import Config
from etm_jax.config.settings import ModelConfig
from etm_jax.corpus.metadata import Metadata
from etm_jax.corpus.types import Corpus
from etm_jax.models.seed_words import Columns
from etm_jax.models.time_axis import TimeAxis
from etm_jax.models.topic_arrays import TopicArrays


class Start(NamedTuple):
    """What a model's variables are started from.

    vectors: [V, L], the words' vectors; None for a model without embeddings. corpus: the documents to train on.
    """

    corpus: Corpus
    vectors: np.ndarray | None
    seed: int
    seed_words: Columns = ()


class TopicModelKind:
    """What is known of a kind of topic model before one is made: the class attributes that others ask for.

    has_embeddings: whether words and topics lie in one space, as ρ and α. is_mixture: whether p(w | θ) is θβ.
    fits_itself: whether `fit` does what training does for other models. exports: names of the arrays, besides β and θ,
    that its export folder holds.
    """

    has_embeddings: ClassVar[bool] = False
    is_mixture: ClassVar[bool] = True
    fits_itself: ClassVar[bool] = False
    exports: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def fields_read(cls, config: ModelConfig) -> tuple[str, ...]:
        """Names of the metadata fields that the model's loss or inference reads."""
        return ()

    @classmethod
    def check_fields(cls, config: ModelConfig, metadata: Metadata) -> None:
        """Raise UserError where these fields, which `fields_read` names, do not serve the model."""

    @classmethod
    def group_of(cls, config: ModelConfig, metadata: Metadata, extras: Mapping[str, np.ndarray]) -> np.ndarray | None:
        """Which of its documents are to stand together in batches: [D], numbers of groups; None for a model that
        takes all alike. extras: by field [D].
        """
        return None

    @classmethod
    def axis_of(cls, config: ModelConfig, metadata: Metadata) -> TimeAxis | None:
        """The periods over which topics move, of a model whose topics do, which exports alpha_time and eta."""
        return None

    @classmethod
    def exported(cls, values: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """The arrays that `exports` names. values: the parameters and constants of a model."""
        return {name: np.asarray(values[name]) for name in cls.exports}

    @classmethod
    def collapse_advice(cls, config: Config, num_docs: int) -> Iterator[str]:
        """Flags that help where the topics have collapsed, the most likely first, of those that `config` leaves.

        config: with what became of its defaults in the run. num_docs: to train on.
        """
        yield from cls.fewer_common_words(config, num_docs)
        yield cls.more_epochs(config)
        yield from cls.last_resorts(config)

    @staticmethod
    def fewer_common_words(config: Config, num_docs: int) -> Iterator[str]:
        """Advice of any model: docs/collapse.md says how much it did. Of few documents it would leave hardly a word."""
        c = config.corpus
        if c.no_above > 0.1 and num_docs >= 100 and not c.stopwords and not c.auto_adj:
            yield "--no_above=0.1"

    @staticmethod
    def more_epochs(config: Config) -> str:
        """Advice of any model."""
        return f"--num_epochs={2 * config.train.num_epochs}"

    @staticmethod
    def last_resorts(config: Config) -> Iterator[str]:
        """Advice of any model, which helped least."""
        topics = config.model.num_topics
        if topics > 2:
            yield f"--n_topic={max(2, topics // 2)}"
        yield f"--learning_rate={config.optimizer.learning_rate / 2:g}"

    @classmethod
    def check(cls, config: Config, ckpt: str) -> None:
        """Raise UserError where a model cannot be fitted with these settings, as is known before the corpus is read.

        ckpt: the weights that the run is to start from, or empty.
        """

    @classmethod
    def num_iterations(cls, config: Config) -> int:
        """How many passes a model that fits itself makes."""
        raise NotImplementedError

    @classmethod
    def fit(cls, config: Config, corpus: Corpus) -> TopicArrays:
        """The fitted model, of one that fits itself."""
        raise NotImplementedError

    @classmethod
    def infer_theta(cls, arrays: Mapping[str, np.ndarray], counts: Any) -> np.ndarray:
        """Topic proportions of documents, of a model that fits itself: [D, V] CSR → [D, K] float64.

        arrays: β and `exports`, as its export folder has them.
        """
        raise NotImplementedError
