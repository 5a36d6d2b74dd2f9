"""Documents to tokens: every segmenter behind one function, in parallel where that saves time."""

import importlib
import importlib.metadata
import logging
import multiprocessing
import os
import re
import sys
import types
import unicodedata
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from etm_jax.config.settings import CorpusConfig
from etm_jax.corpus.types import Document
from etm_jax.corpus.words.normalize import chunks, normalize
from etm_jax.corpus.words.tokens import GIVEN, token_rule
from etm_jax.util.console import note, track
from etm_jax.util.errors import UserError
from etm_jax.util.extras import missing
from etm_jax.util.plain_pickle import load_plain_pickle

PKUSEG = ("pkuseg", "spacy_pkuseg")
"""Segmenters with a trained model, which looks at the characters around a word, punctuation included."""

Segment = Callable[[str], list[str]]
Tokenize = Callable[[Document], list[str]]


class _Cost(NamedTuple):
    """What a process of a segmenter costs: the time to start, its speed, and its memory. Measured on one core."""

    seconds_to_start: float
    chars_per_second: float
    gigabytes: float


# Segmenters that are not listed are so fast that another process would save no time.
_COSTS = {
    "pkuseg": _Cost(5.0, 25_000, 0.9),
    "spacy_pkuseg": _Cost(5.0, 25_000, 0.9),
    "jieba": _Cost(1.5, 150_000, 0.2),
}
_DISTRIBUTIONS = {"pkuseg": "pkuseg", "rjieba": "rjieba", "jieba": "jieba", "spacy_pkuseg": "spacy-pkuseg"}
_CHUNK = 1000  # characters; pkuseg's time grows faster than the length of a line
_BATCH = 20_000  # characters sent to a worker at once: about a second of pkuseg
_WORD = re.compile(r"[^\W\d_][^\W\d_\u0300-\u036f]*(?:['’][^\W\d_][^\W\d_\u0300-\u036f]*)*")


def segmenter_version(name: str) -> str:
    """Name and version, e.g. `pkuseg 0.0.25`, without loading it. Raises UserError where its package is missing."""
    if name == "words":
        return f"words (Unicode {unicodedata.unidata_version})"
    if name not in _DISTRIBUTIONS:
        return name
    try:
        return f"{name} {importlib.metadata.version(_DISTRIBUTIONS[name])}"
    except importlib.metadata.PackageNotFoundError as error:
        raise UserError(_missing(name)) from error


def make_segmenter(name: str, model_folder: str = "") -> Segment:
    """A function from a piece of text to its words in order, including punctuation.

    name: one of the choices of --segmenter except `gold`. model_folder: for `spacy_pkuseg` only, which comes without a
    model. Raises UserError where the package or the model cannot be used.
    """
    if name == "words":
        return _WORD.findall
    if name == "whitespace":
        return str.split
    segmenter_version(name)
    try:
        package: Any = importlib.import_module(name)
    except ImportError as error:
        raise UserError(f"--segmenter={name} is installed but does not import ({error}); reinstall it") from error
    if name == "rjieba":
        return package.cut
    if name == "jieba":
        package.setLogLevel(logging.WARNING)
        return package.lcut
    if name == "pkuseg":
        return package.pkuseg().cut
    return package.pkuseg(_checked_model(model_folder)).cut


def tokenizer(config: CorpusConfig) -> Tokenize:
    """A function from a document to its tokens: normalised, segmented, cleaned by `token_rule`, empty ones dropped.

    config: with `lang`, `segmenter` and `lowercase` resolved (`etm_jax.corpus.prepare.resolve`).
    """
    nfkc, lowercase, kept = config.nfkc, bool(config.lowercase), token_rule(config)
    if config.segmenter in ("gold", GIVEN):

        @cache
        def clean(token: str) -> str:
            return kept(normalize(token, nfkc, lowercase))

        def given(document: Document) -> list[str]:
            if document.tokens is None:
                raise UserError(
                    f"--segmenter=gold needs a corpus that comes segmented, but document {document.id} is plain text; "
                    "give --segmenter=whitespace if spaces separate its words, or another segmenter"
                )
            return [word for word in map(clean, document.tokens) if word]

        return given

    segment = make_segmenter(config.segmenter, config.segmenter_model)
    limit = _CHUNK if config.segmenter in PKUSEG else sys.maxsize

    def tokenize(document: Document) -> list[str]:
        text = normalize(raw_text(document, config.lang), nfkc, lowercase)
        words = (word for chunk in chunks(text, limit) for word in segment(chunk))
        return [word for word in map(kept, words) if word]

    return tokenize


def raw_text(document: Document, lang: str) -> str:
    """The document's text; for one that came as tokens, the tokens joined."""
    if document.tokens is None:
        return document.text
    return ("" if lang == "zh" else " ").join(document.tokens)


def segment_documents(
    documents: Callable[[], Iterator[Document]], config: CorpusConfig
) -> Iterator[tuple[Document, list[str]]]:
    """Each document with its tokens, in order, the same whatever the number of processes.

    documents: restarts at each call. config: resolved, as for `tokenizer`. At any time only a few batches of text are
    in memory.
    """
    processes, total = _plan(documents, config)
    yield from track(segment_stream(documents(), config, processes), "segmenting", total=total, unit="documents")


