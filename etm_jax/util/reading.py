"""Reading JSON and arrays from files that may hold anything: a value, or an error of `etm_jax.util.files.DAMAGED`.

A parser's errors are caught here and become ValueError, except OSError: on arbitrary bytes parsers can raise any error,
such as AttributeError, MemoryError and RuntimeError. Callers catch only `DAMAGED`, so that faults in their own code
stay visible.
"""

import errno
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from etm_jax.util.files import check_archive

MAX_WORDS = 64 << 20
"""Bytes of a file of words, flags or the like, which is read as a whole: a dictionary of a million words has 20 MB."""

MAX_LINE = 1 << 24
"""Characters of a line of a table. More is taken for a broken file."""


def read_bounded(path: Path, most: int = MAX_WORDS) -> bytes:
    """A file's bytes. Raises OSError where it cannot be read or has more than `most`, a device without an end too."""
    with path.open("rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"it has more than {most >> 20:,} MiB", str(path))
    return content


def bounded_lines(file: TextIO) -> Iterator[str]:
    """The lines of a text file, with their ends. Raises ValueError for one of more than `MAX_LINE` characters."""
    while line := file.readline(MAX_LINE + 1):
        if len(line) > MAX_LINE:
            raise ValueError(f"a line has more than {MAX_LINE:,} characters")
        yield line


def read_object(path: Path) -> dict[str, Any]:
    """Read the JSON object in a UTF-8 file. Raises OSError where it cannot be read, ValueError where it has none."""
    return parse_object(path.read_text("utf-8"))


def read_json_value(path: Path) -> Any:
    """Read any JSON in a UTF-8 file. Raises OSError where it cannot be read, ValueError where it has none."""
    with _parsing():
        return json.loads(path.read_text("utf-8"))


def parse_object(text: str) -> dict[str, Any]:
    """Parse a text as a JSON object. Raises ValueError where it is not one."""
    with _parsing():
        value = json.loads(text)
    return as_object(value)


def as_object(value: Any) -> dict[str, Any]:
    """The value, checked to be a JSON object. Raises ValueError where it is not one."""
    if not isinstance(value, dict):
        raise ValueError(f"it holds a {type(value).__name__} where a JSON object should be")
    return value


def read_array(path: Path) -> np.ndarray:
    """Read the array in a .npy file. Raises OSError where it cannot be read, ValueError where it has none."""
    with _parsing(), path.open("rb") as file:
        found = np.load(file, allow_pickle=False)
    if not isinstance(found, np.ndarray):
        found.close()
        raise ValueError("it holds several arrays")
    return found


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Read all arrays of a .npz file. Raises OSError where it cannot be read, ValueError where it is not one."""
    # Opened here, because numpy does not close a damaged file that it opened by its path.
    with _parsing():
        check_archive(path)
        with path.open("rb") as file, np.load(file, allow_pickle=False) as found:
            return {name: found[name] for name in found.files}


def read_sparse(path: Path) -> Any:
    """Read the matrix in a file of `scipy.sparse.save_npz`, in any of scipy's formats.

    Raises OSError where the file cannot be read, ValueError where it has no matrix.
    """
    # Half of the time that --help takes, which reads files of flags through here.
    import scipy.sparse as sp

    with _parsing():
        check_archive(path)
        with path.open("rb") as file:
            return sp.load_npz(file)


@contextmanager
def _parsing() -> Iterator[None]:
    """Turn any error of a parser into OSError or ValueError. The block holds the parser's call, not our own code."""
    try:
        yield
    except (OSError, ValueError):
        raise
    except Exception as error:
        raise ValueError(str(error) or type(error).__name__) from error
