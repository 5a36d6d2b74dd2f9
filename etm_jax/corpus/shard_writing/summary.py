"""Sums over documents, which can be added in any order."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from etm_jax.corpus.fields import fields_of
from etm_jax.corpus.metadata import ValueTally
from etm_jax.corpus.shard_writing.blocks import Block
from etm_jax.corpus.shard_writing.job import InputFile, Job
from etm_jax.corpus.shards.draws import PARTS, TRAIN
from etm_jax.corpus.shards.histogram import as_pairs, from_pairs, histogram
from etm_jax.corpus.words.cleaning import CleaningTally
from etm_jax.util.digests import file_digest
from etm_jax.util.errors import UserError


@dataclass
class Summary:
    """Sums over documents, before filtering.

    parts: number of documents in each of `PARTS`. lengths: histogram of tokens a document. contents: SHA-256 of each
    file that was read completely, by name. meta: by field, statistics of its values in the training documents. joined:
    number of documents with a row in the table of --meta. cleaning: what --clean dropped, or would drop.
    """

    parts: list[int] = field(default_factory=lambda: [0] * len(PARTS))
    lengths: Counter[int] = field(default_factory=Counter)
    contents: dict[str, str] = field(default_factory=dict)
    meta: dict[str, ValueTally] = field(default_factory=dict)
    joined: int = 0
    cleaning: CleaningTally = field(default_factory=CleaningTally)

    @property
    def docs(self) -> int:
        """Number of documents."""
        return sum(self.parts)

    @property
    def tokens(self) -> int:
        """Number of tokens."""
        return sum(length * docs for length, docs in self.lengths.items())

    def to_json(self) -> dict[str, Any]:
        """The sums as plain values."""
        return vars(self) | {
            "lengths": as_pairs(self.lengths),
            "meta": {name: tally.to_json() for name, tally in self.meta.items()},
            "cleaning": self.cleaning.to_json(),
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Summary":
        """The inverse of `to_json`."""
        meta = {name: ValueTally.from_json(tally) for name, tally in values.get("meta", {}).items()}
        cleaning = CleaningTally.from_json(values["cleaning"]) if "cleaning" in values else CleaningTally()
        given = {"lengths": from_pairs(values["lengths"]), "meta": meta, "cleaning": cleaning}
        return cls(**values | given)


def summarize(block: Block, job: Job) -> Summary:
    """The sums of a block."""
    parts = np.bincount(block.parts, minlength=len(PARTS)).tolist()
    fields, to_train = fields_of(job.config), np.flatnonzero(block.parts == TRAIN)
    meta = {name: ValueTally.of(block.rows.labels[name].take(to_train)) for name in fields.names}
    joined = sum(map(fields.has_row, block.rows.ids)) if fields.file else 0
    return Summary(parts, histogram(block.rows.tokens), meta=meta, joined=joined)


def contents_of(file: InputFile) -> Summary:
    """The SHA-256 of a file, as sums of no documents. Raises UserError where it changed since it was found."""
    try:
        digest = file_digest(file.path)
        now = file.path.stat()
    except OSError as error:
        raise UserError(f"{file.path} cannot be read: {error.strerror}; check its permissions") from error
    if (now.st_size, now.st_mtime_ns) != (file.size, file.changed):
        raise UserError(f"{file.path} changed while it was read; run the command again when nothing writes to it")
    return Summary(contents={file.name: digest})


def add_up(summaries: Iterable[Summary]) -> Summary:
    """The sums of all summaries."""
    total = Summary()
    for one in summaries:
        total.parts = [a + b for a, b in zip(total.parts, one.parts, strict=True)]
        total.lengths.update(one.lengths)
        total.contents |= one.contents
        total.joined += one.joined
        total.cleaning.add(one.cleaning)
        for name, tally in one.meta.items():
            total.meta.setdefault(name, ValueTally()).add(tally)
    return total
