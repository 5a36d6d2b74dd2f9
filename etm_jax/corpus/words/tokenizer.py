"""Documents to tokens, some documents at a time."""

import sys
from collections.abc import Callable, Sequence
from functools import lru_cache

from etm_jax.config.settings import CorpusConfig
from etm_jax.corpus.types import Document
from etm_jax.corpus.words.breaks import tokens_and_breaks
from etm_jax.corpus.words.normalize import chunks, clean_token, normalize
from etm_jax.corpus.words.numbering import Clean
from etm_jax.corpus.words.pkuseg.decoder import LONGEST_PIECE, Decoder
from etm_jax.corpus.words.pkuseg.files import find_model
from etm_jax.corpus.words.pkuseg.tables_file import load_tables
from etm_jax.corpus.words.ranges import TokenRanges
from etm_jax.corpus.words.segmenters import PKUSEG, make_segmenter
from etm_jax.util.errors import UserError

Tokenize = Callable[[Sequence[Document]], TokenRanges]


def tokenizer(config: CorpusConfig) -> Tokenize:
    """A function from documents to their tokens: normalised and segmented. What is left of a token, `cleaner` says.

    config: with `lang`, `segmenter` and `lowercase` resolved (`etm_jax.corpus.prepare.resolve`). With --phrases, which
    are yet to be joined, `etm_jax.corpus.words.breaks.BREAK` stands where none can go on.
    """
    nfkc, lowercase = config.nfkc, bool(config.lowercase)
    if config.segmenter == "gold":
        if config.phrases:
            clean = lru_cache(1 << 18)(lambda token: normalize(token, nfkc, lowercase))
            return lambda documents: TokenRanges.of_lists(
                tokens_and_breaks(map(clean, _given_tokens(document))) for document in documents
            )
        return lambda documents: TokenRanges.of_lists(map(_given_tokens, documents))
    cut = _cutter(config)

    def tokenize(documents: Sequence[Document]) -> TokenRanges:
        texts = [normalize(raw_text(document, config.lang), nfkc, lowercase) for document in documents]
        tokens = cut(texts)
        if config.phrases:
            return TokenRanges.of_lists(map(tokens_and_breaks, tokens.lists(), texts))
        return tokens

    return tokenize


def cleaner(config: CorpusConfig) -> Clean:
    """A function from a token to the word that it counts as: reduced to letters; "" where nothing is left.

    config: as for `tokenizer`.
    """
    if config.phrases:
        # They are clean, as `tokens_and_breaks` had to look what lies between them.
        return str
    if config.segmenter != "gold":
        return clean_token
    nfkc, lowercase = config.nfkc, bool(config.lowercase)
    return lambda token: clean_token(normalize(token, nfkc, lowercase))


def raw_text(document: Document, lang: str) -> str:
    """The document's text; for one that came as tokens, the tokens joined."""
    if document.tokens is None:
        return document.text
    return ("" if lang == "zh" else " ").join(document.tokens)


def _cutter(config: CorpusConfig) -> Callable[[Sequence[str]], TokenRanges]:
    """A function from normalised texts to their tokens."""
    if config.segmenter == "whitespace":
        return TokenRanges.of_spaced
    if config.segmenter == "pkuseg":
        return Decoder(load_tables(find_model(config.segmenter_model))).cut_texts
    segment = make_segmenter(config.segmenter, config.segmenter_model)
    limit = LONGEST_PIECE if config.segmenter in PKUSEG else sys.maxsize
    return lambda texts: TokenRanges.of_lists(
        [word for part in chunks(text, limit) for word in segment(part)] for text in texts
    )


def _given_tokens(document: Document) -> list[str]:
    if document.tokens is None:
        raise UserError(
            f"--segmenter=gold needs a corpus that comes segmented, but document {document.id} is plain text; "
            "give --segmenter=whitespace if spaces separate its words, or another segmenter"
        )
    return document.tokens
