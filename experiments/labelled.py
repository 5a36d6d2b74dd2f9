"""Labelled corpora: counts as others publish them, made into a corpus that every model is fitted to.

A corpus is a folder with train_bow.npz and test_bow.npz, [documents, V] in CSR; train_labels.txt and test_labels.txt, a
document a line; vocab.txt; and, where its source has them, train_texts.txt, test_texts.txt and word2vec.npz [V, L].
"""

import tempfile
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from etm_jax.corpus.types import TokenStream
from etm_jax.util.errors import UserError

SETS = {
    "infoctm_ECNews_cn": "ECNews, Chinese",
    "infoctm_ECNews_en": "ECNews, English",
    "ecrtm_AGNews": "AG News",
    "octis_BBC_News": "BBC News",
    "ecrtm_20NG": "20 Newsgroups, 5,000 words",
    "topmost_NYT": "New York Times (not chosen on)",
}
"""What tables call a corpus, by the name of its folder. Nothing of ours is chosen on the last."""

VALID_EVERY = 20
"""Of the training documents, those set aside for validation."""


class Labels(NamedTuple):
    """A label for each training document and each test document of a built corpus."""

    train: np.ndarray
    test: np.ndarray


def check_source(source: Path) -> None:
    """Raise UserError where a labelled corpus lacks a file."""
    for name in ("train_bow.npz", "test_bow.npz", "train_labels.txt", "test_labels.txt", "vocab.txt"):
        _there(source / name)


def build(source: Path, out: Path) -> None:
    """Make the corpus of `source` into a folder that --corpus reads, with labels and texts beside the counts.

    Every twentieth training document is for validation. Documents without a word are left out, and test documents of
    one word; the words of the others are halved by chance, from seed 0. What is there already is left as it is. Raises
    UserError where a file is missing or does not go with the others.
    """
    if out.is_dir():
        return
    counts = {part: _counts(source / f"{part}_bow.npz") for part in ("train", "test")}
    filled = np.flatnonzero(counts["train"].sum(axis=1))
    rows = {
        "train": np.delete(filled, np.s_[::VALID_EVERY]),
        "test": np.flatnonzero(counts["test"].sum(axis=1) > 1),
    }
    first, second = _halves(counts["test"][rows["test"]])
    matrices = {
        "train": counts["train"][rows["train"]],
        "valid": counts["train"][filled[::VALID_EVERY]],
        "test_h1": first,
        "test_h2": second,
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent) as unfinished:
        made = Path(unfinished) / "corpus"
        made.mkdir()
        for name, matrix in matrices.items():
            sp.save_npz(made / f"{name}.npz", matrix)
        _write(made / "vocab.txt", _lines(source / "vocab.txt", counts["train"].shape[1]))
        has_texts = all((source / f"{part}_texts.txt").is_file() for part in rows)
        for part, chosen in rows.items():
            for kind in ("labels", "texts"):
                file = source / f"{part}_{kind}.txt"
                if kind == "labels" or has_texts:
                    lines = _lines(file, counts[part].shape[0])
                    _write(made / f"{kind}_{part}.txt", [lines[row] for row in chosen])
        if (source / "word2vec.npz").is_file():
            np.save(made / "word_vectors.npy", sp.load_npz(source / "word2vec.npz").toarray())
        made.rename(out)


def _counts(file: Path) -> sp.csr_matrix:
    return sp.csr_matrix(sp.load_npz(_there(file))).astype(np.int32)


def _halves(counts: sp.csr_matrix) -> tuple[sp.csr_matrix, sp.csr_matrix]:
    """Each document's words, shuffled, the first half of them and the rest: [T, V] each."""
    rng = np.random.default_rng(0)
    documents, words = counts.shape
    lengths = np.asarray(counts.sum(axis=1)).ravel()
    starts = np.concatenate([[0], np.cumsum(lengths)])
    tokens, document = np.repeat(counts.indices, counts.data), np.repeat(np.arange(documents), lengths)
    for a, b in pairwise(starts):
        tokens[a:b] = rng.permutation(tokens[a:b])
    first = np.arange(len(tokens)) - starts[document] < lengths[document] // 2

    def of(chosen: np.ndarray) -> sp.csr_matrix:
        ones = np.ones(chosen.sum(), np.int32)
        return sp.csr_matrix((ones, (document[chosen], tokens[chosen])), (documents, words))

    return of(first), of(~first)


def _there(file: Path) -> Path:
    if not file.is_file():
        raise UserError(
            f"{file} is not there; --labelled is a folder of labelled corpora, as docs/quality.md describes; --sets "
            "chooses some"
        )
    return file


def _lines(file: Path, number: int) -> list[str]:
    lines = _there(file).read_text("utf-8").removesuffix("\n").split("\n")
    if len(lines) != number:
        raise UserError(f"{file} has {len(lines)} lines where {number} are due")
    return lines


def _write(file: Path, lines: list[str]) -> None:
    file.write_text("".join(line + "\n" for line in lines), "utf-8")


def read_labels(built: Path) -> Labels:
    """Of a folder made by `build`."""
    read = ((built / f"labels_{part}.txt").read_text("utf-8").removesuffix("\n").split("\n") for part in Labels._fields)
    return Labels(*map(np.array, read))


def training_text(built: Path) -> TokenStream | None:
    """The running text of the training documents, cut at blanks; None where the corpus came without."""
    file = built / "texts_train.txt"
    if not file.is_file():
        return None
    documents = [line.split() for line in file.read_text("utf-8").removesuffix("\n").split("\n")]
    words, ids = np.unique([word for document in documents for word in document], return_inverse=True)
    starts = np.concatenate([[0], np.cumsum([len(document) for document in documents])])
    return TokenStream(words.tolist(), ids.astype(np.int32), starts.astype(np.int64))
