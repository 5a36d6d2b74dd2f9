"""What a document carries besides its text: fields, kept as text, and how each becomes numbers for batches.

A value is text without blanks around it; "" says that the document has none. What a field is, is decided by the
documents to train on:

| their values                               | kind       | in a batch                                   | none   |
|--------------------------------------------|------------|----------------------------------------------|--------|
| all are finite numbers                     | `number`   | float32                                      | NaN    |
| else, all begin with a date (`parse_date`) | `date`     | days since 1970-01-01, float32               | NaN    |
| anything else                              | `category` | int32, the place in the sorted list of levels| −1     |
| more than `MOST_LEVELS` different ones     | `text`     | not there                                    |        |

A value of another document that is no number, no date, or no level stands for none. A field without any value is one
of numbers.
"""

import datetime
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np

from etm_jax.util.errors import UserError

Kind = Literal["number", "date", "category", "text"]

MOST_LEVELS = 100_000
"""Different values of a category. A field of more, such as an address or a title, is text and not in batches."""

_DIGITS = {digit: value for value, digit in enumerate("一二三四五六七八九", start=1)}

MISSING_CODE = -1
"""In place of a category. In place of a number stands NaN."""

_SHOWN = {"number": "numbers", "date": "dates", "text": "text, which no batch holds"}
_EPOCH = datetime.date(1970, 1, 1)
_YEAR = re.compile(r"\s*(\d{4})年?\s*")
_DATE = re.compile(r"\s*(\d{4})(?:[\W_年]{1,2}(\d{1,2})(?!\d*\s*周)|(\d{2}))(?:[\W_月]{1,2}(\d{1,2})|(\d{2}))?(?!\d)")
_CHINESE_DATE = re.compile(r"\s*(\d{4})年([一二三四五六七八九十]{1,2})月(?:([一二三四五六七八九十]{1,3})[日号])?")
_QUARTER = re.compile(r"\s*(\d{4})年?\W{0,2}(?:[Qq]([1-4])|第?([1-4一二三四])季度?)(?!\w)")
_WEEK = re.compile(r"\s*(\d{4})(?:年?\W?[Ww](\d{2})(?:-?([1-7]))?|年?\s?第?\s?(\d{1,2})\s?周)(?!\w)")
_LARGEST = float(np.finfo(np.float32).max)


QUANTILES = 21
"""Of the values of a field that a model reads: the least, those with 5%, 10%, … below them, and the largest."""


@dataclass(frozen=True)
class MetaColumn:
    """One field. levels: of a category, its values in the documents to train on, sorted.

    quantiles: of the numbers or dates (days) in the documents to train on, `QUANTILES` of them, for a field that a
    model reads; else none.
    """

    name: str
    kind: Kind
    levels: tuple[str, ...] = ()
    quantiles: tuple[float, ...] = ()

    def encode(self, values: Iterable[str]) -> np.ndarray:
        """The numbers that values stand for, as the table above says: D values → [D] float32 or int32."""
        if self.kind == "category":
            return np.array([self._codes.get(value, MISSING_CODE) for value in values], np.int32)
        parse = parse_number if self.kind == "number" else _parse_days
        numbers = (parse(value) for value in values)
        return np.array([np.nan if number is None else number for number in numbers], np.float32)

    def describe(self) -> str:
        """`source (12 categories)`."""
        return f"{self.name} ({_SHOWN.get(self.kind) or f'{len(self.levels):,} categories'})"

    @cached_property
    def _codes(self) -> dict[str, int]:
        return {level: code for code, level in enumerate(self.levels)}


