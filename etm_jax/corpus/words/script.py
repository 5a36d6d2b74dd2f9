"""Simplified and traditional characters, by OpenCC: text folded for segmenters, words written in the script wanted."""

import importlib.metadata
import re
import unicodedata
from collections.abc import Callable
from functools import cache

from etm_jax.config.corpus_settings import CorpusConfig
from etm_jax.corpus.words.normalize import normalize
from etm_jax.util.errors import UserError
from etm_jax.util.extras import missing

Fold = Callable[[str], str]

_COMPATIBLE = re.compile("[\u2e80-\u2fdf\uf900-\ufaff\U0002f800-\U0002fa1f]+")
"""Radicals and compatibility ideographs: other codes of characters that OpenCC knows."""

_UNREADABLE = re.compile("[\0\ud800-\udfff]")
"""What OpenCC does not take: lone surrogates, which UTF-8 has not, and zeros, at which some of its converters stop."""


def for_segmenter(script: str) -> Fold:
    """A function from text to the same text as a segmenter is to read it: simplified, wherever a script is given.

    script: simplified, traditional or empty for text as it is. Models and dictionaries of segmenters know simplified
    text. Characters are folded, words are not exchanged for those of another region (軟體 becomes 软体, not 软件); the
    length stays. Raises UserError where OpenCC is needed and not installed.
    """
    if not script:
        return _same
    # t2s alone leaves what Taiwan and Hong Kong write differently from OpenCC's own standard: 看著, 衞生. tw2s alone
    # makes 显着 of 显著, which it knows in traditional text only.
    to_standard, to_traditional = _converter("hk2t", script), _converter("s2t", script)
    from_standard, from_taiwan = _converter("t2s", script), _converter("tw2s", script)

    def fold(text: str) -> str:
        # `normalize` would make spaces of what is unreadable all the same.
        text = _COMPATIBLE.sub(lambda run: unicodedata.normalize("NFKC", run[0]), _UNREADABLE.sub(" ", text))
        standard = to_standard(text)
        is_simplified = from_standard(standard) == text != to_traditional(text)
        return text if is_simplified else from_taiwan(standard)

    return fold


def for_reader(script: str) -> Fold:
    """A function from a simplified word to the word in the script wanted: traditional as it is written in Taiwan.

    One simplified character stands for several traditional ones, 发 for 發 and 髮. The word decides which: 头发 becomes
    頭髮, and 发 alone 發. Raises UserError where OpenCC is needed and not installed.
    """
    return _converter("s2tw", script) if script == "traditional" else _same


def in_script(script: str) -> Fold:
    """A function from a word as a person writes it to the word as tokens have it: `for_segmenter`, `for_reader`."""
    fold, write = for_segmenter(script), for_reader(script)
    return lambda word: write(fold(word))


def converter_version(script: str) -> str:
    """OpenCC's version, on whose dictionaries the words depend. Raises UserError where it is not installed."""
    try:
        # By the name of the distribution: others have a module of the same name, with other dictionaries.
        return importlib.metadata.version("opencc")
    except importlib.metadata.PackageNotFoundError as error:
        raise UserError(missing("opencc", f"--script={script}", "pip install 'etm_jax[script]'")) from error


def normalizer(config: CorpusConfig) -> Fold:
    """A function from text to the text that a segmenter reads: folded and normalised. config: `lowercase` resolved."""
    fold, nfkc, lowercase = for_segmenter(config.script), config.nfkc, bool(config.lowercase)
    return lambda text: normalize(fold(text), nfkc, lowercase)


def _same(text: str) -> str:
    return text


@cache
def _converter(name: str, script: str) -> Fold:
    converter_version(script)
    import opencc

    return opencc.OpenCC(name).convert
