"""A run's corpus and topics as the datasets of other programs: OCTIS, TopMost, UCI, lda-c, Matrix Market.

`etm_jax.corpus.readers` reads each of them. Documents are those of the run, for training, validation and test in this
order; a blank in a word is ▁, as these forms part words at blanks.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from etm_jax.corpus.readers.labelled import LABEL
from etm_jax.corpus.readers.peer_folders import OCTIS_PARTS
from etm_jax.corpus.types import Documents
from etm_jax.metrics.evaluator import TOP_WORDS
from etm_jax.metrics.topics import top_words
from etm_jax.results.run import Run
from etm_jax.util.files import write_lines
from etm_jax.util.npz import save_arrays, save_sparse
from etm_jax.vectors.file import spelled

DIMENSIONS = 200
"""Of the word vectors that TopMost's own preprocessing writes, for a model that has none."""


def write_octis(run: Run, folder: Path) -> None:
    """Write the dataset folder, and model_output.npz, which `octis.models.model.load_model_output` reads.

    Labels are the values of the metadata field `LABEL`. model_output.npz holds topic-word-matrix [K, V],
    topic-document-matrix [K, D] of the training documents, test-topic-document-matrix [K, T] and topics [K, 10].
    """
    words, beta = _words(run), run.model.beta
    rows: list[str] = []
    for part, ours in OCTIS_PARTS.items():
        documents = getattr(run.corpus, ours)
        texts = _texts(documents.counts, words)
        rows += ["\t".join([_cell(text), part, *_label(documents, i)]) for i, text in enumerate(texts)]
    write_lines(folder / "corpus.tsv", rows)
    write_lines(folder / "vocabulary.txt", words)
    about = {"total_documents": len(rows), "vocabulary_length": len(words)}
    (folder / "metadata.json").write_text(json.dumps(about), encoding="ascii")
    output: dict[str, Any] = {
        "topic-word-matrix": beta,
        "topic-document-matrix": run.model.theta_train.T,
        "test-topic-document-matrix": run.model.theta_test.T,
        "topics": np.array([[words[j] for j in row] for row in top_words(beta, TOP_WORDS)]),
    }
    save_arrays(folder / "model_output.npz", **output)


def write_topmost(run: Run, folder: Path) -> None:
    """Write the dataset folder, validation documents among those for training, as TopMost has no such part.

    Labels are numbers there: the lines of label_names.txt, from 0. word_embeddings.npz is ρ; of a model without
    embeddings it is zeros, as TopMost has them for words without a vector: it reads no folder that lacks the file.
    """
    words, corpus = _words(run), run.corpus
    levels = sorted({label for part in (corpus.train, corpus.valid, corpus.test) for label in part.meta.get(LABEL, ())})
    for name, parts in (("train", (corpus.train, corpus.valid)), ("test", (corpus.test,))):
        counts = sp.csr_matrix(sp.vstack([part.counts for part in parts]))
        save_sparse(folder / f"{name}_bow.npz", counts)
        write_lines(folder / f"{name}_texts.txt", _texts(counts, words))
        if levels:
            labels = (levels.index(label) for part in parts for label in part.meta[LABEL])
            write_lines(folder / f"{name}_labels.txt", map(str, labels))
    write_lines(folder / "vocab.txt", words)
    if levels:
        write_lines(folder / "label_names.txt", levels)
    rho = np.zeros((len(words), DIMENSIONS), np.float32) if run.model.rho is None else run.model.rho
    save_sparse(folder / "word_embeddings.npz", sp.csr_matrix(rho))


def write_uci(run: Run, folder: Path) -> None:
    """Write docword.corpus.txt and vocab.corpus.txt."""
    counts = run.corpus.all_documents().counts
    head = [str(number) for number in (*counts.shape, counts.nnz)]
    write_lines(folder / "docword.corpus.txt", [*head, *_triples(counts)])
    write_lines(folder / "vocab.corpus.txt", _words(run))


def write_ldac(run: Run, folder: Path) -> None:
    """Write corpus.dat and vocab.txt."""
    counts = run.corpus.all_documents().counts
    rows = (counts[i] for i in range(counts.shape[0]))
    pairs = ([f"{j}:{n}" for j, n in zip(row.indices, row.data, strict=True)] for row in rows)
    write_lines(folder / "corpus.dat", (" ".join([str(len(row)), *row]) for row in pairs))
    write_lines(folder / "vocab.txt", _words(run))


def write_market(run: Run, folder: Path) -> None:
    """Write corpus.mm, documents by words, and vocab.txt."""
    counts = run.corpus.all_documents().counts
    # gensim's MmCorpus reads no other field than real.
    head = ["%%MatrixMarket matrix coordinate real general", f"{counts.shape[0]} {counts.shape[1]} {counts.nnz}"]
    write_lines(folder / "corpus.mm", [*head, *_triples(counts)])
    write_lines(folder / "vocab.txt", _words(run))


def _words(run: Run) -> list[str]:
    return [spelled(word) for word in run.corpus.vocabulary.words]


def _texts(counts: sp.csr_matrix, words: list[str]) -> Iterator[str]:
    """Each word as often as a document holds it; the order of the text is not in its counts."""
    for i in range(counts.shape[0]):
        row = counts[i]
        yield " ".join(words[j] for j, n in zip(row.indices, row.data, strict=True) for _ in range(n))


def _triples(counts: sp.csr_matrix) -> Iterator[str]:
    entries = counts.tocoo()
    return (f"{i + 1} {j + 1} {n}" for i, j, n in zip(entries.row, entries.col, entries.data, strict=True))


def _cell(text: str) -> str:
    """A text as a field of corpus.tsv, which OCTIS reads and writes by pandas.

    Quotes are doubled inside quotes. A blank behind a text of one word or none tells it from what pandas takes for a
    missing value, such as nan and null.
    """
    return _quoted(text if " " in text else f"{text} ")


def _quoted(field: str) -> str:
    return '"' + field.replace('"', '""') + '"' if '"' in field else field


def _label(documents: Documents, row: int) -> list[str]:
    # A tab would be another column.
    return [_quoted(" ".join(documents.meta[LABEL][row].split()))] if LABEL in documents.meta else []
