"""Normalising text before segmentation, and cleaning tokens after it."""

import re
import unicodedata
from collections.abc import Callable, Iterator
from functools import cache, lru_cache

_IGNORABLE = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u3164\uffa0"
    + "".join(map(chr, [*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)]))
)
"""Invisible characters that Unicode files under letters and marks: joiners, fillers, variation selectors."""

_KEPT_MARKS = "，！？：；（）"
_FOLDED = re.compile(f"[^{_KEPT_MARKS}]+")
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


def _letter_or_digit(char: str) -> str:
    """A character of a token that may hold digits."""
    return char if unicodedata.category(char) == "Nd" else _letter(char)


_VISIBLE = _Table(_visible)
_LETTERS = _Table(_letter)
_LETTERS_AND_DIGITS = _Table(_letter_or_digit)
_IN_NUMBERS = re.compile(r"(?<=\d)([.,٫٬])(?=\d)")
"""What stands between two digits of a number: 3.14 is not 314."""


_PLAIN = re.compile("[一-鿿]+")
"""Chinese characters that are their own NFKC."""


def is_letter(char: str) -> bool:
    """Whether a character is part of cleaned tokens."""
    return bool(char.translate(_LETTERS))


def normalize(text: str, nfkc: bool, lowercase: bool) -> str:
    """Text for a segmenter: without invisible characters, and with single spaces for all separators.

    Format characters (zero-width spaces, byte-order marks, soft hyphens) are removed; control characters, line ends and
    lone surrogates become spaces. nfkc: fold full-width and compatibility characters, except ，！？：；（）.
    Applying it twice changes nothing.
    """
    if _PLAIN.fullmatch(text):  # As are most words that people or other programs have cut.
        return text
    odd = _suspects().findall(text)
    if not all(char.isspace() or _VISIBLE[ord(char)] == char for char in odd):
        text = text.translate(_VISIBLE)
    if odd or "  " in text or text[:1] == " " or text[-1:] == " ":
        text = " ".join(text.split())
    if nfkc and not text.isascii():
        folded = _folded(text)
        text = text if folded is text else " ".join(folded.split())
    return text.lower() if lowercase else text


@cache
def _suspects() -> re.Pattern[str]:
    """Characters that are not as they should be: all that `_VISIBLE` changes, white space but for spaces, and of the
    rare ones, beyond the first plane, all.
    """
    codes = [code for code in range(0x10000) if _visible(char := chr(code)) != char]
    return re.compile(f"[{re.escape(''.join(map(chr, codes)))}\U00010000-\U0010ffff]")


def _folded(text: str) -> str:
    """NFKC of a text, but for the marks that `_FOLDED` leaves out."""
    masked = text
    for mark in _KEPT_MARKS:
        masked = masked.replace(mark, ".")
    # Most text is in this form, which is seen at once.
    if unicodedata.is_normalized("NFKC", masked):
        return text
    return _FOLDED.sub(lambda run: unicodedata.normalize("NFKC", run[0]), text)


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
def clean_token(token: str, digits: bool = False) -> str:
    """The token without digits, punctuation, symbols, spaces and control characters; empty if nothing is left.

    Number letters stay (〇 is one), and so does an apostrophe between letters: without it `we'll` would be `well`.
    digits: whether they stay too, with a point or comma between two of them.
    """
    if token.isalpha() and _IGNORABLE.isdisjoint(token):
        return token
    parts = token.replace("’", "'").split("'")
    return "'".join(word for part in parts if (word := _letters(part, digits)))


def _letters(text: str, digits: bool) -> str:
    """The letters, marks and, where they are kept, digits of a token, beginning with no mark."""
    if digits:
        pieces = _IN_NUMBERS.split(text)
        pieces[::2] = [piece.translate(_LETTERS_AND_DIGITS) for piece in pieces[::2]]
        text = "".join(pieces)
    else:
        text = text.translate(_LETTERS)
    # Compatibility folding turns a standalone accent into a space and a mark, which then begins a token.
    while text and unicodedata.category(text[0])[0] == "M":
        text = text[1:]
    return text
