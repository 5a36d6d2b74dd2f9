"""What the first pass decides for the second: the vocabulary, and how many shards there are."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from etm_jax.corpus.fields import fields_of
from etm_jax.corpus.prepare import by_frequency, check_read
from etm_jax.corpus.shard_writing.job import SHARD_DOCS, SUITED_SHARDS, Job
from etm_jax.corpus.shard_writing.summary import Summary
from etm_jax.corpus.shard_writing.tables import DOC_FREQ, TRAIN_DOC_FREQ, TRAIN_TERM_FREQ, WordTable
from etm_jax.corpus.shards.draws import PARTS, TRAIN
from etm_jax.corpus.shards.folder import MOST_OF_PART
from etm_jax.corpus.words.vocabulary import dictionary_of, filter_words
from etm_jax.util.errors import UserError

SPARE = 1.25
"""Times as many texts are kept as are held in memory, since filtering leaves fewer documents than are counted here."""


class Plan(NamedTuple):
    """words: V in the order of their columns; doc_freq, term_freq: of each over the training documents.

    shards: how many each of `PARTS` has; words_before: different words before any was left out. last_shown: of each
    part, the largest key of a document the beginning of whose text is kept.
    """

    words: list[str]
    doc_freq: list[int]
    term_freq: list[int]
    shards: list[int]
    words_before: int
    last_shown: list[int]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return self._asdict()


def make_plan(tables: Sequence[tuple[WordTable, int]], summary: Summary, job: Job) -> Plan:
    """From the whole corpus' tables, each with the number of words that `without_rare` left out of it.

    The words are those that preparing in memory keeps, in its order. Raises UserError where too few are left, or there
    is nothing to train on.
    """
    config = job.config
    check_read(f"--input ({len(job.files):,} files)", config, summary.docs, summary.tokens)
    if not summary.joined:
        check_joined(summary, job)
    rare = sum(number for _, number in tables)
    words = [word for table, _ in tables for word in table.words]
    freqs = np.concatenate([table.freqs for table, _ in tables])
    dictionary = dictionary_of(words, freqs[:, DOC_FREQ], summary.docs)
    kept = set(filter_words(dictionary, config, job.stopwords, already_rare=rare))
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
    suited = [min(max(1, -(-docs // SHARD_DOCS)), SUITED_SHARDS) for docs in summary.parts]
    return Plan(
        words=[ours[j] for j in columns],
        doc_freq=freqs[rows[columns], TRAIN_DOC_FREQ].tolist(),
        term_freq=freqs[rows[columns], TRAIN_TERM_FREQ].tolist(),
        shards=[job.num_shards or suited[TRAIN], *suited[TRAIN + 1 :]],
        words_before=len(words) + rare,
        last_shown=[_last_shown(docs, MOST_OF_PART[part]) for docs, part in zip(summary.parts, PARTS, strict=True)],
    )


def _last_shown(docs: int, most: int) -> int:
    """The largest key of the documents that a reader holds in memory, the first `most` by their keys, and some more."""
    return min(int(SPARE * most / max(docs, 1) * 2**64), 2**64 - 1)


def check_joined(summary: Summary, job: Job) -> None:
    """Say how many documents have a row in the table of --meta. Raises UserError where none has."""
    fields_of(job.config).check_joined(summary.joined, summary.docs, f"{job.files[0].name}:1")


def places(plan: Plan) -> list[tuple[int, int]]:
    """Part and number of every shard, in the order in which `deal` gives them."""
    return [(part, shard) for part in range(len(PARTS)) for shard in range(plan.shards[part])]
