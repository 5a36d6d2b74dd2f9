"""Weights from torch and to it, and a trained model as one file.

`from_torch` and `to_torch` translate parameters from and to zll17/Neural_Topic_Models, adjidieng/ETM and TopMost.
`SavedModel` is a model with its settings and words: a run's, or that of a .safetensors file.
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
