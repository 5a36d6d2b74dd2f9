"""Topic modelling in embedding spaces, in JAX: `from etm_jax import ETM`."""

import importlib
from typing import Any

__version__ = "0.1.0"
__all__ = ["ETM", "__version__"]


def __getattr__(name: str) -> Any:
    # JAX takes a second to import, which `--help` and a mistyped flag should not cost.
    if name == "ETM":
        return importlib.import_module(f"{__name__}.estimator").ETM
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
