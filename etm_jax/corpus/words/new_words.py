"""Strings of a text that look like words and are cut into pieces: by how firmly their characters hang together, and how
freely they stand among others.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from etm_jax.corpus.words.normalize import is_letter
from etm_jax.util.console import track

LONGEST = 8
"""Characters of a string."""

BREAK, OTHER = 0, 1
"""In place of characters that are part of no string. `BREAK`: punctuation, spaces and the ends of documents; `OTHER`:
digits, and letters of scripts that part their words by spaces, which all count as one neighbour, so that 日上午, which
only follows digits, is no word."""

FIRST_OF_UNSPACED = 0x2E80
"""The scripts of China, Japan and Korea begin here. A Latin word is never cut, so that none has to be found."""


class CutText(NamedTuple):
    """A text, and where it is cut. codes: [N] uint32, code points, `BREAK` or `OTHER`; starts: [N] bool, where words
    begin.
    """

    codes: np.ndarray
    starts: np.ndarray


class NewWord(NamedTuple):
    """A string that looks like a word, and is cut.

    occurrences: how often it stands in the text; cut_share: of these, those in which it is cut. association: of its two
    parts, where they are held together least, the pointwise mutual information in bits. entropy: of the characters
    before it or after it, whichever is less, in bits. pieces: how it is cut most often.
    """

    word: str
    occurrences: int
    cut_share: float
    association: float
    entropy: float
    pieces: tuple[str, ...]

    @property
    def score(self) -> float:
        """In bits: the occurrences that are cut, times how much oftener its parts meet than by chance, times the number
        of different neighbours that its entropy stands for.
        """
        return float(np.log2(self.occurrences * self.cut_share)) + self.association + self.entropy


class Bounds(NamedTuple):
    """The least that a string must have to be shown: of occurrences, of these with a cut, and of what `NewWord` has."""

    occurrences: int = 10
    cuts: int = 10
    cut_share: float = 0.04
    association: float = 5.0
    entropy: float = 2.5


BOUNDS = Bounds()


class _Strings(NamedTuple):
    """The G frequent strings of one length. number: [N] which one begins at a place, −1 for none.

    counts: [G]; first: [G] a place where it stands. prefix, suffix: [G] the strings without their last, or first,
    character among those one shorter.
    """

    number: np.ndarray
    counts: np.ndarray
    first: np.ndarray
    prefix: np.ndarray
    suffix: np.ndarray


def cut_text(text: str, words: list[str]) -> CutText:
    """A document, which ends in a break, and where its words begin.

    text: normalised; words: which hold its letters in order, and perhaps more.
    """
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    chars, which = np.unique(codes, return_inverse=True)
    letters = np.array([is_letter(chr(code)) for code in chars], bool)
    places = np.flatnonzero(letters[which])
    lengths = np.array([_num_letters(word) for word in words], np.int64)
    starts = np.zeros(len(codes) + 1, bool)
    ends = np.concatenate([[0], np.cumsum(lengths)])
    # Where they are not the same letters, nothing is known of where it is cut.
    if ends[-1] == len(places):
        starts[places[ends[:-1][lengths > 0]]] = True
    numbers = np.array([chr(code).isnumeric() for code in chars], bool)
    kept = np.where(letters & (chars >= FIRST_OF_UNSPACED), chars, np.where(letters | numbers, OTHER, BREAK))
    return CutText(np.append(kept[which], BREAK).astype(np.uint32), starts)


@lru_cache(maxsize=1 << 18)
def _num_letters(word: str) -> int:
    return sum(map(is_letter, word))


def new_words(text: CutText, bounds: Bounds) -> list[NewWord]:
    """The strings of 2 to `LONGEST` characters within the bounds, by falling score and then by spelling."""
    strings = [_characters(text.codes)]
    found: list[NewWord] = []
    for _ in track(range(2, LONGEST + 1), "comparing strings", unit="lengths"):
        strings.append(_longer(strings[-1], bounds.occurrences))
        strings[-2] = strings[-2]._replace(number=strings[-2].number[:0])
        if not len(strings[-1].counts):
            break
        found += _of_one_length(text, strings, bounds)
    return sorted(found, key=lambda word: (-word.score, word.word))


def _of_one_length(text: CutText, strings: list[_Strings], bounds: Bounds) -> list[NewWord]:
    """Those among the longest of the frequent strings."""
    length, longest = len(strings), strings[-1]
    places = np.flatnonzero(longest.number >= 0)
    of, counts = longest.number[places], longest.counts
    pattern = np.zeros(len(places), np.int64)
    for inside in range(1, length):
        pattern = pattern * 2 + text.starts[places + inside]
    cuts = np.bincount(of, pattern > 0, len(counts))
    association = _association(strings)
    often = (cuts >= max(bounds.cuts, 1)) & (cuts / counts >= bounds.cut_share)
    chosen = often & (association >= bounds.association)
    places, pattern, of = (values[chosen[of]] for values in (places, pattern, of))
    # What stands before the first character of the text is a break too, as its end is.
    neighbours = text.codes[places - 1], text.codes[places + length]
    entropy = np.minimum(*(_entropy(of, codes, counts) for codes in neighbours))
    commonest = _commonest(of[pattern > 0], pattern[pattern > 0], len(counts))
    found = []
    for i in np.flatnonzero(chosen & (entropy >= bounds.entropy)):
        word = "".join(map(chr, text.codes[longest.first[i] : longest.first[i] + length]))
        shares = float(cuts[i] / counts[i]), float(association[i]), float(entropy[i])
        found.append(NewWord(word, int(counts[i]), *shares, _pieces(word, int(commonest[i]))))
    return found


def _characters(codes: np.ndarray) -> _Strings:
    chars, first, number, counts = np.unique(codes, return_index=True, return_inverse=True, return_counts=True)
    none, others = np.zeros(0, np.int64), int(np.searchsorted(chars, OTHER, side="right"))
    return _Strings(np.maximum(number - others, -1), counts[others:], first[others:], none, none)


def _longer(strings: _Strings, min_count: int) -> _Strings:
    """The frequent strings that are a character longer: both their parts are frequent."""
    number = strings.number
    places = np.flatnonzero((number[:-1] >= 0) & (number[1:] >= 0))
    keys = number[places] * len(strings.counts) + number[places + 1]
    unique, first, which, counts = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
    frequent = counts >= min_count
    new_number = np.where(frequent, np.cumsum(frequent) - 1, -1)
    found = np.full(len(number), -1, np.int64)
    found[places] = new_number[which]
    prefix, suffix = np.divmod(unique[frequent], len(strings.counts))
    return _Strings(found, counts[frequent], places[first[frequent]], prefix, suffix)


def _association(strings: list[_Strings]) -> np.ndarray:
    """Of the longest strings, the least pointwise mutual information of two parts that they can be split into."""
    longest, total = strings[-1], strings[0].counts.sum()
    frequency = np.log2(longest.counts / total)
    least = np.full(len(longest.counts), np.inf)
    prefixes = suffixes = [np.arange(len(longest.counts))]
    for level in strings[:0:-1]:
        prefixes, suffixes = [level.prefix[prefixes[0]], *prefixes], [level.suffix[suffixes[0]], *suffixes]
    # Both now begin with the strings of one character.
    for split in range(1, len(strings)):
        rest = len(strings) - split
        parts = strings[split - 1].counts[prefixes[split - 1]], strings[rest - 1].counts[suffixes[rest - 1]]
        least = np.minimum(least, frequency - np.log2(parts[0] / total) - np.log2(parts[1] / total))
    return least


def _entropy(of: np.ndarray, neighbours: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Of the neighbours of each string, in bits. A break is a neighbour unlike all others."""
    key = of * (1 << 21) + neighbours
    unique, number = np.unique(key, return_counts=True)
    string, code = np.divmod(unique, 1 << 21)
    share = number / counts[string]
    terms = np.where(code == BREAK, share * np.log2(counts[string]), -share * np.log2(share))
    return np.bincount(string, terms, len(counts))


def _commonest(of: np.ndarray, values: np.ndarray, size: int) -> np.ndarray:
    """[size] the commonest of the values at each string; the least of several; 0 where there are none."""
    unique, number = np.unique(of * (1 << LONGEST) + values, return_counts=True)
    string, value = np.divmod(unique, 1 << LONGEST)
    order = np.lexsort((-value, number))
    out = np.zeros(size, np.int64)
    out[string[order]] = value[order]
    return out


def _pieces(word: str, pattern: int) -> tuple[str, ...]:
    """The word cut where the bits of the pattern say, the highest behind the first character."""
    cuts = [i for i in range(1, len(word)) if pattern >> (len(word) - 1 - i) & 1]
    return tuple(word[a:b] for a, b in zip([0, *cuts], [*cuts, len(word)], strict=True))
