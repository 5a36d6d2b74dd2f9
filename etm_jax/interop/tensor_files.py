"""Files of named arrays in the safetensors format. Only this module imports safetensors."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from etm_jax.util.errors import UserError
from etm_jax.util.extras import require
from etm_jax.util.files import replace_file

T = TypeVar("T")

SUFFIX = ".safetensors"


def is_tensor_file(path: Path) -> bool:
    """Whether a file has the suffix .safetensors."""
    return path.suffix.lower() == SUFFIX


def read_tensors(path: Path) -> dict[str, np.ndarray]:
    """Read the arrays of a file. Raises UserError, which does not name the file, where it cannot be read."""
    return _read(path, lambda file: {name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118


def read_metadata(path: Path) -> dict[str, str]:
    """Read the metadata of a file. Raises UserError as `read_tensors` does."""
    return _read(path, lambda file: file.metadata() or {})


def _read(path: Path, read: Callable[[Any], T]) -> T:
    """What `read` returns for the open file. Raises UserError where the file cannot be read."""
    library = _safetensors()
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise UserError(f"it cannot be read: {error.strerror}; correct the path") from error
    try:
        with library.safe_open(path, framework="np") as file:
            return read(file)
    except Exception as error:  # On other bytes the library can raise any error.
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise UserError(f"it cannot be read as safetensors ({reason}); copy or export it again") from error


def write_tensors(path: Path, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> None:
    """Write arrays of any shape and metadata to a file; an existing one is replaced.

    Raises UserError where it cannot be written.
    """
    _safetensors()
    from safetensors.numpy import save

    # `np.ascontiguousarray` would make a scalar an array of one.
    contents = save({name: np.asarray(array, order="C") for name, array in arrays.items()}, dict(metadata))
    with replace_file(path) as file:
        file.write(contents)


def _safetensors() -> Any:
    """The library. Raises UserError where it is not installed."""
    require("safetensors", "interop", "a .safetensors file")
    import safetensors

    return safetensors
