"""What a document costs on its way into shards and out of them: seconds of one processor, and bytes."""

import dataclasses
import gzip
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

BATCH = 256
COPIES = 10
"""Times that the news are written, so that there is enough to read."""

PKUSEG_DOCUMENTS = 300


def all_costs(place: Path) -> dict[str, Any]:
    """Of news items of 2018 (inews): µs of a processor and bytes a document, by stage.

    On a machine that others use too, what a stage takes of the processors says more than what time it takes.
    """
    from etm_jax.config.corpus_settings import CorpusConfig
    from etm_jax.corpus.shard_writing.blocks import Block, next_block
    from etm_jax.corpus.shard_writing.job import make_job
    from etm_jax.corpus.shard_writing.plan import make_plan
    from etm_jax.corpus.shard_writing.prepare import prepare_shards
    from etm_jax.corpus.shard_writing.sharding import columns_of, in_order, shard_block
    from etm_jax.corpus.shard_writing.summary import add_up, summarize
    from etm_jax.corpus.shard_writing.tables import count, in_buckets, merge, without_rare
    from etm_jax.corpus.shard_writing.writing import write_shard
    from etm_jax.corpus.shards.rows import Rows
    from etm_jax.corpus.sources import file_documents
    from etm_jax.corpus.words.segment import segment_alone

    texts = _news()
    paths = _written(texts, place)
    config = CorpusConfig(segmenter="rjieba", workers=1)
    job = make_job(f"{place}/news-*.jsonl.gz", config, num_shards=1)
    one = job.files[0]
    found: dict[str, Any] = {
        "documents": len(texts),
        "characters": sum(map(len, texts)) / len(texts),
        "text_bytes": sum(len(text.encode()) for text in texts) / len(texts),
        "packed_bytes": one.size / len(texts),
    }
    documents, found["read_text_us"] = _per(len(texts), lambda: list(file_documents(one.path, config)()))
    list(segment_alone(iter(documents[:10]), job.config))
    pairs, found["rjieba_us"] = _per(len(texts), lambda: list(segment_alone(iter(documents), job.config)))
    pkuseg = dataclasses.replace(job.config, segmenter="pkuseg")
    some = documents[:: len(documents) // PKUSEG_DOCUMENTS]
    list(segment_alone(iter(some[:10]), pkuseg))
    _, found["pkuseg_us"] = _per(len(some), lambda: list(segment_alone(iter(some), pkuseg)))
    block, found["count_us"] = _per(len(texts), lambda: next_block(iter(pairs), one.name, 0, job))
    record, found["put_down_us"] = _per(len(texts), lambda: block.to_bytes())
    table, found["table_us"] = _per(len(texts), lambda: count(block))
    _, merging = _per(len(table.words), lambda: [merge([b, b]) for b in in_buckets(table)])
    found |= {"merge_us_a_word": merging / 2, "words": len(table.words), "block_bytes": len(record) / len(texts)}
    plan = make_plan([without_rare(bucket, 5) for bucket in in_buckets(table)], add_up([summarize(block, job)]), job)
    columns, again = columns_of(plan), Block.from_bytes(record)
    assigned, found["deal_us"] = _per(len(texts), lambda: shard_block(again, columns, plan._replace(shards=[8, 1, 1])))
    rows = in_order([Rows.from_bytes(r.to_bytes()) for r in assigned[:8] if r is not None])
    found["nonzeros"] = rows.counts.nnz / len(rows)
    found["tokens"] = float(rows.tokens.mean())
    _, found["write_us"] = _per(len(rows), lambda: write_shard(place, 0, 0, [rows], plan, job)[0])
    # A word of five items is one of fifty where each comes ten times.
    frequent = dataclasses.replace(config, no_below=5 * COPIES)
    prepare_shards(make_job(f"{place}/news-*.jsonl.gz", frequent, num_shards=1), place / "prepared")
    found |= _reading(place / "prepared")
    found |= _step()
    found["files"] = len(paths)
    return found


def _news() -> list[str]:
    from etm_jax.config.corpus_settings import CorpusConfig
    from etm_jax.corpus.sources import find_source

    source = find_source(CorpusConfig(corpus="inews"))
    assert source.documents is not None
    return [document.text for document in source.documents()]


def _written(texts: list[str], place: Path) -> list[Path]:
    lines = "".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts).encode()
    packed = gzip.compress(lines, mtime=0)
    paths = [place / f"news-{number:02}.jsonl.gz" for number in range(COPIES)]
    for path in paths:
        path.write_bytes(packed)
    return paths


def _per(number: int, work: Callable[[], Any]) -> tuple[Any, float]:
    """What the work returns, and µs of processors for each of so many."""
    begun = time.process_time()
    result = work()
    return result, (time.process_time() - begun) / number * 1e6


def _reading(folder: Path) -> dict[str, Any]:
    """An epoch of the shards by threads and by worker processes, and what a batch of it is on its way to the device."""
    import jax

    from etm_jax.corpus.inputs import encoder_input
    from etm_jax.corpus.shards import read_corpus
    from etm_jax.corpus.shards.manifest import Manifest
    from etm_jax.training.batches import Batcher

    corpus = read_corpus(folder)
    stream, part = corpus.stream, Manifest.read(folder).parts["train"]
    assert stream is not None
    found: dict[str, Any] = {"shard_bytes": part.total("bytes") / stream.num_docs, "vocabulary": stream.num_words}
    for workers in (0, 1, 2):
        steps = stream.epoch(1, 1, BATCH, workers=workers)
        first = _documents(next(steps))  # what it takes to start is no cost of a document
        begun, before = time.monotonic(), _processors()
        docs = sum(map(_documents, steps))
        seconds = time.monotonic() - begun
        # Workers are counted when they have ended, their start with them.
        found[f"read_{workers}_us"] = (_processors() - before) / docs * 1e6
        found[f"read_{workers}_docs_a_second"] = docs / seconds
        assert docs + first == stream.num_docs
    counts = corpus.train.counts[: 100 * BATCH]
    batcher = Batcher(counts, encoder_input(counts, "log1p", corpus.vocabulary), BATCH)
    order = np.arange(counts.shape[0])
    batches, found["batch_us"] = _per(len(order), lambda: list(batcher.epoch(order)))
    found["batch_bytes"] = sum(np.asarray(array).nbytes for array in jax.tree.leaves(batches[0])) / BATCH
    return found


def _documents(step: Any) -> int:
    """Documents of a step of the shards: the rows of the last one are filled up with empty ones."""
    return int(np.count_nonzero(np.diff(step.counts.indptr)))


def _processors() -> float:
    told = os.times()
    return told.user + told.system + told.children_user + told.children_system


def _step() -> dict[str, Any]:
    """A step of the default variant on the news, from the difference between a longer training and a shorter one."""
    with tempfile.TemporaryDirectory() as place:
        seconds = {}
        for epochs in (1, 3, 9):  # the first prepares the corpus
            command = [sys.executable, "-m", "etm_jax.train", "--corpus=inews", "--segmenter=rjieba"]
            command += [f"--num_epochs={epochs}", f"--workdir={place}/{epochs}", f"--cache_dir={place}/cache"]
            before = _processors()
            told = subprocess.run(command, capture_output=True, text=True, check=True).stderr
            seconds[epochs] = _processors() - before
        (docs,) = map(int, re.findall(r"documents: ([\d,]+) to train", told)[0].replace(",", "").split())
    steps = 6 * -(-docs // BATCH)
    return {"step_ms": (seconds[9] - seconds[3]) / steps * 1e3}
