"""What this machine has, and what it gets back."""

import ctypes
import os


def memory_bytes() -> int | None:
    """The machine's memory; None where the system does not say."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else None


def return_freed_memory() -> None:
    """Give back to the system what was freed and malloc holds, where its malloc is that of glibc."""
    # Of one compilation that is 120 MB and more, in pieces too small for what is computed later.
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (OSError, TypeError, AttributeError):  # not glibc; on Windows None is no library
        return
    trim(0)
