"""What is known of documents without their words: sums that can be added in any order."""

import hashlib
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
from etm_jax.util.errors import UserError


@dataclass
class Summary:
    """Of some documents before anything is left out. parts: documents drawn for each of `PARTS`; lengths: how many
    documents have so many tokens; contents: the SHA-256 of each file that was read to its end, by its name.

    meta: of each field, what its values are in the documents to train on; joined: documents in the table of --meta.
    """

    parts: list[int] = field(default_factory=lambda: [0] * len(PARTS))
    lengths: Counter[int] = field(default_factory=Counter)
    contents: dict[str, str] = field(default_factory=dict)
    meta: dict[str, ValueTally] = field(default_factory=dict)
    joined: int = 0

    @property
    def docs(self) -> int:
        """Documents."""
        return sum(self.parts)

    @property
    def tokens(self) -> int:
        """Tokens."""
        return sum(length * docs for length, docs in self.lengths.items())

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return vars(self) | {
            "lengths": as_pairs(self.lengths),
            "meta": {name: tally.to_json() for name, tally in self.meta.items()},
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Summary":
        """The inverse of `to_json`."""
        meta = {name: ValueTally.from_json(tally) for name, tally in values.get("meta", {}).items()}
        return cls(**{**values, "lengths": from_pairs(values["lengths"]), "meta": meta})


def summarize(block: Block, job: Job) -> Summary:
    """Of a block."""
    parts = np.bincount(block.parts, minlength=len(PARTS)).tolist()
    fields, to_train = fields_of(job.config), np.flatnonzero(block.parts == TRAIN)
    meta = {name: ValueTally.of(block.rows.labels[name].take(to_train)) for name in fields.names}
    joined = sum(map(fields.has_row, block.rows.ids)) if fields.file else 0
    return Summary(parts, histogram(block.rows.tokens), meta=meta, joined=joined)


def contents_of(file: InputFile) -> Summary:
    """Of no document: the SHA-256 of a file. Raises UserError where it is not the one that was found."""
    try:
        with file.path.open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
        now = file.path.stat()
    except OSError as error:
        raise UserError(f"{file.path} cannot be read: {error.strerror}; check its permissions") from error
    if (now.st_size, now.st_mtime_ns) != (file.size, file.changed):
        raise UserError(f"{file.path} changed while it was read; give the command again when it is written no more")
    return Summary(contents={file.name: digest})


def add_up(summaries: Iterable[Summary]) -> Summary:
    """Of all their documents."""
    total = Summary()
    for one in summaries:
        total.parts = [a + b for a, b in zip(total.parts, one.parts, strict=True)]
        total.lengths.update(one.lengths)
        total.contents |= one.contents
        total.joined += one.joined
        for name, tally in one.meta.items():
            total.meta.setdefault(name, ValueTally()).add(tally)
    return total
