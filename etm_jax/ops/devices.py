"""Whether JAX finds devices at all."""

import os
import sys


def no_devices() -> str:
    """What to say where JAX is in use and finds no device of the kind that JAX_PLATFORMS names; else nothing."""
    if "jax" not in sys.modules:
        return ""
    import jax

    try:
        jax.devices()
        return ""
    except (RuntimeError, AssertionError):  # The latter where no plugin for CUDA is installed.
        wanted = os.environ.get("JAX_PLATFORMS", "")
        return (
            f"JAX finds no device for JAX_PLATFORMS={wanted} here; unset that to take what there is, or install JAX "
            "for it, as BUILD.md says (for a GPU of NVIDIA's jax[cuda12])"
        )
