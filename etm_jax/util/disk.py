"""What the system says of a disk while something is written to it, for people."""

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from etm_jax.util.errors import UserError


@contextmanager
def written(path: Path) -> Iterator[None]:
    """Turn an OSError while `path` is written into a UserError that names it, and the free space on a full disk."""
    try:
        yield
    except OSError as error:
        # numpy reports a full disk as an OSError without errno.
        full = error.errno in (None, errno.ENOSPC, errno.EDQUOT)
        room = f" ({free_space(path) / 2**20:,.1f} MiB are free there); make room, or" if full else ";"
        raise UserError(f"{path} cannot be written: {error.strerror or error}{room} give another path") from error


def free_space(path: Path) -> int:
    """Free bytes on the file system of `path`, which need not exist."""
    there = next(place for place in (path.absolute(), *path.absolute().parents) if place.exists())
    return shutil.disk_usage(there).free
