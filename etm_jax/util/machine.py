"""What this machine has, and what it gets back."""

import ctypes
import os


def memory_bytes() -> int | None:
    """The machine's memory; None where the system does not say."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else None


_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
"""mallopt's names for them, in glibc's malloc.h."""

KEPT_BYTES = 2**27
"""A block up to so large is used again by malloc, and twice as much may be free before it gives any back: with as much,
a run on inews still mapped 1.3 million pages in place of 0.2."""


def keep_freed_memory() -> None:
    """Let malloc use large blocks again that were freed, where it is that of glibc.

    By itself it asks the system for each block of more than 32 MiB, and gives it back at once. A step of training, and
    much else, needs such a block each time, whose pages the system then clears and maps one by one: of inews from text
    to topics that was a quarter of the time.
    """
    try:
        set_option = ctypes.CDLL(None).mallopt
    except (OSError, TypeError, AttributeError):  # not glibc; on Windows None is no library
        return
    # Each threshold ends malloc's own adapting of both, which begins at 128 KiB: one alone would be worse than none.
    if set_option(_MMAP_THRESHOLD, KEPT_BYTES):
        set_option(_TRIM_THRESHOLD, 2 * KEPT_BYTES)
        # Threads would have heaps of their own, of 64 MiB: what is larger is mapped anew whatever the thresholds are.
        set_option(_ARENA_MAX, 1)


def return_freed_memory() -> None:
    """Give back to the system what was freed and malloc holds, where its malloc is that of glibc."""
    # Of one compilation that is 120 MB and more, in pieces too small for what is computed later.
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (OSError, TypeError, AttributeError):  # not glibc; on Windows None is no library
        return
    trim(0)
