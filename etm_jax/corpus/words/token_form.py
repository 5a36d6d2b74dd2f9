"""The form that words have as tokens, whether a segmenter found them or a person wrote them down."""

from collections.abc import Callable
from functools import lru_cache, partial

from etm_jax.config.settings import CorpusConfig
from etm_jax.corpus.words.normalize import clean_token, normalize
from etm_jax.corpus.words.script import for_reader, for_segmenter


def from_segmenter(config: CorpusConfig) -> Callable[[str], str]:
    """A function from a word that a segmenter found to its token, which is empty where nothing of it is kept."""
    clean = partial(clean_token, digits=True) if config.keep_digits else clean_token
    if not config.script:
        return clean
    write = for_reader(config.script)

    @lru_cache(maxsize=1 << 18)
    def cleaned(word: str) -> str:
        return write(clean(word))

    return cleaned


def like_tokens(config: CorpusConfig) -> Callable[[str], str]:
    """A function from a word that a person wrote (a stop word, a token of text cut by hand) to the token of the same.

    config: with `lowercase` resolved.
    """
    fold, clean = for_segmenter(config.script), from_segmenter(config)
    nfkc, lowercase = config.nfkc, bool(config.lowercase)
    return lambda word: clean(normalize(fold(word), nfkc, lowercase))
