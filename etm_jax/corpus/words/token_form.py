"""The form that words have as tokens, whether a segmenter found them or a person wrote them down."""

from collections.abc import Callable
from functools import lru_cache, partial

from etm_jax.config.corpus_settings import CorpusConfig
from etm_jax.corpus.words.normalize import clean_token
from etm_jax.corpus.words.script import for_reader, normalizer
from etm_jax.corpus.words.tokens import cleans_tokens
from etm_jax.corpus.words.user_dict import user_dict_of


def from_segmenter(config: CorpusConfig) -> Callable[[str], str]:
    """A function from a word that a segmenter found to its token, which is empty where nothing of it is kept."""
    clean = letters_of(config)
    if not config.script:
        return clean
    write = for_reader(config.script)

    @lru_cache(maxsize=1 << 18)
    def cleaned(word: str) -> str:
        return write(clean(word))

    return cleaned


def letters_of(config: CorpusConfig) -> Callable[[str], str]:
    """`from_segmenter`, before the token is written in the script wanted."""
    clean = partial(clean_token, digits=True) if config.keep_digits else clean_token
    if not cleans_tokens(config):
        return user_dict_of(config.user_words).kept(lambda token: token if clean(token) else "")
    return user_dict_of(config.user_words).kept(clean)


def like_tokens(config: CorpusConfig) -> Callable[[str], str]:
    """A function from a word that a person wrote (a stop word, a token of text cut by hand) to the token of the same.

    config: with `lowercase` resolved.
    """
    as_text, clean = normalizer(config), from_segmenter(config)
    return lambda word: clean(as_text(word))
