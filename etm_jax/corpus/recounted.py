"""New documents that come as counts, of a corpus of counts or of shards: their words in the columns of a model."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from etm_jax.corpus.fields import Fields
from etm_jax.corpus.shards.folder import blocks_of_shard, read_vocabulary
from etm_jax.corpus.shards.manifest import Manifest
from etm_jax.corpus.shards.records import check_installed
from etm_jax.corpus.shards.rows import TEXT, Rows, joined
from etm_jax.corpus.types import Counted, Vocabulary
from etm_jax.corpus.words.segment import DOCUMENTS_AT_ONCE
from etm_jax.util.errors import UserError


class CountedDocuments(NamedTuple):
    """Some documents over a model's V words. ids: D of them; counts: [D, V] CSR int32.

    tokens: [D] int64, a document's words in all, those that are not the model's included. meta: by field, D values.
    texts: of the D documents, as they were read; None where they came as counts.
    """

    ids: list[str]
    counts: sp.csr_matrix
    tokens: np.ndarray
    meta: dict[str, list[str]]
    texts: list[str] | None = None

    @property
    def unknown(self) -> np.ndarray:
        """The share of a document's words that the model does not know: [D] float64; 1 of a document without words."""
        return 1 - _row_sums(self.counts) / np.maximum(self.tokens, 1)


def recounted(given: Counted, vocabulary: Vocabulary, fields: Fields) -> Iterator[CountedDocuments]:
    """A corpus of counts: its words by their names in the columns of the model."""
    moved = _moved(given.words, vocabulary)
    parts = {"train": given.train, "valid": given.valid, "test": given.test_h1 + given.test_h2}
    for name, counts in parts.items():
        for start in range(0, counts.shape[0], DOCUMENTS_AT_ONCE):
            some = counts[start : start + DOCUMENTS_AT_ONCE]
            places = range(start, start + some.shape[0])
            names = given.names.get(name)
            ids = [names[i] if names else f"{name}-{i}" for i in places]
            own = {field: [values[i] for i in places] for field, values in given.meta.get(name, {}).items()}
            yield _documents(ids, some, moved, own, fields)


def recounted_shard(path: Path, vocabulary: Vocabulary, fields: Fields) -> Iterator[CountedDocuments]:
    """The documents of a shard that `etm_jax.prepare` wrote, beside which the vocabulary of its folder lies.

    Their words in all are those that preparing has kept. Raises UserError where a file is damaged.
    """
    words = _words(path.parent)
    moved = _moved(words, vocabulary)
    for rows in _together(block.without(TEXT) for block in blocks_of_shard(path, len(words))):
        yield _documents(list(rows.ids), rows.counts, moved, rows.labels, fields)


def _together(blocks: Iterable[Rows]) -> Iterator[Rows]:
    """Blocks of a shard, as many joined as have DOCUMENTS_AT_ONCE.

    That is the same whoever reads them, as all blocks but the last are of one size.
    """
    held: list[Rows] = []
    for block in blocks:
        held.append(block)
        if sum(map(len, held)) >= DOCUMENTS_AT_ONCE:
            yield joined(held)
            held = []
    if held:
        yield joined(held)


def check_shards(folder: Path, fields: Fields) -> Manifest:
    """What a folder of shards holds. Raises UserError where it is damaged, or lacks one of the fields, or
    packages are missing."""
    check_installed()
    manifest = Manifest.read(folder)
    manifest.check_files(folder)
    read_vocabulary(folder, manifest)
    if absent := [name for name in fields.of_corpus if name not in manifest.metadata.names]:
        there = ", ".join(manifest.metadata.names) or "none"
        raise UserError(
            f"--meta_fields: {', '.join(absent)} cannot be in {folder}, which was prepared with the fields {there}; "
            "give a table of them as --meta=FILE, with a column document"
        )
    return manifest


@lru_cache(maxsize=1)
def _words(folder: Path) -> Sequence[str]:
    """The words of a folder of shards, which hardly ever change while its shards are read one after the other."""
    return read_vocabulary(folder, Manifest.read(folder)).words


def _moved(words: Iterable[str], vocabulary: Vocabulary) -> sp.csr_matrix:
    """[W, V] int32: 1 where a word of W is the model's."""
    column = {word: j for j, word in enumerate(vocabulary.words)}
    words = list(words)
    known = [(i, column[word]) for i, word in enumerate(words) if word in column]
    rows, cols = np.array(known, np.int64).reshape(-1, 2).T
    return sp.csr_matrix((np.ones(len(rows), np.int32), (rows, cols)), shape=(len(words), len(vocabulary)))


def _documents(
    ids: list[str], counts: sp.csr_matrix, moved: sp.csr_matrix, own: Mapping[str, Sequence[str]], fields: Fields
) -> CountedDocuments:
    """Documents with these counts [D, W]. own: by field, D values of the corpus itself."""
    over_ours = sp.csr_matrix(counts @ moved, dtype=np.int32)
    over_ours.sort_indices()
    taken = {name: own[name] for name in fields.of_corpus if name in own}
    return CountedDocuments(ids, over_ours, _row_sums(counts), fields.columns(taken, ids))


def _row_sums(counts: sp.csr_matrix) -> np.ndarray:
    """Words of each document: [D, W] → [D] int64. By a product, which takes a fifth of the time of scipy's own sum."""
    return np.asarray(counts @ np.ones(counts.shape[1], np.int64)).astype(np.int64)
