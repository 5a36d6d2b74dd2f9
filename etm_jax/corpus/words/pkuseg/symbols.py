"""What pkuseg sees of a character: itself, or the class of numbers, of full-width letters or of separators."""

import re

import numpy as np

NUMBER, LETTER, SEPARATOR = "**Num", "**Letter", "&"

_SEPARATORS = "-._,|/*:"
_NUMBERS = "0123456789几二三四五六七八九十千万亿兆零０１２３４５６７８９％"
# pkuseg's list of small letters has g in the place of j.
_LETTERS = "".join(map(chr, [*range(0xFF21, 0xFF3B), *range(0xFF41, 0xFF4A), *range(0xFF4B, 0xFF5B)])) + "／・－"
_REPLACED = frozenset(_SEPARATORS + _NUMBERS + _LETTERS)
_SYMBOL = re.compile(r"\*\*Num|\*\*Letter|.", re.DOTALL)


def symbols_of(word: str) -> list[str]:
    """The symbols that a string of a model's features stands for; none where no text has them in that order."""
    found = _SYMBOL.findall(word)
    return [] if any(symbol in _REPLACED for symbol in found) else found


def char_map(numbers: dict[str, int]) -> np.ndarray:
    """The number of each character's symbol: [1114112] by code point; 0 where the model has no symbol for it."""
    largest = max(numbers.values(), default=0)
    ids = np.zeros(0x110000, np.uint16 if largest < 1 << 16 else np.uint32)
    for symbol, number in numbers.items():
        if len(symbol) == 1:
            ids[ord(symbol)] = number
    for chars, symbol in ((_SEPARATORS, SEPARATOR), (_NUMBERS, NUMBER), (_LETTERS, LETTER)):
        ids[list(map(ord, chars))] = numbers.get(symbol, 0)
    return ids
