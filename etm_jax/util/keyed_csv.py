"""Tables given by the user, with a row for each key: labels and metadata of documents, names of topics."""

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from etm_jax.util.delimiter import separator_of
from etm_jax.util.errors import UserError
from etm_jax.util.reading import bounded_lines
from etm_jax.util.tables import cell_text


def read_pairs(path: str, flag: str, keys: str | Sequence[str], value: str) -> dict[str, str]:
    """Read the column `value` by the column of keys of a UTF-8 table. Blanks are left out.

    keys: the name of the column, or several, the first of which that is there counts. Raises UserError, which names
    `flag`, where the file cannot be read or lacks a column, two columns have the same name, or two rows give the same
    key different values.
    """
    with _opened(path, flag, _several(keys), (value,)) as (rows, key):
        found: dict[str, str] = {}
        for row in rows:
            if row[key] and row[value] and found.setdefault(row[key], row[value]) != row[value]:
                raise UserError(
                    f"--{flag}={path}, line {rows.line_num}: the {value} of {key} {row[key]!r} is {row[value]!r}, and "
                    f"{found[row[key]]!r} in a row before; leave one of them"
                )
        return found


def read_keyed(path: str, flag: str, keys: str | Sequence[str]) -> tuple[list[str], dict[str, tuple[str, ...]]]:
    """Read the names of all columns but that of the keys, and for each key its row, in the order of the names.

    keys: as of `read_pairs`. Rows without a key are left out. Raises UserError, which names `flag`, where the file
    cannot be read or lacks a column, a row has more or fewer fields than the header, or two rows have the same key.
    """
    with _opened(path, flag, _several(keys)) as (rows, key):
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


def _several(keys: str | Sequence[str]) -> tuple[str, ...]:
    return (keys,) if isinstance(keys, str) else tuple(keys)


@contextmanager
def _opened(
    path: str, flag: str, keys: Sequence[str], needs: Sequence[str] = ()
) -> Iterator[tuple["csv.DictReader[str]", str]]:
    """Yield the rows of the file as dictionaries by column name, and the column of the keys.

    Blanks around the names are removed.
    """
    place, named = Path(path).expanduser(), " and ".join([" or ".join(keys), *needs])
    try:
        with place.open(encoding="utf-8-sig", newline="") as file:
            likely = "\t" if place.suffix == ".tsv" else ","
            separator, _, lines = separator_of(bounded_lines(file), wanted=(keys[-1], *needs), likely=likely)
            rows = _Rows(lines, delimiter=separator)
            rows.fieldnames = columns = [cell_text(name.strip()) for name in rows.fieldnames or ()]
            key = next((name for name in keys if name in columns), None)
            if key is None or not set(needs) <= set(columns):
                raise UserError(f"--{flag}={path} has columns {', '.join(columns) or 'none'}; it needs {named}")
            if twice := next((name for name in columns if name and columns.count(name) > 1), None):
                raise UserError(
                    f"--{flag}={path} has {columns.count(twice)} columns called {twice!r}; rename or remove all but one"
                )
            yield rows, key
    except (OSError, ValueError, csv.Error) as error:
        raise UserError(f"--{flag}={path} cannot be read ({error}); give a UTF-8 table with columns {named}") from error
