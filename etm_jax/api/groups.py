"""Topics of groups of documents, such as sources or months."""

import datetime
from collections.abc import Iterable, Sequence
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np

from etm_jax.corpus.given import is_missing
from etm_jax.corpus.metadata import parse_date
from etm_jax.corpus.periods import PERIODS
from etm_jax.metrics.group_shares import shares_of
from etm_jax.util.errors import UserError


class GroupTopic(NamedTuple):
    """A topic in a group of documents.

    mean: of the topic's proportion θ over the documents; low, high: its 95% interval, of `shares_of`, nan for one
    document. share: of the words, which longer documents have more of. documents: how many there are.
    """

    group: Any
    topic: int
    mean: float
    low: float
    high: float
    share: float
    documents: int


def topics_of_groups(theta: np.ndarray, words: np.ndarray, groups: Sequence[Any]) -> list[GroupTopic]:
    """Every topic of every group, in the order of groups, sorted. Documents whose group is missing are left out.

    theta: [D, K]; words: [D], numbers of words; groups: D. Raises UserError for another number of groups.
    """
    given = list(groups)
    if len(given) != len(theta):
        raise UserError(f"there are {len(given)} groups for {len(theta)} documents; give one for each")
    kept = [i for i, group in enumerate(given) if not is_missing(group)]
    levels = sorted({given[i] for i in kept}, key=lambda group: (type(group).__name__, group))
    place = {group: g for g, group in enumerate(levels)}
    theta, of_group = theta[kept], np.array([place[given[i]] for i in kept], np.int64)
    mean, low, high = shares_of(theta, of_group, len(levels), np.ones(len(kept)))
    share = shares_of(theta, of_group, len(levels), words[kept]).mean
    number = np.bincount(of_group, minlength=len(levels))
    return [
        GroupTopic(group, k, float(mean[g, k]), float(low[g, k]), float(high[g, k]), float(share[g, k]), int(number[g]))
        for g, group in enumerate(levels)
        for k in range(theta.shape[1])
    ]


def periods_of(dates: Iterable[Any], by: str) -> list[str | None]:
    """The period of each date: None for one that is missing. Raises UserError for what is no date, and names it.

    dates: datetime.date or datetime, numpy's datetime64, pandas' Timestamp or Period, whose first day it is, or text
    or a whole number that `parse_date` reads.
    by: out of `PERIODS`.
    """
    if by not in PERIODS:
        raise UserError(f"by={by!r} is not one of {', '.join(PERIODS)}")
    return [None if _no_date(date) else PERIODS[by](_as_date(date, i)) for i, date in enumerate(dates)]


def first_days(dates: Iterable[Any], by: str) -> dict[str, datetime.date]:
    """The earliest of the dates in each period of `periods_of`."""
    given = list(dates)
    found: dict[str, datetime.date] = {}
    for i, (period, date) in enumerate(zip(periods_of(given, by), given, strict=True)):
        if period is not None:
            day = _as_date(date, i)
            found[period] = min(day, found.get(period, day))
    return found


def _no_date(date: Any) -> bool:
    return is_missing(date) or date == "" or (isinstance(date, np.datetime64) and bool(np.isnat(date)))


def _as_date(date: Any, place: int) -> datetime.date:
    if isinstance(date, np.datetime64):
        date = date.astype("datetime64[D]").item()
    if isinstance(date, datetime.datetime):
        return date.date()
    if isinstance(date, datetime.date):
        return date
    if hasattr(date, "start_time"):
        return _as_date(date.start_time, place)
    read = isinstance(date, str | Integral) and not isinstance(date, bool)
    parsed = parse_date(str(date)) if read else None
    if parsed is None:
        raise UserError(f"date {place} is {date!r}, which is no date such as 2024-05-31; correct it, or give None")
    return parsed
