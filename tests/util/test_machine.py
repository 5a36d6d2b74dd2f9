"""What this machine has, and what it gets back."""

import ctypes
import os
import platform
import subprocess
import sys
from types import SimpleNamespace

import pytest

from etm_jax.util.machine import keep_freed_memory, return_freed_memory


@pytest.mark.parametrize("error", [OSError, TypeError, AttributeError])
def test_another_malloc_than_glibcs_keeps_what_it_holds(monkeypatch, error: type[Exception]) -> None:
    def absent(_: object) -> None:
        raise error

    monkeypatch.setattr(ctypes, "CDLL", absent)
    return_freed_memory()
    keep_freed_memory()


@pytest.mark.parametrize("accepted, asked", [(1, [-3, -1, -2]), (0, [-3])])
def test_a_malloc_that_refuses_so_large_blocks_goes_on_adapting(monkeypatch, accepted: int, asked: list[int]) -> None:
    """As mallopt answers, 1 or 0: the other option alone would leave it with its threshold of the start, 128 KiB."""
    options = []
    malloc = SimpleNamespace(mallopt=lambda option, _: options.append(option) or accepted)
    monkeypatch.setattr(ctypes, "CDLL", lambda _: malloc)
    keep_freed_memory()
    assert options == asked


BLOCK = 40 * 2**20

FAULTS = """
import ctypes, resource, sys, threading
from etm_jax.util.machine import keep_freed_memory
if sys.argv[1] == "kept":
    keep_freed_memory()
def blocks():
    held = b"x" * int(sys.argv[2])
    for _ in range(20):
        b"x" * int(sys.argv[2])
thread = threading.Thread(target=blocks)
thread.start()
thread.join()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
"""
"""Twenty blocks of 40 MiB, one after the other, in a thread that holds another: how many pages the system had to map.

glibc maps blocks above 32 MiB one by one, and two of 40 do not fit into a thread's heap, whose second is given back."""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="its malloc is not glibc's")
def test_a_large_block_that_was_freed_is_used_again() -> None:
    mapped = [
        int(
            subprocess.run(
                [sys.executable, "-c", FAULTS, how, str(BLOCK)], capture_output=True, text=True, check=True
            ).stdout
        )
        for how in ("", "kept")
    ]
    pages = 20 * BLOCK // os.sysconf("SC_PAGE_SIZE")
    if mapped[0] < pages // 2:
        pytest.skip("the system maps more than a page at a time")
    assert mapped[1] < mapped[0] // 4


def test_freed_memory_can_be_given_back_at_any_time() -> None:
    kept = bytearray(b"kept" * 2**20)
    return_freed_memory()
    assert kept == bytearray(b"kept" * 2**20)
