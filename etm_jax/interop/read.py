"""Reading a trained model from any source: a run, a saved folder, a .safetensors file or a torch checkpoint."""

from pathlib import Path

import numpy as np

from etm_jax.config.build import make_config
from etm_jax.interop.folders import FILES, MODEL, read_folder
from etm_jax.interop.layouts import LAYOUTS
from etm_jax.interop.native_files import MARK, from_safetensors, read_run_weights
from etm_jax.interop.torch_files import from_torch
from etm_jax.models.layers import Variables
from etm_jax.training.run_folder import RunFolder
from etm_jax.training.saved_model import SavedModel
from etm_jax.util.disk import given_path
from etm_jax.util.errors import UserError
from etm_jax.util.tensor_files import SUFFIX, is_tensor_file, read_metadata

TORCH_SUFFIXES = (".pt", ".pth", ".ckpt", ".bin")
"""Suffixes of files that torch writes. They decide only where no file exists: one that does may have any name."""


def read_saved_model(path: str, rho: np.ndarray | None = None, unfinished: bool = False) -> SavedModel:
    """Read a trained model from a run's folder, a folder of `ETM.save`, a .safetensors file or a torch checkpoint.

    Parameters
    ----------
    path : str
        The folder or file. Of a run, the epoch that it exports is read.
    rho : ndarray of shape (V, L), optional
        Word embeddings that a torch checkpoint lacks, as for `from_torch`.
    unfinished : bool
        Whether to take a run that has not ended as it is, with a warning.

    Returns
    -------
    SavedModel
        Without a vocabulary where it comes from a torch checkpoint.

    Raises
    ------
    UserError
        Where there is no model, it cannot be read, it is of a run that has not ended, or `rho` is given for one that
        has word embeddings.
    """
    place = given_path(path)
    is_run = not place.is_file() and place.suffix not in (SUFFIX, *TORCH_SUFFIXES)
    if is_run or (is_tensor_file(place) and _is_ours(place)):
        if rho is not None:
            raise UserError(f"{path} holds word embeddings of its own; leave out rho, which is for torch checkpoints")
        if (place / MODEL).is_file():
            return read_folder(place)[0]
        return read_run_weights(path, unfinished) if is_run else from_safetensors(place)
    weights = from_torch(place, rho)
    if weights.settings["kind"] == "detm_paper":
        raise UserError(
            f"{path} holds weights of {LAYOUTS[weights.layout].package}, whose inference reads the words of each "
            "period too, and they are in no such file; etm_jax.interop.from_torch gives the parameters alone"
        )
    config = make_config(weights.variant, weights.settings)
    constants = {"background": np.zeros(weights.vocab_size, np.float32)} if "rho" in weights.params else {}
    origin = f"{place.name}, weights of {LAYOUTS[weights.layout].package}"
    return SavedModel(config, Variables(weights.params, constants), None, origin)


def model_files(path: str) -> list[Path]:
    """The files and folders that a model is read from, those included that it could have: `path` as above."""
    place = Path(path).expanduser()
    return [*RunFolder(place).parts, *(place / name for name in FILES)] if place.is_dir() else [place]


def _is_ours(path: Path) -> bool:
    """Whether a .safetensors file was written by `to_safetensors`."""
    try:
        return MARK in read_metadata(path)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
