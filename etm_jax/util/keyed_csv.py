"""Tables given by the user, with a row for each key: labels and metadata of documents, names of topics."""

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from etm_jax.util.errors import UserError
from etm_jax.util.reading import bounded_lines
from etm_jax.util.tables import cell_text


def read_pairs(path: str, flag: str, key: str, value: str) -> dict[str, str]:
    """Read the column `value` by the column `key` of a UTF-8 file: .tsv with tabs, else commas. Blanks are left out.

    Raises UserError, which names `flag`, where the file cannot be read or lacks a column, two columns have the same
    name, or two rows give the same key different values.
    """
    with _opened(path, flag, (key, value)) as rows:
        found: dict[str, str] = {}
        for row in rows:
            if row[key] and row[value] and found.setdefault(row[key], row[value]) != row[value]:
                raise UserError(
                    f"--{flag}={path}, line {rows.line_num}: the {value} of {key} {row[key]!r} is {row[value]!r}, and "
                    f"{found[row[key]]!r} in a row before; leave one of them"
                )
        return found


def read_keyed(path: str, flag: str, key: str) -> tuple[list[str], dict[str, tuple[str, ...]]]:
    """Read the names of all columns but `key`, and for each value of `key` its row, in the order of the names.

    Rows without a key are left out. Raises UserError, which names `flag`, where the file cannot be read or lacks a
    column, a row has more or fewer fields than the header, or two rows have the same key.
    """
    with _opened(path, flag, (key,)) as rows:
        columns = [name for name in dict.fromkeys(rows.fieldnames or ()) if name and name != key]
        keyed: dict[str, tuple[str, ...]] = {}
        for row in rows:
            if None in row or None in row.values():
                raise UserError(
                    f"--{flag}={path}, line {rows.line_num}, has more or fewer fields than the header; correct that row"
                )
            if not row[key]:
                continue
            if row[key] in keyed:
                raise UserError(f"--{flag}={path} has two rows for {key} {row[key]!r}; leave one of them")
            keyed[row[key]] = tuple(row[name] for name in columns)
        return columns, keyed


class _Rows(csv.DictReader):
    """Rows whose texts may have been copied from a table of ours, such as the names of documents in doc_topics.csv."""

    def __next__(self) -> dict[str, str]:
        row = super().__next__()
        return {name: cell_text(cell) if isinstance(cell, str) else cell for name, cell in row.items()}


@contextmanager
def _opened(path: str, flag: str, needs: Sequence[str]) -> Iterator["csv.DictReader[str]"]:
    """Yield the rows of the file as dictionaries by column name; blanks around the names are removed."""
    place = Path(path).expanduser()
    try:
        with place.open(encoding="utf-8-sig", newline="") as file:
            rows = _Rows(bounded_lines(file), delimiter="\t" if place.suffix == ".tsv" else ",")
            rows.fieldnames = columns = [cell_text(name.strip()) for name in rows.fieldnames or ()]
            if not set(needs) <= set(columns):
                raise UserError(
                    f"--{flag}={path} has columns {', '.join(columns) or 'none'}; it needs {' and '.join(needs)}"
                )
            if twice := next((name for name in columns if name and columns.count(name) > 1), None):
                raise UserError(
                    f"--{flag}={path} has {columns.count(twice)} columns called {twice!r}; rename or remove all but one"
                )
            yield rows
    except (OSError, ValueError, csv.Error) as error:
        raise UserError(
            f"--{flag}={path} cannot be read ({error}); give a UTF-8 file with columns {','.join(needs)}"
        ) from error
