"""Normalising text before segmentation, and cleaning tokens after it."""

import re
import unicodedata
from collections.abc import Callable, Iterator
from functools import lru_cache

_IGNORABLE = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u3164\uffa0"
    + "".join(map(chr, [*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)]))
)
"""Invisible characters that Unicode files under letters and marks: joiners, fillers, variation selectors."""

_FOLDED = re.compile("[^，！？：；（）]+")
"""Runs of what NFKC folds: all but the full-width marks of Chinese text, for which it has the ASCII ones.

Segmenters are trained on text with the full-width marks: after ASCII ones pkuseg cuts less well, and `flag,wi-fi` it
does not cut at all. No mark is part of a token (`clean_token`), so that folding it would change nothing else.
"""

_SENTENCE_END = re.compile(r"[。！？!?；;…]+[”’」』）)\"']*|\.[”’\"')]*(?= )")
_CLAUSE_END = re.compile(r"[，,、：: ]")


class _Table(dict[int, str]):
    """A table for `str.translate` that calls `rule` for a character when it first occurs."""

    def __init__(self, rule: Callable[[str], str]) -> None:
        super().__init__()
        self._rule = rule

    def __missing__(self, code: int) -> str:
        value = self[code] = self._rule(chr(code))
        return value


def _visible(char: str) -> str:
    """A character of the text: nothing for invisible ones, a space for separators and control characters."""
    category = unicodedata.category(char)
    if category == "Cf" or char in _IGNORABLE:
        return ""
    return " " if category[0] == "Z" or category in ("Cc", "Cs") else char


def _letter(char: str) -> str:
    """A character of a token: nothing for digits, punctuation, symbols, separators and control characters."""
    category = unicodedata.category(char)
    dropped = category[0] in "PSZC" or category in ("Nd", "No", "Me") or char in _IGNORABLE
    return "" if dropped else char


_VISIBLE = _Table(_visible)
_LETTERS = _Table(_letter)


def is_letter(char: str) -> bool:
    """Whether a character is part of cleaned tokens."""
    return bool(char.translate(_LETTERS))


def normalize(text: str, nfkc: bool, lowercase: bool) -> str:
    """Text for a segmenter: without invisible characters, and with single spaces for all separators.

    Format characters (zero-width spaces, byte-order marks, soft hyphens) are removed; control characters, line ends and
    lone surrogates become spaces. nfkc: fold full-width and compatibility characters, except ，！？：；（）.
    Applying it twice changes nothing.
    """
    text = text.translate(_VISIBLE)
    if nfkc:
        text = _FOLDED.sub(lambda run: unicodedata.normalize("NFKC", run[0]), text)
    if lowercase:
        text = text.lower()
    return " ".join(text.split())


def chunks(text: str, limit: int) -> Iterator[str]:
    """Pieces of at most `limit` characters that join to `text`.

    A piece ends after the last sentence that fits; if none fits, after the last comma or space; else at the limit.
    """
    start = 0
    while len(text) - start > limit:
        window = text[start : start + limit]
        size = _last_end(_SENTENCE_END, window) or _last_end(_CLAUSE_END, window) or limit
        yield window[:size]
        start += size
    if start < len(text):
        yield text[start:]


def _last_end(pattern: re.Pattern[str], text: str) -> int:
    """The end of the last match in the text; 0 without one."""
    end = 0
    for match in pattern.finditer(text):
        end = match.end()
    return end


@lru_cache(maxsize=1 << 18)
def clean_token(token: str) -> str:
    """The token without digits, punctuation, symbols, spaces and control characters; empty if nothing is left.

    Number letters stay (〇 is one), and so does an apostrophe between letters: without it `we'll` would be `well`.
    """
    parts = token.replace("’", "'").split("'")
    return "'".join(word for word in map(_letters, parts) if word)


def _letters(text: str) -> str:
    """The letters and marks of a token, beginning with a letter."""
    text = text.translate(_LETTERS)
    # Compatibility folding turns a standalone accent into a space and a mark, which then begins a token.
    while text and unicodedata.category(text[0])[0] == "M":
        text = text[1:]
    return text
