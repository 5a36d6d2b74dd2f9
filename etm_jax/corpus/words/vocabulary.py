"""Tokens to the columns of the model, and to counts."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from etm_jax.config.corpus_settings import CorpusConfig
from etm_jax.corpus.types import TokenStream
from etm_jax.corpus.words.bags import bags_of_words
from etm_jax.corpus.words.enough import check_enough
from etm_jax.corpus.words.numbering import Clean, JoinedTokens
from etm_jax.corpus.words.ranges import TokenRanges
from etm_jax.util.errors import UserError
from etm_jax.util.shares import most_within

AUTO_ADJ_WORDS = 20
"""Number of most frequent words that --auto_adj drops."""

_DOCUMENTS_SORTED = 256
"""Documents whose words are sorted at once: so many fit the processor's cache."""


def index_tokens(batches: Iterable[TokenRanges], clean: Clean = str) -> TokenStream:
    """All words over one list, from the tokens of some documents after the other, which are read once.

    clean: from a token to its word. Words have the ids that gensim's dictionary would give them.
    """
    joined = JoinedTokens(clean)
    for batch in batches:
        joined.add(batch)
    return joined.stream()


class WordFrequencies(NamedTuple):
    """In how many documents each word is. words: W different ones; doc_freq: [W] int64; num_docs: of the corpus."""

    words: Sequence[str]
    doc_freq: np.ndarray
    num_docs: int


def word_frequencies(stream: TokenStream) -> WordFrequencies:
    """The document frequencies of the words of a text: those that gensim's dictionary counts."""
    size, num_docs = len(stream.words), len(stream.starts) - 1
    doc_freq = np.zeros(size, np.int64)
    for low in range(0, num_docs, _DOCUMENTS_SORTED):
        starts = stream.starts[low : low + _DOCUMENTS_SORTED + 1]
        bags = bags_of_words(starts - starts[0], stream.ids[starts[0] : starts[-1]], size)
        doc_freq += np.bincount(bags.indices, minlength=size)
    return WordFrequencies(stream.words, doc_freq, num_docs)


def filter_words(
    frequencies: WordFrequencies,
    config: CorpusConfig,
    stopwords: frozenset[str] = frozenset(),
    already_rare: int = 0,
) -> list[str]:
    """The words that the settings keep, by falling document frequency and then by spelling.

    The same words that the filters of gensim's dictionary keep, where those drop equally frequent words by spelling,
    but for a word in exactly the share `no_above` of the documents, which is kept here and there now and then is not.
    config: with `min_token_len` resolved. already_rare: number of words with fewer than `no_below` documents that were
    left out of `frequencies`. Raises UserError with the numbers where fewer than two words are left.
    """
    words, freq, docs = frequencies
    unfiltered = len(words) + already_rare
    if unfiltered < 2:
        raise UserError(
            f"the corpus holds {unfiltered} different words, and topics need at least 2; "
            "give more text, or another --segmenter if this one left whole lines uncut"
        )
    shortest = config.min_token_len or 1
    candidate = np.array([len(word) >= shortest and word not in stopwords for word in words], bool)
    if config.auto_adj:
        candidate[by_frequency(freq, words)[:AUTO_ADJ_WORDS]] = False
    limit = most_within(1.0 if config.auto_adj else config.no_above, docs)
    kept = np.flatnonzero(candidate & (freq >= config.no_below) & (freq <= limit))
    kept = by_frequency(freq, words, kept)[: config.keep_n or None]
    if len(kept) < 2:
        check_enough(docs)
        candidates = int(candidate.sum()) + already_rare
        rare = already_rare + int((freq[candidate] < config.no_below).sum())
        raise UserError(
            f"filtering leaves {len(kept)} of {unfiltered:,} words, and topics need at least 2: "
            f"{unfiltered - candidates:,} are stop words, too short or dropped by --auto_adj, "
            f"{rare:,} are in fewer than --no_below={config.no_below} documents, "
            f"{int((freq[candidate] > limit).sum()):,} in more than {limit:,} of the {docs:,} documents "
            f"(--no_above={1.0 if config.auto_adj else config.no_above:g}); relax the one that drops most"
        )
    return [words[i] for i in kept.tolist()]


def by_frequency(freq: np.ndarray, words: Sequence[str], some: np.ndarray | None = None) -> np.ndarray:
    """Words by falling document frequency and then by spelling: [n] int64, their places in `words`.

    freq: [V]. some: places; by default those of all words that occur.
    """
    places = (np.flatnonzero(freq) if some is None else some).tolist()
    return np.array(sorted(places, key=lambda i: (-freq[i], words[i])), np.int64)


def count_matrix(stream: TokenStream, words: list[str]) -> sp.csr_matrix:
    """Word counts [D, V] CSR int32 of the D documents of `stream` for the V `words`; other tokens are left out."""
    column = {word: j for j, word in enumerate(words)}
    column_of = np.array([column.get(word, -1) for word in stream.words], dtype=np.int32)
    blocks = [sp.csr_matrix(np.zeros((0, len(words)), np.int32))]
    for low in range(0, len(stream.starts) - 1, _DOCUMENTS_SORTED):
        starts = stream.starts[low : low + _DOCUMENTS_SORTED + 1]
        columns = column_of[stream.ids[starts[0] : starts[-1]]]
        blocks.append(bags_of_words(starts - starts[0], columns, len(words)))
    return sp.csr_matrix(sp.vstack(blocks, format="csr"), dtype=np.int32)


def select_stream(stream: TokenStream, rows: np.ndarray) -> TokenStream:
    """The stream of some of its documents, with only their words. rows: [R] increasing."""
    lengths = np.diff(stream.starts)
    chosen = np.zeros(len(lengths), dtype=bool)
    chosen[rows] = True
    ids = stream.ids[np.repeat(chosen, lengths)]
    used = np.flatnonzero(np.bincount(ids, minlength=len(stream.words)))
    new_id = np.full(len(stream.words), -1, dtype=np.int32)
    new_id[used] = np.arange(len(used))
    starts = np.concatenate([[0], np.cumsum(lengths[rows])])
    return TokenStream([stream.words[i] for i in used], new_id[ids], starts.astype(np.int64))
