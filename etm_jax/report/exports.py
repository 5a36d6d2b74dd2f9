"""A run's topics in formats of other tools: pyLDAvis, topicwizard, the TensorFlow Projector, Parquet."""

import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from etm_jax.metrics.topics import npmi_coherence, top_words, topic_shares
from etm_jax.models.topic_edit import topic_columns
from etm_jax.report.page.html import json_in_page
from etm_jax.results.run import Run
from etm_jax.util.digests import FolderDigests
from etm_jax.util.errors import UserError
from etm_jax.util.files import DAMAGED, write_lines
from etm_jax.util.npz import save_sparse
from etm_jax.util.reading import read_array, read_object, read_sparse
from etm_jax.util.tables import TableWriter
from etm_jax.vectors.file import spelled

TOPICWIZARD_FILES = (
    "topic_data.json", "document_term_matrix.npz", "document_topic_matrix.npy", "topic_term_matrix.npy"
)  # fmt: skip


def topic_names(run: Run) -> list[str]:
    """Names of topics such as `12 两岸 台湾 统一`: the number and the first three words."""
    words = run.corpus.vocabulary.words
    return [f"{k} {' '.join(words[j] for j in row)}" for k, row in enumerate(top_words(run.model.beta, 3))]


def write_parquet(run: Run, names: Sequence[str], folder: Path) -> None:
    """Write topics.parquet and doc_topics.parquet.

    topics.parquet has the columns topic, share, words and npmi, and name where a topic has one; doc_topics.parquet
    document, split, tokens, those of `topic_columns`, and the fields of the metadata. names: of the K topics, "" for
    those without.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    beta, train, words = run.model.beta, run.corpus.train.counts, run.corpus.vocabulary.words
    top = top_words(beta, 10)
    topics = {
        "topic": np.arange(len(beta), dtype=np.int32),
        "share": topic_shares(run.model.theta_train, train),
        "words": [[words[j] for j in row] for row in top],
        "npmi": npmi_coherence(top, train),
    } | ({"name": list(names)} if any(names) else {})
    pq.write_table(pa.table(topics), folder / "topics.parquet")
    every, theta = run.corpus.all_documents(), run.model.theta
    documents = {
        "document": every.ids,
        "split": [name for name in ("train", "valid", "test") for _ in getattr(run.corpus, name).ids],
        "tokens": np.asarray(every.counts.sum(axis=1)).ravel(),
    } | dict(zip(topic_columns(names), theta.T, strict=True))
    for name, values in every.meta.items():
        documents[name] = [value or None for value in values]
    pq.write_table(pa.table(documents), folder / "doc_topics.parquet")


def write_projector(run: Run, folder: Path) -> None:
    """Write ρ and α for the TensorFlow Projector, tensors.tsv and metadata.tsv, and each in word2vec's text format.

    There a blank in a word is ▁ (U+2581), as in SentencePiece, since readers part lines at blanks.
    Raises UserError where the model has no embeddings.
    """
    rho, alpha = run.model.rho, run.model.alpha
    if rho is None or alpha is None:
        kind = run.record.config.model.kind
        raise UserError(f"--projector needs embeddings, which --model={kind} does not have; leave it out")
    words, names = run.corpus.vocabulary.words, topic_names(run)
    of_word = run.model.beta.argmax(axis=0)
    frequency = run.corpus.vocabulary.term_freq
    write_lines(folder / "tensors.tsv", ("\t".join(f"{x:.6g}" for x in row) for row in np.concatenate([alpha, rho])))
    with (folder / "metadata.tsv").open("w", encoding="utf-8", newline="") as file:
        about = TableWriter(file, ("label", "kind", "topic", "count"), "\t")
        for k, name in enumerate(names):
            about.write((name, "topic", k, ""))
        for j, word in enumerate(words):
            about.write((word, "word", of_word[j], frequency[j]))
    for name, labels, rows in (
        ("rho", map(spelled, words), rho),
        ("alpha", [n.replace(" ", "_") for n in names], alpha),
    ):
        lines = (f"{label} {' '.join(f'{x:.6g}' for x in row)}" for label, row in zip(labels, rows, strict=True))
        write_lines(folder / f"{name}.vec", [f"{len(rows)} {rows.shape[1]}", *lines])


def write_topicwizard(run: Run, folder: Path) -> None:
    """Write the fields of topicwizard's TopicData in open formats, which `topic_data` reads."""
    every = run.corpus.all_documents()
    texts = [f"{name}: {first}" for name, first in zip(every.ids, every.first_words, strict=True)]
    about = {"corpus": texts, "vocab": run.corpus.vocabulary.words, "topic_names": topic_names(run)}
    (folder / "topic_data.json").write_text(json.dumps(about), encoding="ascii")
    save_sparse(folder / "document_term_matrix.npz", every.counts)
    np.save(folder / "document_topic_matrix.npy", run.model.theta.astype(np.float32))
    np.save(folder / "topic_term_matrix.npy", run.model.beta.astype(np.float32))


