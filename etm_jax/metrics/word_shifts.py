"""The words of topics by group of documents: β_kgv = β_kv exp(s_gv) / Z_kg, s the groups' shifts of words.

Shapes: D documents, V words, K topics, G groups.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from etm_jax.corpus.metadata import MetaColumn
from etm_jax.metrics.perplexity import mixture_log_px
from etm_jax.metrics.topics import top_words

LEAST_CHANGE = 0.1
"""Of log p, from which a group says a word more or less: all others change a little, as probabilities sum to 1."""


class Marked(NamedTuple):
    """What a group makes of a topic, as columns of words. top: the most probable ones.

    more, less: those that it says more, or less, often than the topic by itself, most so first.
    """

    top: list[int]
    more: list[int]
    less: list[int]


class WordShifts(NamedTuple):
    """field: of the metadata, whose categories `levels` are the groups. values: s, [G, V], in nats."""

    field: str
    levels: tuple[str, ...]
    values: np.ndarray

    def codes(self, meta: Mapping[str, Sequence[str]], num_docs: int) -> np.ndarray:
        """The group of each document: [D], −1 for none. meta: D values by field."""
        column = MetaColumn(self.field, "category", self.levels)
        return column.encode(meta.get(self.field, [""] * num_docs))

    def totals(self, beta: np.ndarray) -> np.ndarray:
        """Z_kg = Σ_v β_kv exp(s_gv): beta [K, V] → [K, G] float64."""
        return np.asarray(beta.astype(np.float64) @ np.exp(self.values.astype(np.float64)).T)

    def beta(self, beta: np.ndarray, group: int) -> np.ndarray:
        """The topics as a group words them: [K, V] → [K, V] float64, rows sum to 1."""
        shifted = beta.astype(np.float64) * np.exp(self.values[group].astype(np.float64))
        return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))

    def log_px(
        self, theta: np.ndarray, beta: np.ndarray, counts: sp.csr_matrix, meta: Mapping[str, Sequence[str]]
    ) -> np.ndarray:
        """log p at the nonzeros, p by the words of each document's group: [nnz] float64, nats.

        theta: [D, K]; beta: [K, V]; counts: [D, V] CSR; meta: D values by field. A document of no group, or of one that
        is not known, has the topics themselves. To p, without exp(s), 1e-12 is added as in `mixture_log_px`.
        """
        group, entries = self.codes(meta, counts.shape[0]), counts.tocoo()
        # By the last row: of no group.
        inverse = np.vstack([1 / self.totals(beta).T, np.ones(len(beta))])
        shift = np.vstack([self.values.astype(np.float64), np.zeros(counts.shape[1])])
        return mixture_log_px(theta * inverse[group], beta, counts) + shift[group[entries.row], entries.col]

    def marked(self, beta: np.ndarray, n: int) -> list[list[Marked]]:
        """The n words of each kind for each topic and group: [K][G]. beta: [K, V].

        Words count by β̄ |log β_kg − log β_k|, β̄ the mean of both: what the change of a word means in the topic's text.
        A change of a share that nobody meets is none, however large; nor is one of less than LEAST_CHANGE.
        """
        plain, found = beta.astype(np.float64), []
        tiny = np.finfo(np.float64).tiny
        log_plain = np.log(np.maximum(plain, tiny))
        for group in range(len(self.levels)):
            words = self.beta(plain, group)
            change = np.log(np.maximum(words, tiny)) - log_plain
            weighted = np.where(np.abs(change) < LEAST_CHANGE, 0, (words + plain) / 2 * change)
            top, more, less = (top_words(rows, n) for rows in (words, weighted, -weighted))
            found.append(
                [
                    Marked(
                        top[k].tolist(),
                        [int(j) for j in more[k] if weighted[k, j] > 0],
                        [int(j) for j in less[k] if weighted[k, j] < 0],
                    )
                    for k in range(len(plain))
                ]
            )
        return [list(of_topic) for of_topic in zip(*found, strict=True)]