@dataclass(frozen=True)
class Metadata:
    """The fields that a corpus was prepared with, in the order in which they were asked for."""

    columns: tuple[MetaColumn, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The fields."""
        return tuple(column.name for column in self.columns)

    def encode(self, meta: Mapping[str, Iterable[str]], num_docs: int) -> dict[str, np.ndarray]:
        """What batches hold of D documents, by field: [D] float32 or int32. Of a field that `meta` lacks, none."""
        none = [""] * num_docs
        return {
            column.name: column.encode(meta.get(column.name, none)) for column in self.columns if column.kind != "text"
        }

    def of_model(
        self, names: Iterable[str], train: Mapping[str, Iterable[str]], reader: str = "the model"
    ) -> "Metadata":
        """The fields that a model reads, with the quantiles of their values in documents to train on.

        train: by field, those values. reader: what reads them, for messages. A field that has quantiles keeps them.
        Raises UserError where a field is not there, is text, or has no values.
        """
        known = {column.name: column for column in self.columns}
        found = []
        for name in names:
            if name not in known:
                there = f"their fields are {', '.join(known)}" if known else "they came without metadata"
                raise UserError(
                    f"{reader} reads the metadata field {name!r}, which the documents do not have: {there}; "
                    f"--meta_fields={','.join([*known, name])} takes it along, from the corpus or from --meta=FILE"
                )
            column = known[name]
            values = column.encode(train[name]) if column.kind != "text" else np.empty(0)
            present = values[~np.isnan(values)] if column.kind != "category" else values[values != MISSING_CODE]
            if not len(present):
                what = "has too many values to be read as categories" if column.kind == "text" else "has no values"
                raise UserError(f"the metadata field {name!r}, which {reader} reads, {what}; leave it out")
            if column.kind != "category" and not column.quantiles:
                quantiles = np.quantile(present.astype(np.float64), np.linspace(0, 1, QUANTILES))
                column = replace(column, quantiles=tuple(quantiles.tolist()))
            found.append(column)
        return Metadata(tuple(found))

    def with_quantiles(self, other: "Metadata") -> "Metadata":
        """The same fields, those that `other` has too as they are there."""
        known = {column.name: column for column in other.columns}
        return Metadata(tuple(known.get(column.name, column) for column in self.columns))

    def only(self, names: Iterable[str]) -> "Metadata":
        """The fields of these names, in their order."""
        known = {column.name: column for column in self.columns}
        return Metadata(tuple(known[name] for name in names if name in known))

    def describe(self) -> str:
        """`date (dates), source (12 categories)`."""
        return ", ".join(column.describe() for column in self.columns)

    def to_json(self) -> list[dict[str, Any]]:
        """Plain values."""
        return [
            {"name": column.name, "kind": column.kind, "levels": list(column.levels)}
            | ({"quantiles": list(column.quantiles)} if column.quantiles else {})
            for column in self.columns
        ]

    @classmethod
    def from_json(cls, values: list[dict[str, Any]]) -> "Metadata":
        """The inverse of `to_json`. Raises ValueError where they are something else."""
        columns = tuple(
            MetaColumn(one["name"], one["kind"], tuple(one["levels"]), tuple(map(float, one.get("quantiles", ()))))
            for one in values
        )
        for column, one in zip(columns, values, strict=True):
            texts = (column.name, *column.levels)
            if column.kind not in get_args(Kind) or not all(isinstance(text, str) for text in texts):
                raise ValueError("its metadata are of no known kind")
            if not isinstance(one["levels"], list) or bool(column.levels) > (column.kind == "category"):
                raise ValueError(f"the levels of {column.name!r} are none")
            if any(a >= b for a, b in zip(column.levels, column.levels[1:], strict=False)):
                raise ValueError(f"the levels of {column.name!r} are not sorted")
            if len(column.quantiles) not in (0, QUANTILES) or not np.isfinite(column.quantiles).all():
                raise ValueError(f"the quantiles of {column.name!r} are none")
        if len({column.name for column in columns}) != len(columns):
            raise ValueError("two of its fields have the same name")
        return cls(columns)


def padding(dtype: np.dtype) -> int:
    """What rows of a batch have that hold no document: 0, or −1 among codes.

    It is finite, so that what a loss makes of it is gone once it is multiplied by `Batch.real`, its gradient too.
    """
    return MISSING_CODE if dtype.kind == "i" else 0


@dataclass
class ValueTally:
    """What is known of a field's values in some documents: tallies can be added in any order and grouping.

    present: documents that have a value; numbers, dates: those whose value is one. different: their different values,
    None where there are more than `MOST_LEVELS`.
    """

    docs: int = 0
    present: int = 0
    numbers: int = 0
    dates: int = 0
    different: set[str] | None = field(default_factory=set)

    @classmethod
    def of(cls, values: Iterable[str]) -> "ValueTally":
        """Of some documents."""
        counts = Counter(values)
        docs, none = counts.total(), counts.pop("", 0)
        numbers = sum(number for value, number in counts.items() if parse_number(value) is not None)
        dates = sum(number for value, number in counts.items() if parse_date(value))
        return cls(docs, docs - none, numbers, dates, _bounded(set(counts)))

    def add(self, other: "ValueTally") -> None:
        """Count the documents of another tally too."""
        self.docs, self.present = self.docs + other.docs, self.present + other.present
        self.numbers, self.dates = self.numbers + other.numbers, self.dates + other.dates
        both = None if self.different is None or other.different is None else self.different | other.different
        self.different = _bounded(both)

    def column(self, name: str) -> MetaColumn:
        """What the field is, where these are the documents to train on."""
        if self.numbers == self.present:
            return MetaColumn(name, "number")
        if self.dates == self.present:
            return MetaColumn(name, "date")
        if self.different is None:
            return MetaColumn(name, "text")
        return MetaColumn(name, "category", tuple(sorted(self.different)))

    def warnings(self, name: str) -> list[str]:
        """What a person may not expect of the field: a line each."""
        of_field = f"metadata field {name!r}"
        if not self.present:
            return [f"{of_field}: none of the {self.docs:,} documents to train on has a value"]
        kind = self.column(name).kind
        if kind == "text":
            return [f"{of_field} has more than {MOST_LEVELS:,} different values: it is kept as text, not for training"]
        if kind != "category":
            return []
        for number, parse, what in ((self.numbers, parse_number, "number"), (self.dates, parse_date, "date")):
            if 2 * number >= self.present:
                other = next(value for value in sorted(self.different or ()) if parse(value) is None)
                return [
                    f"{of_field}: {number:,} of {self.present:,} values are {what}s, but {other[:40]!r} is not; it is "
                    f"taken for a category of {len(self.different or ()):,} values (leave blank what is no {what})"
                ]
        return []

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return vars(self) | {"different": None if self.different is None else sorted(self.different)}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "ValueTally":
        """The inverse of `to_json`."""
        different = values["different"]
        return cls(**{**values, "different": None if different is None else set(different)})


def parse_number(text: str) -> float | None:
    """The finite number that a text is, such as −3, 2.5 or 1e6, as long as float32 holds it."""
    try:
        number = float(text) if "_" not in text else np.nan
    except ValueError:
        return None
    return number if abs(number) <= _LARGEST else None


def parse_date(text: str) -> datetime.date | None:
    """The date that a text begins with, such as 2024-05-31, 20240531, 2024/5/31, 2024年5月31日 or 2024-05; or a year.

    Quarters (2024Q3, 2024年第3季度) and weeks (2024-W05, 2024年第5周, of ISO 8601) are their first day. None for
    something else, such as half a year.
    """
    try:
        if match := _QUARTER.match(text):
            return datetime.date(int(match[1]), 3 * _number(match[2] or match[3]) - 2, 1)
        if match := _WEEK.match(text):
            return datetime.date.fromisocalendar(int(match[1]), int(match[2] or match[4]), int(match[3] or 1))
        if match := _CHINESE_DATE.match(text):
            return datetime.date(int(match[1]), _number(match[2]), _number(match[3] or "1"))
        if match := _YEAR.fullmatch(text):
            return datetime.date(int(match[1]), 1, 1)
        if match := _DATE.match(text):
            year, month, day = match[1], match[2] or match[3] or "1", match[4] or match[5] or "1"
            return datetime.date(int(year), int(month), int(day))
    except ValueError:
        pass  # The thirteenth month, the thirty-first of June.
    return None


def _number(digits: str) -> int:
    """A number up to 99 by Arabic digits or as Chinese counts, such as 5, 五 or 二十三. ValueError for another."""
    if digits.isdecimal():
        return int(digits)
    tens, ten, ones = digits.rpartition("十")
    if len(tens) > 1 or len(ones) > 1:
        raise ValueError(digits)
    return (10 * _DIGITS[tens or "一"] if ten else 0) + (_DIGITS[ones] if ones else 0)


def _parse_days(text: str) -> int | None:
    date = parse_date(text)
    return (date - _EPOCH).days if date else None


def _bounded(different: set[str] | None) -> set[str] | None:
    return None if different is None or len(different) > MOST_LEVELS else different
