"""The words of topics by group of documents, for the page: where groups have words of their own (`content`)."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from etm_jax.metrics.word_shifts import Marked
from etm_jax.models.topic_arrays import TopicArrays

SHOWN = 8
"""Words of each kind, in the row of a group."""

ByTopic = list[list[Marked]]
"""[K][G]."""


def marked_of(model: TopicArrays) -> ByTopic:
    """What each group makes of each topic; empty where all groups have the same words."""
    return model.shifts.marked(model.beta, SHOWN) if model.shifts else []


def columns_of(marked: ByTopic) -> np.ndarray:
    """The columns of all words that are shown, some more than once."""
    return np.array([j for of_topic in marked for one in of_topic for words in one for j in words], np.int64)


def field_of(model: TopicArrays) -> dict[str, Any] | None:
    """The field and its G groups; None where all groups have the same words."""
    return {"field": model.shifts.field, "levels": list(model.shifts.levels)} if model.shifts else None


def rows_of(of_topic: list[Marked], place: Mapping[int, int]) -> list[list[list[int]]]:
    """A topic's row for each group: places on the page of its most probable words, of those it says more, and less."""
    return [[[place[j] for j in words] for words in one] for one in of_topic]
