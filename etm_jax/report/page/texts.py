"""What the prepared corpus does not keep of its documents: their text, their order, their dates."""

import dataclasses
import datetime
import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from etm_jax.config.settings import CorpusConfig
from etm_jax.corpus.sources import find_source
from etm_jax.corpus.words.segment import raw_text
from etm_jax.corpus.words.text_starts import beginning_of
from etm_jax.util.console import silenced, track
from etm_jax.util.errors import UserError

CHARACTERS = 260
"""Of a document's text that are shown."""

_DATE = re.compile(r"\s*(\d{4})(?:\D{1,2}(\d{1,2})|(\d{2}))?(?:\D{1,2}(\d{1,2})|(\d{2}))?(?!\d)")


class Texts(NamedTuple):
    """texts: by document id, its beginning. first: ids of the first documents that the model knows, in reading order.

    missing: why there are no texts; empty where there are.
    """

    texts: dict[str, str]
    first: list[str]
    missing: str = ""


def read_texts(config: CorpusConfig, lang: str, known: Mapping[str, str], wanted: set[str], first: int) -> Texts:
    """The texts of the wanted documents and of the `first` first ones, from where the corpus was read.

    known: the first words of every document of the run, by id; a text that does not begin so is another one.
    """
    texts: dict[str, str] = {}
    order: list[str] = []
    left = set(wanted)
    try:
        with silenced():
            source = find_source(config)
        if source.documents is None:
            return Texts({}, [], "the corpus came as counts")
        for document in track(source.documents(), "texts of documents", unit="documents"):
            if not left and len(order) == first:
                break
            if document.id not in known or (document.id not in left and len(order) == first):
                continue
            text = raw_text(document, lang)
            if beginning_of(text) != known[document.id]:
                return Texts({}, [], f"{source.name} has changed since the run")
            texts[document.id] = _shown(text)
            left.discard(document.id)
            if len(order) < first:
                order.append(document.id)
    except UserError as error:
        return Texts({}, [], str(error))
    return Texts(texts, order)


def parts_of(text: str, words: Iterable[str], marked: set[str]) -> list[str]:
    """The text cut into parts, the second, fourth, … of which are words to be marked.

    words: those that the document is known to hold, longest first wherever several fit, so that 人 within 人民 is not
    taken for a word of its own; words of Latin letters only where no letter stands beside them.
    """
    alternatives = [_pattern(word) for word in sorted(set(words) | marked, key=lambda word: (-len(word), word))]
    if not alternatives or not marked:
        return [text]
    folded = {word.casefold() for word in marked}
    parts, end = [""], 0
    for match in re.finditer("|".join(alternatives), text, re.IGNORECASE):
        if match[0].casefold() in folded:
            parts[-1] += text[end : match.start()]
            parts += [match[0], ""]
        else:
            parts[-1] += text[end : match.end()]
        end = match.end()
    parts[-1] += text[end:]
    return parts


def dates_of(ids: Iterable[str], config: CorpusConfig, field: str) -> dict[str, datetime.date]:
    """The dates of documents by id: in the column or key `field` of the corpus' file, else where ids begin with them.

    Empty where they do not. Raises UserError where the field cannot be read, or holds no date.
    """
    if not field:
        found = {name: parse_date(name) for name in ids}
        dated = {name: date for name, date in found.items() if date}
        # A number of a line looks like a year now and then.
        return dated if len(dated) == len(found) and any(len(name) >= 8 for name in dated) else {}
    with silenced():
        source = find_source(dataclasses.replace(config, text_field=field))
    if not source.name.lower().removesuffix(".gz").endswith((".csv", ".tsv", ".jsonl", ".ndjson")):
        raise UserError(f"--date_field={field} is for a corpus in one .csv, .tsv or .jsonl file, not for {source.name}")
    assert source.documents is not None
    wanted = set(ids)
    try:
        values = {document.id: document.text for document in source.documents() if document.id in wanted}
    except UserError as error:
        raise UserError(str(error).replace("--text_field", "--date_field")) from error
    parsed = {name: parse_date(value) for name, value in values.items()}
    dates = {name: date for name, date in parsed.items() if date}
    if not dates:
        example = next(iter(values.values()), "")
        raise UserError(f"--date_field={field} holds no dates, but such as {example!r}; they look like 2024-05-31")
    return dates


def parse_date(text: str) -> datetime.date | None:
    """The date that a text begins with, such as 2024-05-31, 20240531, 2024/5/31, 2024年5月31日, 2024-05 or 2024."""
    match = _DATE.match(text)
    if not match:
        return None
    year, month, day = match[1], match[2] or match[3] or "1", match[4] or match[5] or "1"
    try:
        return datetime.date(int(year), int(month), int(day))
    except ValueError:
        return None


def _shown(text: str) -> str:
    folded = " ".join(text.split())
    return folded if len(folded) <= CHARACTERS else folded[:CHARACTERS] + "…"


def _pattern(word: str) -> str:
    inside = "[A-Za-z0-9_]"
    before = f"(?<!{inside})" if re.match(inside, word) else ""
    after = f"(?!{inside})" if re.match(inside, word[-1:]) else ""
    return before + re.escape(word) + after
