"""A folder of results that takes long to fill: what an earlier run left unfinished is gone on with, or removed."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

from etm_jax.util.disk import written
from etm_jax.util.errors import UserError
from etm_jax.util.lock import NAME as LOCK
from etm_jax.util.temporary import sweep

WORK = ".work-"
"""Prefix of the folder, inside the folder of results, that holds unfinished work."""

_IS_WORK = re.compile(re.escape(WORK) + "[0-9a-f]{16}")


def work_folder(folder: Path, request: str, is_result: Callable[[str], bool]) -> Path:
    """The folder for the unfinished work of a request inside `folder`, which this process has locked.

    request: SHA-256 of all that decides the results. is_result: whether a name is that of a result that an earlier run
    may have left before it ended. Unfinished work of other requests is deleted. Raises UserError where `folder` holds
    anything else.
    """
    sweep(folder, alone=True)
    work = folder / f"{WORK}{request[:16]}"
    for path in folder.iterdir():
        is_work = _IS_WORK.fullmatch(path.name) and path.is_dir() and not path.is_symlink()
        if is_work and path != work:
            shutil.rmtree(path)
        elif not (is_work or path.name == LOCK or is_result(path.name)):
            raise UserError(f"--output={folder} holds {path.name}; give a folder that is new or empty")
    with written(work):
        work.mkdir(exist_ok=True)
    return work
