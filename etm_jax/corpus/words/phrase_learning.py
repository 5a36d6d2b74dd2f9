"""Learning phrases: pairs of words that stand together far oftener than chance has it, by NPMI, as gensim does."""

import math
from collections.abc import Sequence
from collections.abc import Set as AbstractSet

import numpy as np

from etm_jax.config.corpus_settings import CorpusConfig
from etm_jax.corpus.types import Phrases, TokenStream
from etm_jax.corpus.words.breaks import BREAK
from etm_jax.corpus.words.phrases import connectors_of_number, join_once, pairs_of, without_breaks

PASSES = 2
"""The second pass joins phrases of the first with their neighbours, so that phrases have up to four words, and the
connectors between them."""

_ROUNDING = 1e-12
"""Of an NPMI: far more than its logarithms are rounded by, far less than two different ones lie apart."""


def learn_phrases(
    stream: TokenStream, config: CorpusConfig, stopwords: AbstractSet[str] = frozenset()
) -> tuple[Phrases, TokenStream]:
    """The phrases of a text, and the text with them joined, as `join_phrases` joins them.

    stream: with `BREAK` where a phrase cannot go on. config: with `lang` resolved. stopwords: words that neither begin
    nor end a phrase. The phrases are those of gensim's Phrases with `scoring="npmi"`, of at most `MAX_CONNECTORS`
    connectors, over the passages between breaks; the second pass is over the text that the first one left.
    Words that are spelled alike are one word here, as 技术监督 局 and 技术 监督局 are once they are joined.
    """
    connectors = language_connectors(config.lang)
    passes: list[tuple[tuple[str, ...], ...]] = []
    for _ in range(PASSES):
        found = collocations(stream, connectors, config.phrase_min_count, config.phrase_threshold)
        passes.append(tuple(phrase for phrase in found if phrase[0] not in stopwords and phrase[-1] not in stopwords))
        stream = join_once(stream, passes[-1], connectors)
    return Phrases(tuple(passes), connectors), without_breaks(stream)


def language_connectors(lang: str) -> tuple[str, ...]:
    """The words that a phrase may have inside, but neither begins nor ends with: gensim's for English, none else."""
    from gensim.models.phrases import ENGLISH_CONNECTOR_WORDS

    return tuple(sorted(ENGLISH_CONNECTOR_WORDS)) if lang == "en" else ()


def collocations(
    stream: TokenStream, connectors: Sequence[str], min_count: int, threshold: float
) -> list[tuple[str, ...]]:
    """The pairs of at least `min_count` occurrences and an NPMI above `threshold`, each with the connectors between.

    gensim counts pairs as joined text, in a loop. Counted as numbers they take a fraction of the time, and a pair is
    never taken for a word that is spelled like it, as 人工 智能 would be for 人工智能.
    """
    from gensim.models.phrases import npmi_scorer

    size = max(len(stream.words), 1)
    counts = np.bincount(stream.ids, minlength=size)
    pairs = pairs_of(stream, connectors)
    # A pair is at most as frequent as each of its words.
    frequent = counts >= min_count
    often = frequent[stream.ids[pairs.first]] & frequent[stream.ids[pairs.last]]
    numbers, place = np.unique(pairs.connectors[often], return_inverse=True)
    keys = stream.ids[pairs.first[often]].astype(np.int64) * size + stream.ids[pairs.last[often]]
    keys = keys * max(len(numbers), 1) + place
    del pairs, often, place
    keys, times = np.unique(keys, return_counts=True)
    total = len(stream.ids) - sum(int(counts[i]) for i, word in enumerate(stream.words) if word == BREAK)
    found = []
    for key, number in zip(keys[times >= min_count].tolist(), times[times >= min_count].tolist(), strict=True):
        ends, place_of_number = divmod(key, len(numbers))
        a, b = divmod(ends, size)
        npmi = npmi_scorer(int(counts[a]), int(counts[b]), number, 0, min_count, total)
        # Words that are never apart have an NPMI of 1, but for rounding, which is not to exceed a threshold of 1.
        if npmi > threshold and not math.isclose(npmi, threshold, rel_tol=0, abs_tol=_ROUNDING):
            inside = (connectors[i - 1] for i in connectors_of_number(int(numbers[place_of_number]), len(connectors)))
            found.append((stream.words[a], *inside, stream.words[b]))
    return sorted(found)
