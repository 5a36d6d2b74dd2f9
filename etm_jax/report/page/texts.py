"""Texts and dates of documents: from the prepared corpus, and from the corpus itself where that kept none."""

import dataclasses
import datetime
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from etm_jax.config.corpus_settings import CorpusConfig
from etm_jax.corpus.metadata import Metadata, parse_date
from etm_jax.corpus.sources import find_source
from etm_jax.corpus.types import Documents
from etm_jax.corpus.words.text_starts import beginning_of, shown_text
from etm_jax.corpus.words.tokenizer import raw_text
from etm_jax.util.console import silenced, track, warn
from etm_jax.util.errors import UserError


class Texts(NamedTuple):
    """texts: by document id, its beginning. first: ids of the first documents that the model knows, in reading order.

    missing: why there are no texts; empty where there are.
    """

    texts: dict[str, str]
    first: list[str]
    missing: str = ""


def texts_of(parts: Sequence[Documents], config: CorpusConfig, lang: str, wanted: set[str], first: int) -> Texts:
    """The texts of the wanted documents, by their ids, and of the `first` first ones; read again if they were not kept.

    parts: all documents of the run.
    """
    if any(part.texts is None for part in parts):
        known = {name: words for part in parts for name, words in zip(part.ids, part.first_words, strict=True)}
        return read_texts(config, lang, known, wanted, first)
    in_order: list[str] = []
    if all(part.places is not None for part in parts):
        ids = [name for part in parts for name in part.ids]
        places = np.concatenate([part.places for part in parts if part.places is not None])
        in_order = [ids[i] for i in np.argsort(places)[:first]]
    needed, texts = wanted.union(in_order), dict[str, str]()
    for part in parts:
        assert part.texts is not None
        texts |= {name: part.texts[i] for i, name in enumerate(part.ids) if name in needed}
    return Texts({name: text for name, text in texts.items() if text}, in_order)


def read_texts(config: CorpusConfig, lang: str, known: Mapping[str, str], wanted: set[str], first: int) -> Texts:
    """The texts of the wanted documents and of the `first` first ones, from where the corpus was read.

    known: the first words of every document of the run, by id; a text that does not begin so is another one.
    """
    texts: dict[str, str] = {}
    order: list[str] = []
    left = set(wanted)
    try:
        with silenced():
            source = find_source(_without_metadata(config))
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
            texts[document.id] = shown_text(text)
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


def prepared_dates(documents: Documents, metadata: Metadata, field: str) -> dict[str, datetime.date] | None:
    """The dates of documents by id, of a field of their metadata: without a name, the first one that holds dates.

    None where there is no such field. Raises UserError where it holds no date.
    """
    of_dates = [column.name for column in metadata.columns if column.kind == "date"]
    name = field or next(iter(of_dates), "")
    return _dated(dict(zip(documents.ids, documents.meta[name], strict=True)), name) if name in documents.meta else None


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
        source = find_source(_without_metadata(config))
    if not source.name.lower().removesuffix(".gz").endswith((".csv", ".tsv", ".jsonl", ".ndjson")):
        raise UserError(f"--date_field={field} is for a corpus in one .csv, .tsv or .jsonl file, not for {source.name}")
    wanted = set(ids)
    try:
        with silenced():
            source = find_source(dataclasses.replace(config, meta_fields=field, title_field="", meta=""))
        assert source.documents is not None
        values = {document.id: document.meta[field] for document in source.documents() if document.id in wanted}
    except UserError as error:
        raise UserError(str(error).replace(f"--meta_fields={field!r}", f"--date_field={field!r}")) from error
    return _dated(values, field)


def _dated(values: Mapping[str, str], field: str) -> dict[str, datetime.date]:
    parsed = {name: parse_date(value) for name, value in values.items()}
    dates = {name: date for name, date in parsed.items() if date}
    unread = [value for name, value in values.items() if value.strip() and not parsed[name]]
    example = unread[0][:40] if unread else ""
    if not dates:
        raise UserError(
            f"--date_field={field} holds no dates, but values such as {example!r}{_perhaps(example)}; dates that are "
            "read look like 2024-05-31, 20240531, 2024年5月31日, 2024Q2, 2024-W22, 2024-05 or 2024"
        )
    if len(dates) < len(values):
        such = f" ({len(unread):,} have another value, such as {example!r}{_perhaps(example)})" if unread else ""
        warn(f"{len(values) - len(dates):,} of {len(values):,} documents have no readable date in {field}{such}")
    return dates


def _perhaps(text: str) -> str:
    """What a number that is no date may count, so that a person knows what to convert."""
    if not text.isdecimal():
        return ""
    if len(text) in (10, 13):
        return ", perhaps seconds since 1970, which are not read"
    excel = ", perhaps a day as Excel counts them, which is not read: give the cells a date format"
    return excel if len(text) == 5 else ""


def _without_metadata(config: CorpusConfig) -> CorpusConfig:
    """The settings, to read texts alone."""
    return dataclasses.replace(config, meta_fields="", title_field="", meta="")


def _pattern(word: str) -> str:
    inside = "[A-Za-z0-9_]"
    before = f"(?<!{inside})" if re.match(inside, word) else ""
    after = f"(?!{inside})" if re.match(inside, word[-1:]) else ""
    return before + re.escape(word) + after
