"""The periods that a field of documents falls into, one after the other: months of a date, or steps of a number.

They run from the first to the last that documents to train on have, those between without documents included. Shapes: D
documents, T periods.
"""

import datetime
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from etm_jax.corpus.metadata import MetaColumn, parse_date, parse_number
from etm_jax.corpus.periods import PERIODS, fitting_periods
from etm_jax.util.errors import UserError

MOST_PERIODS = 2_000
"""Topics of so many periods are more than anybody looks at, and more likely a mistake than a wish."""

_EPOCH = datetime.date(1970, 1, 1)


class TimeAxis(NamedTuple):
    """The periods of a field. starts: T, where each begins, days since 1970-01-01 or a number, rising; names: T."""

    starts: tuple[float, ...]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)

    @property
    def steps(self) -> np.ndarray:
        """How far each period lies from the one before, where the mean is 1: [T − 1]."""
        apart = np.diff(np.asarray(self.starts))
        return np.asarray(apart / apart.mean()) if len(apart) else apart

    def period_of(self, values: jax.Array | np.ndarray) -> jax.Array:
        """The place of each document's period: [D] → [D] int32; T for one without a value (NaN).

        What lies before the first period counts as of it, and what lies behind the last as of that.
        """
        values = jnp.asarray(values)
        starts = jnp.asarray(self.starts[1:], values.dtype)
        # Counted, not searched: T is small, and NaN is before everything.
        place = (values[:, None] >= starts[None]).sum(axis=1)
        return jnp.where(jnp.isnan(values), len(self), place).astype(jnp.int32)


@lru_cache
def time_axis(column: MetaColumn, unit: str, flag: str = "time_bin") -> TimeAxis:
    """The periods of a field. column: with its quantiles; unit: `auto`, one of `PERIODS`, or the width of a number's.

    Of `auto`, dates have the unit that fits the least and the largest, and a number has steps of 1. Raises UserError
    where the field is no number and no date, the unit does not suit it, and where there is one period or are too many.
    """
    if column.kind == "category":
        odd = (level for level in column.levels if parse_number(level) is None and parse_date(level) is None)
        raise UserError(
            f"--time_field={column.name} holds other than dates or numbers alone, such as "
            f"{next(odd, column.levels[0])!r}; leave such values blank, or give another field"
        )
    low, high = column.quantiles[0], column.quantiles[-1]
    if column.kind == "date":
        found, last = _of_dates(low, high, unit, flag), _name_of(high)
    else:
        found, last = _of_numbers(low, high, unit, flag), f"{high:g}"
    if len(found) == 1:
        raise UserError(
            f"--time_field={column.name}: all documents to train on are of one period, {found.names[0]}; give a "
            f"narrower --{flag}, or --model=etm"
        )
    if len(found) > MOST_PERIODS:
        raise UserError(
            f"--time_field={column.name} has more than {MOST_PERIODS:,} periods, up to {last}; give a wider --{flag}"
        )
    return found


def _of_dates(low: float, high: float, unit: str, flag: str) -> TimeAxis:
    first, last = (_EPOCH + datetime.timedelta(days=int(days)) for days in (low, high))
    if unit == "auto":
        unit = fitting_periods([first, last])[0]
    if unit not in PERIODS:
        raise UserError(f"--{flag}={unit} is not one of auto, {', '.join(PERIODS)}, as a field of dates takes")
    name: Callable[[datetime.date], str] = PERIODS[unit]
    starts: list[float] = []
    names: list[str] = []
    for day in range((last - first).days + 1):
        date = first + datetime.timedelta(days=day)
        if not names or name(date) != names[-1]:
            starts.append(float((date - _EPOCH).days))
            names.append(name(date))
    return TimeAxis(tuple(starts), tuple(names))


def _of_numbers(low: float, high: float, unit: str, flag: str) -> TimeAxis:
    try:
        width = 1.0 if unit == "auto" else float(unit)
    except ValueError:
        width = 0.0
    if not 0 < width < np.inf:
        raise UserError(f"--{flag}={unit} is no width of periods, as a field of numbers takes; give auto or a number")
    first = np.floor(low / width)
    number = int(min(np.floor(high / width) - first + 1, MOST_PERIODS + 1))
    starts = [float((first + i) * width) for i in range(number)]
    return TimeAxis(tuple(starts), tuple(f"{start:g}" for start in starts))


def _name_of(days: float) -> str:
    return (_EPOCH + datetime.timedelta(days=int(days))).isoformat()
