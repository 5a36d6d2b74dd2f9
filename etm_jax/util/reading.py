"""Reading JSON and arrays from files that may hold anything: a value, or an error of `etm_jax.util.files.DAMAGED`.

Here, around the parsers alone, every error is caught: on bytes that were never written as such a file they raise
whatever these lead them to (AttributeError, MemoryError and RuntimeError among it), and it becomes a ValueError.
Callers, whose own faults are to be seen as such, catch `DAMAGED`.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from etm_jax.util.files import check_archive


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in a UTF-8 file. Raises OSError where it cannot be read, ValueError where it holds none."""
    return parse_object(path.read_text("utf-8"))


def parse_object(text: str) -> dict[str, Any]:
    """A text that is a JSON object. Raises ValueError where it is none."""
    with _parsing():
        value = json.loads(text)
    return as_object(value)


def as_object(value: Any) -> dict[str, Any]:
    """A value out of JSON that has to be an object. Raises ValueError where it is none."""
    if not isinstance(value, dict):
        raise ValueError(f"it holds a {type(value).__name__} where a JSON object should be")
    return value


def read_array(path: Path) -> np.ndarray:
    """The array in a .npy file. Raises OSError where it cannot be read, ValueError where it holds none."""
    with _parsing(), path.open("rb") as file:
        found = np.load(file, allow_pickle=False)
    if not isinstance(found, np.ndarray):
        found.close()
        raise ValueError("it holds several arrays")
    return found


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """All arrays of a .npz file. Raises OSError where it cannot be read, ValueError where it holds none."""
    # Given the path, numpy leaves a damaged file open.
    with _parsing():
        check_archive(path)
        with path.open("rb") as file, np.load(file, allow_pickle=False) as found:
            return {name: found[name] for name in found.files}


def read_sparse(path: Path) -> Any:
    """The matrix in a file of `scipy.sparse.save_npz`, of any of scipy's formats.

    Raises OSError where it cannot be read, ValueError where it holds none.
    """
    with _parsing():
        check_archive(path)
        with path.open("rb") as file:
            return sp.load_npz(file)


@contextmanager
def _parsing() -> Iterator[None]:
    """Around a parser's call, and nothing of ours."""
    try:
        yield
    except (OSError, ValueError):
        raise
    except Exception as error:
        raise ValueError(str(error) or type(error).__name__) from error
