"""Both passes in processes of this machine."""

from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from etm_jax.corpus.shard_writing.job import Job
from etm_jax.corpus.shard_writing.passes import results, stages_of
from etm_jax.corpus.shard_writing.plan import Plan
from etm_jax.corpus.shard_writing.summary import Summary
from etm_jax.corpus.shard_writing.writing import Written
from etm_jax.corpus.words.segment import most_processes
from etm_jax.util.errors import UserError
from etm_jax.util.stages import run_stages


def run(job: Job, work: Path) -> tuple[Plan, Summary, list[Written]]:
    """Write all shards into the folder `work`."""
    processes = job.config.workers or most_processes(job.config.segmenter)
    try:
        run_stages(stages_of(job, work), processes)
    except BrokenProcessPool as error:
        raise UserError(
            f"a process that prepares with --segmenter={job.config.segmenter} was killed, most likely because memory "
            f"ran out; give --workers={processes - 1 or 1}: finished work is kept"
        ) from error
    return results(job, work)
