"""From the parameters of `ETM` to settings of a run, and messages on those in the terms of Python."""

import re
from collections.abc import Callable, Iterable, Mapping, Set
from functools import cache
from numbers import Integral
from typing import Any

from etm_jax.config.corpus_settings import CorpusConfig
from etm_jax.config.declaration import settings_of
from etm_jax.config.settings import RunOptions, all_sections
from etm_jax.corpus.types import Document
from etm_jax.corpus.words.cleaning import advertisements_in, clean_documents
from etm_jax.corpus.words.stop_words import NAMED
from etm_jax.util.errors import UserError

_FLAG = re.compile(r"--(no)?([a-z][a-z_]*)\b")
_NO_WORD = re.compile(r"[,，/\\]|\.(txt|json)$", re.IGNORECASE)


@cache
def _names_of_flags() -> dict[str, str]:
    kinds = (RunOptions, *all_sections().values())
    return {s.flag: s.name for kind in kinds for s in settings_of(kind)}


def settings_by_name(given: Mapping[str, Any]) -> dict[str, Any]:
    """Settings by their names, of those that are given by names or by flags. Raises UserError where both are given."""
    names = {s.name for kind in all_sections().values() for s in settings_of(kind)}
    found: dict[str, Any] = {}
    for key, value in given.items():
        # A flag may be written as on the command line.
        flag = key.removeprefix("--")
        name = key if key in names else _names_of_flags().get(flag, flag)
        if name in found:
            raise UserError(f"settings has {name!r} twice, once by its flag; leave one of them out")
        found[name] = value
    return found


def in_python(message: str) -> str:
    """A message with parameters where it has flags: `num_topics=1` for `--n_topic=1`.

    What is a whole command for the shell stays.
    """
    if "python -m " in message:
        return message

    def parameter(found: re.Match[str]) -> str:
        names = _names_of_flags()
        if (whole := found[0][2:]) in names:
            return names[whole]
        return f"{names[found[2]]}=False" if found[1] and found[2] in names else found[0]

    return _FLAG.sub(parameter, message)


def whole_number(value: Any, name: str, at_least: int = 1) -> int:
    """The value of an argument that counts something. Raises UserError where it is no whole number, or too small."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < at_least:
        raise UserError(f"{name}={value!r} is not a whole number from {at_least} on")
    return int(value)


def stop_words_setting(given: str | Iterable[str]) -> str:
    """The setting `stopwords` of a string, as it is, or of a collection of words. Raises UserError for what is no word.

    The names of our lists, zh and en, stand for those in a collection too.
    """
    if isinstance(given, str):
        return given
    words = sorted(given) if isinstance(given, Set) else list(given)
    for word in words:
        if not isinstance(word, str) or (word not in NAMED and _NO_WORD.search(word)):
            raise UserError(f"stopwords: {word!r} is not a word; give words alone in a list, or a file's name as text")
    # The comma at the end tells one word from the name of a file.
    return ",".join(map(str, words)) + "," if words else ""


def lost_segmenter(text: str) -> list[str]:
    """In place of a function that a saved model was fitted with, which is not saved. Raises UserError."""
    raise UserError("the model's segmenter was a function, which is not saved; set it again: model.segmenter = …")


def segmented_by(segmenter: Callable[[str], Iterable[str]], texts: list[Any], config: CorpusConfig) -> list[Any]:
    """The words of each text by a function; what is no text, such as a list of words, stays as it is.

    config: what `clean` drops, the function does not get. Raises UserError for a function that returns no words.
    """
    given = [Document(str(i), text if isinstance(text, str) else "") for i, text in enumerate(texts)]
    advertisements = advertisements_in(given, config) if config.clean == "novel" else ()
    cleaned = clean_documents(iter(given), config, advertisements)
    return [
        _words_by(segmenter, document) if isinstance(text, str) else text
        for text, document in zip(texts, cleaned, strict=True)
    ]


def _words_by(segmenter: Callable[[str], Iterable[str]], document: Document) -> list[str]:
    words = segmenter(document.text)
    if isinstance(words, str) or not isinstance(words, Iterable):
        raise UserError(f"segmenter returned {words!r:.60} for document {document.id}; it must return a list of words")
    return list(words)
