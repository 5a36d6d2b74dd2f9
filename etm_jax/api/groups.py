"""Topics of groups of documents, such as sources or months."""

import datetime
from collections.abc import Iterable, Sequence
from numbers import Integral
from typing import Any

import numpy as np

from etm_jax.corpus.given import is_missing
from etm_jax.corpus.metadata import parse_date
from etm_jax.corpus.periods import PERIODS
from etm_jax.metrics.group_shares import GroupTopic, group_topics
from etm_jax.util.errors import UserError


def topics_of_groups(
    theta: np.ndarray, words: np.ndarray, groups: Sequence[Any], names: Sequence[str]
) -> list[GroupTopic]:
    """Every topic of every group, which are sorted. Documents whose group is missing are left out.

    theta: [D, K]; words: [D], numbers of words; groups: D; names: of the K topics. Raises UserError for another number
    of groups.
    """
    given = list(groups)
    if len(given) != len(theta):
        raise UserError(f"there are {len(given)} groups for {len(theta)} documents; give one for each")
    levels = sorted(
        {group for group in given if not is_missing(group)}, key=lambda group: (type(group).__name__, group)
    )
    place = {group: g for g, group in enumerate(levels)}
    of_group = np.array([-1 if is_missing(group) else place[group] for group in given], np.int64)
    return group_topics(theta, words, of_group, levels, names)


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
