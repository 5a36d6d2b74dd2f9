"""Words of text that separates them: by the word boundaries of Unicode (UAX #29), tailored as that standard allows."""

import re
import unicodedata
from collections.abc import Callable

import regex

EARLIER_WORDS = "words_1"
"""The segmenter `words` of earlier versions. Their runs and models go on with it; no flag chooses it."""

# `regex` has Unicode's marks and classes of word breaks, which `re` lacks: there a vowel sign of Hindi is no letter.
_ALPHABETIC = r"[\p{WB=ALetter}\p{WB=Hebrew_Letter}]"
_FIRST = r"\p{L}\p{Nl}"
_REST = _FIRST + r"\p{M}\p{WB=ALetter}"
_JOINED = (
    rf"(?:['’\p{{WB=MidLetter}}--[:︓﹕：]]\p{{M}}*(?<={_ALPHABETIC}\p{{M}}*.\p{{M}}*)(?={_ALPHABETIC})"
    r'|"\p{M}*(?<=\p{WB=Hebrew_Letter}\p{M}*.\p{M}*)(?=\p{WB=Hebrew_Letter}))'
)
_BETWEEN_DIGITS = r"(?:['’.,٫٬](?<=\p{Nd}.)(?=\p{Nd}))"

_WORDS = regex.compile(rf"(?V1)[{_FIRST}][{_REST}]*+(?:{_JOINED}[{_REST}]++)*+")
_WORDS_AND_NUMBERS = regex.compile(
    rf"(?V1)[{_FIRST}\p{{Nd}}][{_REST}\p{{Nd}}]*+(?:(?:{_JOINED}|{_BETWEEN_DIGITS})[{_REST}\p{{Nd}}]++)*+"
)

_EARLIER = re.compile(r"[^\W\d_][^\W\d_]*(?:['’][^\W\d_][^\W\d_]*)*")


def unicode_words(digits: bool) -> Callable[[str], list[str]]:
    """A function from text to its words in order, without what stands between them.

    A word is letters with their marks. An apostrophe between two letters is part of it, and so is whatever else Unicode
    has for that (`l·l` in Catalan, `"` in Hebrew). digits: whether they count as letters, with `.`, `,` and `'` between
    two of them; else they separate words.

    Unlike Unicode's own words, these end at full stops, colons and underscores: `end.Next` is two words and no name of
    a site. Letters side by side are never separated: in scripts without spaces (Thai, Han, kana) Unicode leaves it to a
    dictionary where words end, and a letter alone says less than the run of them.
    """
    found = _WORDS_AND_NUMBERS if digits else _WORDS
    return found.findall


def earlier_words(text: str) -> list[str]:
    """The words of text as `EARLIER_WORDS` found them: marks separated words, unless NFKC had composed them."""
    return _EARLIER.findall(text)


def words_version(name: str) -> str:
    """Name and version of `words` or `EARLIER_WORDS`, as vocabularies and digests have it.

    Python's version of Unicode is named, not that of `regex`: characters that only the newer of both knows are dropped
    from tokens (`clean_token`).
    """
    return f"words{'' if name == EARLIER_WORDS else ' 2'} (Unicode {unicodedata.unidata_version})"


def segmenter_named(version: str) -> str:
    """The segmenter of a vocabulary: of `words 2 (Unicode 15.0.0)` words, of `words (Unicode …)` `EARLIER_WORDS`."""
    return EARLIER_WORDS if version.startswith("words (") else version.partition(" ")[0]
