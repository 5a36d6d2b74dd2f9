"""What this machine has."""

import os


def memory_bytes() -> int | None:
    """The machine's memory; None where the system does not say."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else None
