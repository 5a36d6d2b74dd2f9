"""The same sums in pkuseg's own order and precision.

Floating-point sums depend on their order, and with them which of two paths wins that are equally good on paper. These
functions add what pkuseg adds, one after the other in float64, for models whose weights are no decimals and for the few
pieces of text where whole numbers leave a tie.
"""

from collections.abc import Iterator

import numpy as np

from etm_jax.corpus.words.pkuseg.layout import Layout
from etm_jax.corpus.words.pkuseg.tables import DECIMAL, LONGEST, Tables

_SIZES = range(LONGEST, 1, -1)
"""Lengths of words in pkuseg's order."""


def exact_scores(ids: np.ndarray, tables: Tables) -> np.ndarray:
    """The score of each tag: [N] → [N, T] float64.

    ids: the characters' numbers, with two zeros before, between and after the pieces of text.
    """
    total = np.zeros((len(ids), len(tables.edges)))
    total += tables.bias
    for places, weights in _weights(ids, tables):
        total[places] += weights
    return total


def _weights(ids: np.ndarray, tables: Tables) -> Iterator[tuple[np.ndarray | slice, np.ndarray]]:
    """What features add after the bias, in pkuseg's order: places that have one of a kind [n], and its weights [n, T].

    What a character has no feature of adds zeros, which change no sum.
    """
    pair = np.zeros(len(ids) + 1, np.int32)  # of the character before and the one at each place
    pair[1:-1] = tables.pairs_in(ids)
    words = _words_from(ids, pair[1:], tables)
    ending = {size: _moved(words[size], 1 - size) for size in _SIZES}

    def those(name: str, kind: int, values: np.ndarray) -> np.ndarray:
        """The weights of `*_rows` and `*_last` by that name. values: [n] → [n, T]."""
        rows = getattr(tables, f"{name}_rows")[kind][values]
        if not tables.has_whole_numbers:
            return rows
        last = getattr(tables, f"{name}_last")[kind][values][:, None]
        return np.concatenate([rows + last, last], axis=1) / DECIMAL

    def touching(kind: int, first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        places = np.flatnonzero((first != 0) & (second != 0))
        return places, those("touch", kind, tables.touching_of(first[places], second[places]))

    everywhere = slice(None)
    yield everywhere, those("single", 0, ids)
    yield everywhere, those("single", 1, _moved(ids, -1))
    yield everywhere, those("pair", 1, pair[:-1])
    yield everywhere, those("single", 2, _moved(ids, 1))
    yield everywhere, those("pair", 0, _moved(pair[:-1], 1))
    yield everywhere, those("single", 3, _moved(ids, -2))
    yield everywhere, those("pair", 2, _moved(pair[:-1], -1))
    yield everywhere, those("single", 4, _moved(ids, 2))
    for size in _SIZES:
        yield everywhere, those("word", 1, ending[size])
    for size in _SIZES:
        yield everywhere, those("word", 0, words[size])
    for first in _SIZES:
        for second in _SIZES:
            yield touching(0, _moved(ending[first], -1), words[second])
    for first in _SIZES:
        for second in _SIZES:
            yield touching(1, ending[first], _moved(words[second], 1))


def _moved(values: np.ndarray, ahead: int) -> np.ndarray:
    """At each place the value so many places ahead, 0 beyond the ends."""
    moved = np.zeros_like(values)
    if ahead >= 0:
        moved[: len(values) - ahead] = values[ahead:]
    else:
        moved[-ahead:] = values[:ahead]
    return moved


def _words_from(ids: np.ndarray, pairs: np.ndarray, tables: Tables) -> dict[int, np.ndarray]:
    """By length, the word of so many characters that begins at each place: [N] int32, 0 for none. pairs: [N] int32."""
    node, words = tables.pair_nodes[pairs], {}
    for size in range(2, LONGEST + 1):
        if size > 2:
            keys = node.astype(np.uint64) * np.uint64(tables.num_chars) + _moved(ids, size - 1)
            node = np.where(node == 0, 0, tables.nodes.lookup(keys))
        words[size] = tables.node_words[node]
    return words


def exact_tags(scores: np.ndarray, edges: np.ndarray, layout: Layout) -> np.ndarray:
    """The tags of the best path through each piece; of equal ones the later tag wins, and at its start the first.

    scores: [M, T] float64 in the order of `layout`. edges: [T, T] float64, of a tag and the one that follows. Returns
    [M] int8 in the same order.
    """
    best = np.ascontiguousarray(scores.T)
    following = np.zeros(best.shape, np.int8)
    num_tags, after = len(edges), best[:, :0]
    for step, (low, high) in enumerate(layout.steps):
        if step:
            paths = (after[:, None, : high - low] + best[None, :, low:high]) + edges.T[:, :, None]
            following[:, low:high] = num_tags - 1 - paths[::-1].argmax(axis=0)
            best[:, low:high] = paths.max(axis=0)
        after = best[:, low:high]
    tags, before, begun = np.empty(len(scores), np.int8), np.empty(0, np.int8), 0
    for low, high in layout.steps_backwards:
        # `before` holds what follows the pieces that began in earlier steps; the others begin here.
        starting = best[:, low + begun : high].argmax(axis=0)
        here = np.concatenate([before, starting]).astype(np.int8)
        tags[low:high] = here
        before, begun = following[here, np.arange(low, high)], high - low
    return tags
