"""Whether JAX finds devices at all, and how many threads it computes with on CPUs."""

import os
import sys

from etm_jax.util.threads import cores

_CORES = "NPROC"
"""Where XLA looks first for the number of cores."""


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


def one_thread() -> None:
    """Let XLA compute with one thread on CPUs, in this process and in those that it starts, unless it has begun.

    XLA adds up in another order where there are more cores (findings/jax-cpu-sum-by-cores.sh): θ has other last bits on
    one core than on two. Processes that share work by documents lose nothing by it.
    """
    os.environ[_CORES] = "1"


def num_threads() -> int:
    """How many threads XLA computes with on CPUs: the cores of this process, but for what `one_thread` has said."""
    told = os.environ.get(_CORES, "")
    return int(told) if told.isdecimal() and int(told) else cores()
