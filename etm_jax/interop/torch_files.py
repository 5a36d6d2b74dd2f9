"""Conversion of weights from and to torch, which is imported only where its files or its tensors are needed.

No file can run code: torch reads it with `weights_only`, and a file that needs more is refused.
"""

import math
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from etm_jax.interop.layouts import Weights, from_state, to_state
from etm_jax.interop.tensor_files import is_tensor_file, read_tensors
from etm_jax.models.layers import Params
from etm_jax.util.errors import UserError
from etm_jax.util.extras import require
from etm_jax.util.files import GIBIBYTE, MAX_UNPACKED, check_archive, replace_file

_ARCHIVE, _PICKLE = b"PK", b"\x80"
"""First bytes of a torch file: a zip archive since version 1.6, a pickle before."""


def from_torch(source: str | Path | Mapping[str, Any], rho: np.ndarray | None = None) -> Weights:
    """Read weights of zll17/Neural_Topic_Models, adjidieng's ETM and DETM, embedded-topic-model or TopMost's two.

    Parameters
    ----------
    source : str, Path or mapping
        A torch file, a .safetensors file of its tensors, or what such a file holds: a state dict of tensors or arrays,
        by itself or in one of the dictionaries that zll17/Neural_Topic_Models saves. Its keys determine the package.
    rho : ndarray of shape (V, L), optional
        Word embeddings of an adjidieng/ETM that was trained on fixed ones, which its state dict lacks.

    Returns
    -------
    Weights
        The parameters under our names, bit for bit.

    Raises
    ------
    UserError
        Where the file cannot be read, or its keys and shapes are not those of one model.
    """
    if isinstance(source, Mapping):
        return from_state(_arrays(source), rho)
    path = Path(source).expanduser()
    try:
        if is_tensor_file(path):
            return from_state(read_tensors(path), rho)
        return from_state(_arrays(_load(path), path.stat().st_size), rho)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


def to_torch(params: Params, layout: str) -> dict[str, Any]:
    """Make a state dict of torch tensors, for `load_state_dict`.

    The values are those of `params`, bit for bit. An adjidieng/ETM or embedded-topic-model on fixed embeddings keeps ρ
    outside its state dict: call `model.rho = state.pop("rho.weight")` before `load_state_dict`.

    Parameters
    ----------
    params : dict
        Parameters of a model of etm_jax.
    layout : str
        The package whose names the tensors get: ntm, etm, topmost, detm or topmost_d. TopMost's DETM has a batch
        normalisation besides, which it does not use: load with `strict=False`.

    Returns
    -------
    dict of str to Tensor

    Raises
    ------
    UserError
        Where the layout is unknown or lacks a parameter of `params`, `params` lack one that it needs, or torch is not
        installed.
    """
    state = to_state(params, layout)
    torch = _torch("writing weights for torch")
    return {key: torch.from_numpy(array) for key, array in state.items()}


def save_torch(path: str | Path, params: Params, layout: str) -> None:
    """Write the file that the layout's package reads, replacing what is there.

    For ntm it is a dictionary of `net` and `param`, else the state dict.

    Parameters
    ----------
    path : str or Path
        The file to write.
    params, layout
        As for `to_torch`.

    Raises
    ------
    UserError
        As `to_torch` does, and where the file cannot be written.
    """
    state: dict[str, Any] = to_torch(params, layout)
    if layout == "ntm":
        vocab_size, num_topics = params["hidden_0"]["kernel"].shape[0], params["mu"]["kernel"].shape[1]
        param = {"bow_dim": vocab_size, "n_topic": num_topics}
        state = {"net": state, "param": param | ({"emb_dim": params["rho"].shape[1]} if "rho" in params else {})}
    with replace_file(Path(path).expanduser()) as file:
        _torch("writing a torch checkpoint").save(state, file)


def _arrays(loaded: object, file_bytes: float = math.inf) -> dict[str, np.ndarray]:
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
    torch = _torch("reading a torch checkpoint")
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


def _torch(purpose: str) -> Any:
    """torch. Raises UserError where it is not installed."""
    require("torch", "torch", purpose)
    import torch

    return torch
