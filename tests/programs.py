"""Compiled programs that appear whole in the folder that the tests' processes share.

JAX writes each to its place. A worker that needs the same program meanwhile reads a part of it, which is a warning, and
a warning fails a test.
"""

import tempfile
from pathlib import Path
from typing import Any


def write_whole_programs() -> None:
    """Have JAX write a program aside, then put it into its place, where its version keeps them as those known do."""
    from jax._src import lru_cache

    cache = getattr(lru_cache, "LRUCache", None)
    if cache is None:
        return
    put = cache.put

    def put_whole(self: Any, key: str, value: bytes) -> None:
        with tempfile.TemporaryDirectory(prefix=".", dir=self.path) as aside:
            put(cache(aside, max_size=-1), key, value)
            for file in Path(aside).iterdir():
                file.replace(Path(self.path) / file.name)

    cache.put = put_whole
