"""Documents to tokens, some documents at a time."""

import sys
from collections.abc import Callable, Sequence
from functools import cache
from itertools import chain

import numpy as np

from etm_jax.config.settings import CorpusConfig
from etm_jax.corpus.types import Document, TokenStream
from etm_jax.corpus.words.normalize import chunks, clean_token, normalize
from etm_jax.corpus.words.pkuseg.decoder import Decoder
from etm_jax.corpus.words.pkuseg.files import find_model
from etm_jax.corpus.words.pkuseg.tables_file import load_tables
from etm_jax.corpus.words.segmenters import PKUSEG, make_segmenter
from etm_jax.util.errors import UserError

Tokenize = Callable[[Sequence[Document]], TokenStream]

_CHUNK = 1000  # characters; pkuseg's time grows faster than the length of a line


def tokenizer(config: CorpusConfig) -> Tokenize:
    """A function from documents to their tokens: normalised, segmented, reduced to letters, empty ones dropped.

    config: with `lang`, `segmenter` and `lowercase` resolved (`etm_jax.corpus.prepare.resolve`).
    """
    if config.segmenter == "gold":
        return _of_given_tokens(config)
    cut = _cut_by_pkuseg(config) if config.segmenter == "pkuseg" else _cut_one_by_one(config)

    def tokenize(documents: Sequence[Document]) -> TokenStream:
        texts = (
            normalize(raw_text(document, config.lang), config.nfkc, bool(config.lowercase)) for document in documents
        )
        return cut([list(chunks(text, limit)) for text in texts]).renamed(clean_token)

    limit = _CHUNK if config.segmenter in PKUSEG else sys.maxsize
    return tokenize


def raw_text(document: Document, lang: str) -> str:
    """The document's text; for one that came as tokens, the tokens joined."""
    if document.tokens is None:
        return document.text
    return ("" if lang == "zh" else " ").join(document.tokens)


_Cut = Callable[[list[list[str]]], TokenStream]
"""From documents in chunks to their words, punctuation included."""


def _cut_one_by_one(config: CorpusConfig) -> _Cut:
    segment = make_segmenter(config.segmenter, config.segmenter_model)
    return lambda documents: TokenStream.of(chain.from_iterable(map(segment, chunked)) for chunked in documents)


def _cut_by_pkuseg(config: CorpusConfig) -> _Cut:
    decoder = Decoder(load_tables(find_model(config.segmenter_model)))

    def cut(documents: list[list[str]]) -> TokenStream:
        pieces = [[piece for chunk in chunked for piece in chunk.split()] for chunked in documents]
        found = decoder.cut_pieces(list(chain.from_iterable(pieces)))
        words, ids = found.numbered()
        return TokenStream(words, ids, found.pieces[np.cumsum([0, *map(len, pieces)])])

    return cut


def _of_given_tokens(config: CorpusConfig) -> Tokenize:
    nfkc, lowercase = config.nfkc, bool(config.lowercase)

    @cache
    def clean(token: str) -> str:
        return clean_token(normalize(token, nfkc, lowercase))

    def tokens_of(document: Document) -> list[str]:
        if document.tokens is None:
            raise UserError(
                f"--segmenter=gold needs a corpus that comes segmented, but document {document.id} is plain text; "
                "give --segmenter=whitespace if spaces separate its words, or another segmenter"
            )
        return document.tokens

    return lambda documents: TokenStream.of(map(tokens_of, documents)).renamed(clean)
