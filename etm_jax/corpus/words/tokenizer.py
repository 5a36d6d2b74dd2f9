"""Documents to tokens, some documents at a time."""

from collections.abc import Callable, Sequence
from functools import lru_cache

from etm_jax.config.corpus_settings import CorpusConfig
from etm_jax.corpus.types import Document
from etm_jax.corpus.words.breaks import tokens_and_breaks
from etm_jax.corpus.words.numbering import Clean
from etm_jax.corpus.words.ranges import TokenRanges
from etm_jax.corpus.words.script import for_reader, normalizer
from etm_jax.corpus.words.segmenters import make_segmenter, pkuseg_decoder
from etm_jax.corpus.words.token_form import from_segmenter, letters_of, like_tokens
from etm_jax.corpus.words.tokens import GIVEN
from etm_jax.corpus.words.user_dict import user_dict_of
from etm_jax.util.errors import UserError

Tokenize = Callable[[Sequence[Document]], TokenRanges]


def tokenizer(config: CorpusConfig) -> Tokenize:
    """A function from documents to their tokens: normalised and segmented. What is left of a token, `cleaner` says.

    config: with `lang`, `segmenter`, `lowercase` and `user_words` resolved (`etm_jax.corpus.prepare.resolve`). With
    --phrases, which are yet to be joined, `etm_jax.corpus.words.breaks.BREAK` stands where none can go on.
    """
    as_text, clean = normalizer(config), letters_of(config)
    if config.segmenter in ("gold", GIVEN):
        given = _given(config)
        if not config.phrases:
            return lambda documents: TokenRanges.of_lists(map(given, documents))
        return lambda documents: TokenRanges.of_lists(
            tokens_and_breaks(given(document), None, clean) for document in documents
        )
    cut = _cutter(config)

    def tokenize(documents: Sequence[Document]) -> TokenRanges:
        texts = [as_text(raw_text(document, config.lang)) for document in documents]
        tokens = cut(texts)
        if not config.phrases:
            return tokens
        pairs = zip(tokens.lists(), texts, strict=True)
        return TokenRanges.of_lists(tokens_and_breaks(words, text, clean) for words, text in pairs)

    return tokenize


def make_ready(config: CorpusConfig) -> None:
    """Make what all processes that segment share, before they are started. Raises UserError where it is missing."""
    if config.segmenter == "pkuseg":
        pkuseg_decoder(config.segmenter_model)


def cleaner(config: CorpusConfig) -> Clean:
    """A function from a token to the word that it counts as; "" where nothing is left.

    config: as for `tokenizer`.
    """
    if config.phrases:
        # They are clean already: what lies between them depended on it.
        return for_reader(config.script)
    return like_tokens(config) if config.segmenter in ("gold", GIVEN) else from_segmenter(config)


def raw_text(document: Document, lang: str) -> str:
    """The document's text; for one that came as tokens, the tokens joined."""
    if document.tokens is None:
        return document.text
    return ("" if lang == "zh" else " ").join(document.tokens)


def _cutter(config: CorpusConfig) -> Callable[[Sequence[str]], TokenRanges]:
    """A function from normalised texts to their tokens."""
    user_dict = user_dict_of(config.user_words)
    if config.segmenter == "whitespace" and not user_dict:
        return TokenRanges.of_spaced
    if config.segmenter == "pkuseg":
        return pkuseg_decoder(config.segmenter_model, user_dict).cut_texts
    segment = make_segmenter(config.segmenter, config.segmenter_model, config.keep_digits, user_dict)
    return lambda texts: TokenRanges.of_lists(map(segment, texts))


def _given(config: CorpusConfig) -> Callable[[Document], list[str]]:
    """A function from a document to the tokens that it came with."""
    match = user_dict_of(config.user_words).match
    as_text = lru_cache(1 << 18)(normalizer(config)) if match or config.phrases else None

    def given(document: Document) -> list[str]:
        if document.tokens is None:
            raise UserError(
                f"--segmenter=gold needs a corpus that comes segmented, but document {document.id} is plain text; "
                "give --segmenter=whitespace if spaces separate its words, or another segmenter"
            )
        return match.joined(list(map(as_text, document.tokens))) if as_text else document.tokens

    return given
