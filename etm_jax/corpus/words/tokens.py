"""Text that the user has cut: whether its tokens are cleaned, and what that does."""

import re
from collections import defaultdict
from collections.abc import Callable, Collection

from etm_jax.config.corpus_settings import CorpusConfig
from etm_jax.corpus.words.script import normalizer

GIVEN = "given"
"""In place of a segmenter's name: documents are lists of words, as Python hands them over. No flag says it."""

_CUT_BY_THE_USER = ("whitespace", GIVEN)
"""Whose tokens stay as they are by default. Those of `gold` do not: in the corpus that it is for, every mark and number
is a token, and a number has its unit in it (1998年)."""

_TAGGED = re.compile(r".+[/_][A-Za-z]{1,3}[0-9]?")
_ENDS_IN_MARK = re.compile(r".*\w[.,;:!?)\]\"，。；：！？、）」”]+")
MANY_TAGGED, MANY_MARKED = 0.5, 0.1
"""Shares of the different words from which a warning is given."""


def cleans_tokens(config: CorpusConfig) -> bool:
    """Whether tokens are reduced to their letters, as --clean_tokens says or its default is. config: resolved."""
    if config.clean_tokens is None:
        return config.segmenter not in _CUT_BY_THE_USER
    return config.clean_tokens


def given_warnings(words: Collection[str], config: CorpusConfig) -> list[str]:
    """What looks amiss in the different words of a text that the user has cut and that nothing cleans: a line each."""
    if cleans_tokens(config) or config.segmenter not in _CUT_BY_THE_USER:
        return []
    warnings = []
    tagged = [word for word in words if _TAGGED.fullmatch(word)]
    if len(tagged) > MANY_TAGGED * len(words):
        warnings.append(
            f"{len(tagged) / len(words):.0%} of the different words end like a part-of-speech tag, such as "
            f"{min(tagged)}, and the tags are part of the words; --form=tagged reads such a text without them"
        )
    marked = [word for word in words if _ENDS_IN_MARK.fullmatch(word)]
    if len(marked) > MANY_MARKED * len(words):
        warnings.append(
            f"{len(marked) / len(words):.0%} of the different words end in a punctuation mark, such as {min(marked)}, "
            "which is part of the word; part marks from words, or give --clean_tokens or another --segmenter"
        )
    return warnings


class MergedTokens:
    """Cleans tokens, and notes which different ones it makes one of, where the user has cut the text.

    config: resolved. clean: a token to its word.
    """

    def __init__(self, config: CorpusConfig, clean: Callable[[str], str]) -> None:
        self._clean = clean
        self._notes = cleans_tokens(config) and config.segmenter in _CUT_BY_THE_USER
        self._as_text = normalizer(config)
        self._tokens_of: defaultdict[str, set[str]] = defaultdict(set)

    def clean(self, token: str) -> str:
        """The word of a token."""
        word = self._clean(token)
        if word and self._notes:
            self._tokens_of[word].add(self._as_text(token))
        return word

    def message(self) -> str:
        """How many different tokens became how many words, with the one of most tokens; empty where none did."""
        merged = {word: tokens for word, tokens in self._tokens_of.items() if len(tokens) > 1}
        if not merged:
            return ""
        number, word = sum(map(len, merged.values())), max(merged, key=lambda word: (len(merged[word]), word))
        few = sorted(merged[word])[:5]
        return (
            f"cleaning made {len(merged):,} word{'s' * (len(merged) > 1)} of {number:,} different tokens, such as "
            f"{word} of {', '.join(few)}"
            f"{' …' if len(merged[word]) > len(few) else ''}; --noclean_tokens keeps them apart"
        )
