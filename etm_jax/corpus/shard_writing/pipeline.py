"""Both passes as an Apache Beam pipeline of the functions that `local` runs: the one user of apache_beam."""

import json
import logging
import re
import shlex
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from etm_jax.corpus.shard_writing.blocks import Block, blocks_of
from etm_jax.corpus.shard_writing.job import Job
from etm_jax.corpus.shard_writing.plan import Plan, make_plan, places
from etm_jax.corpus.shard_writing.sharding import columns_of, shard_block
from etm_jax.corpus.shard_writing.summary import Summary, add_up, contents_of, summarize
from etm_jax.corpus.shard_writing.tables import WordTable, count, in_buckets, merge, without_rare
from etm_jax.corpus.shard_writing.writing import Written, write_shard
from etm_jax.corpus.shards.rows import Rows
from etm_jax.corpus.words.cleaning import CleaningTally
from etm_jax.corpus.words.segment import most_processes
from etm_jax.util.console import SECONDS_BETWEEN_LINES, note
from etm_jax.util.errors import UserError
from etm_jax.util.extras import require
from etm_jax.util.files import replace_text

Place = tuple[int, int]
"""Part and number of a shard; or number of a file and of a block in it, which order a shard's documents."""

_OUR_ERROR = re.compile(
    r"^(?:RuntimeError: )?etm_jax\.util\.errors\.UserError: (.+?)(?: \[while running .*)?$", re.MULTILINE
)


class BeamRunner:
    """Runs a job as a pipeline. options: of Beam, as on a command line; empty for processes of this machine.

    The work folder and the inputs must be at the same paths on all machines. Nothing of a failed pipeline is reused.
    """

    def __init__(self, options: str) -> None:
        require("apache_beam", "scale", "--runner=beam")
        self._options = shlex.split(options)

    def __call__(self, job: Job, work: Path) -> tuple[Plan, Summary, list[Written]]:
        # Beam warns on import of cloud services whose packages are missing, and logs each error twice. Errors that end
        # the pipeline are raised here in any case.
        logging.getLogger().setLevel(logging.CRITICAL)
        from apache_beam import Pipeline
        from apache_beam.options.pipeline_options import PipelineOptions

        given = self._options
        if not given:
            processes = min(job.config.workers or most_processes(job.config.segmenter), len(job.files))
            given = ["--direct_running_mode=multi_processing", f"--direct_num_workers={processes}"]
        note(f"running the pipeline with {' '.join(given)}")
        try:
            quiet = PipelineOptions(given, default_sdk_harness_log_level="CRITICAL")
            with _progress(job, work), Pipeline(options=quiet) as pipeline:
                _build(pipeline, job, work)
        except Exception as error:
            # A worker's error comes as text.
            messages = _OUR_ERROR.findall(str(error))
            if messages:
                raise UserError(messages[-1]) from error
            raise
        plan = Plan(**_read(work / "plan.json"))
        summary = Summary.from_json(_read(work / "summary.json"))
        return plan, summary, [_written(work, place, plan, job) for place in places(plan)]


def _build(pipeline: Any, job: Job, work: Path) -> None:
    """Add the steps of both passes to the pipeline."""
    import apache_beam as beam
    from apache_beam.pvalue import AsIter, AsSingleton

    once = pipeline | "once" >> beam.Create([None])
    numbers = pipeline | "files" >> beam.Create(range(len(job.files))) | beam.Reshuffle()
    counted = numbers | "count" >> beam.FlatMap(_count, job, work).with_outputs("tables", "summaries", main="blocks")
    tables = counted.tables | "merge" >> beam.CombinePerKey(merge)
    frequent = tables | "frequent" >> beam.Map(_frequent, job.config.no_below)
    summary = counted.summaries | "add up" >> beam.CombineGlobally(add_up)
    plan = AsSingleton(once | "plan" >> beam.Map(_plan, AsIter(frequent), AsSingleton(summary), job, work))
    assigned = counted.blocks | "shard" >> beam.FlatMap(_shard, plan).with_outputs("last", main="first")
    first = assigned.first | "by shard" >> beam.GroupByKey()
    done = first | "write" >> beam.FlatMap(_write, plan, job, work).with_outputs("left", main="nothing")
    last = (assigned.last, done.left) | beam.Flatten() | "by last shard" >> beam.GroupByKey()
    _ = last | "write last" >> beam.FlatMap(_write, plan, job, work)


