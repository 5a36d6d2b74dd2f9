"""Both passes as stages of work, whose pieces leave their results in files, from which a second run goes on."""

import json
from collections.abc import Iterator
from functools import lru_cache, partial
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
from etm_jax.util.files import replace_text
from etm_jax.util.stages import Stage

WORDS_AT_ONCE = 1 << 20
"""Words of a file's table before it is written to disk: bounds the memory of a process, whatever the file."""

ASSIGNED = ".dealt"
"""Suffix of a file of documents by shard; as in earlier versions, whose unfinished folders are resumed."""


def stages_of(job: Job, work: Path) -> list[Stage]:
    """All that is to be done to write the shards of a job into the folder `work`."""
    files, buckets = partial(range, len(job.files)), partial(range, BUCKETS)
    return [
        Stage("counting", "files", files, partial(_count_file, job, work=work)),
        Stage("merging", "tables", buckets, partial(_merge_bucket, job, work=work)),
        Stage("planning", "shards", partial(range, 1), partial(_make_plan, job, work=work), alone=True),
        Stage("sharding", "files", files, partial(_shard_file, work=work)),
        # The last shard of each part takes the documents left over from the others, so it is written after them.
        Stage("writing", "shards", partial(_shards, work, last=False), partial(_write_shard, job, work=work)),
        Stage("writing", "last shards", partial(_shards, work, last=True), partial(_write_shard, job, work=work)),
    ]


def is_done(job: Job, work: Path) -> bool:
    """Whether all stages have left what they were to leave."""
    if num_counted(job, work) < len(job.files) or not (work / "plan.json").exists():
        return False
    plan = _read_plan(work)
    return all(_record(work, *place).exists() for place in places(plan))


def results(job: Job, work: Path) -> tuple[Plan, Summary, list[Written]]:
    """What all stages left in the folder `work`."""
    plan = _read_plan(work)
    written = [Written.from_json(_read(_record(work, *place))) for place in places(plan)]
    return plan, _summary(job, work), written


def num_counted(job: Job, work: Path) -> int:
    """How many files are counted."""
    return sum((work / f"{number}.summary").exists() for number in range(len(job.files)))


def progress(job: Job, work: Path) -> str:
    """How much of it is done, for people."""
    shards = len(list(work.glob("*.written")))
    return f"{num_counted(job, work):,} of {len(job.files):,} files counted, {shards:,} shards written"


def _count_file(job: Job, number: int, work: Path) -> None:
    """The first pass over a file: count its documents, and write tables of its words."""
    done = work / f"{number}.summary"
    if done.exists():
        return
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


def _summary(job: Job, work: Path) -> Summary:
    """The sums over all files."""
    return add_up(Summary.from_json(_read(work / f"{number}.summary")) for number in range(len(job.files)))


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


def _merge_bucket(job: Job, bucket: int, work: Path) -> None:
    """Write the frequent words of a bucket over all files, and the number of rare ones."""
    merged = work / f"{bucket}.merged"
    if merged.exists():
        return

    def tables() -> Iterator[WordTable]:
        for number in range(len(job.files)):
            path = work / f"{number}.tables"
            for record in read_records(path, range(bucket, num_records(path), BUCKETS)):
                yield WordTable.from_bytes(record)

    table, rare = without_rare(merge(tables()), job.config.no_below)
    write_records(merged, [table.to_bytes(), str(rare).encode()])


def _make_plan(job: Job, _: int, work: Path) -> None:
    """Write the plan for the second pass."""
    tables = []
    for bucket in range(BUCKETS):
        table, rare = read_records(work / f"{bucket}.merged")
        tables.append((WordTable.from_bytes(table), int(rare)))
    replace_text(work / "plan.json", json.dumps(make_plan(tables, _summary(job, work), job).to_json()), tidy=False)


def _shard_file(number: int, work: Path) -> None:
    """The second pass over a file: distribute its documents over shards, a record for each block and shard."""
    blocks, assigned = work / f"{number}.blocks", work / f"{number}{ASSIGNED}"
    if not assigned.exists():
        plan, columns = _plan(work / "plan.json")
        each = (shard_block(Block.from_bytes(record), columns, plan) for record in read_records(blocks))
        write_records(assigned, (b"" if rows is None else rows.to_bytes() for rows in chain.from_iterable(each)))
    blocks.unlink(missing_ok=True)


def _shards(work: Path, last: bool) -> list[int]:
    """The places in `places` of the shards that are the last of their part, or of all others."""
    plan = _read_plan(work)
    return [place for place, (part, number) in enumerate(places(plan)) if (number == plan.shards[part] - 1) == last]


def _write_shard(job: Job, place: int, work: Path) -> None:
    """Write a shard from all files; the last shard of a part also takes the documents left over from the others."""
    plan = _plan(work / "plan.json")[0]
    part, number = places(plan)[place]
    leftover = work / f"{part}.{number}.left"
    # By Beam, earlier versions left records of shards without what those left over.
    if _record(work, part, number).exists() and leftover.exists():
        return
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
    write_records(leftover, [] if left is None else [left.to_bytes()])
    replace_text(_record(work, part, number), json.dumps(written.to_json()), tidy=False)


def _record(work: Path, part: int, number: int) -> Path:
    """The file that records a written shard."""
    return work / f"{part}.{number}.written"


@lru_cache(maxsize=1)
def _plan(path: Path) -> tuple[Plan, dict[str, int]]:
    """The plan that an earlier step wrote, and the column of each word."""
    plan = _read_plan(path.parent)
    return plan, columns_of(plan)


def _read_plan(work: Path) -> Plan:
    """The plan alone, which is held no longer than it is used."""
    return Plan(**_read(work / "plan.json"))


def _read(path: Path) -> Any:
    """The content of a JSON file."""
    return json.loads(path.read_text("utf-8"))
