"""The shares and differences that a formula asks for, as rows of its design. P columns with the intercept."""

import datetime
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from etm_jax.corpus.metadata import MetaColumn
from etm_jax.models.design import Design
from etm_jax.util.errors import UserError

GRID = 21
"""Values of a number or date at which shares are given: equally far apart, or its own where it has no more."""

MOST_LEVELS_SHOWN = 200
"""Categories of a field."""

MOST_PAIRS = 6
"""Categories of which all pairs are compared; of more, each with the first."""

_EPOCH = datetime.date(1970, 1, 1)


class Wanted(NamedTuple):
    """A share or a difference of two.

    effect: share or difference. term: the fields that are set, as `source:date`. group: to what, in words. at: the
    number, or the date in days, along which shares make a curve, None for groups; curve: the category of that curve, ""
    for one of all documents. row: [P], by which coefficients are summed. n: documents in the group, or all.
    """

    effect: str
    term: str
    group: str
    at: float | None
    curve: str
    is_date: bool
    row: np.ndarray
    n: int


class _Setting(NamedTuple):
    """A value that a field is set to. n: documents that have it; None of a number or date, which any may be near."""

    value: float
    label: str
    n: int | None


def wanted_of(design: Design, extras: Mapping[str, np.ndarray], flag: str) -> tuple[np.ndarray, list[Wanted]]:
    """The design of documents, [D, P], and what is asked of it. extras: [D] by field, nowhere missing.

    Of each field, everything else is as it is in the documents: a share is the mean over all of them. Of two fields
    that stand in a term together, each value of the first with each of the second. Columns are scaled to mean 0 and
    variance 1, behind one of ones. Raises UserError for a field of too many categories.
    """
    known = {column.name: column for column in design.metadata.columns}
    settings = {name: _settings(known[name], extras[name], flag) for name in extras}
    raw = _columns(design, extras)
    mean, deviation = raw.mean(axis=0), raw.std(axis=0)
    deviation[deviation == 0] = 1
    # Means are taken over different documents alone, as often as there are of them.
    different, times = np.unique(np.stack([extras[name] for name in extras], axis=1), axis=0, return_counts=True)
    values = {name: different[:, j].astype(extras[name].dtype) for j, name in enumerate(extras)}

    def row(**fixed: float) -> np.ndarray:
        set_to = {name: np.full_like(values[name], value) for name, value in fixed.items()}
        found = (times @ _columns(design, values | set_to)) / times.sum()
        return np.concatenate([[1.0], (found - mean) / deviation])

    wanted: list[Wanted] = []
    for name, of_field in settings.items():
        wanted += _of_field(known[name], of_field, [row(**{name: one.value}) for one in of_field], len(raw))
    for pair in _pairs(design, known):
        wanted += _of_pair(pair, settings, extras, row)
    ones = np.ones((len(raw), 1))
    return np.concatenate([ones, (raw - mean) / deviation], axis=1), wanted


def _columns(design: Design, extras: Mapping[str, np.ndarray]) -> np.ndarray:
    return np.asarray(design.columns({name: jnp.asarray(x) for name, x in extras.items()}), np.float64)


def _settings(column: MetaColumn, values: np.ndarray, flag: str) -> list[_Setting]:
    if column.kind == "category":
        if len(column.levels) > MOST_LEVELS_SHOWN:
            raise UserError(
                f"{flag}: {column.describe()} has more than {MOST_LEVELS_SHOWN}, which no table shows; leave it out"
            )
        counts = np.bincount(values, minlength=len(column.levels))
        return [_Setting(i, level, int(counts[i])) for i, level in enumerate(column.levels)]
    different = np.unique(values)
    if len(different) > GRID:
        different = np.linspace(column.quantiles[0], column.quantiles[-1], GRID)
    return [_Setting(float(x), _label(column, float(x)), None) for x in different]


def _label(column: MetaColumn, value: float) -> str:
    if column.kind == "date":
        return (_EPOCH + datetime.timedelta(days=round(value))).isoformat()
    return f"{value:.6g}"


def _of_field(
    column: MetaColumn, settings: list[_Setting], rows: list[np.ndarray], num_docs: int
) -> Iterator[Wanted]:  # fmt: skip
    category, is_date = column.kind == "category", column.kind == "date"
    for one, row in zip(settings, rows, strict=True):
        at = None if category else one.value
        yield Wanted("share", column.name, one.label, at, "", is_date, row, num_docs if one.n is None else one.n)
    last = len(settings) - 1
    pairs = [(last, 0)]
    if category:
        pairs = [(i, j) for j in range(last if last < MOST_PAIRS else 1) for i in range(j + 1, last + 1)]
    for i, j in pairs:
        one, other = settings[i], settings[j]
        number = num_docs if one.n is None or other.n is None else one.n + other.n
        label = f"{one.label} − {other.label}"
        yield Wanted("difference", column.name, label, None, "", is_date, rows[i] - rows[j], number)


def _pairs(design: Design, known: Mapping[str, MetaColumn]) -> list[tuple[MetaColumn, MetaColumn]]:
    """Pairs of fields in one term, a category first; those of two numbers are no curves, and are left out."""
    found = {}
    for term in design.formula.terms:
        fields = dict.fromkeys(factor.field for factor in term)
        for one in fields:
            for other in fields:
                both = known[one], known[other]
                if one != other and both[0].kind == "category" and (other, one) not in found:
                    found[one, other] = both
    return list(found.values())


def _of_pair(
    pair: tuple[MetaColumn, MetaColumn],
    settings: Mapping[str, list[_Setting]],
    extras: Mapping[str, np.ndarray],
    row: Callable[..., np.ndarray],
) -> Iterator[Wanted]:
    first, second = pair
    for one in settings[first.name]:
        for other in settings[second.name]:
            here = extras[first.name] == one.value
            if second.kind == "category":
                here = here & (extras[second.name] == other.value)
            yield Wanted(
                "share",
                f"{first.name}:{second.name}",
                f"{one.label}, {other.label}",
                None if second.kind == "category" else other.value,
                one.label,
                second.kind == "date",
                row(**{first.name: one.value, second.name: other.value}),
                int(here.sum()),
            )
