"""A folder of shards as a corpus: what fits into memory, and a stream of the rest."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from etm_jax.corpus.shards.manifest import VOCABULARY, Manifest
from etm_jax.corpus.shards.reading import Stream
from etm_jax.corpus.shards.records import check_installed, damaged, read_records
from etm_jax.corpus.shards.rows import TEXT, Rows, joined
from etm_jax.corpus.store.cache import vocabulary_from_json
from etm_jax.corpus.store.packed import PackedTexts
from etm_jax.corpus.types import Corpus, Documents, Vocabulary
from etm_jax.corpus.words.split import halves
from etm_jax.corpus.words.text_starts import commonest_words
from etm_jax.util.errors import UserError
from etm_jax.util.files import DAMAGED
from etm_jax.util.reading import read_object

MAX_EVAL_DOCUMENTS = 100_000
"""Validation documents, and test documents, that are read into memory at most."""

SAMPLE = 200_000
"""Training documents that are read into memory at most, for word vectors, the start of topics, and coherence."""

MAX_DOCUMENTS = {"train": SAMPLE, "valid": MAX_EVAL_DOCUMENTS, "test": MAX_EVAL_DOCUMENTS}
"""Documents of each part that are read into memory at most."""


def read_corpus(folder: Path, texts: bool = False) -> Corpus:
    """The corpus in a folder of shards.

    `train` is a sample of at most `SAMPLE` training documents, and `stream` has all of them. Of validation and test
    documents, at most `MAX_EVAL_DOCUMENTS` each are read. Documents are in the order of their keys, which is random, so
    that the first ones are a fair sample. Their most frequent words stand in place of first words. texts: whether to
    read the beginnings of their texts, if the folder has them. Raises UserError where a file is missing or damaged.
    """
    check_installed()
    manifest = Manifest.read(folder)
    manifest.check_files(folder)
    vocabulary = read_vocabulary(folder, manifest)
    parts = {name: _documents(folder, manifest, name, most, vocabulary, texts) for name, most in MAX_DOCUMENTS.items()}
    test_h1, test_h2 = halves(parts["test"].counts, manifest.settings["split_seed"])
    return Corpus(
        name=str(folder),
        digest=manifest.digest,
        vocabulary=vocabulary,
        train=parts["train"],
        valid=parts["valid"],
        test=parts["test"],
        test_h1=test_h1,
        test_h2=test_h2,
        report=manifest.report,
        stream=Stream(folder, manifest),
        metadata=manifest.metadata,
    )


def read_vocabulary(folder: Path, manifest: Manifest) -> Vocabulary:
    """The vocabulary of the folder. Raises UserError where it is damaged, or not that of the manifest."""
    path = folder / VOCABULARY
    try:
        vocabulary = vocabulary_from_json(read_object(path))
    except DAMAGED as error:
        raise damaged(path, error) from error
    if vocabulary.hash != manifest.vocabulary_hash or len(vocabulary) != manifest.num_words:
        raise UserError(f"{path} is not that of {folder}; restore it from a backup, or prepare the corpus again")
    return vocabulary


def blocks_of_shard(path: Path, num_words: int) -> Iterator[Rows]:
    """The blocks of a shard in order. Raises UserError where it is damaged, or of other than `num_words` words."""
    for record in read_records(path):
        try:
            rows = Rows.from_bytes(record)
        except ValueError as error:
            raise damaged(path, error) from error
        if rows.counts.shape[1] != num_words:
            found = rows.counts.shape[1]
            raise damaged(path, ValueError(f"its vocabulary has {found} words instead of {num_words}"))
        yield rows


def _documents(
    folder: Path, manifest: Manifest, part: str, most: int, vocabulary: Vocabulary, texts: bool
) -> Documents:
    """The first documents of a part, at most `most`, from its shards in order."""
    blocks: list[Rows] = []
    left = min(most, manifest.parts[part].total("documents"))
    for path in manifest.paths(folder, part):
        if not left:
            break
        for rows in blocks_of_shard(path, len(vocabulary)):
            kept = rows if texts else rows.without(TEXT)
            blocks.append(kept.take(np.arange(min(left, len(kept)))))
            left -= len(blocks[-1])
            if not left:
                break
    if not blocks:
        none = PackedTexts.of([])
        return Documents(
            Rows.none(len(vocabulary)).counts, none, none, dict.fromkeys(manifest.metadata.names, none), none
        )
    rows = joined(blocks)
    try:
        meta = {name: rows.labels[name] for name in manifest.metadata.names}
    except KeyError as error:
        raise UserError(f"{folder} lacks the metadata field {error}; prepare the corpus again") from error
    first_words = PackedTexts.of(commonest_words(rows.counts, vocabulary.words))
    return Documents(rows.counts, rows.ids, first_words, meta, rows.labels.get(TEXT))
