"""The export folder, in formats that any program can read: text, CSV, numpy and scipy arrays, no pickle."""

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from etm_jax.corpus.types import Corpus
from etm_jax.models.topic_arrays import TopicArrays
from etm_jax.results import group_words
from etm_jax.results.doc_table import document_rows, header
from etm_jax.results.over_time import MOVING_HEADER, TOPICS_HEADER, moving_rows, over_time, topic_rows
from etm_jax.results.seed_comparison import SeedComparison, SeedResult
from etm_jax.results.summary import Summary
from etm_jax.training.run_record import RunRecord
from etm_jax.util.console import track
from etm_jax.util.npz import save_sparse
from etm_jax.util.own_files import replace_own_files
from etm_jax.util.tables import TableWriter

ARRAYS = ("beta", "theta_train", "theta_valid", "theta_test", "theta_test_h1")
"""Arrays that every kind of model exports, besides its own."""

OF_EVERY_EXPORT = ("vocab.txt", "topics.csv", "beta.npy", "theta_train.npy", "train.npz", "test_h1.npz", "test_h2.npz")
"""Files that an export of any version has. A folder with all of them is one, though it may have no digests."""


def write_export(
    folder: Path,
    model: TopicArrays,
    corpus: Corpus,
    summary: Summary,
    seeds: SeedComparison | None = None,
    names: Sequence[str] = (),
    record: RunRecord | None = None,
) -> None:
    """Write the export to `folder`, in place of what was written there before. Arrays that the kind of model lacks
    have no file.

    Where groups of documents have words of their own, content_words.csv has a row for each topic and group.

    seeds: for a run of several seeds, of which `model` is the best; seeds.csv has a row for each of them. names: of
    the K topics, "" for those without; where one has a name, topics.csv has the column too, and doc_topics.csv has the
    name in the heads of its columns. `doc_table` says what doc_topics.csv holds. record: of the run, for a model whose
    topics move over time (`etm_jax.results.over_time`): topics_time.csv, words_time.csv and beta_time.npy.
    """
    vocab = corpus.vocabulary.words
    parts = (corpus.train, corpus.valid, corpus.test, corpus.left)
    num_documents = sum(len(documents) for documents in parts if documents is not None)
    with replace_own_files(folder, of_before=all((folder / name).is_file() for name in OF_EVERY_EXPORT)) as new:
        (new / "vocab.txt").write_text("".join(word + "\n" for word in vocab), encoding="utf-8")
        arrays = {name: getattr(model, name) for name in ARRAYS} | dict(model.own)
        for name, values in arrays.items():
            np.save(new / f"{name}.npy", np.asarray(values, np.float32))
        counts: dict[str, sp.csr_matrix] = {
            "train": corpus.train.counts,
            "valid": corpus.valid.counts,
            "test_h1": corpus.test_h1,
            "test_h2": corpus.test_h2,
        }
        for name, matrix in counts.items():
            save_sparse(new / f"{name}.npz", matrix)
        share = summary.share
        by_share = np.argsort(-share, kind="stable")
        _write_csv(
            new / "topics.csv",
            ["topic", "share", "words", "npmi", *(["name"] if any(names) else [])],
            (
                [
                    k,
                    _Figure(share[k]),
                    " ".join(vocab[j] for j in summary.words[k]),
                    _Figure(summary.npmi[k]),
                    *([names[k]] if any(names) else []),
                ]
                for k in by_share
            ),
        )
        if model.shifts:
            np.save(new / f"{group_words.NAME}.npy", np.asarray(model.shifts.values, np.float32))
            by_group = group_words.content_rows(model.shifts, model.beta, by_share.tolist(), vocab)
            _write_csv(new / group_words.TABLE, group_words.HEADER, by_group)
        if seeds:
            _write_csv(new / "seeds.csv", list(SeedResult._fields), map(_seed_cells, seeds.rows))
        if record and (found := over_time(record, model, corpus, new)):
            _write_csv(new / "topics_time.csv", list(TOPICS_HEADER), topic_rows(found, vocab))
            _write_csv(new / "words_time.csv", list(MOVING_HEADER), moving_rows(found, vocab))
        rows = track(document_rows(model, corpus), "doc_topics.csv", total=num_documents, unit="documents")
        with _csv(new / "doc_topics.csv", header(names or [""] * len(model.beta), corpus.metadata.names)) as table:
            for row in rows:
                table.write(row.cells, row.theta, row.meta)


class _Figure(float):
    """A number that is written with six decimals."""

    def __str__(self) -> str:
        return f"{self:.6f}"

    __repr__ = __str__


def _seed_cells(row: SeedResult) -> list[object]:
    """The cells of a seed's row; empty where a metric is nan."""
    return [("" if math.isnan(x) else _Figure(x)) if isinstance(x, float) else x for x in row]


@contextmanager
def _csv(path: Path, header: list[str]) -> Iterator[TableWriter]:
    # With a byte order mark spreadsheets read UTF-8; without it they garble Chinese words.
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        yield TableWriter(file, header)


def _write_csv(path: Path, header: list[str], rows: Iterable[list[object]]) -> None:
    with _csv(path, header) as table:
        for row in rows:
            table.write(row)
