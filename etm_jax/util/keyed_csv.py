"""Tables given by the user, with a row for each key: labels and metadata of documents, names of topics."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from etm_jax.util.csv_rows import csv_rows
from etm_jax.util.delimiter import separator_of
from etm_jax.util.errors import UserError
from etm_jax.util.reading import bounded_lines
from etm_jax.util.tables import cell_text

_OTHERWISE = "put a field that holds the separator in quotes, or correct that row"


def read_pairs(path: str, flag: str, keys: str | Sequence[str], value: str) -> dict[str, str]:
    """Read the column `value` by the column of keys of a UTF-8 table. Blanks are left out.

    keys: the name of the column, or several, the first of which that is there counts. Raises UserError, which names
    `flag`, where the file cannot be read or lacks a column, two columns have the same name, quotes are broken, a row
    has more or fewer fields than the header, or two rows give the same key different values.
    """
    with _opened(path, flag, _several(keys), (value,)) as (columns, key, rows):
        found: dict[str, str] = {}
        of_key, of_value = columns.index(key), columns.index(value)
        for line, cells in rows:
            name, given = cells[of_key], cells[of_value]
            if name and given and found.setdefault(name, given) != given:
                raise UserError(
                    f"--{flag}={path}, line {line}: the {value} of {key} {name!r} is {given!r}, and {found[name]!r} in "
                    "a row before; leave one of them"
                )
        return found


def read_keyed(path: str, flag: str, keys: str | Sequence[str]) -> tuple[list[str], dict[str, tuple[str, ...]]]:
    """Read the names of all columns but that of the keys, and for each key its row, in the order of the names.

    keys: as of `read_pairs`. Rows without a key are left out. Raises UserError, which names `flag`, where the file
    cannot be read or lacks a column, quotes are broken, a row has more or fewer fields than the header, or two rows
    have the same key.
    """
    with _opened(path, flag, _several(keys)) as (columns, key, rows):
        places = [place for place, name in enumerate(columns) if name and name != key]
        keyed: dict[str, tuple[str, ...]] = {}
        for _, cells in rows:
            if not (name := cells[columns.index(key)]):
                continue
            if name in keyed:
                raise UserError(f"--{flag}={path} has two rows for {key} {name!r}; leave one of them")
            keyed[name] = tuple(cells[place] for place in places)
        return [columns[place] for place in places], keyed


class _Table(NamedTuple):
    """A table under its header. key: the column of the keys; rows: the line that each begins on, and its cells."""

    columns: list[str]
    key: str
    rows: Iterator[tuple[int, list[str]]]


def _several(keys: str | Sequence[str]) -> tuple[str, ...]:
    return (keys,) if isinstance(keys, str) else tuple(keys)


@contextmanager
def _opened(path: str, flag: str, keys: Sequence[str], needs: Sequence[str] = ()) -> Iterator[_Table]:
    """Yield the table of the file. Blanks around the names of its columns are removed.

    Texts may have been copied from a table of ours, such as the names of documents in doc_topics.csv.
    """
    place, named = Path(path).expanduser(), " and ".join([" or ".join(keys), *needs])
    try:
        with place.open(encoding="utf-8-sig", newline="") as file:
            likely = "\t" if place.suffix == ".tsv" else ","
            stripped = (line.rstrip("\r\n") for line in bounded_lines(file))
            separator, before, lines = separator_of(stripped, wanted=(keys[-1], *needs), likely=likely)
            rows = (
                (line, list(map(cell_text, cells)))
                for line, cells in csv_rows(lines, f"--{flag}={path}", separator, before, _OTHERWISE)
            )
            _, header = next(rows, (0, []))
            columns = [name.strip() for name in header]
            key = next((name for name in keys if name in columns), None)
            if key is None or not set(needs) <= set(columns):
                other = {name.lower() for name in columns} & {name.lower() for name in (*keys, *needs)} - set(columns)
                raise UserError(
                    f"--{flag}={path} has columns {', '.join(columns) or 'none'}; it needs {named}"
                    + (", written exactly so" if other else "")
                )
            if twice := next((name for name in columns if name and columns.count(name) > 1), None):
                raise UserError(
                    f"--{flag}={path} has {columns.count(twice)} columns called {twice!r}; rename or remove all but one"
                )
            yield _Table(columns, key, rows)
    except (OSError, ValueError) as error:
        raise UserError(f"--{flag}={path} cannot be read ({error}); give a UTF-8 table with columns {named}") from error
