"""Text that was cut into words with part-of-speech tags: `word/tag` of the People's Daily (PFR) and of segmenters."""

import re
from collections.abc import Iterator
from pathlib import Path

from etm_jax.corpus.readers.text_files import at_least_one, numbered_lines
from etm_jax.corpus.types import Document

_TAGGED = re.compile(r"(.+)[/_]([A-Za-z]{1,4}[0-9]?)")
_GLUED = re.compile(r"([^\x00-\x7f]+)([A-Za-z]{1,2})")
"""A tag that follows its word at once, as 中国ns; those of Peking University's set have a letter or two."""

_CLOSED = re.compile(r"(.+?)\](?:/?[A-Za-z]{1,4})?")
"""The end of a compound of several words, as 政府/n]nt."""

_PARAGRAPH = re.compile(r"\d{8}-\d+-\d+-\d+")
"""What a paragraph of the People's Daily begins with: its date, page, article and number."""

_MOST = 0.9
"""The share of the tokens of a text that has to have a tag where it is to be recognized."""


def read_tagged(path: Path, encoding: str) -> Iterator[Document]:
    """A document a line, the words without tags and with blanks between.

    `[中国/ns 政府/n]nt` is two words. A paragraph's number, as 19980101-01-001-001/m, is the id of its document and no
    word; any other document's id is the number of the line. Blank lines are no documents.
    """

    def documents() -> Iterator[Document]:
        for number, line in numbered_lines(path, encoding):
            words = [word for word in map(_word, line.split()) if word]
            name = str(number)
            if words and _PARAGRAPH.fullmatch(words[0]):
                name = words.pop(0)
            if line.strip():
                yield Document(name, " ".join(words))

    return at_least_one(documents(), path)


def looks_tagged(lines: list[str]) -> bool:
    """Whether nearly all that stands between blanks is a word, a slash and a tag."""
    tokens = [_without_brackets(token) for line in lines for token in line.split()]
    tagged = sum(_TAGGED.fullmatch(token) is not None and "/" in token for token in tokens)
    return len(tokens) >= 10 and tagged >= _MOST * len(tokens)


def looks_glued(lines: list[str]) -> bool:
    """Whether nearly all that stands between blanks is a word of another script than Latin that Latin letters follow.

    Such tags cannot be told from a word's own letters for certain, so that only --form=tagged takes them away.
    """
    tokens = [token for line in lines for token in line.split()]
    return len(tokens) >= 10 and sum(_GLUED.fullmatch(token) is not None for token in tokens) >= _MOST * len(tokens)


def _word(token: str) -> str:
    token = _without_brackets(token)
    match = _TAGGED.fullmatch(token) or _GLUED.fullmatch(token)
    return match[1] if match else token


def _without_brackets(token: str) -> str:
    # A bracket that is a word itself has its tag: [/w.
    if token.startswith("[") and not token.startswith("[/"):
        token = token[1:]
    closed = _CLOSED.fullmatch(token)
    return closed[1] if closed and _TAGGED.fullmatch(closed[1]) else token
