"""Reading and writing ArrayRecord files: the one user of array_record."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from etm_jax.util.errors import UserError
from etm_jax.util.extras import require
from etm_jax.util.files import replace_by_name

OPTIONS = "group_size:1,zstd:3"
"""Each record is compressed by itself, so that it can be read without its neighbours."""


def check_installed() -> None:
    """Raise UserError where the packages that read and write shards are missing."""
    for package in ("array_record", "grain"):
        require(package, "scale", "a corpus in shards")


def write_records(path: Path, records: Iterable[bytes]) -> None:
    """Write a file, which appears under its name when it is complete. Raises UserError where it cannot be written."""
    from array_record.python.array_record_module import ArrayRecordWriter

    # A folder of shards can have very many files; what is left in it goes with the folder of unfinished work.
    with replace_by_name(path, tidy=False) as beside:
        writer = ArrayRecordWriter(str(beside), OPTIONS)
        for record in records:
            writer.write(record)
        try:
            writer.close()
        except RuntimeError as error:
            raise OSError(str(error)) from error


def num_records(path: Path) -> int:
    """Number of records of a file. Raises UserError where it is damaged or missing."""
    return int(_reader(path).num_records())


def read_records(path: Path, numbers: Sequence[int] | None = None) -> Iterator[bytes]:
    """Records by their numbers, or all in order. Raises UserError where the file is damaged or missing."""
    reader = _reader(path)
    try:
        for number in range(reader.num_records()) if numbers is None else numbers:
            yield reader.read([number])[0]
    except (RuntimeError, IndexError, ValueError) as error:
        raise damaged(path, error) from error
    finally:
        reader.close()


def damaged(path: Path, error: Exception) -> UserError:
    """The error for a damaged file."""
    message = str(error).split("; at byte")[0]
    return UserError(f"{path} is damaged ({message}); restore the file from a backup, or prepare the corpus again")


def _reader(path: Path) -> Any:
    """An open file. Raises UserError where it is damaged or missing."""
    from array_record.python.array_record_module import ArrayRecordReader

    if not path.is_file():
        raise UserError(f"{path} is missing; restore it from a backup, or prepare the corpus again")
    reader = ArrayRecordReader(str(path), "readahead_buffer_size:0,max_parallelism:0")
    if not reader.ok():
        raise damaged(path, ValueError("it is not an ArrayRecord file"))
    return reader