def segment_stream(
    documents: Iterator[Document], config: CorpusConfig, processes: int
) -> Iterator[tuple[Document, list[str]]]:
    """`segment_documents` for documents that can be read only once, without progress. config: resolved."""
    if processes > 1:
        yield from _in_parallel(documents, config, processes)
        return
    tokenize = tokenizer(config)
    for document in documents:
        yield document, tokenize(document)


def segment_alone(documents: Iterator[Document], config: CorpusConfig) -> Iterator[tuple[Document, list[str]]]:
    """`segment_stream` in this process, which keeps the segmenter for the next call with these settings."""
    tokenize = _worker_tokenizer(config)
    for document in documents:
        yield document, tokenize(document)


def most_processes(segmenter: str) -> int:
    """As many processes as there are cores, and as half of the memory holds models of the segmenter."""
    gigabytes = _COSTS[segmenter].gigabytes if segmenter in _COSTS else 0.2
    return max(1, min(_cores(), int(_memory_gigabytes() / 2 / gigabytes)))


def _plan(documents: Callable[[], Iterator[Document]], config: CorpusConfig) -> tuple[int, int | None]:
    """Number of processes to use, and of documents if they were counted."""
    cost = _COSTS.get(config.segmenter)
    if cost is None:
        return max(config.workers, 1), None
    number = characters = 0
    for document in documents():
        number, characters = number + 1, characters + len(raw_text(document, config.lang))
    seconds = characters / cost.chars_per_second
    processes = config.workers or _worthwhile(seconds, cost)
    if seconds > cost.seconds_to_start:
        note(
            f"segmenting {characters:,} characters with {segmenter_version(config.segmenter)} in {processes} "
            f"process{'es' * (processes > 1)}: about {cost.seconds_to_start + seconds / processes:.0f} s"
        )
    return processes, number


def _worthwhile(seconds: float, cost: _Cost) -> int:
    """Number of processes that each run at least as long as they take to start, and whose models fit half of the
    memory.
    """
    fitting = int(_memory_gigabytes() / 2 / cost.gigabytes)
    return max(1, min(_cores(), fitting, int(seconds / cost.seconds_to_start)))


def _cores() -> int:
    """Number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _memory_gigabytes() -> float:
    """The machine's memory in GiB."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30 if hasattr(os, "sysconf") else 8


def _in_parallel(
    documents: Iterator[Document], config: CorpusConfig, processes: int
) -> Iterator[tuple[Document, list[str]]]:
    """`segment_stream` in spawned processes."""
    pool = ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn"))
    pending: deque[tuple[list[Document], Future[list[list[str]]]]] = deque()
    try:
        for batch in _batches(documents):
            with without_main():
                pending.append((batch, pool.submit(_tokenize_batch, batch, config)))
            if len(pending) > 2 * processes:
                yield from _finished(pending)
        while pending:
            yield from _finished(pending)
    except BrokenProcessPool as error:
        raise UserError(
            f"a process of --segmenter={config.segmenter} was killed, most likely because memory ran out; "
            f"give --workers={processes - 1 or 1}"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _finished(
    pending: deque[tuple[list[Document], Future[list[list[str]]]]],
) -> Iterator[tuple[Document, list[str]]]:
    """The documents of the oldest batch with their tokens, when it is done."""
    batch, future = pending.popleft()
    yield from zip(batch, future.result(), strict=True)


def _batches(documents: Iterator[Document]) -> Iterator[list[Document]]:
    """Batches of documents of about `_BATCH` characters."""
    batch: list[Document] = []
    size = 0
    for document in documents:
        batch.append(document)
        size += len(document.text) or sum(map(len, document.tokens or []))
        if size >= _BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


_worker_tokenizer = cache(tokenizer)  # a worker loads its model once


def _tokenize_batch(batch: list[Document], config: CorpusConfig) -> list[list[str]]:
    tokenize = _worker_tokenizer(config)
    return [tokenize(document) for document in batch]


@contextmanager
def without_main() -> Iterator[None]:
    """Within the block, spawned processes see an empty `__main__`.

    A spawned process imports its parent's `__main__` again. Ours need nothing from it; it may import JAX, or be a
    script without the `if __name__ == "__main__"` that this would require.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _checked_model(folder: str) -> str:
    """The folder, if it holds a pkuseg model of plain values. Raises UserError where it does not."""
    if not folder:
        raise UserError("--segmenter=spacy_pkuseg comes without a model; give the folder of one with --segmenter_model")
    pickled = Path(folder, "features.pkl")
    if Path(folder, "features.msgpack").is_file():
        return folder
    if not pickled.is_file():
        raise UserError(
            f"--segmenter_model={folder} holds neither features.msgpack nor features.pkl; give the folder of a model"
        )
    # spacy_pkuseg unpickles this file, so nothing in it may run code.
    load_plain_pickle(pickled)
    return folder


def _missing(name: str) -> str:
    """The message for a segmenter whose package is missing."""
    if name == "pkuseg":
        others = "pip install 'etm_jax[zh]' and give --segmenter=rjieba; for English text give --lang=en"
        return missing(name, "--segmenter=pkuseg, the default for Chinese,", f"BUILD.md says how; or {others}")
    return missing(name, f"--segmenter={name}", "pip install 'etm_jax[zh]', or give another segmenter")
