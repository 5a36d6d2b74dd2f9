"""Both passes in processes of this machine. Results are left in files, from which a second run resumes."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any

from etm_jax.corpus.shard_writing.blocks import Block, blocks_of
from etm_jax.corpus.shard_writing.job import Job
from etm_jax.corpus.shard_writing.plan import Plan, make_plan, places
from etm_jax.corpus.shard_writing.sharding import columns_of, shard_block
from etm_jax.corpus.shard_writing.summary import Summary, add_up, contents_of, summarize
from etm_jax.corpus.shard_writing.tables import BUCKETS, WordTable, count, in_buckets, merge, without_rare
from etm_jax.corpus.shard_writing.writing import Written, write_shard
from etm_jax.corpus.shards.records import num_records, read_records, write_records
from etm_jax.corpus.shards.rows import Rows
from etm_jax.corpus.words.cleaning import CleaningTally
from etm_jax.corpus.words.segment import most_processes
from etm_jax.util.console import note, track
from etm_jax.util.errors import UserError
from etm_jax.util.files import replace_text
from etm_jax.util.processes import process_pool

WORDS_AT_ONCE = 1 << 20
"""Words of a file's table before it is written to disk: bounds the memory of a process, whatever the file."""

ASSIGNED = ".dealt"
"""Suffix of a file of documents by shard; as in earlier versions, whose unfinished folders are resumed."""

Run = Callable[..., list[Any]]


def run(job: Job, work: Path) -> tuple[Plan, Summary, list[Written]]:
    """Write all shards into the folder `work`.

    Work that an earlier run with the same request finished is not repeated.
    """
    processes = job.config.workers or most_processes(job.config.segmenter)
    numbers = range(len(job.files))
    with _pool(processes, job.config.segmenter) as pool:
        done = sum((work / f"{i}.summary").exists() for i in numbers)
        if done:
            note(f"{done:,} of {len(job.files):,} files were counted by an earlier run")
        summary = add_up(pool("counting", "files", _count_file, [(job, i, work) for i in numbers]))
        tables = pool("merging", "tables", _merge_bucket, [(job, b, work) for b in range(BUCKETS)])
        plan = make_plan(tables, summary, job)
        replace_text(work / "plan.json", json.dumps(plan.to_json()))
        pool("sharding", "files", _shard_file, [(i, work) for i in numbers])
        shards = [(place, *each) for place, each in enumerate(places(plan))]
        is_last = {part: number - 1 for part, number in enumerate(plan.shards)}
        first = [shard for shard in shards if shard[2] != is_last[shard[1]]]
        last = [shard for shard in shards if shard[2] == is_last[shard[1]]]
        written = []
        # The last shard of each part takes the documents left over from the others, so it is written after them.
        for some in (first, last):
            written += pool("writing", "shards", _write_shard, [(job, *shard, work) for shard in some])
    return plan, summary, written


def _count_file(job: Job, number: int, work: Path) -> Summary:
    """The first pass over a file: count its documents, and write tables of its words."""
    done = work / f"{number}.summary"
    if done.exists():
        return Summary.from_json(json.loads(done.read_text("utf-8")))
    summaries: list[Summary] = []
    cleaning = CleaningTally()

    def blocks() -> Iterator[bytes]:
        for block in blocks_of(job.files[number], job, cleaning):
            summaries.append(summarize(block, job))
            yield block.to_bytes()

    write_records(work / f"{number}.blocks", blocks())
    write_records(work / f"{number}.tables", _tables(work / f"{number}.blocks"))
    summary = add_up([*summaries, contents_of(job.files[number]), Summary(cleaning=cleaning)])
    replace_text(done, json.dumps(summary.to_json()), tidy=False)
    return summary


def _tables(blocks: Path) -> Iterator[bytes]:
    """The tables of a file, one for each bucket; repeatedly, where it has more words than are held in memory."""
    held: list[WordTable] = []
    for record in read_records(blocks):
        held.append(count(Block.from_bytes(record)))
        if sum(len(table.words) for table in held) > WORDS_AT_ONCE:
            held = [merge(held)]
            if len(held[0].words) > WORDS_AT_ONCE:
                yield from (table.to_bytes() for table in in_buckets(held.pop()))
    yield from (table.to_bytes() for table in in_buckets(merge(held)))


def _merge_bucket(job: Job, bucket: int, work: Path) -> tuple[WordTable, int]:
    """The frequent words of a bucket over all files, and the number of rare ones."""

    def tables() -> Iterator[WordTable]:
        for number in range(len(job.files)):
            path = work / f"{number}.tables"
            for record in read_records(path, range(bucket, num_records(path), BUCKETS)):
                yield WordTable.from_bytes(record)

    return without_rare(merge(tables()), job.config.no_below)


def _shard_file(number: int, work: Path) -> None:
    """The second pass over a file: distribute its documents over shards, a record for each block and shard."""
    blocks, assigned = work / f"{number}.blocks", work / f"{number}{ASSIGNED}"
    if not assigned.exists():
        plan, columns = _plan(work / "plan.json")
        each = (shard_block(Block.from_bytes(record), columns, plan) for record in read_records(blocks))
        write_records(assigned, (b"" if rows is None else rows.to_bytes() for rows in chain.from_iterable(each)))
    blocks.unlink(missing_ok=True)


def _write_shard(job: Job, place: int, part: int, number: int, work: Path) -> Written:
    """Write a shard from all files; the last shard of a part also takes the documents left over from the others."""
    done = work / f"{part}.{number}.written"
    if done.exists():
        return Written.from_json(json.loads(done.read_text("utf-8")))
    plan, _ = _plan(work / "plan.json")
    sources = [work / f"{i}{ASSIGNED}" for i in range(len(job.files))]
    records = [
        record
        for path in sources
        for record in read_records(path, range(place, num_records(path), len(places(plan))))
        if record
    ]
    if number == plan.shards[part] - 1:
        records += [record for i in range(number) for record in read_records(work / f"{part}.{i}.left")]
    written, left = write_shard(work, part, number, [Rows.from_bytes(record) for record in records], plan, job)
    write_records(work / f"{part}.{number}.left", [] if left is None else [left.to_bytes()])
    replace_text(done, json.dumps(written.to_json()), tidy=False)
    return written


@lru_cache(maxsize=1)
def _plan(path: Path) -> tuple[Plan, dict[str, int]]:
    """The plan that an earlier step wrote, and the column of each word."""
    plan = Plan(**json.loads(path.read_text("utf-8")))
    return plan, columns_of(plan)


def _run_here(label: str, unit: str, function: Callable[..., Any], arguments: list[tuple[Any, ...]]) -> list[Any]:
    """Run in this process, one call after the other."""
    return [function(*each) for each in track(arguments, label, unit=unit)]


@contextmanager
def _pool(processes: int, segmenter: str) -> Iterator[Run]:
    """A function that calls another with each of several arguments in spawned processes; results are in order."""
    if processes == 1:
        yield _run_here
        return

    try:
        with process_pool(processes) as submit:

            def run(label: str, unit: str, function: Callable[..., Any], arguments: list[tuple[Any, ...]]) -> list[Any]:
                futures = [submit(function, *each) for each in arguments]
                for future in track(as_completed(futures), label, total=len(futures), unit=unit):
                    future.result()
                return [future.result() for future in futures]

            yield run
    except BrokenProcessPool as error:
        raise UserError(
            f"a process that prepares with --segmenter={segmenter} was killed, most likely because memory ran out; "
            f"give --workers={processes - 1 or 1}: finished work is kept"
        ) from error
