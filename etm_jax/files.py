"""Writing that leaves either the old or the new behind, never half of one.

What a killed process leaves beside, the next one that writes the same path takes over. One process writes a path.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def replace_text(path: Path, text: str) -> None:
    """Write a UTF-8 file beside `path` and rename it over."""
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)


@contextmanager
def replace_folder(path: Path) -> Iterator[Path]:
    """Give an empty folder to fill; when the block ends well it takes the place of `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside, old = (path.with_name(f".{path.name}.{kind}") for kind in ("new", "old"))
    shutil.rmtree(beside, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)
    beside.mkdir()
    try:
        yield beside
        if path.exists():
            path.rename(old)
        beside.rename(path)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
