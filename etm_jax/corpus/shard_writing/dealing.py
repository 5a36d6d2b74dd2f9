"""From counted documents to the records of shards."""

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
    """The block's documents over the columns of the vocabulary, and the part of each.

    Documents without a known word are left out, and of the test those with a single one: they cannot be halved.
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


def deal(block: Block, columns: dict[str, int], plan: Plan) -> list[Rows | None]:
    """A block's documents for each shard in the order of `plan.places`; None for a shard that gets none."""
    rows, parts = over_vocabulary(block, columns)
    rows = _with_texts_of(rows, rows.keys <= np.array(plan.last_shown, np.uint64)[parts])
    shards = plan.shards
    dealt: list[Rows | None] = []
    for part in range(len(PARTS)):
        ours = np.flatnonzero(parts == part)
        shard = shard_of(rows.keys[ours], shards[part])
        order = np.argsort(shard, kind="stable")
        ends = np.searchsorted(shard[order], np.arange(shards[part] + 1))
        for low, high in pairwise(ends):
            dealt.append(rows.take(ours[order[low:high]]) if high > low else None)
    return dealt


def in_order(dealt: Sequence[Rows]) -> Rows:
    """All documents of a shard, at least one, by their keys. dealt: in the order of the inputs, which is that of equal
    keys."""
    rows = joined(dealt)
    return rows.take(np.argsort(rows.keys, kind="stable"))


def cut(rows: Rows, block_docs: int, is_last: bool) -> tuple[list[Rows], Rows | None]:
    """The blocks of a shard, all of them full, and the documents that are left over: they go to its part's last shard.

    That one's last block holds what there is: it is the only one that is not full.
    """
    full = len(rows) if is_last else len(rows) // block_docs * block_docs
    blocks = [rows.take(np.arange(low, min(low + block_docs, full))) for low in range(0, full, block_docs)]
    blocks = [block if TEXT in block.labels and any(block.labels[TEXT]) else block.without(TEXT) for block in blocks]
    return blocks, rows.take(np.arange(full, len(rows))) if full < len(rows) else None


def _with_texts_of(rows: Rows, shown: np.ndarray) -> Rows:
    """The documents without the texts of those that are not shown. shown: [D] bool."""
    if TEXT not in rows.labels or shown.all():
        return rows
    texts = rows.labels[TEXT]
    lengths = np.diff(texts.starts)
    content = texts.content[np.repeat(shown, lengths)]
    starts = np.concatenate([[0], np.cumsum(np.where(shown, lengths, 0))])
    return replace(rows, labels={**rows.labels, TEXT: PackedTexts(content, starts)})


def columns_of(plan: Plan) -> dict[str, int]:
    """The column of each word."""
    return {word: j for j, word in enumerate(plan.words)}
