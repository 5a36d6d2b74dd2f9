"""The interface of an evaluator: a function of a fitted model and its corpus, in the file of its metric.

A row in `etm_jax.metrics.registry` registers it: `python -m etm_jax.evaluate` and the report then show its results.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from etm_jax.corpus.types import Corpus

TOP_WORDS = 10
"""Words of a topic that coherences, inverted RBO and duplicates use."""


class Labels(NamedTuple):
    """Labels of some documents. train_rows, test_rows: the rows of θ that have one; train, test: their labels."""

    train_rows: list[int]
    train: list[str]
    test_rows: list[int]
    test: list[str]


class FittedRun(NamedTuple):
    """What evaluators read of a model of K topics and V words.

    beta: [K, V]; theta_*: [·, K], of the training documents, the test documents and their first halves. words:
    [K, TOP_WORDS] columns, the topics' most probable words, best first. activity, kl: [K], of the encoder over the
    training documents, as `etm_jax.metrics.posterior` defines them; None for a model without encoder. log_px: [nnz],
    log p(w | θ) at the nonzeros of the test documents' second halves; None where it is that of the mixture θβ. labels:
    None where none were given.
    """

    corpus: Corpus
    beta: np.ndarray
    theta_train: np.ndarray
    theta_test: np.ndarray
    theta_test_h1: np.ndarray
    words: np.ndarray
    activity: np.ndarray | None = None
    kl: np.ndarray | None = None
    log_px: np.ndarray | None = None
    labels: Labels | None = None

    @property
    def num_topics(self) -> int:
        """Number of topics K."""
        return len(self.beta)


class Row(NamedTuple):
    """A row of the table. measured_on: what the value depends on besides the model."""

    name: str
    value: str
    measured_on: str


class Measured(NamedTuple):
    """The results of an evaluator.

    values: by their keys in metrics.json, which no other evaluator uses; plain values, arrays, named tuples, and lists
    and dictionaries of these. A value is None where there is nothing to measure. rows: lines of the table, may be
    empty.
    """

    values: dict[str, Any]
    rows: list[Row]


Evaluator = Callable[[FittedRun], Measured]
