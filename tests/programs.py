"""Compiled programs, which the tests' processes share, and the checkouts of one user: a fifth of what the tests take.

JAX finds a program by all that it depends on: what is computed, how it is compiled, and the version of XLA.
"""

import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from etm_jax.util.disk import cache_folder, sweep
from etm_jax.util.errors import UserError
from etm_jax.util.machine import processor_name

MOST = 512 << 20
"""Bytes of the folder. One run of all tests needs 80 million."""


def folder_of_programs() -> Path:
    """Beside those of the package in the user's folder of caches; where that cannot be written, in this checkout."""
    with suppress(OSError, UserError):
        folder = _of_all_processors() / processor_name()
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return folder
    return Path(__file__).parents[1] / ".pytest_cache" / "jax"


def forget_old_programs() -> None:
    """Delete what was used longest ago where there is more than `MOST`."""
    with suppress(UserError):
        sweep(_of_all_processors(), MOST)


def _of_all_processors() -> Path:
    return cache_folder() / "programs_of_tests"


class _Names(logging.Handler):
    """Collects what JAX tells that it has compiled."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if message.startswith("Finished XLA compilation of jit("):
            self.names.append(message.split("jit(")[1].split(")")[0])


@contextmanager
def compiled() -> Iterator[list[str]]:
    """The names of the programs that are compiled, or read from the folder, within the block, in all threads.

    A function's own count is of calls that differ for JAX, and of those that its memory for all functions has room for.
    """
    logger, handler = logging.getLogger("jax._src.dispatch"), _Names()
    before = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    try:
        yield handler.names
    finally:
        logger.removeHandler(handler)
        logger.level, logger.propagate = before


def write_whole_programs() -> None:
    """Have JAX write a program aside, then put it into its place, where its version keeps them as those known do.

    By itself it writes each to its place. A worker that needs the same program meanwhile reads a part of it, which is a
    warning, and a warning fails a test.
    """
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
