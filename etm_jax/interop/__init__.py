"""Weights from torch and to it, and a trained model as one file.

`from_torch` and `to_torch` translate parameters from and to zll17/Neural_Topic_Models, adjidieng/ETM and TopMost.
`Trained` is a model with its settings and words: a run's, or that of a .safetensors file.
"""

from etm_jax.interop.read import read_trained
from etm_jax.interop.torch_files import from_torch, save_torch, to_torch
from etm_jax.interop.trained import Trained, from_safetensors, to_safetensors

__all__ = ["Trained", "from_safetensors", "from_torch", "read_trained", "save_torch", "to_safetensors", "to_torch"]
