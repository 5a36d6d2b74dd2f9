"""Learning phrases: pairs of words that stand together far oftener than chance has it, by NPMI, as gensim does."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

import numpy as np

from etm_jax.config.settings import CorpusConfig
from etm_jax.corpus.types import Phrases, TokenStream
from etm_jax.corpus.words.breaks import BREAK
from etm_jax.corpus.words.phrases import join_once, pairs_of, without_breaks

PASSES = 2
"""The second pass joins phrases of the first with their neighbours, so that phrases have up to four words, and the
connectors between them."""


def learn_phrases(
    stream: TokenStream, config: CorpusConfig, stopwords: AbstractSet[str] = frozenset()
) -> tuple[Phrases, TokenStream]:
    """The phrases of a text, and the text with them joined, as `join_phrases` joins them.

    stream: with `BREAK` where a phrase cannot go on. config: with `lang` resolved. stopwords: words that neither begin
    nor end a phrase. The phrases are those of gensim's Phrases with `scoring="npmi"`, of at most `MAX_CONNECTORS`
    connectors, over the passages between breaks; the second pass is over the text that the first one left.
    """
    connectors = connectors_of(config.lang)
    passes: list[tuple[tuple[str, ...], ...]] = []
    for _ in range(PASSES):
        found = collocations(stream, connectors, config.phrase_min_count, config.phrase_threshold)
        passes.append(tuple(phrase for phrase in found if phrase[0] not in stopwords and phrase[-1] not in stopwords))
        stream = join_once(stream, passes[-1], connectors)
    return Phrases(tuple(passes), connectors), without_breaks(stream)


def connectors_of(lang: str) -> tuple[str, ...]:
    """The words that a phrase may have inside, but neither begins nor ends with: gensim's for English, none else."""
    from gensim.models.phrases import ENGLISH_CONNECTOR_WORDS

    return tuple(sorted(ENGLISH_CONNECTOR_WORDS)) if lang == "en" else ()


def collocations(
    stream: TokenStream, connectors: Sequence[str], min_count: int, threshold: float
) -> list[tuple[str, ...]]:
    """The pairs of at least `min_count` occurrences and an NPMI above `threshold`, each with the connectors between.

    gensim's own loop takes some 300 bytes a different pair, as text, and several minutes for 20 million words. Here
    only pairs of words that are frequent enough by themselves are counted, as numbers.
    """
    from gensim.models.phrases import npmi_scorer

    counts = np.bincount(stream.ids, minlength=len(stream.words))
    pairs = pairs_of(stream, connectors)
    first, last = stream.ids[pairs.first].astype(np.int64), stream.ids[pairs.last].astype(np.int64)
    often = np.flatnonzero((counts[first] >= min_count) & (counts[last] >= min_count))
    numbers, place = np.unique(pairs.connectors[often], return_inverse=True)
    keys = (first[often] * max(len(stream.words), 1) + last[often]) * max(len(numbers), 1) + place
    _, at, times = np.unique(keys, return_index=True, return_counts=True)
    at, times = often[at[times >= min_count]], times[times >= min_count]
    total = len(stream.ids) - sum(int(counts[i]) for i, word in enumerate(stream.words) if word == BREAK)
    found = []
    for pair, number in zip(at.tolist(), times.tolist(), strict=True):
        phrase = stream.ids[pairs.first[pair] : pairs.last[pair] + 1]
        a, b = int(counts[phrase[0]]), int(counts[phrase[-1]])
        if npmi_scorer(a, b, number, 0, min_count, total) > threshold:
            found.append(tuple(stream.words[i] for i in phrase.tolist()))
    return sorted(found)
