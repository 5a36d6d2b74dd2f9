"""Guided topics: words that a person wants some topics to be about."""

import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path

from etm_jax.corpus.types import Vocabulary
from etm_jax.corpus.words.script import in_script
from etm_jax.util.console import warn
from etm_jax.util.errors import UserError
from etm_jax.util.reading import read_bounded

Columns = tuple[tuple[int, ...], ...]
"""For each topic from the first on the columns of its words; empty for a topic that is free, as all that follow are."""


def read_seed_words(path: str, vocabulary: Vocabulary, num_topics: int, script: str = "") -> Columns:
    """The columns of the words in a UTF-8 file: a line a topic, words between blanks; # begins a comment.

    script: that of the vocabulary, which words are also looked up in; see --script. Words that the vocabulary lacks are
    named in a warning. Raises UserError where the file cannot be read, has more lines than there are topics, or a line
    without a word of the vocabulary.
    """
    try:
        text = read_bounded(Path(path).expanduser()).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"--seed_words={path} is not UTF-8 at byte {error.start}; save it as UTF-8") from error
    except OSError as error:
        raise UserError(
            f"--seed_words={path} cannot be read ({error.strerror}); give a file with the words of a topic a line"
        ) from error
    lines = [line.split() for line in text.rstrip().splitlines() if not line.lstrip().startswith("#")]
    if not any(lines):
        raise UserError(f"--seed_words={path} has no words; write those of a topic in a line, or leave it out")
    if len(lines) > num_topics:
        raise UserError(
            f"--seed_words={path} has words for {len(lines)} topics, and there are {num_topics}; raise --n_topic"
        )
    column = {word: j for j, word in enumerate(vocabulary.words)}
    written = in_script(script)
    found: list[tuple[int, ...]] = []
    unknown: list[str] = []
    for number, words in enumerate(lines, start=1):
        known = [_first_known((word, _folded(word), written(_folded(word))), column) for word in words]
        unknown += [word for word, j in zip(words, known, strict=True) if j is None]
        if words and not any(j is not None for j in known):
            raise UserError(
                f"--seed_words={path}: the vocabulary has none of the words of topic {number - 1} "
                f"({' '.join(words[:5])}); give others, or filter less (--no_below, --no_above)"
            )
        # Each once.
        found.append(tuple(dict.fromkeys(j for j in known if j is not None)))
    if unknown:
        shown = f"{' '.join(unknown[:10])}{' …' if unknown[10:] else ''}"
        warn(f"--seed_words={path}: left out, as the vocabulary lacks them: {shown}")
    return tuple(found) if any(found) else ()


def write_seed_words(topics: Sequence[Sequence[str]], folder: Path) -> str:
    """The path of a file in `folder` that `read_seed_words` reads; empty without words. Raises UserError."""
    if not any(map(len, topics)):
        return ""
    if any(isinstance(words, str) for words in topics):
        raise UserError("seed_words is a list of lists of words, one list a topic")
    if odd := [word for words in topics for word in words if word.split() != [word] or word.startswith("#")]:
        raise UserError(f"seed_words: {odd[0]!r} is not one word")
    path = folder / "seed_words.txt"
    path.write_text("".join(" ".join(words) + "\n" for words in topics), encoding="utf-8")
    return str(path)


def _first_known(spellings: Sequence[str], column: Mapping[str, int]) -> int | None:
    """The column of the first of a word's spellings that the vocabulary has."""
    return next((column[word] for word in spellings if word in column), None)


def _folded(word: str) -> str:
    return unicodedata.normalize("NFKC", word).lower()
