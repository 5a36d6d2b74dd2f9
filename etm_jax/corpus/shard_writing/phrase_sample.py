"""The phrases of a corpus that fits no memory: those of a fair sample of its documents, before they are counted."""

import dataclasses
import heapq
import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import numpy as np

from etm_jax.corpus.shard_writing.blocks import cleaned_documents
from etm_jax.corpus.shard_writing.job import Job
from etm_jax.corpus.shards.draws import draw
from etm_jax.corpus.shards.folder import SAMPLE
from etm_jax.corpus.types import Document, Phrases
from etm_jax.corpus.words.phrase_learning import learn_phrases
from etm_jax.corpus.words.segment import segment_documents
from etm_jax.corpus.words.tokenizer import cleaner, raw_text
from etm_jax.corpus.words.vocabulary import index_tokens
from etm_jax.util.console import note, track
from etm_jax.util.files import replace_text

MAX_CHARACTERS = 200_000_000
"""Characters of the sample at most, apart from its last document: bounds the memory, however long documents are."""

_KEYS_AT_ONCE = 4096


def with_phrases(job: Job, work: Path) -> Job:
    """The job with the phrases that --phrases asks for; those that an earlier run left in `work` are taken from there.

    They are learnt from all documents, where there are at most `SAMPLE` of them with `MAX_CHARACTERS`, which are then
    segmented twice; else from those with the smallest keys, a fair sample. Raises UserError where a file cannot be read
    or segmented.
    """
    if not job.config.phrases:
        return job
    kept = work / "phrases.json"
    if kept.exists():
        phrases = Phrases.from_json(json.loads(kept.read_text("ascii")))
    else:
        chosen, number = _sample(job)
        note(f"learning phrases from {len(chosen):,} of {number:,} documents")
        batches = segment_documents(lambda: iter(chosen), job.config)
        stream = index_tokens((some.tokens for some in batches), cleaner(job.config))
        phrases, _ = learn_phrases(stream, job.config, job.stopwords)
        replace_text(kept, json.dumps(phrases.to_json()))
    return dataclasses.replace(job, phrases=phrases)


def _sample(job: Job) -> tuple[list[Document], int]:
    """The documents with the smallest keys, in the order of the files, and the number of all."""
    held: list[tuple[int, int, Document]] = []
    characters = 0
    limit = 2**64
    places = count()
    for key, document in track(_keyed(job), "reading for phrases", unit="documents"):
        place = next(places)
        if key >= limit:
            continue
        heapq.heappush(held, (-key, -place, document))
        characters += len(raw_text(document, job.config.lang))
        while len(held) > max(1, SAMPLE) or (characters > MAX_CHARACTERS and len(held) > 1):
            last = heapq.heappop(held)
            limit, characters = -last[0], characters - len(raw_text(last[2], job.config.lang))
    return [document for _, _, document in sorted(held, key=lambda one: -one[1])], next(places)


def _keyed(job: Job) -> Iterator[tuple[int, Document]]:
    """All documents, each with the key that its shard sorts it by."""
    config = job.config
    for file in job.files:
        keys: list[int] = []
        for number, document in enumerate(cleaned_documents(file, job)):
            if number >= len(keys):
                numbers = np.arange(number, number + _KEYS_AT_ONCE)
                drawn = draw(file.name, numbers, config.split_seed, config.valid_share, config.test_share)
                keys += drawn.keys.tolist()
            yield keys[number], document
