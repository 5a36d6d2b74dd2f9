"""Distributing counted documents over shards, and dividing shards into blocks."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import scipy.sparse as sp

from etm_jax.corpus.shard_writing.blocks import Block
from etm_jax.corpus.shard_writing.plan import Plan
from etm_jax.corpus.shards.draws import PARTS, TEST, shard_of
from etm_jax.corpus.shards.rows import TEXT, Rows, joined
from etm_jax.corpus.store.packed import PackedTexts


def over_vocabulary(block: Block, columns: dict[str, int]) -> tuple[Rows, np.ndarray]:
    """The block's documents with the columns of the vocabulary, and the part of each, [D] uint8.

    columns: the column of each word. Documents without a known word are left out, and test documents with a single
    token, which cannot be halved.
    """
    moved = np.fromiter((columns.get(word, -1) for word in block.words), np.int32, len(block.words))
    counts = block.rows.counts
    known = moved[counts.indices] >= 0
    indptr = np.concatenate([[0], np.cumsum(known)])[counts.indptr]
    shape = counts.shape[0], len(columns)
    ours = sp.csr_matrix((counts.data[known], moved[counts.indices[known]], indptr.astype(np.int32)), shape=shape)
    ours.sort_indices()
    tokens = np.asarray(ours.sum(axis=1)).ravel()
    rows = np.flatnonzero(tokens >= np.where(block.parts == TEST, 2, 1))
    return replace(block.rows, counts=ours).take(rows), block.parts[rows]


def shard_block(block: Block, columns: dict[str, int], plan: Plan) -> list[Rows | None]:
    """The block's documents for each shard, in the order of `plan.places`; None for a shard that gets none."""
    rows, parts = over_vocabulary(block, columns)
    rows = _with_texts_of(rows, rows.keys <= np.array(plan.last_shown, np.uint64)[parts])
    shards = plan.shards
    assigned: list[Rows | None] = []
    for part in range(len(PARTS)):
        ours = np.flatnonzero(parts == part)
        shard = shard_of(rows.keys[ours], shards[part])
        order = np.argsort(shard, kind="stable")
        ends = np.searchsorted(shard[order], np.arange(shards[part] + 1))
        for low, high in pairwise(ends):
            assigned.append(rows.take(ours[order[low:high]]) if high > low else None)
    return assigned


def in_order(assigned: Sequence[Rows]) -> Rows:
    """All documents of a shard, sorted by key.

    assigned: at least one, in the order of the inputs, which decides equal keys.
    """
    rows = joined(assigned)
    return rows.take(np.argsort(rows.keys, kind="stable"))


def into_blocks(rows: Rows, block_docs: int, is_last: bool) -> tuple[list[Rows], Rows | None]:
    """The blocks of a shard, all of them full, and the documents left over, which go to the last shard of its part.

    Only the last block of that shard may not be full.
    """
    full = len(rows) if is_last else len(rows) // block_docs * block_docs
    blocks = [rows.take(np.arange(low, min(low + block_docs, full))) for low in range(0, full, block_docs)]
    blocks = [block if TEXT in block.labels and any(block.labels[TEXT]) else block.without(TEXT) for block in blocks]
    return blocks, rows.take(np.arange(full, len(rows))) if full < len(rows) else None


def _with_texts_of(rows: Rows, shown: np.ndarray) -> Rows:
    """The documents, with texts only for those that are shown. shown: [D] bool."""
    if TEXT not in rows.labels or shown.all():
        return rows
    texts = rows.labels[TEXT]
    lengths = np.diff(texts.starts)
    content = texts.content[np.repeat(shown, lengths)]
    starts = np.concatenate([[0], np.cumsum(np.where(shown, lengths, 0))])
    return replace(rows, labels={**rows.labels, TEXT: PackedTexts(content, starts)})


def columns_of(plan: Plan) -> dict[str, int]:
    """The column of each word of the vocabulary."""
    return {word: j for j, word in enumerate(plan.words)}
