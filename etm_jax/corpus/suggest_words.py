"""Words for a user's dictionary: what `etm_jax.prepare --suggest_words` does."""

from pathlib import Path

import numpy as np

from etm_jax.config.corpus_settings import CorpusConfig
from etm_jax.corpus.prepare import resolve
from etm_jax.corpus.sources import find_source
from etm_jax.corpus.words.cleaning import Cleaning
from etm_jax.corpus.words.new_words import BOUNDS, OTHER, Bounds, CutText, NewWord, cut_text, new_words
from etm_jax.corpus.words.script import normalizer
from etm_jax.corpus.words.segment import segment_documents
from etm_jax.corpus.words.segmenters import segmenter_version
from etm_jax.corpus.words.token_form import letters_of
from etm_jax.corpus.words.tokenizer import raw_text
from etm_jax.util.console import note, show, table
from etm_jax.util.errors import UserError
from etm_jax.util.files import check_writable, replace_text

SHOWN = 50
"""Words in the table on the screen."""

_HEAD = ("word", "count", "cut", "association", "entropy", "now")


def suggest_words(config: CorpusConfig, output: str = "", bounds: Bounds = BOUNDS) -> None:
    """Print the strings of a corpus that look like words and are cut, the likeliest first; write all into a file.

    output: a new file, which --user_dict reads; "" for none. Raises UserError where the corpus cannot be cut, or the
    file cannot be written.
    """
    path = Path(output).expanduser()
    if output:
        check_writable(path.absolute().parent, "output")
        if path.exists():
            raise UserError(f"--output={path} is there already, and you may have worked on it; give another name")
    words, segmenter = _found(config, bounds)
    if output:
        replace_text(path, as_file(words, segmenter))
    if not words:
        note(f"{segmenter} cuts no string that looks like a word and occurs {bounds.occurrences} times")
        return
    show(as_table(words[:SHOWN]))
    rest = f", the first {SHOWN} of which stand above" if len(words) > SHOWN else ""
    note(f"{len(words):,} strings look like words, and {segmenter} cuts them{rest}; not all of them are words")
    if output:
        note(f"{path} holds all of them: delete the lines that are none, and give it as --user_dict")
    else:
        note("--output=FILE writes all of them to a file for --user_dict")


def as_table(words: list[NewWord]) -> str:
    """The words as a table for a screen."""
    rows = (
        (
            word.word,
            f"{word.occurrences:,}",
            f"{word.cut_share:.0%}",
            f"{word.association:.1f}",
            f"{word.entropy:.1f}",
            " ".join(word.pieces),
        )
        for word in words
    )
    return table(rows, _HEAD, "<>>>><")


def as_file(words: list[NewWord], segmenter: str) -> str:
    """The words as a file for --user_dict, each with what speaks for it as a comment."""
    lines = [
        f"# Strings that look like words, and that {segmenter} cuts. Delete the lines that are no words.",
        *(
            f"{word.word}\t# {word.occurrences:,} times, {word.cut_share:.0%} of them cut, mostly "
            f"{' '.join(word.pieces)}; association {word.association:.1f}, entropy {word.entropy:.1f}"
            for word in words
        ),
    ]
    return "\n".join(lines) + "\n"


def _found(config: CorpusConfig, bounds: Bounds) -> tuple[list[NewWord], str]:
    """The words, and what cuts them now."""
    source = find_source(config)
    if source.documents is None:
        raise UserError(f"--corpus={source.name} holds counts; --suggest_words needs the text that they came from")
    settings = resolve(config, source)
    parts: list[CutText] = []
    as_text, clean = normalizer(settings), letters_of(settings)
    for some in segment_documents(Cleaning(source.documents, settings).documents, settings):
        for document, tokens in zip(some.documents, some.tokens.lists(), strict=True):
            text = as_text(raw_text(document, settings.lang))
            # Spaces that do nothing but cut are no part of the text.
            text = text.replace(" ", "") if settings.segmenter == "whitespace" else text
            parts.append(cut_text(text, [word for word in map(clean, tokens) if word]))
    if not any((part.codes > OTHER).any() for part in parts):
        raise UserError(
            f"--corpus={source.name} holds no text without spaces between its words, such as Chinese, in which words "
            "could be cut; leave out --suggest_words"
        )
    codes, starts = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    del parts
    segmenter = segmenter_version(settings.segmenter, settings.segmenter_model)
    return new_words(CutText(codes, starts), bounds), segmenter
