"""Documents as counts over a given vocabulary, from a format that may bring its own split: to a corpus of counts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from etm_jax.config.corpus_settings import CorpusConfig
from etm_jax.corpus.counts import as_counts, check_words
from etm_jax.corpus.readers.text_files import numbered_lines
from etm_jax.corpus.types import Counted
from etm_jax.corpus.words.split import halves, split_documents
from etm_jax.util.console import note
from etm_jax.util.errors import UserError

PARTS = ("train", "valid", "test")


@dataclass(frozen=True)
class Bags:
    """D documents over V words. counts: [D, V] CSR.

    ids: D names, by default the numbers of the documents from 1. parts: of `PARTS`, one for each document, where the
    format says which they are in; empty where it does not. meta: by field, D values, "" for none.
    """

    words: list[str]
    counts: sp.csr_matrix
    ids: Sequence[str] = ()
    parts: Sequence[str] = ()
    meta: Mapping[str, Sequence[str]] = field(default_factory=dict)


def as_counted(bags: Bags, name: str, config: CorpusConfig) -> Counted:
    """The corpus of these documents, called `name`: in the parts that they bring, else in ours.

    Of documents with parts of which none is for validation, --valid_share of those to train on are set aside. Documents
    too short for their part are left: without a word, or for the test with less than two. Raises UserError where the
    words or the counts cannot be used.
    """
    check_words(bags.words, name)
    counts = as_counts(bags.counts, name)
    lengths = np.asarray(counts.sum(axis=1)).ravel()
    rows = _rows(bags.parts, lengths, name, config)
    if not sum(map(len, rows.values())):
        raise UserError(f"{name} holds no word; give a corpus of at least a few documents")
    left = len(lengths) - sum(map(len, rows.values()))
    if left:
        note(f"{name}: {left:,} of {len(lengths):,} documents hold too few words for their part and are left out")
    names = bags.ids or [str(i + 1) for i in range(len(lengths))]
    test_h1, test_h2 = halves(counts[rows["test"]], config.split_seed)
    return Counted(
        bags.words,
        counts[rows["train"]],
        counts[rows["valid"]],
        test_h1,
        test_h2,
        names={part: [names[i] for i in rows[part]] for part in PARTS},
        meta={part: {key: [values[i] for i in rows[part]] for key, values in bags.meta.items()} for part in PARTS},
        rows=rows,
    )


def _rows(parts: Sequence[str], lengths: np.ndarray, name: str, config: CorpusConfig) -> dict[str, np.ndarray]:
    """The rows of each part."""
    if not parts:
        return dict(
            zip(PARTS, split_documents(lengths, config.valid_share, config.test_share, config.split_seed), strict=True)
        )
    part_of = np.array(parts)
    rows = {part: np.flatnonzero((part_of == part) & (lengths >= (2 if part == "test" else 1))) for part in PARTS}
    if not (part_of == "valid").any() and config.valid_share and len(rows["train"]):
        of_train = np.where(part_of == "train", lengths, 0)
        rows["train"], rows["valid"], _ = split_documents(of_train, config.valid_share, 0, config.split_seed)
    return rows


def read_vocabulary(path: Path, encoding: str) -> list[str]:
    """The words of a file of one a line, or of gensim's `Dictionary.save_as_text` (number, word, documents, by tabs).

    Raises UserError where it has none, and as `numbered_lines` does.
    """
    lines = [line.strip() for _, line in numbered_lines(path, encoding)]
    while lines and not lines[-1]:
        lines.pop()
    if not lines:
        raise UserError(f"{path} is empty; it has to hold the vocabulary, one word a line")
    rows = [line.split("\t") for line in lines[1:]]
    if lines[0].isdecimal() and rows and all(len(row) == 3 and row[0].isdecimal() for row in rows):
        places = {int(row[0]): row[1] for row in rows}
        if sorted(places) != list(range(len(rows))):
            raise UserError(f"{path} does not number its words from 0 on; call compactify() and save it again")
        return [places[i] for i in range(len(rows))]
    return lines
