"""The advertisements that repeat in all files together: found before the files are counted, each by itself."""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

from etm_jax.corpus.shard_writing.job import Job
from etm_jax.corpus.sources import file_documents
from etm_jax.corpus.types import Document
from etm_jax.corpus.words.cleaning import advertisements_in
from etm_jax.util.console import note
from etm_jax.util.files import replace_text


def with_advertisements(job: Job, work: Path) -> Job:
    """The job with the lines that --clean=novel finds to repeat in its files; the same job for any other --clean.

    work: a folder that keeps them for a run that resumes. All files are read once, in this process. Raises UserError
    where one cannot be read.
    """
    if job.config.clean != "novel":
        return job
    kept = work / "advertisements.json"
    if not kept.exists():
        note("--clean=novel: looking for advertisements that repeat")
        replace_text(kept, json.dumps(sorted(advertisements_in(_documents(job), job.config))))
    return dataclasses.replace(job, advertisements=tuple(json.loads(kept.read_text("utf-8"))))


def _documents(job: Job) -> Iterator[Document]:
    for file in job.files:
        yield from file_documents(file.path, job.config)()
