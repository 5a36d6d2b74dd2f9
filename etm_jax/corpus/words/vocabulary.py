"""Tokens to the columns of the model, and to counts."""

from array import array
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from etm_jax.config.settings import CorpusConfig
from etm_jax.corpus.types import TokenStream
from etm_jax.util.errors import UserError

if TYPE_CHECKING:
    from gensim.corpora import Dictionary

AUTO_ADJ_WORDS = 20
"""Number of most frequent words that --auto_adj drops."""

DOCUMENTS_AT_ONCE = 100_000
"""Documents processed in one step: bounds the memory used besides the counts."""


def index_tokens(token_lists: Iterable[list[str]]) -> tuple["Dictionary", TokenStream]:
    """gensim's dictionary of all words, and all tokens by its ids. The lists are read once and not kept."""
    from gensim.corpora import Dictionary

    dictionary = Dictionary()
    ids, starts = array("i"), array("q", [0])
    for tokens in token_lists:
        dictionary.doc2bow(tokens, allow_update=True)
        ids.extend(map(dictionary.token2id.__getitem__, tokens))
        starts.append(len(ids))
    words = sorted(dictionary.token2id, key=dictionary.token2id.__getitem__)
    return dictionary, TokenStream(words, np.frombuffer(ids, np.int32), np.frombuffer(starts, np.int64))


def dictionary_of(words: Sequence[str], doc_freq: np.ndarray, num_docs: int) -> "Dictionary":
    """gensim's dictionary of W words whose document frequencies [W] are known."""
    from gensim.corpora import Dictionary

    dictionary = Dictionary()
    dictionary.token2id = {word: i for i, word in enumerate(words)}
    dictionary.dfs = dict(enumerate(doc_freq.tolist()))
    dictionary.num_docs = num_docs
    return dictionary


def filter_words(
    dictionary: "Dictionary",
    config: CorpusConfig,
    stopwords: frozenset[str] = frozenset(),
    already_rare: int = 0,
) -> list[str]:
    """The words that the settings keep, by falling document frequency and then by spelling.

    config: with `min_token_len` resolved. already_rare: number of words with fewer than `no_below` documents that were
    left out of the dictionary. The dictionary is filtered in place. Raises UserError with the numbers where fewer than
    two words are left.
    """
    # Among words of the same frequency gensim drops the last ones: sorted, spelling decides and not first occurrence.
    dictionary.token2id = dict(sorted(dictionary.token2id.items()))
    unfiltered, docs = len(dictionary) + already_rare, dictionary.num_docs
    if unfiltered < 2:
        raise UserError(
            f"the corpus holds {unfiltered} different words, and topics need at least 2; "
            "give more text, or another --segmenter if this one left whole lines uncut"
        )
    if config.auto_adj:
        dictionary.filter_n_most_frequent(AUTO_ADJ_WORDS)
    shortest = config.min_token_len or 1
    dictionary.filter_tokens(
        [i for word, i in dictionary.token2id.items() if len(word) < shortest or word in stopwords]
    )
    no_above = 1.0 if config.auto_adj else config.no_above
    rare = already_rare + sum(df < config.no_below for df in dictionary.dfs.values())
    limit = int(no_above * docs)
    common = sum(df > limit for df in dictionary.dfs.values())
    candidates = len(dictionary) + already_rare
    dictionary.filter_extremes(no_below=config.no_below, no_above=no_above, keep_n=config.keep_n or None)
    if len(dictionary) < 2:
        raise UserError(
            f"filtering leaves {len(dictionary)} of {unfiltered:,} words, and topics need at least 2: "
            f"{unfiltered - candidates:,} are stop words, too short or dropped by --auto_adj, "
            f"{rare:,} are in fewer than --no_below={config.no_below} documents, "
            f"{common:,} in more than {limit:,} of the {docs:,} documents (--no_above={no_above:g}); "
            "relax the one that drops most"
        )
    freq = {word: dictionary.dfs[i] for word, i in dictionary.token2id.items()}
    return sorted(freq, key=lambda word: (-freq[word], word))


def count_matrix(stream: TokenStream, words: list[str]) -> sp.csr_matrix:
    """Word counts [D, V] CSR int32 of the D documents of `stream` for the V `words`; other tokens are left out."""
    column = {word: j for j, word in enumerate(words)}
    column_of = np.array([column.get(word, -1) for word in stream.words], dtype=np.int32)
    num_docs = len(stream.starts) - 1
    blocks = [
        _block(column_of, stream, slice(low, min(low + DOCUMENTS_AT_ONCE, num_docs)), len(words))
        for low in range(0, num_docs, DOCUMENTS_AT_ONCE)
    ]
    return sp.csr_matrix(sp.vstack(blocks, format="csr"), dtype=np.int32)


def _block(column_of: np.ndarray, stream: TokenStream, rows: slice, num_words: int) -> sp.csr_matrix:
    """Word counts of some documents. column_of: [W] int32, the column of each word of the stream, −1 for none."""
    starts = stream.starts[rows.start : rows.stop + 1]
    columns = column_of[stream.ids[starts[0] : starts[-1]]]
    kept = columns >= 0
    indptr = np.concatenate([[0], np.cumsum(kept)])[starts - starts[0]]
    ones, shape = np.ones(indptr[-1], dtype=np.int32), (len(starts) - 1, num_words)
    counts = sp.csr_matrix((ones, columns[kept], indptr), shape=shape)
    counts.sum_duplicates()
    return counts


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
