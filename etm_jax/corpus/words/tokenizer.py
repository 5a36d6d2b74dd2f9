"""Documents to tokens, some documents at a time."""

import sys
from collections.abc import Callable, Sequence
from functools import lru_cache, partial

from etm_jax.config.settings import CorpusConfig
from etm_jax.corpus.types import Document
from etm_jax.corpus.words.breaks import tokens_and_breaks
from etm_jax.corpus.words.normalize import chunks, clean_token, normalize
from etm_jax.corpus.words.numbering import Clean
from etm_jax.corpus.words.pkuseg.decoder import LONGEST_PIECE, Decoder
from etm_jax.corpus.words.pkuseg.files import find_model
from etm_jax.corpus.words.pkuseg.tables_file import load_tables
from etm_jax.corpus.words.ranges import TokenRanges
from etm_jax.corpus.words.script import for_reader, for_segmenter
from etm_jax.corpus.words.segmenters import PKUSEG, make_segmenter
from etm_jax.corpus.words.token_form import from_segmenter, like_tokens
from etm_jax.util.errors import UserError

Tokenize = Callable[[Sequence[Document]], TokenRanges]


def tokenizer(config: CorpusConfig) -> Tokenize:
    """A function from documents to their tokens: normalised and segmented. What is left of a token, `cleaner` says.

    config: with `lang`, `segmenter` and `lowercase` resolved (`etm_jax.corpus.prepare.resolve`). With --phrases, which
    are yet to be joined, `etm_jax.corpus.words.breaks.BREAK` stands where none can go on.
    """
    nfkc, lowercase, fold = config.nfkc, bool(config.lowercase), for_segmenter(config.script)
    clean = partial(clean_token, digits=config.keep_digits)

    def normalized(text: str) -> str:
        return normalize(fold(text), nfkc, lowercase)

    if config.segmenter == "gold":
        if not config.phrases:
            return lambda documents: TokenRanges.of_lists(map(_given_tokens, documents))
        each = lru_cache(1 << 18)(normalized)
        return lambda documents: TokenRanges.of_lists(
            tokens_and_breaks(map(each, _given_tokens(document)), None, clean) for document in documents
        )
    cut = _cutter(config)

    def tokenize(documents: Sequence[Document]) -> TokenRanges:
        texts = [normalized(raw_text(document, config.lang)) for document in documents]
        tokens = cut(texts)
        if not config.phrases:
            return tokens
        pairs = zip(tokens.lists(), texts, strict=True)
        return TokenRanges.of_lists(tokens_and_breaks(words, text, clean) for words, text in pairs)

    return tokenize


def cleaner(config: CorpusConfig) -> Clean:
    """A function from a token to the word that it counts as; "" where nothing is left.

    config: as for `tokenizer`.
    """
    if config.phrases:
        # They are clean already: what lies between them depended on it.
        return for_reader(config.script)
    return like_tokens(config) if config.segmenter == "gold" else from_segmenter(config)


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
    segment = make_segmenter(config.segmenter, config.segmenter_model, config.keep_digits)
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
