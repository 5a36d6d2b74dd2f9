"""A user's dictionary: the words that a segmenter is to keep whole, from a file to values that travel with settings."""

import re
from collections.abc import Callable, Container
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, Self

from etm_jax.config.corpus_settings import CorpusConfig
from etm_jax.corpus.words.longest_match import LongestMatch
from etm_jax.corpus.words.script import normalizer
from etm_jax.util.console import note, warn
from etm_jax.util.errors import UserError
from etm_jax.util.reading import read_bounded

LONGEST_WORD = 100
"""Characters. A longer line is a sentence, and the file most likely a text."""

_LINE_END = re.compile(r"\r\n|\r|\n")
_COMMENT = re.compile(r"(?:^|\s)#.*")
_FREQUENCY = re.compile(r"[0-9]{1,12}")
_TAG = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,19}")


class Entry(NamedTuple):
    """A word, normalised like text. frequency: for jieba and rjieba, None to let them choose; tag: "" for none."""

    word: str
    frequency: int | None = None
    tag: str = ""

    def to_line(self) -> str:
        """The entry as `Entry.from_line` reads it."""
        return "\t".join(str(part) for part in self if part not in (None, ""))

    @classmethod
    def from_line(cls, line: str) -> Self:
        """The inverse of `to_line`. Raises ValueError for another line."""
        word, *fields = line.split("\t")
        frequency = int(fields.pop(0)) if fields and _FREQUENCY.fullmatch(fields[0]) else None
        tag = fields.pop(0) if fields else ""
        if fields or not word or word.split() != [word]:
            raise ValueError(f"{line!r} is no entry of a user's dictionary")
        return cls(word, frequency, tag)


class UserDict(NamedTuple):
    """Words to keep whole, in the order of their file."""

    entries: tuple[Entry, ...]
    match: LongestMatch

    def __bool__(self) -> bool:
        return bool(self.entries)

    @classmethod
    def of(cls, entries: tuple[Entry, ...]) -> Self:
        """The dictionary of these entries."""
        return cls(entries, LongestMatch(entry.word for entry in entries))

    def to_text(self) -> str:
        """The entries, one a line. Dictionaries with the same text cut alike; that of none is empty."""
        return "\n".join(entry.to_line() for entry in self.entries)

    def kept(self, clean: Callable[[str], str]) -> Callable[[str], str]:
        """`clean`, but a word of the dictionary stays as the user wrote it, digits and punctuation included."""
        return (lambda token: token if token in self.match.words else clean(token)) if self else clean


NO_WORDS = UserDict.of(())


@lru_cache(maxsize=4)
def user_dict_of(text: str) -> UserDict:
    """The inverse of `UserDict.to_text`. Raises ValueError for another text."""
    return UserDict.of(tuple(map(Entry.from_line, text.split("\n")))) if text else NO_WORDS


def read_user_dict(path: str, config: CorpusConfig) -> UserDict:
    """The words of a UTF-8 file, normalised like the text that they are to be found in.

    A line holds a word and may hold its frequency and its tag, parted by tabs (pkuseg) or spaces (jieba). What stands
    behind a # at the beginning or after a space is a comment. Of a word that occurs twice, the last line counts.
    config: with `lowercase` resolved. Raises UserError, which names the file and the line, where it cannot be read.
    """
    try:
        content = read_bounded(Path(path).expanduser())
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = content.count(b"\n", 0, error.start) + 1
        raise UserError(f"--user_dict={path} is not UTF-8 in line {number}; save it as UTF-8") from error
    except OSError as error:
        raise UserError(
            f"--user_dict={path} cannot be read ({error.strerror}); give a file of one word a line"
        ) from error
    found: dict[str, Entry] = {}
    as_text = normalizer(config)
    for number, line in enumerate(_LINE_END.split(text), start=1):
        try:
            entry = _entry(_COMMENT.sub("", line), as_text)
        except UserError as error:
            raise UserError(f"--user_dict={path}, line {number}: {error}") from error
        if entry:
            # The later one takes the place of its own line, as in jieba.
            found.pop(entry.word, None)
            found[entry.word] = entry
    if not found:
        raise UserError(f"--user_dict={path} holds no words; give a file of one word a line")
    return UserDict.of(tuple(found.values()))


def tell_found(user_dict: UserDict, written: Callable[[str], str], words: Container[str]) -> None:
    """Say how many entries are words of a text; warn where none is. written: an entry as it stands among the words."""
    found = sum(written(entry.word) in words for entry in user_dict.entries)
    note(f"user dictionary: {found:,} of its {len(user_dict.entries):,} words occur in the text")
    if not found:
        warn(
            f"no word of --user_dict is in the text, not even {_short(user_dict.entries[0].word)}; look whether the "
            "file holds one word a line, alone or with a frequency and a tag behind it, parted by tabs or spaces"
        )


def _entry(line: str, as_text: Callable[[str], str]) -> Entry | None:
    """The entry in a line, None where it holds no word. Raises UserError, which says what is wrong with it."""
    tabs = "\t" in line
    given, *fields = (field.strip() for field in (line.split("\t") if tabs else line.split() or [""]))
    fields = [field for field in fields if field]
    frequency = int(fields.pop(0)) if fields and _FREQUENCY.fullmatch(fields[0]) else None
    tag = fields.pop(0) if fields and _TAG.fullmatch(fields[0]) else ""
    word = as_text(given)
    if not word and not fields:
        return None
    if tag and fields and _FREQUENCY.fullmatch(fields[0]):
        raise UserError(f"{_short(given)} has its tag before its frequency; write {given} {fields[0]} {tag}")
    if fields:
        raise UserError(
            f"{_short(fields[0])} behind {_short(given)} is neither a frequency (a whole number) nor a tag (letters, "
            "such as nr); a word cannot hold spaces, as text is cut at them"
        )
    if tag and not tabs and frequency is None and (given.isascii() or not tag.islower()):
        raise UserError(
            f"'{given} {tag}' is a word with a space, at which text is cut, or a word and its tag; leave the space "
            "out, or put a tab before the tag"
        )
    if " " in word:
        raise UserError(f"{_short(given)} holds a space, at which text is cut; leave the space out, or give its parts")
    if frequency == 0:
        raise UserError(f"{_short(given)} has the frequency 0; give a positive one, or leave it out")
    if len(word) > LONGEST_WORD:
        raise UserError(f"{_short(word)} has {len(word):,} characters; give words of at most {LONGEST_WORD}")
    return Entry(word, frequency, tag)


def _short(word: str) -> str:
    return repr(word if len(word) <= 20 else f"{word[:20]}…")
