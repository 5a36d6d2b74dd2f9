"""Phrases: gensim's, whose Phrases is the judge, but never over a mark, and the same wherever words are counted."""

import dataclasses
import json
from itertools import pairwise

import numpy as np
import pytest
from gensim.models.phrases import ENGLISH_CONNECTOR_WORDS
from gensim.models.phrases import Phrases as GensimPhrases
from hypothesis import given, settings
from hypothesis import strategies as st

from etm_jax.config.corpus_settings import CorpusConfig
from etm_jax.corpus.types import Phrases, TokenStream
from etm_jax.corpus.words.breaks import BREAK, tokens_and_breaks
from etm_jax.corpus.words.normalize import clean_token
from etm_jax.corpus.words.phrase_learning import learn_phrases
from etm_jax.corpus.words.phrases import join_phrases, parts_of, spelled, spelled_from_text
from etm_jax.corpus.words.ranges import TokenRanges
from etm_jax.corpus.words.segmenters import make_segmenter
from etm_jax.corpus.words.token_form import like_tokens
from etm_jax.corpus.words.vocabulary import index_tokens, word_frequencies

EN = CorpusConfig(lang="en", phrases=True, phrase_min_count=3, phrase_threshold=0.3)
OUTER = "+"
"""gensim's second pass tells a phrase of the first from a pair by its delimiter alone."""


def text_of(documents: list[list[str]]) -> TokenStream:
    return index_tokens([TokenRanges.of_lists(documents)])


def texts_of(stream: TokenStream) -> list[list[str]]:
    words = [stream.words[i] for i in stream.ids.tolist()]
    return [words[a:b] for a, b in zip(stream.starts[:-1].tolist(), stream.starts[1:].tolist(), strict=True)]


def passages(tokens: list[str]) -> list[list[str]]:
    found: list[list[str]] = [[]]
    for word in tokens:
        if word == BREAK:
            found.append([])
        else:
            found[-1].append(word)
    return found


def by_gensim(documents: list[list[str]], config: CorpusConfig) -> list[list[str]]:
    """The documents as gensim's Phrases joins them, twice, over the passages between breaks."""
    cut = [passages(tokens) for tokens in documents]
    connectors = ENGLISH_CONNECTOR_WORDS if config.lang == "en" else frozenset()
    for delimiter in ("_", OUTER):
        model = GensimPhrases(
            [passage for document in cut for passage in document],
            min_count=config.phrase_min_count,
            threshold=config.phrase_threshold,
            scoring="npmi",
            delimiter=delimiter,
            connector_words=connectors,
        )
        cut = [[model[passage] if passage else [] for passage in document] for document in cut]
    separator = "_" if config.lang == "en" else ""
    return [[w.replace(OUTER, separator).replace("_", separator) for p in d for w in p] for d in cut]


def random_texts(seed: int, words: list[str], num_docs: int = 60) -> list[list[str]]:
    """Documents in which some words follow others far oftener than chance has it, with breaks among them."""
    rng = np.random.default_rng(seed)
    follows = {word: words[rng.integers(len(words))] for word in words}
    documents = []
    for _ in range(num_docs):
        tokens: list[str] = []
        for _ in range(rng.integers(0, 40)):
            tokens.append(words[min(int(rng.zipf(1.3)) - 1, len(words) - 1)])
            while rng.random() < 0.5:
                tokens.append(follows[tokens[-1]] if tokens[-1] else words[0])
            if rng.random() < 0.15:
                tokens.append(BREAK)
        documents.append(tokens)
    return documents


@pytest.mark.parametrize("seed", range(8))
def test_phrases_and_the_joined_text_are_those_of_gensim(seed: int) -> None:
    words = [f"{a}{b}" for a in "bdfgk" for b in "aeio"] + sorted(ENGLISH_CONNECTOR_WORDS)
    documents = random_texts(seed, [words[i] for i in np.random.default_rng(seed).permutation(len(words))])
    for threshold in (0.1, 0.3):
        config = dataclasses.replace(EN, phrase_threshold=threshold)
        phrases, joined = learn_phrases(text_of(documents), config)
        assert texts_of(joined) == by_gensim(documents, config)
        assert len(phrases.passes[0]) > 3
        assert any(len(phrase) > 2 for phrase in phrases.passes[0])
        assert len(phrases.passes[1]) > 0


@pytest.mark.parametrize("seed", range(4))
def test_chinese_words_join_without_a_separator_and_no_word_is_a_connector(seed: int) -> None:
    words = [chr(0x4E00 + 37 * i) * (1 + i % 2) for i in range(30)]
    documents = random_texts(seed, words)
    config = dataclasses.replace(EN, lang="zh")
    phrases, joined = learn_phrases(text_of(documents), config)
    assert texts_of(joined) == by_gensim(documents, config)
    assert phrases.connectors == ()


def test_what_was_learnt_joins_other_text_as_it_joined_its_own() -> None:
    words = [f"w{a}" for a in "abcdefghijklmnop"]
    documents = random_texts(3, [*words, "of", "the"])
    phrases, joined = learn_phrases(text_of(documents), EN)
    again = Phrases.from_json(json.loads(json.dumps(phrases.to_json())))
    assert again == phrases
    assert texts_of(join_phrases(text_of(documents), again)) == texts_of(joined)
    for document, expected in zip(documents, texts_of(joined), strict=True):
        assert texts_of(join_phrases(text_of([document]), again)) == [expected]
    assert texts_of(join_phrases(text_of([["unheard", "of"], []]), again)) == [["unheard", "of"], []]


