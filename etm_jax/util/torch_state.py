"""Weights out of torch's files, which torch reads with `weights_only`: no file can run code."""

import math
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from etm_jax.util.errors import UserError
from etm_jax.util.extras import require
from etm_jax.util.files import GIBIBYTE, MAX_UNPACKED, check_archive

_ARCHIVE, _PICKLE = b"PK", b"\x80"
"""First bytes of a torch file: a zip archive since version 1.6, a pickle before."""


def read_torch(path: Path) -> dict[str, np.ndarray]:
    """The arrays of the state dict in a torch file. Raises UserError, which does not name the file, where it has none.

    A file that needs more than weights to be read is refused.
    """
    return arrays_of(_load(path), path.stat().st_size)


def arrays_of(loaded: object, file_bytes: float = math.inf) -> dict[str, np.ndarray]:
    """The arrays of a state dict, which may lie inside other dictionaries. They may share memory with it.

    file_bytes: length of the file that it was read from.
    """
    for key in ("state", "net"):
        if isinstance(loaded, Mapping) and isinstance(loaded.get(key), Mapping):
            loaded = loaded[key]
    if not isinstance(loaded, Mapping):
        raise UserError(f"a {type(loaded).__name__} where a state dict should be; save model.state_dict()")
    arrays = {str(key): _array(str(key), value) for key, value in loaded.items()}
    if (claimed := sum(array.nbytes for array in arrays.values())) > max(GIBIBYTE, MAX_UNPACKED * file_bytes):
        # A tensor with stride 0 repeats one stored number any number of times.
        raise UserError(f"its tensors would fill {claimed / GIBIBYTE:,.1f} GiB, far more than the file holds")
    return arrays


def _array(key: str, value: Any) -> np.ndarray:
    """A tensor or array as a numpy array of the same shape. Raises UserError where it is neither."""
    if hasattr(value, "detach"):
        try:
            return np.asarray(value.detach().cpu().numpy())
        except (TypeError, RuntimeError) as error:
            raise UserError(
                f"{key!r} is a tensor of type {value.dtype} that numpy has no counterpart for; save it as float32"
            ) from error
    if not hasattr(value, "__array__"):
        raise UserError(f"{key!r} is a {type(value).__name__}, no array of weights; save model.state_dict() alone")
    return np.asarray(value)


def _load(path: Path) -> object:
    """The content of a torch file. Raises UserError where it cannot be read, or holds more than weights."""
    try:
        with path.open("rb") as file:
            begin = file.read(2)
    except OSError as error:
        raise UserError(f"it cannot be read: {error.strerror}; correct the path") from error
    if not begin.startswith((_ARCHIVE, _PICKLE)):
        raise UserError("it is not a torch checkpoint; give a file that torch.save wrote from model.state_dict()")
    torch = torch_for("reading a torch checkpoint")
    try:
        with warnings.catch_warnings():
            # The error below says what torch warns of.
            warnings.simplefilter("ignore")
            if begin == _ARCHIVE:
                check_archive(path)
            return torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:  # On a damaged file torch can raise any error.
        needed = re.search(r"GLOBAL ([\w.]+)", str(error))
        if needed:
            raise UserError(
                f"it holds more than weights ({needed[1]}), and reading that could run code from the file; "
                "load it where the code that wrote it is installed, and save model.state_dict()"
            ) from error
        raise UserError(
            "it is damaged or not a torch checkpoint; copy it again, or save model.state_dict() again"
        ) from error


def torch_for(purpose: str) -> Any:
    """torch, for a purpose that the message names. Raises UserError where it is not installed."""
    require("torch", "torch", purpose)
    import torch

    return torch
