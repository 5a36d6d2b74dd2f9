"""What this machine has, and what it gets back."""

import ctypes
import os
import platform
import zlib
from contextlib import suppress
from pathlib import Path


def memory_bytes() -> int | None:
    """The machine's memory; None where the system does not say."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else None


_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3
"""mallopt's names for them, in glibc's malloc.h."""

KEPT_BYTES = 2**27
"""A block up to so large is used again by malloc, and twice as much may be free before it gives any back."""

HEAP_BYTES = 2**26
"""Of malloc's heaps for threads (HEAP_MAX_SIZE in glibc's arena.c). What is larger has a mapping of its own."""


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
        # A thread's heap that is empty is given back whatever the thresholds are, unless the heap before it lacks room
        # for this. One heap for all threads would keep as much; but compilers leave many small free pieces, among which
        # threads then search one after the other: steps took a third longer, and compiling a quarter.
        set_option(_TOP_PAD, HEAP_BYTES + 2**22)


def return_freed_memory() -> None:
    """Give back to the system what was freed and malloc holds, where its malloc is that of glibc."""
    # Of one compilation that is 120 MB and more, in pieces too small for what is computed later.
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (OSError, TypeError, AttributeError):  # not glibc; on Windows None is no library
        return
    trim(0)


def processor_name() -> str:
    """A name for the instructions that this processor has, for a folder of programs that need them."""
    about = platform.processor()
    with suppress(OSError, StopIteration):  # Linux's.
        lines = Path("/proc/cpuinfo").read_text("utf-8", errors="replace").splitlines()
        about = next(line for line in lines if line.startswith(("flags", "Features")))
    return f"{platform.machine() or 'processor'}-{zlib.crc32(about.encode()):08x}"
