"""What is read of the records of a table or of JSON lines: which columns or keys are text, name and metadata."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from etm_jax.config.corpus_settings import CorpusConfig
from etm_jax.corpus.fields import fields_of
from etm_jax.util.errors import UserError

NAMES_SHOWN = 20
"""Of the columns of a table, or the keys of an object, in a message."""


def columns_of_text(config: CorpusConfig) -> tuple[str, ...]:
    """What --text_field names. Raises UserError where these are no names of different columns."""
    text = tuple(name.strip() for name in config.text_field.split(","))
    if not all(text) or len(set(text)) < len(text):
        raise UserError(f"--text_field={config.text_field} must be a column, or several such as title,body")
    return text


@dataclass(frozen=True)
class Columns:
    """Names of columns or keys.

    text: those whose values, one after the other, are the document's text. id: the one that names the document, "" for
    its number among the records, from 1. meta: those that it carries along. by_line: a document is called by the line
    that its record begins on.
    """

    text: tuple[str, ...] = ("text",)
    id: str = ""
    meta: tuple[str, ...] = ()
    by_line: bool = False

    @classmethod
    def of(cls, config: CorpusConfig) -> "Columns":
        """Those that settings ask for. Raises UserError where they are no names of different columns."""
        return cls(columns_of_text(config), config.id_field, fields_of(config).of_corpus, bool(config.names_by_line))

    @property
    def flags(self) -> Mapping[str, str]:
        """The flag that each column is asked for by."""
        names = dict.fromkeys(self.meta, "meta_fields")
        return names | ({self.id: "id_field"} if self.id else {}) | dict.fromkeys(self.text, "text_field")

    def check(self, there: Sequence[str], where: str, what: str) -> None:
        """Raise UserError where not all of them are there; what: columns or keys, of which `where` has some."""
        for name, flag in self.flags.items():
            if name not in there:
                more = f" … ({len(there):,} in all)" if len(there) > NAMES_SHOWN else ""
                listed = ", ".join(one[:60] for one in there[:NAMES_SHOWN]) + more
                raise UserError(
                    f"--{flag}={name!r} is not in {where}; its {what} are {listed or 'none'}; give one of them"
                )

    def name_of(self, given: str, where: str, line: int, number: int) -> str:
        """The name of a document. given: by the record, if it does; line, number: of the record, from 1.

        Raises UserError, which says `where` it stands, for a record that lacks its name.
        """
        if not self.id:
            return str(line if self.by_line else number)
        if not given:
            raise UserError(f"{where}, has no {self.id}, which --id_field names the documents by; give it one")
        return given

    def joined(self, texts: Sequence[str]) -> str:
        """The text of a document, from those of its columns, of which each has lines of its own."""
        return texts[0] if len(texts) == 1 else "\n".join(text for text in texts if text.strip())