def test_the_frequencies_count_the_joined_words() -> None:
    documents = random_texts(1, [f"w{a}" for a in "abcdefgh"])
    _, joined = learn_phrases(text_of(documents), EN)
    counted, expected = word_frequencies(joined), word_frequencies(text_of(texts_of(joined)))
    assert BREAK not in counted.words
    assert counted.num_docs == expected.num_docs
    by_word, wanted = (dict(zip(found.words, found.doc_freq, strict=True)) for found in (counted, expected))
    assert by_word == wanted


def test_a_phrase_that_is_a_word_already_is_that_word() -> None:
    documents = [["人工", "智能", BREAK, "好"], ["人工智能", BREAK, "难"]] * 5
    phrases, joined = learn_phrases(text_of(documents), dataclasses.replace(EN, lang="zh"))
    assert phrases.passes == ((("人工", "智能"),), ())
    assert texts_of(joined)[:2] == [["人工智能", "好"], ["人工智能", "难"]]
    assert sorted(joined.words) == sorted(["人工智能", "好", "难"])


def test_a_stop_word_neither_begins_nor_ends_a_phrase() -> None:
    documents = [["we", "saw", "new", "york", "then"]] * 6 + [[w] for w in ("saw", "then", "we", "x", "y", "z")]
    config = dataclasses.replace(EN, phrase_threshold=-1.0)
    free, _ = learn_phrases(text_of(documents), config)
    phrases, joined = learn_phrases(text_of(documents), config, frozenset({"we", "saw", "then"}))
    assert ("we", "saw") in free.passes[0]
    assert phrases.passes[0] == (("new", "york"),)
    assert texts_of(joined)[0] == ["we", "saw", "new_york", "then"]


def test_spelling() -> None:
    assert spelled(["new", "york"]) == "new_york"
    assert spelled(["bank", "of", "america"]) == "bank_of_america"
    assert spelled(["人工", "智能"]) == "人工智能"
    assert spelled(["windows", "系统"]) == "windows系统"
    assert spelled(["系统", "windows", "xp"]) == "系统windows_xp"
    as_token = like_tokens(CorpusConfig(lowercase=True))
    assert spelled_from_text("New  York", as_token) == "new_york"
    assert spelled_from_text("new_york", as_token) == "new_york"
    assert spelled_from_text("人工 智能", as_token) == "人工智能"
    assert spelled_from_text("the", as_token) == "the"


def test_the_parts_of_a_phrase_are_the_words_of_the_text() -> None:
    phrases = Phrases(((("new", "york"), ("bank", "of", "america")), (("new_york", "times"),)), ("of",))
    assert parts_of(phrases) == {
        "new_york": ("new", "york"),
        "bank_of_america": ("bank", "america"),
        "new_york_times": ("new", "york", "times"),
    }
    assert parts_of(None) == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("in New York. York is", ["in", "New", "York", BREAK, "York", "is"]),
        ("new, york", ["new", BREAK, "york"]),
        ("new\nyork", ["new", "york"]),
        ("long-term u.s. debt", ["long", "term", "u", "s", BREAK, "debt"]),
        ("new_york workers' rights", ["new", "york", "workers", "rights"]),
        ("windows 95 users", ["windows", BREAK, "users"]),
        ("«a» (b)", ["a", BREAK, "b"]),
        (", ,", []),
    ],
)
def test_marks_and_numbers_break(text: str, expected: list[str]) -> None:
    assert tokens_and_breaks(make_segmenter("words")(text), text) == expected


def test_marks_that_come_as_tokens_or_in_them_break() -> None:
    assert tokens_and_breaks(["江", "泽民", "，", "李鹏", "·", "x", "1998年", "3月"]) == [
        "江", "泽民", BREAK, "李鹏", "x", BREAK, "年", BREAK, "月"
    ]  # fmt: skip
    assert tokens_and_breaks(["江", "李"], "江、李") == ["江", BREAK, "李"]
    text = "in (New York), York 95 is"
    assert tokens_and_breaks(text.split(), text) == ["in", BREAK, "New", "York", BREAK, "York", BREAK, "is"]


@settings(max_examples=60, deadline=None)
@given(st.text("ab中 ,.-'1，。\u0301_", max_size=40))
def test_tokens_are_the_same_with_breaks_among_them(text: str) -> None:
    for name in ("words", "whitespace"):
        words = make_segmenter(name)(text)
        found = tokens_and_breaks(words, text)
        assert [token for token in found if token != BREAK] == [token for token in map(clean_token, words) if token]
        assert not any(a == b == BREAK for a, b in pairwise(found))
        assert BREAK not in (found[:1] + found[-1:])


def test_words_that_are_never_apart_do_not_exceed_an_npmi_of_one() -> None:
    for times in range(10, 60):
        documents = [["new", "york"]] * times + [["a", "b", "c"]] * 7
        for threshold, joined in ((1.0, False), (0.999, True)):
            config = dataclasses.replace(EN, phrase_threshold=threshold, phrase_min_count=10)
            assert bool(learn_phrases(text_of(documents), config)[0].passes[0]) == joined
