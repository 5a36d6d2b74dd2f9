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


def read_tensors(path: Path, wanted: Callable[[str], bool] = bool, extra: str = "interop") -> dict[str, np.ndarray]:
    """Read the arrays of a file. Raises UserError, which does not name the file, where it cannot be read.

    wanted: of which names; by default of all. extra: that of etm_jax which installs the library.
    """
    # numpy knows bfloat16 once this is imported, as JAX does too.
    import ml_dtypes  # noqa: F401

    def arrays(file: Any) -> dict[str, np.ndarray]:
        return {name: file.get_tensor(name) for name in file.keys() if wanted(name)}  # noqa: SIM118

    return _read(path, arrays, extra)


def read_metadata(path: Path) -> dict[str, str]:
    """Read the metadata of a file. Raises UserError as `read_tensors` does."""
    return _read(path, lambda file: file.metadata() or {})


def _read(path: Path, read: Callable[[Any], T], extra: str = "interop") -> T:
    """What `read` returns for the open file. Raises UserError where the file cannot be read."""
    library = _safetensors(extra)
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


def _safetensors(extra: str = "interop") -> Any:
    """The library. Raises UserError where it is not installed."""
    require("safetensors", extra, "a .safetensors file")
    import safetensors

    return safetensors