def _count(number: int, job: Job, work: Path) -> Iterator[Any]:
    """The first pass over a file: its blocks, tables and sums."""
    from apache_beam.pvalue import TaggedOutput

    cleaning = CleaningTally()
    for place, block in enumerate(blocks_of(job.files[number], job, cleaning)):
        yield (number, place), block
        for bucket, table in enumerate(in_buckets(count(block))):
            yield TaggedOutput("tables", (bucket, table))
        yield TaggedOutput("summaries", summarize(block, job))
    yield TaggedOutput("summaries", contents_of(job.files[number]))
    yield TaggedOutput("summaries", Summary(cleaning=cleaning))
    (work / f"{number}.counted").touch()


def _frequent(merged: tuple[int, WordTable], no_below: int) -> tuple[WordTable, int]:
    """The frequent words of a merged table, and the number of rare ones."""
    return without_rare(merged[1], no_below)


def _plan(_: None, tables: Iterable[tuple[WordTable, int]], summary: Summary, job: Job, work: Path) -> Plan:
    """The plan, which is also written to the work folder."""
    plan = make_plan(list(tables), summary, job)
    replace_text(work / "summary.json", json.dumps(summary.to_json()))
    replace_text(work / "plan.json", json.dumps(plan.to_json()))
    return plan


def _shard(counted: tuple[Place, Block], plan: Plan) -> Iterator[Any]:
    """The second pass over a block: its documents for each shard."""
    from apache_beam.pvalue import TaggedOutput

    origin, block = counted
    for place, rows in zip(places(plan), shard_block(block, columns_of(plan), plan), strict=True):
        if rows is not None:
            assigned = place, (origin, rows)
            yield TaggedOutput("last", assigned) if _is_last(place, plan) else assigned


def _write(grouped: tuple[Place, Iterable[tuple[Place, Rows]]], plan: Plan, job: Job, work: Path) -> Iterator[Any]:
    """Write a shard; what it leaves over goes to the last shard of its part, after the documents of that one."""
    from apache_beam.pvalue import TaggedOutput

    (part, number), values = grouped
    assigned = [rows for _, rows in sorted(values, key=lambda value: value[0])]
    written, left = write_shard(work, part, number, assigned, plan, job)
    replace_text(_record(work, (part, number)), json.dumps(written.to_json()), tidy=False)
    if left is not None:
        yield TaggedOutput("left", ((part, plan.shards[part] - 1), ((len(job.files), number), left)))


def _written(work: Path, place: Place, plan: Plan, job: Job) -> Written:
    """The record of a written shard; a shard without documents is written here."""
    if _record(work, place).exists():
        return Written.from_json(_read(_record(work, place)))
    return write_shard(work, *place, [], plan, job)[0]


@contextmanager
def _progress(job: Job, work: Path) -> Iterator[None]:
    """Within the block, show now and then how many files are counted and shards written."""
    ended = threading.Event()

    def report() -> None:
        while not ended.wait(SECONDS_BETWEEN_LINES):
            counted, shards = (len(list(work.glob(f"*.{kind}"))) for kind in ("counted", "written"))
            note(f"{counted:,} of {len(job.files):,} files counted, {shards:,} shards written")

    thread = threading.Thread(target=report, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _is_last(place: Place, plan: Plan) -> bool:
    """Whether a shard is the last one of its part."""
    return place[1] == plan.shards[place[0]] - 1


def _record(work: Path, place: Place) -> Path:
    """The file that records a written shard."""
    return work / f"{place[0]}.{place[1]}.written"


def _read(path: Path) -> Any:
    """The content of a JSON file."""
    return json.loads(path.read_text("utf-8"))
