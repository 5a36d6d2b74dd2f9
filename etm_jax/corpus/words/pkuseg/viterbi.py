"""The best tags of many pieces of text at once, in whole numbers."""

import numpy as np

from etm_jax.corpus.words.pkuseg.layout import Layout

_TAG_BITS = 3
_STEPS_BETWEEN = 16
"""Steps after which sums are made relative again: they stay far below 2^31 in pieces of any length."""


def best_tags(scores: np.ndarray, edges: np.ndarray, layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    """The tags of the best path through each piece, and whether another path is as good.

    scores: [M, T−1] int32 in the order of `layout`, relative to the last tag. edges: [T, T] int32, of a tag and the one
    that follows. Returns [M] int8 in the order of `layout`, and [M] bool that are true somewhere in such a piece.
    """
    num_tags = len(edges)
    best = np.zeros((num_tags, len(scores)), np.int32)
    np.left_shift(scores.T, _TAG_BITS, out=best[:-1])
    edges = edges << _TAG_BITS
    _sum_to_the_ends(best, edges, layout)
    best += np.arange(num_tags, dtype=np.int32)[:, None]  # so that the largest sum names its tag

    tags = np.empty(len(scores), np.int8)
    into, before = np.ascontiguousarray(edges.T), np.empty(0, np.int32)
    for low, high in layout.steps_backwards:
        sums = best[:, low:high]
        if len(before):
            sums[:, : len(before)] += into.take(before, axis=1)
        before = sums.max(axis=0)
        before &= (1 << _TAG_BITS) - 1
        tags[low:high] = before
    best >>= _TAG_BITS
    return tags, (best == best.max(axis=0)).sum(axis=0) > 1


def _sum_to_the_ends(best: np.ndarray, edges: np.ndarray, layout: Layout) -> None:
    """Turn scores [T, M] into those of the best path from there to the piece's end, up to what all tags share."""
    num_tags = len(edges)
    sums = np.empty((num_tags, num_tags, layout.widest), np.int32)
    after = best[:, :0]
    for step, (low, high) in enumerate(layout.steps):
        here = best[:, low:high]
        if step:
            paths = sums[:, :, : high - low]
            np.add(after[:, : high - low], edges[:, :, None], out=paths)
            here += paths.max(axis=1)
        if step % _STEPS_BETWEEN == _STEPS_BETWEEN - 1:
            here -= here[-1].copy()
        after = here
