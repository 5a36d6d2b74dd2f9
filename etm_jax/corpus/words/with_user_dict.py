"""Segmenters that keep the words of a user's dictionary whole, each by its own means where it has some."""

import re
from collections.abc import Callable
from typing import Any

from etm_jax.corpus.words.longest_match import LongestMatch
from etm_jax.corpus.words.user_dict import Entry, UserDict

Cut = Callable[[str], list[str]]

_RUN = re.compile(r"[\u4e00-\u9fd5a-zA-Z0-9+#&._%\-]+")
"""What jieba and rjieba look up in their dictionaries; at any other character, such as a middle dot, they cut."""


def around(match: LongestMatch, cut: Cut) -> Cut:
    """`cut`, applied to what stands between the longest words of a list; so pkuseg treats its own dictionary."""
    if not match:
        return cut

    def cut_around(text: str) -> list[str]:
        return [word for piece, is_word in match.pieces(text) for word in ([piece] if is_word else cut(piece))]

    return cut_around


def jieba_with(package: Any, user_dict: UserDict) -> Cut:
    """jieba with the words at their frequencies, or at those that jieba suggests; not the words of other callers."""
    if not user_dict:
        return package.lcut
    return _with_words(package.Tokenizer(), "lcut", user_dict)


def rjieba_with(package: Any, user_dict: UserDict) -> Cut:
    """rjieba, as `jieba_with`."""
    return _with_words(package.Jieba(), "cut", user_dict) if user_dict else package.cut


def _with_words(own: Any, cut: str, user_dict: UserDict) -> Cut:
    """own: an instance that nobody else uses, and the name of its method."""
    for entry in user_dict.entries:
        own.add_word(entry.word, entry.frequency, entry.tag or None)
    return around(_never_found(user_dict, getattr(own, cut)), getattr(own, cut))


def _never_found(user_dict: UserDict, cut: Cut) -> LongestMatch:
    """The words that are cut even where they stand alone. A frequency that is too low for its word is as was wanted."""

    def wanted_whole(entry: Entry) -> bool:
        return entry.frequency is None or not _RUN.fullmatch(entry.word)

    found = (entry.word for entry in user_dict.entries if wanted_whole(entry) and cut(entry.word) != [entry.word])
    return LongestMatch(found)
