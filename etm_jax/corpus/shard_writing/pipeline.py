"""The two passes as an Apache Beam pipeline over the functions that `local` runs: the one user of apache_beam."""

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
from etm_jax.corpus.shard_writing.dealing import columns_of, deal
from etm_jax.corpus.shard_writing.job import Job
from etm_jax.corpus.shard_writing.plan import Plan, make_plan, places
from etm_jax.corpus.shard_writing.summary import Summary, add_up, contents_of, summarize
from etm_jax.corpus.shard_writing.tables import WordTable, count, in_buckets, merge, without_rare
from etm_jax.corpus.shard_writing.writing import Written, write_shard
from etm_jax.corpus.shards.rows import Rows
from etm_jax.corpus.words.segment import most_processes
from etm_jax.util.console import SECONDS_BETWEEN_LINES, note
from etm_jax.util.errors import UserError
from etm_jax.util.extras import require
from etm_jax.util.files import replace_text

Place = tuple[int, int]
"""Part and number of a shard; or a file and a block of it, by which what was dealt is put in order."""

_OUR_ERROR = re.compile(
    r"^(?:RuntimeError: )?etm_jax\.util\.errors\.UserError: (.+?)(?: \[while running .*)?$", re.MULTILINE
)


class BeamRunner:
    """Runs a job as a pipeline. options: those of Beam, as on a command line; "" for processes of this machine.

    The work folder and the inputs have to be at the same paths on every machine that takes part. Nothing of a pipeline
    that failed is used again.
    """

    def __init__(self, options: str) -> None:
        require("apache_beam", "scale", "--runner=beam")
        self._options = shlex.split(options)

    def __call__(self, job: Job, work: Path) -> tuple[Plan, Summary, list[Written]]:
        # It warns of clouds that it has no packages for as soon as it is imported, and tells each error twice. What
        # ends the pipeline is raised here in any case.
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
            with _told_of(job, work), Pipeline(options=quiet) as pipeline:
                _build(pipeline, job, work)
        except Exception as error:
            # A worker's error comes as text.
            told = _OUR_ERROR.findall(str(error))
            if told:
                raise UserError(told[-1]) from error
            raise
        plan = Plan(**_read(work / "plan.json"))
        summary = Summary.from_json(_read(work / "summary.json"))
        return plan, summary, [_written(work, place, plan, job) for place in places(plan)]


def _build(pipeline: Any, job: Job, work: Path) -> None:
    import apache_beam as beam
    from apache_beam.pvalue import AsIter, AsSingleton

    once = pipeline | "once" >> beam.Create([None])
    numbers = pipeline | "files" >> beam.Create(range(len(job.files))) | beam.Reshuffle()
    counted = numbers | "count" >> beam.FlatMap(_count, job, work).with_outputs("tables", "summaries", main="blocks")
    tables = counted.tables | "merge" >> beam.CombinePerKey(merge)
    frequent = tables | "frequent" >> beam.Map(_frequent, job.config.no_below)
    summary = counted.summaries | "add up" >> beam.CombineGlobally(add_up)
    plan = AsSingleton(once | "plan" >> beam.Map(_plan, AsIter(frequent), AsSingleton(summary), job, work))
    dealt = counted.blocks | "deal" >> beam.FlatMap(_deal, plan).with_outputs("last", main="first")
    first = dealt.first | "by shard" >> beam.GroupByKey()
    done = first | "write" >> beam.FlatMap(_write, plan, job, work).with_outputs("left", main="nothing")
    last = (dealt.last, done.left) | beam.Flatten() | "by last shard" >> beam.GroupByKey()
    _ = last | "write last" >> beam.FlatMap(_write, plan, job, work)


def _count(number: int, job: Job, work: Path) -> Iterator[Any]:
    """The first pass over a file."""
    from apache_beam.pvalue import TaggedOutput

    for place, block in enumerate(blocks_of(job.files[number], job)):
        yield (number, place), block
        for bucket, table in enumerate(in_buckets(count(block))):
            yield TaggedOutput("tables", (bucket, table))
        yield TaggedOutput("summaries", summarize(block, job))
    yield TaggedOutput("summaries", contents_of(job.files[number]))
    (work / f"{number}.counted").touch()


def _frequent(merged: tuple[int, WordTable], no_below: int) -> tuple[WordTable, int]:
    return without_rare(merged[1], no_below)


def _plan(_: None, tables: Iterable[tuple[WordTable, int]], summary: Summary, job: Job, work: Path) -> Plan:
    plan = make_plan(list(tables), summary, job)
    replace_text(work / "summary.json", json.dumps(summary.to_json()))
    replace_text(work / "plan.json", json.dumps(plan.to_json()))
    return plan


def _deal(counted: tuple[Place, Block], plan: Plan) -> Iterator[Any]:
    """The second pass over a block."""
    from apache_beam.pvalue import TaggedOutput

    origin, block = counted
    for place, rows in zip(places(plan), deal(block, columns_of(plan), plan), strict=True):
        if rows is not None:
            dealt = place, (origin, rows)
            yield TaggedOutput("last", dealt) if _is_last(place, plan) else dealt


def _write(grouped: tuple[Place, Iterable[tuple[Place, Rows]]], plan: Plan, job: Job, work: Path) -> Iterator[Any]:
    """A shard; what it leaves over goes to the last one of its part, behind what was dealt to that."""
    from apache_beam.pvalue import TaggedOutput

    (part, number), values = grouped
    dealt = [rows for _, rows in sorted(values, key=lambda value: value[0])]
    written, left = write_shard(work, part, number, dealt, plan, job)
    replace_text(_told(work, (part, number)), json.dumps(written.to_json()))
    if left is not None:
        yield TaggedOutput("left", ((part, plan.shards[part] - 1), ((len(job.files), number), left)))


def _written(work: Path, place: Place, plan: Plan, job: Job) -> Written:
    """What was written as a shard; one that nothing was dealt to is written here."""
    if _told(work, place).exists():
        return Written.from_json(_read(_told(work, place)))
    return write_shard(work, *place, [], plan, job)[0]


@contextmanager
def _told_of(job: Job, work: Path) -> Iterator[None]:
    """Within the block the files that workers leave are counted, and a line says now and then how many there are."""
    ended = threading.Event()

    def tell() -> None:
        while not ended.wait(SECONDS_BETWEEN_LINES):
            counted, shards = (len(list(work.glob(f"*.{kind}"))) for kind in ("counted", "written"))
            note(f"{counted:,} of {len(job.files):,} files counted, {shards:,} shards written")

    thread = threading.Thread(target=tell, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _is_last(place: Place, plan: Plan) -> bool:
    return place[1] == plan.shards[place[0]] - 1


def _told(work: Path, place: Place) -> Path:
    return work / f"{place[0]}.{place[1]}.written"


def _read(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))
