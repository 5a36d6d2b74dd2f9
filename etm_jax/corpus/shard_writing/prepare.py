"""From files of any number to a folder of shards."""

import shutil
from collections.abc import Callable
from pathlib import Path

from etm_jax.corpus.shard_writing import local
from etm_jax.corpus.shard_writing.job import Job
from etm_jax.corpus.shard_writing.plan import Plan
from etm_jax.corpus.shard_writing.summary import Summary
from etm_jax.corpus.shard_writing.writing import Written, finish
from etm_jax.corpus.shards.manifest import NAME, SUFFIX, VOCABULARY, Manifest
from etm_jax.corpus.shards.records import check_installed
from etm_jax.util.console import note
from etm_jax.util.errors import UserError
from etm_jax.util.files import check_writable, written
from etm_jax.util.lock import NAME as LOCK
from etm_jax.util.lock import locked

WORK = ".work-"
"""Begins the name of the folder, inside the one to be filled, that holds what is half done."""

Runner = Callable[[Job, Path], tuple[Plan, Summary, list[Written]]]


def prepare_shards(job: Job, folder: Path, runner: Runner = local.run) -> Manifest:
    """Prepare what `job` says into `folder`, and return what it then holds.

    A folder that holds the same job done is left as it is. What lies in it half done is gone on with by `local.run`, if
    it is of the same job, and otherwise dropped. Raises UserError where it holds anything else.
    """
    check_installed()
    check_writable(folder, "output")
    with locked(folder, "output"):
        if (folder / NAME).exists():
            manifest = Manifest.read(folder)
            if manifest.request != job.request:
                raise UserError(
                    f"--output={folder} holds a corpus that was prepared from other files, or with other settings; "
                    "give another --output, or remove that folder"
                )
            note(f"{folder} was prepared before from these files with these settings: nothing is done")
            return manifest
        work = folder / f"{WORK}{job.request[:16]}"
        for path in folder.iterdir():
            if path.name.startswith(WORK) and path != work:
                shutil.rmtree(path)
            elif not (path == work or path.name in (LOCK, VOCABULARY) or path.suffix == SUFFIX):
                raise UserError(f"--output={folder} holds {path.name}; give a folder that is new or empty")
        with written(work):
            work.mkdir(exist_ok=True)
        manifest = finish(work, folder, job, *runner(job, work))
        shutil.rmtree(work)
        return manifest
