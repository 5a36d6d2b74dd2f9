"""Writing a shard as a file, and completing the folder of all shards."""

import dataclasses
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from etm_jax.corpus.prepare import metadata_of
from etm_jax.corpus.shard_writing.job import Job
from etm_jax.corpus.shard_writing.plan import Plan, check_joined
from etm_jax.corpus.shard_writing.sharding import in_order, into_blocks
from etm_jax.corpus.shard_writing.summary import Summary
from etm_jax.corpus.shards.draws import PARTS
from etm_jax.corpus.shards.histogram import as_pairs, from_pairs, histogram, median
from etm_jax.corpus.shards.manifest import VOCABULARY, Manifest, Part, Shard, shard_name
from etm_jax.corpus.shards.records import write_records
from etm_jax.corpus.shards.rows import Rows
from etm_jax.corpus.store.cache import vocabulary_to_json
from etm_jax.corpus.types import FilterReport, Vocabulary
from etm_jax.util.digests import file_digest
from etm_jax.util.files import replace_text


class Written(NamedTuple):
    """A shard that was written. part, number: which; nonzeros_of, lengths_of: as in `Part`."""

    part: int
    number: int
    shard: Shard
    nonzeros_of: Counter[int]
    lengths_of: Counter[int]

    def to_json(self) -> dict[str, Any]:
        """The record as plain values."""
        histograms = {name: as_pairs(getattr(self, name)) for name in ("nonzeros_of", "lengths_of")}
        return {**self._asdict(), **histograms, "shard": dataclasses.asdict(self.shard)}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Written":
        """The inverse of `to_json`."""
        histograms = {name: from_pairs(values[name]) for name in ("nonzeros_of", "lengths_of")}
        return cls(values["part"], values["number"], Shard(**values["shard"]), **histograms)


def write_shard(
    folder: Path, part: int, number: int, assigned: Sequence[Rows], plan: Plan, job: Job
) -> tuple[Written, Rows | None]:
    """Write a shard of all documents assigned to it, in the order of the inputs. The same input gives the same bytes.

    Returns the record of the shard, and the documents left over, which go to the last shard of its part.
    """
    path = folder / shard_name(PARTS[part], number, plan.shards[part])
    blocks: list[Rows] = []
    left = None
    if assigned:
        blocks, left = into_blocks(in_order(assigned), job.block_docs, is_last=number == plan.shards[part] - 1)
    write_records(path, (block.to_bytes() for block in blocks))
    none = [np.zeros(0, np.int64)]
    tokens = np.concatenate(none + [block.tokens for block in blocks])
    nonzeros = np.concatenate(none + [block.nonzeros for block in blocks])
    totals = len(tokens), int(tokens.sum()), int(nonzeros.sum())
    shard = Shard(*totals, path.stat().st_size, file_digest(path))
    return Written(part, number, shard, histogram(nonzeros), histogram(tokens)), left


def finish(work: Path, folder: Path, job: Job, plan: Plan, summary: Summary, shards: Sequence[Written]) -> Manifest:
    """Move the shards from the folder `work` to `folder`, and write the vocabulary and, last, the manifest."""
    parts = {name: Part() for name in PARTS}
    for written in sorted(shards, key=lambda one: one[:2]):
        part = parts[PARTS[written.part]]
        part.shards.append(written.shard)
        part.nonzeros_of.update(written.nonzeros_of)
        part.lengths_of.update(written.lengths_of)
    vocabulary = Vocabulary(
        plan.words,
        np.array(plan.doc_freq, np.int64),
        np.array(plan.term_freq, np.int64),
        parts["train"].total("documents"),
        job.segmenter,
        job.advertisements,
        job.phrases,
        job.config.user_words,
    )
    replace_text(folder / VOCABULARY, json.dumps(vocabulary_to_json(vocabulary)))
    manifest = Manifest(
        digest=job.digest(summary.contents),
        request=job.request,
        settings=job.settings,
        block_docs=job.block_docs,
        num_words=len(vocabulary),
        vocabulary_hash=vocabulary.hash,
        vocabulary_sha256=file_digest(folder / VOCABULARY),
        report=_report(plan, summary, parts, job),
        parts=parts,
        metadata=metadata_of(summary.meta, job.config.title_field),
    )
    check_joined(summary, job)
    summary.cleaning.give_hint()
    for name in PARTS:
        for path in manifest.paths(work, name):
            # An earlier run that was killed here has already moved it.
            if path.exists():
                path.replace(folder / path.name)
    manifest.write(folder)
    return manifest


def _report(plan: Plan, summary: Summary, parts: dict[str, Part], job: Job) -> FilterReport:
    """What filtering removed."""
    after = sum((part.lengths_of for part in parts.values()), Counter[int]())
    return FilterReport(
        docs_before=summary.docs,
        docs_after=sum(part.total("documents") for part in parts.values()),
        tokens_before=summary.tokens,
        tokens_after=sum(part.total("tokens") for part in parts.values()),
        words_before=plan.words_before,
        words_after=len(plan.words),
        median_length_before=median(summary.lengths),
        median_length_after=median(after),
        cleaned=summary.cleaning.by_rule,
        stopwords=len(job.stopwords),
        stopwords_found=plan.stopwords_found,
    )
