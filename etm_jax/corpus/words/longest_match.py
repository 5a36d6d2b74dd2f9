"""Longest match from the left: where words of a list stand in text that is not cut, and in a list of tokens."""

import re
from collections.abc import Iterable, Iterator, Sequence


class LongestMatch:
    """The words of a list, found in text by the longest that begins at a place, from the left; they never overlap."""

    def __init__(self, words: Iterable[str]) -> None:
        self.words = frozenset(words)
        lengths: dict[str, set[int]] = {}
        for word in self.words:
            lengths.setdefault(word[0], set()).add(len(word))
        self._lengths = {char: sorted(found, reverse=True) for char, found in lengths.items()}
        self._longest = {char: found[0] for char, found in self._lengths.items()}
        self._begins = re.compile(f"[{re.escape(''.join(self._lengths))}]") if lengths else None

    def __bool__(self) -> bool:
        return bool(self.words)

    def pieces(self, text: str) -> Iterator[tuple[str, bool]]:
        """The text in pieces that join to it, each with whether it is a word of the list. None is empty."""
        last = at = 0
        while self._begins and (found := self._begins.search(text, at)):
            begin = found.start()
            at = begin + 1
            for length in self._lengths[text[begin]]:
                if text[begin : begin + length] in self.words:
                    if last < begin:
                        yield text[last:begin], False
                    last = at = begin + length
                    yield text[begin:at], True
                    break
        if last < len(text):
            yield text[last:], False

    def joined(self, tokens: Sequence[str]) -> list[str]:
        """The tokens, with those neighbours joined whose texts make a word of the list, the longest first.

        No token is cut.
        """
        if not self.words:
            return list(tokens)
        out: list[str] = []
        at = 0
        while at < len(tokens):
            longest = self._longest.get(tokens[at][:1], 0)
            word, end, text = tokens[at], at + 1, tokens[at]
            for behind in range(at + 1, len(tokens)):
                text += tokens[behind]
                if len(text) > longest:
                    break
                if text in self.words:
                    word, end = text, behind + 1
            out.append(word)
            at = end
        return out
