"""Where a phrase cannot go on: marks, numbers and symbols between the words of a text."""

from collections.abc import Callable, Iterable

from etm_jax.corpus.words.normalize import clean_token

BREAK = "\n"
"""Stands among the tokens of a document where more than a blank or a hyphen was between two words.

No segmenter gives it, as normalised text has no line ends."""

_JOINTS = frozenset("-‐‑_·・'’")
"""Marks that may stand between the words of one phrase."""


def tokens_and_breaks(
    words: Iterable[str], text: str | None = None, clean: Callable[[str], str] = clean_token
) -> list[str]:
    """The cleaned tokens of `clean_token`, and `BREAK` between two that are not adjacent in the text.

    words: what a segmenter gives, in order, with or without punctuation. text: normalised, which it was given; None
    where the words come without one, and what is between them is among them. clean: a word to its token. Digits,
    punctuation and symbols break, but for hyphens, middle dots and apostrophes, and for a full stop without a blank,
    as in U.S.
    """
    tokens: list[str] = []
    between, end = "", 0
    for word in words:
        if text is not None and (start := text.find(word, end)) >= 0:
            between, end = between + text[end:start], start + len(word)
        token = clean(word)
        if not token:
            between += word
            continue
        if token != word:
            between += word[: word.find(token[0])]
        if tokens and between and _breaks(between):
            tokens.append(BREAK)
        tokens.append(token)
        between = "" if token == word else word[word.rfind(token[-1]) + 1 :]
    return tokens


def _breaks(between: str) -> bool:
    """Whether what is between two words, blanks included, separates them."""
    return between != "." and not _JOINTS.issuperset("".join(between.split()))