def topic_data(folder: str | Path) -> dict[str, Any]:
    """The argument of `topicwizard.visualize(topic_data=…)`, from a folder that `--topicwizard` wrote.

    Parameters
    ----------
    folder : str or Path
        The folder `topicwizard` beside the page.

    Returns
    -------
    dict
        The fields of TopicData, with D documents, V words and K topics: document_term_matrix [D, V] CSR,
        document_topic_matrix [D, K], topic_term_matrix [K, V]. document_representation is θ, so that the map shows
        documents by their topics; transform is None, so that new documents cannot be added.

    Raises
    ------
    UserError
        If the folder is not one that `--topicwizard` wrote.
    """
    folder = Path(folder).expanduser()
    try:
        FolderDigests(folder).check(*TOPICWIZARD_FILES)
        about = read_object(folder / "topic_data.json")
        texts, words, names = about["corpus"], np.array(about["vocab"]), about["topic_names"]
        theta = read_array(folder / "document_topic_matrix.npy")
        beta = read_array(folder / "topic_term_matrix.npy")
        counts = sp.csr_matrix(read_sparse(folder / "document_term_matrix.npz"))
    except DAMAGED as error:
        raise UserError(f"{folder} is not what etm_jax.report --topicwizard writes ({error}); run it again") from error
    return {
        "corpus": texts,
        "vocab": words,
        "document_term_matrix": counts,
        "document_topic_matrix": theta,
        "topic_term_matrix": beta,
        "document_representation": theta,
        "transform": None,
        "topic_names": names,
    }


def pyldavis_arguments(run: Run) -> dict[str, Any]:
    """The arguments of `pyLDAvis.prepare`.

    topic_term_dists [K, V] and doc_topic_dists [D, K], of the documents that are not empty. pyLDAvis' default map fails
    on current numpy; mds="mmds" works.
    """
    counts, theta = run.corpus.all_documents().counts, run.model.theta
    kept = np.flatnonzero(np.diff(counts.indptr))
    theta = theta[kept].astype(np.float64)
    beta = run.model.beta.astype(np.float64)
    return {
        "topic_term_dists": beta / beta.sum(axis=1, keepdims=True),
        "doc_topic_dists": theta / theta.sum(axis=1, keepdims=True),
        "doc_lengths": np.asarray(counts[kept].sum(axis=1)).ravel(),
        "vocab": run.corpus.vocabulary.words,
        "term_frequency": np.asarray(counts.sum(axis=0)).ravel(),
        "mds": "mmds",
    }


def write_pyldavis(run: Run, folder: Path) -> None:
    """Write prepare.json, the arguments, and pyldavis.html, the page that pyLDAvis makes from them."""
    import pyLDAvis

    class Escaped(pyLDAvis.PreparedData):
        """What pyLDAvis puts into its page, where it would stand as it is."""

        def to_json(self) -> str:
            return json_in_page(super().to_json())

    arguments = pyldavis_arguments(run)
    plain = {name: x.tolist() if isinstance(x, np.ndarray) else x for name, x in arguments.items()}
    (folder / "prepare.json").write_text(json.dumps(plain, ensure_ascii=False), encoding="utf-8")
    # Topics keep their numbers; by default pyLDAvis renumbers them by share, from 1.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # from scikit-learn, on how pyLDAvis calls it
        prepared = pyLDAvis.prepare(**arguments, sort_topics=False, start_index=0, n_jobs=1)
    (folder / "pyldavis.html").write_text(pyLDAvis.prepared_data_to_html(Escaped(*prepared)), encoding="utf-8")
