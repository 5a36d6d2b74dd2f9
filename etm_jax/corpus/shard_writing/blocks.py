"""The documents of a file, segmented and counted, in blocks with a vocabulary of their own."""

from collections.abc import Iterator
from itertools import chain
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
from etm_jax.corpus.words.cleaning import CleaningTally, clean_documents
from etm_jax.corpus.words.numbering import JoinedTokens
from etm_jax.corpus.words.phrases import join_phrases
from etm_jax.corpus.words.segment import Segmented, segment_alone
from etm_jax.corpus.words.text_starts import shown_text
from etm_jax.corpus.words.tokenizer import cleaner, raw_text
from etm_jax.corpus.words.vocabulary import count_matrix

DOCUMENTS_AT_ONCE = 1 << 15
TOKENS_AT_ONCE = 1 << 22
"""Size of a block at most, apart from the documents that were cut with its last one: bounds the memory of a process,
whatever the files."""

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


def blocks_of(file: InputFile, job: Job, tally: CleaningTally | None = None) -> Iterator[Block]:
    """All documents of a file, also those without words. Raises UserError where it cannot be read or segmented.

    tally: gets what cleaning them dropped, and the number of rows without text, which are left out.
    """
    segmented = segment_alone(cleaned_documents(file, job, tally), job.config)
    number = 0
    for first in segmented:
        block = next_block(chain([first], segmented), file.name, number, job)
        yield block
        number += len(block.rows)


def cleaned_documents(file: InputFile, job: Job, tally: CleaningTally | None = None) -> Iterator[Document]:
    """The documents of a file that have text, which are numbered so, cleaned as the job says. tally: of `blocks_of`."""

    def with_text() -> Iterator[Document]:
        for document in file_documents(file.path, job.config)():
            if not document.is_blank:
                yield document
            elif tally is not None:
                tally.blank += 1

    return clean_documents(with_text(), job.config, job.advertisements, tally)


def next_block(segmented: Iterator[Segmented], name: str, number: int, job: Job) -> Block:
    """The next documents of the file `name`, as many as a block takes. number: of the first one in the file."""
    ids, stream, labels = _stream(segmented, name, job)
    words, config = sorted(stream.words), job.config
    numbers = np.arange(number, number + len(ids))
    parts, keys = draw(name, numbers, config.split_seed, config.valid_share, config.test_share)
    return Block(words, Rows(count_matrix(stream, words), ids, keys, labels), parts)


def _stream(
    segmented: Iterator[Segmented], name: str, job: Job
) -> tuple[PackedTexts, TokenStream, dict[str, PackedTexts]]:
    """Names, tokens and labels of the next documents, as many as a block takes."""
    config, fields = job.config, fields_of(job.config)
    tokens, ids = JoinedTokens(cleaner(config)), Packer()
    labels = {label: Packer() for label in (TEXT, *fields.names)}
    docs = 0
    for some in segmented:
        tokens.add(some.tokens)
        docs += len(some.documents)
        for document in some.documents:
            full_name = document.id if config.id_field else f"{name}:{document.id}"
            ids.add(full_name)
            values = (shown_text(raw_text(document, config.lang)), *fields.values(document.meta, full_name))
            for packer, value in zip(labels.values(), values, strict=True):
                packer.add(value)
        if docs >= DOCUMENTS_AT_ONCE or len(tokens) >= TOKENS_AT_ONCE:
            break
    stream = join_phrases(tokens.stream(), job.phrases)
    return ids.packed(), stream, {label: packer.packed() for label, packer in labels.items()}
