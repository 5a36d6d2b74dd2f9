"""What this machine has, and what it gets back."""

import ctypes

import pytest

from etm_jax.util.machine import return_freed_memory


@pytest.mark.parametrize("error", [OSError, TypeError, AttributeError])
def test_another_malloc_than_glibcs_keeps_what_it_holds(monkeypatch, error: type[Exception]) -> None:
    def absent(_: object) -> None:
        raise error

    monkeypatch.setattr(ctypes, "CDLL", absent)
    return_freed_memory()


def test_freed_memory_can_be_given_back_at_any_time() -> None:
    kept = bytearray(b"kept" * 2**20)
    return_freed_memory()
    assert kept == bytearray(b"kept" * 2**20)
