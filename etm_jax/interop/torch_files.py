"""Conversion of weights from and to torch, which is imported only where its files or its tensors are needed.

No file can run code: torch reads it with `weights_only`, and a file that needs more is refused.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from etm_jax.interop.layouts import Weights, from_state, to_state
from etm_jax.models.layers import Params
from etm_jax.util.errors import UserError
from etm_jax.util.files import replace_file
from etm_jax.util.tensor_files import is_tensor_file, read_tensors
from etm_jax.util.torch_state import arrays_of, read_torch, torch_for


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
        return from_state(arrays_of(source), rho)
    path = Path(source).expanduser()
    try:
        if is_tensor_file(path):
            return from_state(read_tensors(path), rho)
        return from_state(read_torch(path), rho)
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
    torch = torch_for("writing weights for torch")
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
        torch_for("writing a torch checkpoint").save(state, file)
