"""Both passes as an Apache Beam pipeline."""

from functools import partial
from pathlib import Path

from etm_jax.corpus.shard_writing.job import Job
from etm_jax.corpus.shard_writing.passes import is_done, progress, results, stages_of
from etm_jax.corpus.shard_writing.plan import Plan
from etm_jax.corpus.shard_writing.summary import Summary
from etm_jax.corpus.shard_writing.writing import Written
from etm_jax.corpus.words.segment import most_processes
from etm_jax.util.beam import Beam


class BeamRunner:
    """Runs a job as a pipeline. options: of Beam, as on a command line; empty for processes of this machine.

    The work folder and the inputs must be at the same paths on all machines.
    """

    def __init__(self, options: str) -> None:
        self._beam = Beam(options)

    def __call__(self, job: Job, work: Path) -> tuple[Plan, Summary, list[Written]]:
        """Write all shards into the folder `work`."""
        processes = min(job.config.workers or most_processes(job.config.segmenter), len(job.files))
        self._beam.run(stages_of(job, work), processes, partial(progress, job, work), partial(is_done, job, work))
        return results(job, work)
