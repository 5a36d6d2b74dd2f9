"""Conversion of weights from and to torch, and of a trained model from and to one file.

`from_torch` and `to_torch` translate parameters from and to zll17/Neural_Topic_Models, adjidieng/ETM and TopMost.
`read_saved_model` reads a `SavedModel`, a model with its settings and words, from a run, a saved folder or a file.
"""

from etm_jax.interop.native_files import from_safetensors, to_safetensors
from etm_jax.interop.read import read_saved_model
from etm_jax.interop.torch_files import from_torch, save_torch, to_torch
from etm_jax.training.saved_model import SavedModel

__all__ = [
    "SavedModel",
    "from_safetensors",
    "from_torch",
    "read_saved_model",
    "save_torch",
    "to_safetensors",
    "to_torch",
]
