"""What separates the columns of a table that somebody else has written."""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from etm_jax.util.errors import UserError

SEPARATORS = (",", ";", "\t", "|")

_EXCEL = re.compile(r'"?sep=(.)"?', re.IGNORECASE)
"""The line that Excel writes, and reads, before a table."""


def separator_of(
    lines: Iterable[str], given: str = "", wanted: Sequence[str] = (), likely: str = ","
) -> tuple[str, int, Iterator[str]]:
    """The separator, how many lines stand before the table, and the lines of the table.

    given: what a person says, `tab` or one character, "" for nothing. Else it is what Excel's line `sep=;` says, or
    the first of `SEPARATORS`, beginning with `likely`, by which the first line has all `wanted` columns; where none
    does, the one that it has most of. Raises UserError where what is given cannot separate anything.
    """
    rest = iter(lines)
    separator = _given(given) if given else ""
    before, first = 0, next(rest, None)
    while first is not None and not first.strip(" \r\n"):
        before, first = before + 1, next(rest, None)
    if first is None:
        return separator or likely, before, iter(())
    if excel := _EXCEL.fullmatch(first.rstrip("\r\n")):
        return separator or excel[1], before + 1, rest
    lines = chain([first], rest)
    return separator or _of_header(first, wanted, likely), before, lines


def _given(text: str) -> str:
    separator = "\t" if text.lower() in ("tab", r"\t") else text
    if len(separator) != 1 or separator in '"\r\n' or separator.isalnum():
        raise UserError(f"--delimiter={text!r} must be tab, or one character that is no letter, such as ;")
    return separator


def _of_header(line: str, wanted: Sequence[str], likely: str) -> str:
    ordered = sorted(SEPARATORS, key=lambda each: each != likely)
    columns: dict[str, list[str]] = {}
    for separator in ordered:
        try:
            found = next(csv.reader([line], delimiter=separator, strict=True), [])
        except csv.Error:
            found = []
        columns[separator] = [name.strip() for name in found]
    having = (separator for separator in ordered if wanted and set(wanted) <= set(columns[separator]))
    return next(having, max(ordered, key=lambda separator: len(columns[separator])))
