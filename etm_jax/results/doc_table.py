"""The table of documents and their topics: a row for each row of the input, in its order."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from etm_jax.corpus.types import Corpus, Documents
from etm_jax.models.topic_arrays import TopicArrays
from etm_jax.models.topic_edit import topic_columns
from etm_jax.util.decimals import six_decimals

LEAST_WEIGHT_LISTED = 0.05

ROWS_AT_ONCE = 4096
"""Documents whose θ is turned into text at once."""

BLANK, EMPTIED = "blank", "emptied"
"""In the column split: a document without text; one that the filters left with too few words."""


def header(names: Iterable[str], fields: tuple[str, ...]) -> list[str]:
    """The columns, as `document_rows` fills them. names: of the K topics, "" for those without; fields: of the
    documents' metadata."""
    return ["document", "split", "tokens", "unknown", "topics", "first_words", *topic_columns(names), *fields]


class DocumentRow(NamedTuple):
    """The cells before those of θ, θ as it is written, and the cells after it."""

    cells: list[object]
    theta: str
    meta: list[str]


def document_rows(model: TopicArrays, corpus: Corpus, numbers: Sequence[int] | None = None) -> Iterator[DocumentRow]:
    """A row a document: name, part of the split, words in all, share of them outside the vocabulary, θ, metadata.

    Rows are in the order of the input where the corpus has kept it, else train, valid, test. Documents that no part has
    stand in their places, with the prior's θ. Of a corpus that came as counts, or was kept by an earlier version,
    tokens are those of the vocabulary, and their unknown share is not known. numbers: what the topics are called in the
    list of a document's largest; by default 0 to K − 1.
    """
    parts = [
        ("train", corpus.train, model.theta_train),
        ("valid", corpus.valid, model.theta_valid),
        ("test", corpus.test, model.theta_test),
    ]
    if corpus.left is not None:
        parts.append((EMPTIED, corpus.left, np.broadcast_to(prior_of(model), (len(corpus.left), len(model.beta)))))
    figures = [_figures(documents) for _, documents, _ in parts]
    for part, i, largest, written in _in_order([part[1:] for part in parts], numbers):
        split, documents, _ = parts[part]
        tokens, unknown = figures[part]
        first = documents.first_words[i]
        if split == EMPTIED and not first:
            split = BLANK
        share = "" if unknown is None else f"{unknown[i]:.4f}"
        yield DocumentRow(
            [documents.ids[i], split, int(tokens[i]), share, largest, first],
            written,
            [values[i] for values in documents.meta.values()],
        )


def prior_of(model: TopicArrays) -> np.ndarray:
    """What is known of the topics of a document without words: [K], sums to 1."""
    num_topics = len(model.beta)
    prior = model.own.get("theta_prior", np.ones(num_topics)) if model.prior is None else model.prior
    # Topics may have been merged or dropped since.
    prior = np.asarray(prior, np.float64) if len(prior) == num_topics else np.ones(num_topics)
    return prior / prior.sum()


def largest_topics(theta: np.ndarray, numbers: Sequence[int] | None = None) -> list[str]:
    """`3:0.62 11:0.20`: the largest topic, and all of at least LEAST_WEIGHT_LISTED, by descending weight.

    theta: [D, K] → D. numbers: as of `document_rows`.
    """
    listed = theta >= LEAST_WEIGHT_LISTED
    listed[np.arange(len(theta)), theta.argmax(axis=1)] = True
    rows, topics = np.nonzero(listed)
    order = np.lexsort((topics, -theta[rows, topics], rows))
    shares = theta[rows, topics][order].tolist()
    called = topics[order] if numbers is None else np.asarray(numbers)[topics[order]]
    cells = [f"{k}:{share:.2f}" for k, share in zip(called.tolist(), shares, strict=True)]
    ends = np.cumsum(listed.sum(axis=1)).tolist()
    return [" ".join(cells[start:end]) for start, end in zip([0, *ends], ends, strict=False)]


def _in_order(
    parts: Sequence[tuple[Documents, np.ndarray]], numbers: Sequence[int] | None
) -> Iterator[tuple[int, int, str, str]]:
    """Of each document the number of its part, its row there, its `largest_topics`, and θ as text.

    parts: with θ [D, K].
    """
    part = np.repeat(np.arange(len(parts)), [len(documents) for documents, _ in parts])
    row = np.concatenate([np.arange(len(documents)) for documents, _ in parts])
    places = [documents.places for documents, _ in parts if documents.places is not None]
    order = np.argsort(np.concatenate(places), kind="stable") if len(places) == len(parts) else np.arange(len(row))
    for start in range(0, len(order), ROWS_AT_ONCE):
        some = order[start : start + ROWS_AT_ONCE]
        found: dict[int, Iterator[tuple[str, str]]] = {}
        for number in np.unique(part[some]).tolist():
            theta = parts[number][1][row[some][part[some] == number]]
            found[number] = zip(largest_topics(theta, numbers), six_decimals(theta), strict=True)
        for number, i in zip(part[some].tolist(), row[some].tolist(), strict=True):
            yield number, i, *next(found[number])


def _figures(documents: Documents) -> tuple[np.ndarray, np.ndarray | None]:
    """Tokens of each document, and the share of them that the vocabulary lacks; None where that is not known."""
    known = np.asarray(documents.counts.sum(axis=1, dtype=np.int64)).ravel()
    if documents.tokens is None:
        return known, None
    return documents.tokens, 1 - known / np.maximum(documents.tokens, 1)
