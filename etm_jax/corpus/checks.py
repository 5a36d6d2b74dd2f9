"""What is looked at before a corpus is used: whether it holds text, in the language that it is taken for."""

from collections import Counter
from collections.abc import Sequence

from etm_jax.config.corpus_settings import CorpusConfig
from etm_jax.util.console import warn
from etm_jax.util.errors import UserError

LEAST_CHINESE, MOST_CHINESE = 0.1, 0.3
"""Shares of different words with Chinese characters: of Chinese text more, of English text fewer."""


def check_read(name: str, config: CorpusConfig, docs: int, tokens: int, blank: int = 0) -> None:
    """Raise UserError, which calls the corpus `name`, where it has no documents or its documents no words.

    docs: those with text; blank: those without.
    """
    if blank and not docs:
        raise UserError(f"{name}: all of its {blank:,} documents are blank; give a corpus with text, or another column")
    if not docs:
        raise UserError(f"{name} holds no documents; give a corpus with one text a line")
    if not tokens:
        raise UserError(
            f"{name}: nothing is left of its {docs:,} documents without digits and punctuation; "
            f"look whether it is text in --encoding={config.encoding}"
            + (f", or leave out --clean={config.clean}" if config.clean else "")
        )


def warn_of_language(words: Sequence[str], read: Sequence[str], lang: str, segmenter: str) -> None:
    """Warn where the text looks like another language than it is taken for.

    words: of the vocabulary; read: of the text before it was filtered, where they are known. lang: what --lang says, ""
    where it was left out and Chinese is assumed. segmenter: what cut the text.
    """
    if lang != "en":
        if _share(words, "\u2e80", "\U0010ffff") < LEAST_CHINESE:
            assumed = "though --lang=zh is given" if lang else "which is assumed by default"
            warn(f"the corpus holds hardly any Chinese, {assumed}; for English give --lang=en")
        return
    share = _share(read, "\u4e00", "\u9fff")
    if segmenter == "words" and share > MOST_CHINESE:
        warn(
            f"{share:.0%} of the words hold Chinese characters, and --lang=en cuts text at spaces and punctuation "
            "alone; for Chinese give --lang=zh"
        )


def _share(words: Sequence[str], first: str, last: str) -> float:
    """The share of the words that hold a character in the range."""
    return sum(any(first <= char <= last for char in word) for word in words) / max(len(words), 1)


def check_different(ids: Sequence[str], id_field: str) -> None:
    """Raise UserError where two documents have the same name, by the column or key that is to name them."""
    first: dict[str, int] = {}
    for number, name in enumerate(ids, start=1):
        if first.setdefault(name, number) != number:
            more = sum(times > 1 for times in Counter(ids).values()) - 1
            others = f", and there are {more:,} more such names" if more else ""
            raise UserError(
                f"--id_field={id_field}: two documents are called {name!r}, number {first[name]:,} and number "
                f"{number:,}{others}; give each another name"
            )
