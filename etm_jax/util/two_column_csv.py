"""Tables of two columns that a user gives: labels of documents, names of topics."""

import csv
from pathlib import Path

from etm_jax.util.errors import UserError


def read_pairs(path: str, flag: str, key: str, value: str) -> dict[str, str]:
    """The column `value` by the column `key` of a UTF-8 file, tabs between them in a .tsv, else commas; without blanks.

    Raises UserError, which names `flag`, where the file cannot be read so.
    """
    place = Path(path).expanduser()
    try:
        with place.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file, delimiter="\t" if place.suffix == ".tsv" else ",")
            columns = list(rows.fieldnames or [])
            if not {key, value} <= set(columns):
                raise UserError(f"--{flag}={path} has columns {', '.join(columns)}; it needs {key} and {value}")
            return {row[key]: row[value] for row in rows if row[key] and row[value]}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(
            f"--{flag}={path} cannot be read ({error}); give a UTF-8 file with columns {key},{value}"
        ) from error
