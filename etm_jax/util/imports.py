"""Imports of large libraries, sooner."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quick_imports() -> Iterator[None]:
    """Within the block, which imports, Python looks for no cycles of garbage.

    Libraries make hundreds of thousands of objects that stay: to go through them again and again takes a third of the
    time that importing JAX and what belongs to it does.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
