"""The documents of a file, segmented and counted, in blocks with a vocabulary of their own."""

from array import array
from collections import defaultdict
from collections.abc import Iterator
from itertools import chain, count, islice
from typing import NamedTuple

import numpy as np

from etm_jax.corpus.fields import fields_of
from etm_jax.corpus.shard_writing.job import InputFile, Job
from etm_jax.corpus.shards.arrays import pack, unpack
from etm_jax.corpus.shards.draws import draw
from etm_jax.corpus.shards.rows import TEXT, Rows
from etm_jax.corpus.sources import file_documents
from etm_jax.corpus.store.packed import PackedTexts, Packer
from etm_jax.corpus.types import Document, TokenStream
from etm_jax.corpus.words.phrases import join_phrases
from etm_jax.corpus.words.segment import raw_text, segment_alone
from etm_jax.corpus.words.text_starts import shown_text
from etm_jax.corpus.words.vocabulary import count_matrix

DOCUMENTS_AT_ONCE = 1 << 15
TOKENS_AT_ONCE = 1 << 22
"""Size of a block at most, apart from its last document: bounds the memory of a process, whatever the files."""

_KIND = b"ETMB"


class Block(NamedTuple):
    """D documents and the W words that occur in them, sorted. rows: W columns; parts: [D] uint8, of `draws.draw`."""

    words: list[str]
    rows: Rows
    parts: np.ndarray

    def to_bytes(self) -> bytes:
        """The block as a record, for `from_bytes`."""
        packed, rows = PackedTexts.of(self.words), np.frombuffer(self.rows.to_bytes(), np.uint8)
        return pack(_KIND, packed.content, packed.starts, rows, self.parts)

    @classmethod
    def from_bytes(cls, data: bytes) -> "Block":
        """The inverse of `to_bytes`. Raises ValueError where the record is damaged."""
        content, starts, rows, parts = unpack(_KIND, data)
        return cls(list(PackedTexts(content, starts)), Rows.from_bytes(rows.tobytes()), parts)


def blocks_of(file: InputFile, job: Job) -> Iterator[Block]:
    """All documents of a file, also those without words. Raises UserError where it cannot be read or segmented."""
    pairs = segment_alone(file_documents(file.path, job.config)(), job.config)
    number = 0
    for first in pairs:
        block = next_block(chain([first], pairs), file.name, number, job)
        yield block
        number += len(block.rows)


def next_block(pairs: Iterator[tuple[Document, list[str]]], name: str, number: int, job: Job) -> Block:
    """The next documents of the file `name`, as many as a block takes. number: of the first one in the file."""
    ids, stream, labels = _stream(pairs, name, job)
    words, config = sorted(stream.words), job.config
    numbers = np.arange(number, number + len(ids))
    parts, keys = draw(name, numbers, config.split_seed, config.valid_share, config.test_share)
    return Block(words, Rows(count_matrix(stream, words), ids, keys, labels), parts)


def _stream(
    pairs: Iterator[tuple[Document, list[str]]], name: str, job: Job
) -> tuple[PackedTexts, TokenStream, dict[str, PackedTexts]]:
    """Names, tokens and labels of the next documents, as many as a block takes."""
    numbers: defaultdict[str, int] = defaultdict(count().__next__)
    tokens, starts, ids = array("i"), array("q", [0]), Packer()
    config, fields = job.config, fields_of(job.config)
    labels = {label: Packer() for label in (TEXT, *fields.names)}
    for document, words in islice(pairs, DOCUMENTS_AT_ONCE):
        tokens.extend(map(numbers.__getitem__, words))
        starts.append(len(tokens))
        ids.add(full_name := f"{name}:{document.id}")
        values = (shown_text(raw_text(document, config.lang)), *fields.values(document.meta, full_name))
        for packer, value in zip(labels.values(), values, strict=True):
            packer.add(value)
        if len(tokens) >= TOKENS_AT_ONCE:
            break
    stream = TokenStream(list(numbers), np.frombuffer(tokens, np.int32), np.frombuffer(starts, np.int64))
    return ids.packed(), join_phrases(stream, job.phrases), {label: packer.packed() for label, packer in labels.items()}
