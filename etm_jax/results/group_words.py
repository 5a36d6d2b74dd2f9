"""The words of topics by group of documents, of a model with `content`: as arrays, and as rows of a table."""

from collections.abc import Iterator, Sequence

import numpy as np

from etm_jax.metrics.topics import WORDS_SHOWN
from etm_jax.metrics.word_shifts import WordShifts
from etm_jax.models.layers import Variables
from etm_jax.training.run_folder import RunFolder, exported
from etm_jax.training.run_record import RunRecord
from etm_jax.training.steps import Spec, word_shifts_step

NAME = "word_shifts"
"""Of the array in the export folder: [G, V], by the order of the field's categories."""

TABLE = "content_words.csv"
"""Of the table in the export folder."""

HEADER = ["topic", "group", "words", "more", "less"]
"""Its columns, as `content_rows` gives them."""


def shifts_of(variables: Variables, spec: Spec) -> WordShifts | None:
    """What groups of documents make of a model's words; None where they have the same words."""
    found = word_shifts_step(variables, spec)
    if found is None:
        return None
    column = spec.metadata.only((spec.model.content,)).columns[0]
    return WordShifts(column.name, column.levels, np.ascontiguousarray(np.asarray(found).T))


def exported_shifts(folder: RunFolder, record: RunRecord) -> WordShifts | None:
    """The same from a run's export folder. Raises UserError where it is damaged."""
    if not (name := record.config.model.content):
        return None
    column = record.metadata.only((name,)).columns[0]
    return WordShifts(name, column.levels, exported(folder, NAME))


def content_rows(
    shifts: WordShifts, beta: np.ndarray, topics: Sequence[int], vocab: Sequence[str]
) -> Iterator[list[object]]:
    """The rows of `TABLE`: a topic, a group, the ten most probable words, and those that it says more, and less.

    beta: [K, V]; topics: the order in which they come. `WordShifts.marked` says which words these are.
    """
    marked = shifts.marked(beta, WORDS_SHOWN)
    for k in topics:
        for level, words in zip(shifts.levels, marked[k], strict=True):
            yield [k, level, *(" ".join(vocab[j] for j in columns) for columns in words)]
