"""Joining phrases: runs of words that count as one word, as gensim's Phrases joins them."""

from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np

from etm_jax.corpus.types import Phrases, TokenStream
from etm_jax.corpus.words.breaks import BREAK

SEPARATOR = "_"
"""Between the words of a phrase that are written with blanks. No token holds one (`clean_token`)."""

MAX_CONNECTORS = 7
"""Connectors between two words that a phrase joins, at most."""

FIRST_UNSPACED = "\u2e80"
"""From here on come the scripts of East Asia."""


class Pairs(NamedTuple):
    """The P pairs of successive words of a text that a phrase could join, in order.

    first, last: [P] int32 or int64, their positions; between them are only connectors. connectors: [P] int64, a number
    for the connectors between them, 0 for none.
    """

    first: np.ndarray
    last: np.ndarray
    connectors: np.ndarray


def spelled(parts: Iterable[str]) -> str:
    """The word that a phrase becomes: `new_york`, but 人工智能, as Chinese is written without blanks."""
    whole = ""
    for part in parts:
        spaced = whole and part and whole[-1] < FIRST_UNSPACED and part[0] < FIRST_UNSPACED
        whole += SEPARATOR + part if spaced else part
    return whole


def spelled_from_text(line: str, as_token: Callable[[str], str]) -> str:
    """A word or a phrase as people write it, `New York` or `new_york`, as the token that it is.

    as_token: of a word that a person wrote, as `etm_jax.corpus.words.token_form.like_tokens` has it.
    """
    return spelled(word for word in map(as_token, line.replace(SEPARATOR, " ").split()) if word)


def parts_of(phrases: Phrases | None) -> dict[str, tuple[str, ...]]:
    """The words that each phrase, as it is spelled, was joined from, but for the connectors inside."""
    found: dict[str, tuple[str, ...]] = {}
    for phrase in chain.from_iterable(phrases.passes if phrases else ()):
        # Its first or last word may be a phrase of an earlier pass.
        ends = found.get(phrase[0], phrase[:1]), found.get(phrase[-1], phrase[-1:])
        found.setdefault(spelled(phrase), ends[0] + ends[1])
    return found


def join_phrases(stream: TokenStream, phrases: Phrases | None) -> TokenStream:
    """The text with its phrases joined, and without `BREAK`. `stream` itself where there are no phrases.

    As in gensim, each pass goes from left to right: a word that ends a phrase does not begin another one.
    """
    if phrases is None:
        return stream
    for each in phrases.passes:
        stream = join_once(stream, each, phrases.connectors)
    return without_breaks(stream)


def join_once(stream: TokenStream, phrases: Sequence[tuple[str, ...]], connectors: Sequence[str]) -> TokenStream:
    """One pass over the text. phrases: each the words that it joins, of which only those within are connectors."""
    pairs = pairs_of(stream, connectors)
    ids_of = {word: i for i, word in enumerate(stream.words)}
    number_of = {word: i + 1 for i, word in enumerate(connectors)}
    found: dict[tuple[int, int, int], int] = {}
    words = list(stream.words)
    for phrase in phrases:
        ends = ids_of.get(phrase[0]), ids_of.get(phrase[-1])
        if ends[0] is None or ends[1] is None:
            continue
        joined = ids_of.setdefault(spelled(phrase), len(words))
        if joined == len(words):
            words.append(spelled(phrase))
        found[ends[0], ends[1], connectors_number([number_of[w] for w in phrase[1:-1]], len(connectors))] = joined
    at, joined_id = _looked_up(stream, pairs, found)
    first, last = pairs.first[at], pairs.last[at]
    # Of a run of pairs that overlap, every second one is joined, from the first one on.
    overlaps = np.concatenate([[False], last[:-1] == first[1:]])[: len(at)]
    places = np.arange(len(at))
    run_starts = np.maximum.accumulate(np.where(overlaps, 0, places))
    chosen = (places - run_starts) % 2 == 0
    first, last = first[chosen], last[chosen]

    ids = stream.ids.copy()
    ids[first] = joined_id[chosen]
    inside = np.zeros(len(ids) + 1, np.int8)
    inside[first + 1] += 1
    inside[last + 1] -= 1
    return _kept(words, ids, stream.starts, np.cumsum(inside[:-1], dtype=np.int8) == 0)


