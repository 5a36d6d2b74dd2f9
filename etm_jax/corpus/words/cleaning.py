"""What --clean drops from documents before they are cut into words, and a hint where it was not given."""

import dataclasses
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from etm_jax.config.corpus_settings import CorpusConfig
from etm_jax.corpus.types import Document
from etm_jax.corpus.words.novel_text import ADVERTISEMENTS, INDENTED, clean_novel, repeated_advertisements
from etm_jax.corpus.words.tokenizer import raw_text
from etm_jax.corpus.words.tokens import GIVEN
from etm_jax.corpus.words.web_text import clean_web
from etm_jax.util.console import note, warn

EMPTIED = "whole documents"
"""Among the counts of a `CleaningTally`: documents of which nothing is left."""

MUCH = 1 / 20
"""Share of the sampled documents with marks of a kind from which on the hint is given."""

NEARLY_ALL = 0.9
"""Share of the sampled documents that look like lines of a table from which on that is said."""

_TABLE, _LINE_OF_TABLE = "table", re.compile(r"(?:[^\t\n]{1,40}\t){1,2}[^\t\n]{2,}\n?")
"""A label, and perhaps a name before it, as in THUCNews and MALLET."""

_FEWEST_MARKED = 3
_SAMPLED_WHOLLY, _THEN_EVERY, _SAMPLED_CHARACTERS = 200, 100, 2000
"""The sample for the hint: the first documents, then every hundredth, the beginning of each."""

_HINTS = {
    "web": "links, @names, HTML or other marks of web text",
    "novel": "chapter headings or page furniture of novels",
}


@dataclass
class CleaningTally:
    """Counts of what was dropped, or of what a sample holds, which can be added in any order.

    dropped: marks by rule, and `EMPTIED`. sampled: documents that were looked at. marked: those of them that hold
    something to be dropped, by the value of --clean that drops it. blank: rows without text, which are no documents.
    """

    dropped: Counter[str] = field(default_factory=Counter)
    sampled: int = 0
    marked: Counter[str] = field(default_factory=Counter)
    blank: int = 0

    def add(self, other: "CleaningTally") -> None:
        """Add the counts of other documents."""
        self.dropped.update(other.dropped)
        self.sampled += other.sampled
        self.marked.update(other.marked)
        self.blank += other.blank

    @property
    def by_rule(self) -> dict[str, int]:
        """What was dropped, in an order that does not depend on that of the documents."""
        return dict(sorted(self.dropped.items()))

    def to_json(self) -> dict[str, Any]:
        """The counts as plain values."""
        return vars(self) | {"dropped": dict(self.dropped), "marked": dict(self.marked)}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "CleaningTally":
        """The inverse of `to_json`."""
        return cls(Counter(values["dropped"]), values["sampled"], Counter(values["marked"]), values.get("blank", 0))

    def give_hint(self) -> None:
        """Name the flag, in one line, where a good part of the sample holds what it would drop.

        Where nearly all documents look like lines of a table, that is said instead.
        """
        if self.marked[_TABLE] >= max(_FEWEST_MARKED, NEARLY_ALL * self.sampled):
            warn(
                f"{self.marked[_TABLE]:,} of {self.sampled:,} documents looked at begin with a field and a tab, as "
                "lines of a table do, and the field counts as words; name the columns in a first line, such as "
                "label<TAB>text, call the file .tsv, and give --text_field=text --meta_fields=label"
            )
        for clean, number in Counter({name: self.marked[name] for name in _HINTS}).most_common(1):
            if number >= max(_FEWEST_MARKED, MUCH * self.sampled):
                note(
                    f"hint: {number:,} of {self.sampled:,} documents looked at hold {_HINTS[clean]}; "
                    f"--clean={clean} drops them"
                )


class Cleaning:
    """The documents of a corpus as `config` wants them cleaned.

    source: starts the documents anew at each call. config: resolved. advertisements: keys of the lines that
    --clean=novel drops besides those that it knows by their form. tally: of the latest pass over the documents.
    """

    def __init__(self, source: Callable[[], Iterator[Document]], config: CorpusConfig) -> None:
        self._source, self._config = source, config
        self.tally = CleaningTally()
        self.advertisements = advertisements_in(source(), config) if config.clean == "novel" else frozenset[str]()

    def documents(self) -> Iterator[Document]:
        """The cleaned documents."""
        if not self._config.clean and self.tally.sampled:
            return self._source()  # The sample has been looked at.
        self.tally = CleaningTally()
        return clean_documents(self._source(), self._config, self.advertisements, self.tally)


def advertisements_in(documents: Iterable[Document], config: CorpusConfig) -> frozenset[str]:
    """The keys of the advertisements that repeat in a whole corpus, as `clean_documents` takes them."""
    return repeated_advertisements(raw_text(document, config.lang) for document in documents)


def clean_documents(
    documents: Iterator[Document],
    config: CorpusConfig,
    advertisements: Iterable[str] = (),
    tally: CleaningTally | None = None,
) -> Iterator[Document]:
    """The documents, as many and in the same order, with their texts cleaned as --clean says.

    config: resolved. A document of which nothing is left is empty. Documents that came as words stay as they are.
    advertisements: of `advertisements_in`. tally: gets the counts; without --clean, those of a sample, which nobody
    looks at without a tally.
    """
    if config.segmenter in ("gold", GIVEN) or (tally is None and not config.clean):
        yield from documents
        return
    tally = CleaningTally() if tally is None else tally
    lines = frozenset(advertisements)
    for number, document in enumerate(documents):
        if not config.clean:
            if number < _SAMPLED_WHOLLY or number % _THEN_EVERY == 0:
                _look_at(document, config, tally)
            yield document
            continue
        text = raw_text(document, config.lang)
        cleaned, counts = clean_web(text) if config.clean == "web" else clean_novel(text, lines)
        if not counts:
            yield document
            continue
        if not cleaned.strip():
            cleaned = ""
            counts[EMPTIED] += 1
        tally.dropped.update(counts)
        yield dataclasses.replace(document, text=cleaned, tokens=None)


def _look_at(document: Document, config: CorpusConfig, tally: CleaningTally) -> None:
    """Note which value of --clean would drop something of the document but indentation, which becomes no word."""
    text = raw_text(document, config.lang)[:_SAMPLED_CHARACTERS]
    tally.sampled += 1
    tally.marked[_TABLE] += bool(_LINE_OF_TABLE.fullmatch(text))
    tally.marked["web"] += bool(clean_web(text)[1])
    tally.marked["novel"] += bool(clean_novel(text)[1].keys() - {INDENTED, ADVERTISEMENTS})
