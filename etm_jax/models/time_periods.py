"""The periods of a field of time, and which of them a document falls into. Shapes: B documents, T periods."""

import datetime
import itertools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from etm_jax.corpus.metadata import MetaColumn
from etm_jax.corpus.periods import PERIODS
from etm_jax.ops import sparse
from etm_jax.util.errors import UserError

NO_PERIOD = -1
"""In place of the period of a document without a date."""

_EPOCH = datetime.date(1970, 1, 1)


class Periods(NamedTuple):
    """T periods that follow each other, those without a document among them. Hashable.

    names: as `2024-05`. starts: of each the first value, in days since 1970-01-01, or a whole number.
    """

    names: tuple[str, ...]
    starts: tuple[float, ...]

    def __len__(self) -> int:
        return len(self.names)

    def of(self, values: sparse.Array) -> jax.Array:
        """The period of each value: [B] → [B] int32. What is before the first or after the last belongs to that one.

        `NO_PERIOD` for NaN.
        """
        values = jnp.asarray(values)
        found = jnp.searchsorted(jnp.asarray(self.starts, values.dtype), values, side="right") - 1
        within = jnp.clip(found, 0, len(self.names) - 1)
        return jnp.where(jnp.isnan(values), NO_PERIOD, within).astype(jnp.int32)


def periods_of(column: MetaColumn, unit: str) -> Periods:
    """The periods from the least to the largest value in the documents to train on.

    column: of `Metadata.of_model`. unit: a key of `PERIODS`, for dates; of numbers, each whole one is a period. Raises
    UserError where the field is neither.
    """
    if column.kind not in ("date", "number"):
        raise UserError(f"--time_field={column.name} takes dates or whole numbers, and this is {column.describe()}")
    low, high = (int(np.floor(end)) for end in (column.quantiles[0], column.quantiles[-1]))
    if column.kind == "number":
        numbers = range(low, high + 1)
        return Periods(tuple(map(str, numbers)), tuple(map(float, numbers)))
    days = [(name, next(group)) for name, group in itertools.groupby(range(low, high + 1), _name_of(unit))]
    return Periods(tuple(name for name, _ in days), tuple(float(day) for _, day in days))


def _name_of(unit: str) -> Callable[[int], str]:
    return lambda day: PERIODS[unit](_EPOCH + datetime.timedelta(days=day))
