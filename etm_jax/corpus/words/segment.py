"""All documents of a corpus to tokens, in parallel where that saves time."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from typing import NamedTuple

from etm_jax.config.corpus_settings import CorpusConfig
from etm_jax.corpus.types import Document
from etm_jax.corpus.words.ranges import TokenRanges
from etm_jax.corpus.words.segmenters import COSTS, Cost, segmenter_version
from etm_jax.corpus.words.tokenizer import Tokenize, make_ready, raw_text, tokenizer
from etm_jax.util.console import note, track
from etm_jax.util.errors import UserError
from etm_jax.util.machine import memory_bytes
from etm_jax.util.processes import process_pool
from etm_jax.util.threads import cores

DOCUMENTS_AT_ONCE = 4096
"""Of short documents, so many are segmented together at most."""

_BATCHES_A_SECOND = 4
_LARGEST_BATCH = 125_000  # characters; larger ones need more memory and save hardly any time


class Segmented(NamedTuple):
    """Some documents of a corpus, in its order, and their tokens."""

    documents: list[Document]
    tokens: TokenRanges


def segment_documents(documents: Callable[[], Iterator[Document]], config: CorpusConfig) -> Iterator[Segmented]:
    """All documents with their tokens, in order and some at a time, the same whatever the number of processes.

    documents: restarts at each call. config: resolved, as for `tokenizer`. At any time only a few batches of text are
    in memory.
    """
    cost = COSTS.get(config.segmenter)
    if cost is None:
        processes, total = max(config.workers, 1), None
    else:
        processes, total = _plan(documents(), config, cost)
    yield from segment_stream(track(documents(), "segmenting", total=total, unit="documents"), config, processes)


def segment_stream(documents: Iterator[Document], config: CorpusConfig, processes: int) -> Iterator[Segmented]:
    """`segment_documents` for documents that can be read only once, without progress. config: resolved."""
    batches = _batches(documents, config.segmenter)
    if processes > 1:
        yield from _in_parallel(batches, config, processes)
    else:
        yield from _here(batches, tokenizer(config))


def segment_alone(documents: Iterator[Document], config: CorpusConfig) -> Iterator[Segmented]:
    """`segment_stream` in this process, which keeps the segmenter for the next call with these settings."""
    yield from _here(_batches(documents, config.segmenter), _worker_tokenizer(config))


def most_processes(segmenter: str) -> int:
    """As many processes as there are cores, and as half of the memory holds models of the segmenter."""
    gigabytes = COSTS[segmenter].gigabytes if segmenter in COSTS else 0.2
    return max(1, min(cores(), int(_memory_gigabytes() / 2 / gigabytes)))


def _plan(documents: Iterator[Document], config: CorpusConfig, cost: Cost) -> tuple[int, int]:
    """Number of processes to use, each of which runs at least as long as it takes to start; and of documents."""
    number = characters = 0
    for document in documents:
        number, characters = number + 1, characters + len(raw_text(document, config.lang))
    seconds = characters / cost.chars_per_second
    processes = config.workers or max(1, min(most_processes(config.segmenter), int(seconds / cost.seconds_to_start)))
    expected = cost.seconds_to_start + seconds / processes
    if expected > 2:
        name = segmenter_version(config.segmenter, config.segmenter_model)
        note(
            f"segmenting {characters:,} characters with {name} in "
            f"{processes} process{'es' * (processes > 1)}: about {expected:.0f} s"
        )
    return processes, number


def _memory_gigabytes() -> float:
    """The machine's memory in GiB."""
    return (memory_bytes() or 8 << 30) / 2**30


def _here(batches: Iterator[list[Document]], tokenize: Tokenize) -> Iterator[Segmented]:
    for batch in batches:
        yield Segmented(batch, tokenize(batch))


def _in_parallel(batches: Iterator[list[Document]], config: CorpusConfig, processes: int) -> Iterator[Segmented]:
    """`segment_stream` in spawned processes."""
    make_ready(config)
    pending: deque[tuple[list[Document], Future[TokenRanges]]] = deque()
    try:
        with process_pool(processes) as submit:
            for batch in batches:
                pending.append((batch, submit(_tokenize_batch, batch, config)))
                if len(pending) > 2 * processes:
                    yield _finished(pending)
            while pending:
                yield _finished(pending)
    except BrokenProcessPool as error:
        raise UserError(
            f"a process of --segmenter={config.segmenter} was killed, most likely because memory ran out; "
            f"give --workers={processes - 1 or 1}"
        ) from error


def _finished(pending: deque[tuple[list[Document], Future[TokenRanges]]]) -> Segmented:
    """The oldest batch, when it is done."""
    batch, future = pending.popleft()
    return Segmented(batch, future.result())


def _batches(documents: Iterator[Document], segmenter: str) -> Iterator[list[Document]]:
    """Batches of documents that are cut at once."""
    limit = int(COSTS[segmenter].chars_per_second / _BATCHES_A_SECOND) if segmenter in COSTS else _LARGEST_BATCH
    batch: list[Document] = []
    size = 0
    for document in documents:
        batch.append(document)
        size += len(document.text) or sum(map(len, document.tokens or []))
        if size >= limit or len(batch) == DOCUMENTS_AT_ONCE:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


_worker_tokenizer = cache(tokenizer)  # a worker loads its model once


def _tokenize_batch(batch: list[Document], config: CorpusConfig) -> TokenRanges:
    return _worker_tokenizer(config)(batch)
