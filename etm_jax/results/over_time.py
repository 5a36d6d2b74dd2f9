"""What becomes of topics over time: their words in each period, the words that rise and fall, their shares.

Shapes: D documents, V words, K topics, L embedding size, T periods.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.special import softmax

from etm_jax.corpus.types import Corpus
from etm_jax.metrics.group_shares import Shares, shares_of
from etm_jax.metrics.topics import top_words
from etm_jax.models.registry import model_kind
from etm_jax.models.time_axis import TimeAxis
from etm_jax.models.topic_arrays import TopicArrays
from etm_jax.training.run_record import RunRecord
from etm_jax.util.console import track

WORDS_OF_PERIOD, MOVING_WORDS = 10, 10
"""Words of a topic in a period, and words that rise or fall in it, each."""

BETA_TIME = "beta_time.npy"


class OverTime(NamedTuple):
    """Topics over time. axis: the periods.

    words: [T, K, n] columns of the most probable words, the first one first; probabilities: [T, K, n], theirs in β of
    the period. place: [D], the period of each document of `Corpus.all_documents`, T for one without; documents: [T],
    how many are of each period; shares: [T, K], of its words, with their intervals. early, late: [K, V], the means of β
    over the first and over the last quarter of the periods.
    """

    axis: TimeAxis
    words: np.ndarray
    probabilities: np.ndarray
    place: np.ndarray
    documents: np.ndarray
    shares: Shares
    early: np.ndarray
    late: np.ndarray

    def moving(self, topic: int) -> Iterator[tuple[int, float, float]]:
        """The words of a topic that rise most, then those that fall most: column, β early, β late.

        By what each adds to the symmetric Kullback-Leibler divergence of the two: (late − early) log(late / early).
        """
        early, late = self.early[topic].astype(np.float64), self.late[topic].astype(np.float64)
        apart = (late - early) * np.log(np.maximum(late, 1e-30) / np.maximum(early, 1e-30))
        for rises in (True, False):
            of_kind = np.flatnonzero((late > early) == rises)
            for j in of_kind[np.argsort(-apart[of_kind], kind="stable")][:MOVING_WORDS]:
                yield int(j), float(early[j]), float(late[j])


def axis_of(record: RunRecord) -> TimeAxis | None:
    """The periods of a run's model; None where its topics do not move."""
    return model_kind(record.config.model.kind).axis_of(record.config.model, record.metadata)


def beta_at(own: Mapping[str, np.ndarray], period: int) -> np.ndarray:
    """The topics of a period: [K, V] float32. own: rho [V, L], alpha_time [T, K, L] and background [V]."""
    logits = own["alpha_time"][period] @ own["rho"].T + own["background"]
    return np.asarray(softmax(logits, axis=1), np.float32)


def over_time(record: RunRecord, model: TopicArrays, corpus: Corpus, write_to: Path | None = None) -> OverTime | None:
    """The topics of a run over time; None where they do not move.

    write_to: the folder of `beta_time.npy` [T, K, V], which is written a period at a time, and never held whole.
    """
    axis = axis_of(record)
    if axis is None:
        return None
    own, shape = model.own, (len(axis), *model.beta.shape)
    kept = None
    if write_to is not None:
        kept = np.lib.format.open_memmap(write_to / BETA_TIME, "w+", np.float32, shape)
    quarter = max(1, len(axis) // 4)
    early, late = np.zeros(model.beta.shape), np.zeros(model.beta.shape)
    words, probabilities = [], []
    for period in track(range(len(axis)), "topics over time", len(axis), "periods"):
        beta = beta_at(own, period)
        words.append(top_words(beta, WORDS_OF_PERIOD))
        probabilities.append(np.take_along_axis(beta, words[-1], axis=1))
        early += beta if period < quarter else 0
        late += beta if period >= len(axis) - quarter else 0
        if kept is not None:
            kept[period] = beta
    if kept is not None:
        kept.flush()
    every = corpus.all_documents()
    values = record.metadata.encode(every.meta, len(every))[record.metadata.columns[0].name]
    place = np.asarray(axis.period_of(values))
    dated = np.flatnonzero(place < len(axis))
    tokens = np.asarray(every.counts[dated].sum(axis=1), np.float64).ravel()
    shares = shares_of(model.theta[dated], place[dated], len(axis), tokens)
    documents = np.bincount(place[dated], minlength=len(axis))
    top, p = np.stack(words), np.stack(probabilities)
    return OverTime(axis, top, p, place, documents, shares, early / quarter, late / quarter)


def paths(own: Mapping[str, np.ndarray], words: Mapping[int, Sequence[int]]) -> dict[int, np.ndarray]:
    """How probable words are in each period, by topic: [T, words of it]. own: as of `beta_at`; words: columns."""
    topics, alpha = list(words), own["alpha_time"]
    found: list[list[np.ndarray]] = [[] for _ in topics]
    for period in range(len(alpha)):
        beta = beta_at({**own, "alpha_time": alpha[period : period + 1, topics]}, 0)
        for path, row, topic in zip(found, beta, topics, strict=True):
            path.append(row[list(words[topic])])
    return {topic: np.stack(path) for topic, path in zip(topics, found, strict=True)}


TOPICS_HEADER = ("topic", "period", "documents", "share", "share_low", "share_high", "words")
MOVING_HEADER = ("topic", "word", "direction", "early", "late")


def topic_rows(found: OverTime, vocab: Sequence[str]) -> Iterator[list[object]]:
    """The rows of topics_time.csv: topic by topic, period by period. No share where a period has no documents."""
    for topic in range(found.shares.mean.shape[1]):
        for period, name in enumerate(found.axis.names):
            figures = (x[period, topic] for x in found.shares)
            cells = ["" if np.isnan(x) else f"{x:.6f}" for x in figures]
            words = " ".join(vocab[j] for j in found.words[period, topic])
            yield [topic, name, int(found.documents[period]), *cells, words]


def moving_rows(found: OverTime, vocab: Sequence[str]) -> Iterator[list[object]]:
    """The rows of words_time.csv: of each topic the words that rise and those that fall."""
    for topic in range(len(found.early)):
        for j, early, late in found.moving(topic):
            yield [topic, vocab[j], "rises" if late > early else "falls", f"{early:.6f}", f"{late:.6f}"]
