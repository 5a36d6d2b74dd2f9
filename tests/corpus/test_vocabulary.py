import numpy as np
import pytest
from gensim.corpora import Dictionary

from etm_jax.config.corpus_settings import CorpusConfig
from etm_jax.corpus.words.ranges import TokenRanges
from etm_jax.corpus.words.vocabulary import count_matrix, filter_words, index_tokens, select_stream, word_frequencies
from etm_jax.util.errors import UserError

# document frequencies: the 4, of 3, cat 2, dog 2, ox 1
DOCS = [["the", "cat", "of", "the"], ["the", "dog", "of"], ["dog", "the", "cat", "cat"], ["the", "ox", "of"]]


def kept(docs=DOCS, stopwords=frozenset(), **settings):
    frequencies = word_frequencies(index_tokens([TokenRanges.of_lists(docs)]))
    return filter_words(frequencies, CorpusConfig(**settings), stopwords)


def test_words_are_sorted_by_document_frequency_and_spelling():
    assert kept(no_below=1, no_above=1.0) == ["the", "of", "cat", "dog", "ox"]
    assert kept(DOCS[::-1], no_below=1, no_above=1.0) == ["the", "of", "cat", "dog", "ox"]


def test_each_filter_drops_what_it_says():
    assert kept(no_below=2, no_above=1.0) == ["the", "of", "cat", "dog"]
    assert kept(no_below=1, no_above=0.5) == ["cat", "dog", "ox"]
    assert kept(no_below=1, no_above=1.0, keep_n=2) == ["the", "of"]
    assert kept(no_below=1, no_above=1.0, min_token_len=3) == ["the", "cat", "dog"]
    assert kept(no_below=1, no_above=1.0, stopwords=frozenset({"the"})) == ["of", "cat", "dog", "ox"]


def test_auto_adj_drops_the_twenty_commonest_of_all_words_in_place_of_no_above():
    common = [f"c{i:02d}" for i in range(20)]
    docs = [[*common, "rare", "other"], [*common, "rare"], common]
    # Counted after the stop word, the twenty would take "rare" along.
    assert kept(docs, frozenset({"c00"}), no_below=1, no_above=0.01, auto_adj=True) == ["rare", "other"]


def test_too_few_words_are_reported_with_what_each_filter_dropped():
    with pytest.raises(UserError) as error:
        kept(DOCS * 3, no_below=9, no_above=0.75, min_token_len=3)
    message = str(error.value)
    assert message.startswith("filtering leaves 0 of 5 words")
    assert "2 are stop words, too short" in message
    assert "2 are in fewer than --no_below=9 documents" in message
    assert "1 in more than 9 of the 12 documents (--no_above=0.75)" in message


def drawn_documents(seed):
    """Documents of Zipfian words, so that many words are equally frequent."""
    draw = np.random.default_rng(seed)
    return [[f"w{min(int(k), 400)}" for k in draw.zipf(1.3, draw.integers(0, 60))] for _ in range(120)]


def by_gensim(docs, config, stopwords):
    """The words that gensim's own filters keep, where those that are sorted by spelling come first."""
    dictionary = Dictionary(docs)
    dictionary.token2id = dict(sorted(dictionary.token2id.items()))
    if config.auto_adj:
        dictionary.filter_n_most_frequent(20)
    dictionary.filter_tokens(
        [i for w, i in dictionary.token2id.items() if len(w) < config.min_token_len or w in stopwords]
    )
    dictionary.filter_extremes(config.no_below, 1.0 if config.auto_adj else config.no_above, config.keep_n or None)
    return set(dictionary.token2id)


@pytest.mark.parametrize(
    "settings",
    [{}, {"no_above": 0.25}, {"keep_n": 30}, {"keep_n": 31, "no_below": 1}, {"auto_adj": True}, {"min_token_len": 3}],
)
def test_the_frequencies_and_their_filters_are_those_of_gensim(settings):
    config = CorpusConfig(**{"no_below": 3, "no_above": 0.5, "min_token_len": 2} | settings)
    for seed in range(4):
        docs = drawn_documents(seed)
        stream = index_tokens([TokenRanges.of_lists(docs[:50]), TokenRanges.of_lists(docs[50:])])
        ours, theirs = word_frequencies(stream), Dictionary(docs)
        assert {word: i for i, word in enumerate(ours.words)} == theirs.token2id
        assert dict(enumerate(ours.doc_freq)) == theirs.dfs
        assert dict(enumerate(np.bincount(stream.ids))) == theirs.cfs
        assert (ours.num_docs, len(stream.ids), ours.doc_freq.sum()) == (
            theirs.num_docs, theirs.num_pos, theirs.num_nnz
        )  # fmt: skip
        kept_words = filter_words(ours, config, frozenset({"w5"}))
        assert set(kept_words) == by_gensim(docs, config, {"w5"})
        assert len(kept_words) == len(set(kept_words))


def test_counts_and_stream_hold_the_documents():
    stream = index_tokens([TokenRanges.of_lists([*DOCS, []])])
    counts = count_matrix(stream, ["cat", "the", "absent"])
    assert counts.toarray().tolist() == [[1, 2, 0], [0, 1, 0], [2, 1, 0], [0, 1, 0], [0, 0, 0]]
    assert counts.dtype == np.int32
    assert counts.has_canonical_format
    assert [stream.words[i] for i in stream.ids[stream.starts[2] : stream.starts[3]]] == DOCS[2]


def test_a_selected_stream_has_its_own_words():
    stream = index_tokens([TokenRanges.of_lists(DOCS)])
    part = select_stream(stream, np.array([1, 3]))
    texts = [[part.words[i] for i in part.ids[a:b]] for a, b in zip(part.starts[:-1], part.starts[1:], strict=True)]
    assert texts == [DOCS[1], DOCS[3]]
    assert sorted(part.words) == ["dog", "of", "ox", "the"]


def test_a_word_in_exactly_the_share_of_the_documents_is_kept():
    for frequent in (28, 29, 30):
        docs = [["target", "a"] if i < frequent else ["b"] for i in range(100)]
        assert ("target" in kept([*docs[:-2], ["c", "d"], ["c", "d"]], no_below=1, no_above=0.29)) == (frequent <= 29)
