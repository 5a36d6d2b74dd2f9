"""What the page and the figures say, in each of their languages: one table, strings.json, for Python and the script."""

import json
import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from etm_jax.util.errors import UserError

LANGUAGES = {"en": "English", "zh": "Chinese"}
"""Languages of the page, by the name that --page_lang takes."""

PLACE = re.compile(r"\{(\w+)\}")
"""A place in a string that is filled with a value."""


@cache
def table() -> Mapping[str, Mapping[str, str]]:
    """Every string by its key, `part.name`, and its language."""
    found: dict[str, dict[str, str]] = json.loads(
        files("etm_jax.report.page").joinpath("strings.json").read_text("utf-8")
    )
    return found


class Strings:
    """The strings of one language. lang: of `LANGUAGES`."""

    def __init__(self, lang: str) -> None:
        self.lang = lang
        self.of_key = {key: texts[lang] for key, texts in table().items()}

    def __call__(self, key: str, **values: object) -> str:
        """The string of a key, with values in its places. Raises KeyError for one that the table does not have."""
        return PLACE.sub(lambda place: str(values[place[1]]), self.of_key[key])

    def translated(self, text: str) -> str:
        """What code below the page says in English, such as rows of metrics, in this language.

        Its parts, between semicolons, are looked up among the keys `metric.` and `told.`; one that is not there stays
        as it is.
        """
        if self.lang == "en":
            return text
        return "；".join(self._part(part) for part in text.split("; "))

    def _part(self, part: str) -> str:
        for key, pattern in _patterns():
            if found := pattern.fullmatch(part):
                # A value may be one of these itself, but a file's name is none.
                nested = {n: self._part(v) if key.startswith("metric.") else v for n, v in found.groupdict().items()}
                return self(key, **nested)
        return part


def page_language(asked: str, of_corpus: str) -> str:
    """The language that is asked for; without one, that of the corpus where the page has it, or else English.

    Raises UserError for a language that the page does not have.
    """
    if asked and asked not in LANGUAGES:
        raise UserError(f"page_lang={asked!r}: the page is in {' or '.join(LANGUAGES)}")
    return asked or (of_corpus if of_corpus in LANGUAGES else "en")


@cache
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """The English strings that `Strings.translated` looks for, with a named group for each place."""
    found = []
    for key, texts in table().items():
        if key.startswith(("metric.", "told.")):
            pieces = PLACE.split(texts["en"])
            pattern = "".join(f"(?P<{p}>.+)" if i % 2 else re.escape(p) for i, p in enumerate(pieces))
            found.append((key, re.compile(pattern)))
    return tuple(found)
