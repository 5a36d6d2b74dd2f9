"""Rows of a table that is text with a separator between its columns."""

import csv
from collections.abc import Iterable, Iterator

from etm_jax.util.errors import UserError
from etm_jax.util.reading import MAX_LINE

Row = tuple[int, list[str]]
"""The number of the line, or of the row of a sheet, that it begins on, and its cells."""


def fields_of_line(line: str, delimiter: str) -> list[str]:
    """The fields of one line, each with or without quotes around it; a quote that is not closed goes to its end."""
    if '"' not in line:
        return line.split(delimiter)
    _allow_long_fields()
    return next(csv.reader([line], delimiter=delimiter))


def _allow_long_fields() -> None:
    """The limit belongs to the whole process: it is only ever raised here."""
    csv.field_size_limit(max(csv.field_size_limit(), MAX_LINE))


def csv_rows(
    lines: Iterable[str],
    name: str,
    delimiter: str = ",",
    before: int = 0,
    otherwise: str = "put a text that holds the separator in quotes",
) -> Iterator[Row]:
    """The rows of a table, the header first; blank lines are none.

    lines: without their ends. before: lines of the file that came before these. otherwise: what to do about a row of
    another length. Raises UserError, which calls the file `name`, for broken quotes, for a field longer than `MAX_LINE`
    and for a row with more or fewer fields than the first.
    """
    _allow_long_fields()
    reader = csv.reader((line + "\n" for line in lines), delimiter=delimiter, strict=True)
    width = 0
    while True:
        number = before + reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise UserError(
                f"{name}, line {number}, is not a row of a table: {error}; a field that holds a quote or the separator "
                'stands in quotes, and quotes inside it are doubled ("")'
            ) from error
        if not row or (len(row) == 1 and width != 1 and not row[0].strip()):
            continue
        width = width or len(row)
        if len(row) != width:
            raise UserError(f"{name}, line {number}, has {len(row)} fields where the header has {width}; {otherwise}")
        yield number, row