def pairs_of(stream: TokenStream, connectors: Sequence[str]) -> Pairs:
    """The pairs of words that stand together in a document, with nothing between them but connectors."""
    number_of = {word: i + 1 for i, word in enumerate(connectors)}
    number = np.array([number_of.get(word, 0) for word in stream.words], np.int64)
    is_break = np.array([word == BREAK for word in stream.words], bool)
    breaks = is_break[stream.ids]
    passage = np.zeros(len(stream.ids) + 1, np.int32)
    passage[stream.starts[:-1]] += 1
    passage[:-1] += breaks
    passage = np.cumsum(passage[:-1], dtype=np.int32)
    ends = np.flatnonzero((number[stream.ids] == 0) & ~breaks)
    if len(stream.ids) < 2**31:
        ends = ends.astype(np.int32)
    first, last = ends[:-1], ends[1:]
    close = (passage[first] == passage[last]) & (last - first <= MAX_CONNECTORS + 1)
    first, last = first[close], last[close]
    code = np.zeros(len(first), np.int64)
    for step in range(1, int((last - first).max(initial=1))):
        some = np.flatnonzero(last - first > step)
        code[some] = code[some] * (len(connectors) + 1) + number[stream.ids[first[some] + step]]
    return Pairs(first, last, code)


def connectors_number(numbers: Sequence[int], num_connectors: int) -> int:
    """The number of connectors between two words (`Pairs.connectors`). numbers: theirs, from 1 on."""
    code = 0
    for number in numbers:
        code = code * (num_connectors + 1) + number
    return code


def connectors_of_number(code: int, num_connectors: int) -> list[int]:
    """The inverse of `connectors_number`."""
    numbers: list[int] = []
    while code:
        code, number = divmod(code, num_connectors + 1)
        numbers.insert(0, number)
    return numbers


def without_breaks(stream: TokenStream) -> TokenStream:
    """The text without `BREAK`, and with the words that occur in it alone."""
    is_break = np.array([word == BREAK for word in stream.words], bool)
    kept = _kept(stream.words, stream.ids, stream.starts, ~is_break[stream.ids])
    used = np.flatnonzero(np.bincount(kept.ids, minlength=len(kept.words)))
    new_id = np.full(len(kept.words), -1, np.int32)
    new_id[used] = np.arange(len(used))
    return TokenStream([kept.words[i] for i in used], new_id[kept.ids], kept.starts)


def _looked_up(
    stream: TokenStream, pairs: Pairs, found: dict[tuple[int, int, int], int]
) -> tuple[np.ndarray, np.ndarray]:
    """The pairs that are phrases, [F] int64 in order, and the ids of these, [F] int64.

    found: the id of each phrase, by those of its first and last word and the number of the connectors between.
    """
    none = np.zeros(0, np.int64)
    if not found:
        return none, none
    listed = np.array(list(found), np.int64)
    begins, ends = np.zeros((2, len(stream.words)), bool)
    begins[listed[:, 0]], ends[listed[:, 1]] = True, True
    at = np.flatnonzero(begins[stream.ids[pairs.first]] & ends[stream.ids[pairs.last]])
    numbers = np.unique(listed[:, 2])
    place = np.searchsorted(numbers, pairs.connectors[at]).clip(max=len(numbers) - 1)
    fits = numbers[place] == pairs.connectors[at]
    at, place = at[fits], place[fits]

    size = len(stream.words)
    keys = (listed[:, 0] * size + listed[:, 1]) * len(numbers) + np.searchsorted(numbers, listed[:, 2])
    order = np.argsort(keys)
    keys, values = keys[order], np.array(list(found.values()), np.int64)[order]
    wanted = stream.ids[pairs.first[at]].astype(np.int64) * size + stream.ids[pairs.last[at]]
    wanted = wanted * len(numbers) + place
    row = np.searchsorted(keys, wanted).clip(max=len(keys) - 1)
    is_phrase = keys[row] == wanted
    return at[is_phrase], values[row[is_phrase]]


def _kept(words: list[str], ids: np.ndarray, starts: np.ndarray, kept: np.ndarray) -> TokenStream:
    """The text of some of its tokens. kept: [N] bool."""
    before = np.concatenate([[0], np.cumsum(kept)])
    return TokenStream(words, ids[kept].astype(np.int32), before[starts].astype(np.int64))
