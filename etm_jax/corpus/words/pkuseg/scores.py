"""What the characters of a text score for each tag, in whole numbers."""

from typing import NamedTuple

import numpy as np

from etm_jax.corpus.words.pkuseg.tables import LONGEST, Tables


class Words(NamedTuple):
    """The list's words that a text of N characters may be read as.

    longest_from, longest_to: [N] int32, the longest word that begins and that ends at each character, 0 for none.
    nodes: [N] int32, the node of the longest prefix of words that begins there.
    """

    longest_from: np.ndarray
    longest_to: np.ndarray
    nodes: np.ndarray


def scores(ids: np.ndarray, tables: Tables) -> np.ndarray:
    """The score of each tag but the last, less that of the last: [N] → [N, T−1] int32.

    ids: the characters' numbers, with two zeros before, between and after the pieces of text.
    """
    pairs = tables.pairs_in(ids)
    total = tables.biased_rows.take(ids, axis=0)
    total[1:] += tables.single_rows[1].take(ids[:-1], axis=0)
    total[:-1] += tables.single_rows[2].take(ids[1:], axis=0)
    total[2:] += tables.single_rows[3].take(ids[:-2], axis=0)
    total[:-2] += tables.single_rows[4].take(ids[2:], axis=0)
    total[:-1] += tables.pair_rows[0].take(pairs, axis=0)
    total[1:] += tables.pair_rows[1].take(pairs, axis=0)
    total[2:] += tables.pair_rows[2].take(pairs[:-1], axis=0)
    words = find_words(ids, pairs, tables)
    total += tables.node_rows.take(words.nodes, axis=0)
    total += tables.end_rows.take(words.longest_to, axis=0)
    _add_touching(total, words, tables)
    return total


def find_words(ids: np.ndarray, pairs: np.ndarray, tables: Tables) -> Words:
    """The words in a text. pairs: [N−1] int32, of each character and the next one."""
    nodes = np.zeros(len(ids), np.int32)
    longest_to = np.zeros(len(ids), np.int32)
    nodes[:-1] = tables.pair_nodes.take(pairs)
    place = np.flatnonzero(nodes)
    node = nodes[place]
    for size in range(2, LONGEST + 1):
        if size > 2:
            # The text ends with zeros, which continue no prefix.
            node = tables.nodes.lookup(
                node.astype(np.uint64) * np.uint64(tables.num_chars) + ids.take(place + (size - 1), mode="clip")
            )
            going = np.flatnonzero(node)
            place, node = place[going], node[going]
            nodes[place] = node
        word = tables.node_words.take(node)
        ends = np.flatnonzero(word)
        longest_to[place[ends] + (size - 1)] = word[ends]
    return Words(tables.node_longest.take(nodes), longest_to, nodes)


def _add_touching(total: np.ndarray, words: Words, tables: Tables) -> None:
    """Add what two words that touch give to the characters on both sides."""
    after = np.flatnonzero((words.longest_to[:-1] != 0) & (words.longest_from[1:] != 0)) + 1
    firsts = tables.suffixes.take(words.longest_to[after - 1], axis=0)
    seconds = tables.prefixes.take(words.longest_from[after], axis=0)
    # All pairs of a word that ends there and one that begins there, place by place.
    pair, second = np.divmod(np.flatnonzero((firsts != 0)[:, :, None] & (seconds != 0)[:, None, :]), LONGEST - 1)
    row, first = np.divmod(pair, LONGEST - 1)
    touching = tables.touching_of(firsts[row, first], seconds[row, second])
    known = np.flatnonzero(touching)
    if not len(known):
        return
    touching, places = touching[known], after[row[known]]
    begins = np.flatnonzero(np.concatenate([[True], places[1:] != places[:-1]]))
    places = places[begins]
    total[places] += np.add.reduceat(tables.touch_rows[0].take(touching, axis=0), begins)
    total[places - 1] += np.add.reduceat(tables.touch_rows[1].take(touching, axis=0), begins)
