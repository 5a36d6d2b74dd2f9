"""What the first pass decides for the second: the vocabulary and the number of shards."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from etm_jax.corpus.checks import check_read
from etm_jax.corpus.fields import fields_of
from etm_jax.corpus.shard_writing.job import MAX_DEFAULT_SHARDS, SHARD_DOCS, Job
from etm_jax.corpus.shard_writing.summary import Summary
from etm_jax.corpus.shard_writing.tables import DOC_FREQ, TRAIN_DOC_FREQ, TRAIN_TERM_FREQ, WordTable
from etm_jax.corpus.shards.draws import PARTS, TRAIN
from etm_jax.corpus.shards.folder import MAX_DOCUMENTS
from etm_jax.corpus.words.vocabulary import WordFrequencies, by_frequency, filter_words
from etm_jax.util.errors import UserError

SPARE = 1.25
"""How many times more texts are kept than a reader holds, since filtering removes documents that are counted here."""


class Plan(NamedTuple):
    """Decisions of the first pass.

    words: V, in the order of their columns. doc_freq, term_freq: [V], over the training documents. shards: number of
    shards of each of `PARTS`. words_before: number of words before filtering. last_shown: for each part, the largest
    key of a document whose beginning of text is kept. stopwords_found: stop words in at least --no_below documents.
    """

    words: list[str]
    doc_freq: list[int]
    term_freq: list[int]
    shards: list[int]
    words_before: int
    last_shown: list[int]
    stopwords_found: int = 0

    def to_json(self) -> dict[str, Any]:
        """The plan as plain values."""
        return self._asdict()


def make_plan(tables: Sequence[tuple[WordTable, int]], summary: Summary, job: Job) -> Plan:
    """The plan for the whole corpus. tables: each with the number of words that `without_rare` left out of it.

    The words are those that preparing in memory keeps, in the same order. Raises UserError where too few are left, or
    no document to train on.
    """
    config = job.config
    check_read(f"--input ({len(job.files):,} files)", config, summary.docs, summary.tokens)
    if not summary.joined:
        check_joined(summary, job)
    rare = sum(number for _, number in tables)
    words = [word for table, _ in tables for word in table.words]
    freqs = np.concatenate([table.freqs for table, _ in tables])
    frequencies = WordFrequencies(words, freqs[:, DOC_FREQ], summary.docs)
    stopwords_found = len(job.stopwords.intersection(words))
    kept = set(filter_words(frequencies, config, job.stopwords, already_rare=rare))
    rows = np.array([i for i, word in enumerate(words) if word in kept], np.int64)
    if not summary.parts[TRAIN]:
        raise UserError(
            f"all of the {summary.docs:,} documents were drawn for validation and test; give more documents, or "
            f"less than --valid_share={config.valid_share:g} --test_share={config.test_share:g}"
        )
    ours = [words[i] for i in rows]
    columns = by_frequency(freqs[rows, TRAIN_DOC_FREQ], ours)
    if len(columns) < 2:
        raise UserError(f"the training documents hold {len(columns)} words, and topics need at least 2; give more text")
    default = [min(max(1, -(-docs // SHARD_DOCS)), MAX_DEFAULT_SHARDS) for docs in summary.parts]
    return Plan(
        words=[ours[j] for j in columns],
        doc_freq=freqs[rows[columns], TRAIN_DOC_FREQ].tolist(),
        term_freq=freqs[rows[columns], TRAIN_TERM_FREQ].tolist(),
        shards=[job.num_shards or default[TRAIN], *default[TRAIN + 1 :]],
        words_before=len(words) + rare,
        stopwords_found=stopwords_found,
        last_shown=[_last_shown(docs, MAX_DOCUMENTS[part]) for docs, part in zip(summary.parts, PARTS, strict=True)],
    )


def _last_shown(docs: int, most: int) -> int:
    """The largest key of the first `most` documents by key, which a reader holds in memory, with some to spare."""
    return min(int(SPARE * most / max(docs, 1) * 2**64), 2**64 - 1)


def check_joined(summary: Summary, job: Job) -> None:
    """Report how many documents have a row in the table of --meta. Raises UserError where none has."""
    fields_of(job.config).check_joined(summary.joined, summary.docs, f"{job.files[0].name}:1")


def places(plan: Plan) -> list[tuple[int, int]]:
    """Part and number of every shard, in the order of `shard_block`."""
    return [(part, shard) for part in range(len(PARTS)) for shard in range(plan.shards[part])]
