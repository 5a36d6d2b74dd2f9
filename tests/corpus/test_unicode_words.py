"""Words by Unicode's boundaries: what is one word, what is not, and that Unicode's own rules say so."""

import itertools
import unicodedata

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import words_of
from etm_jax.config.corpus_settings import CorpusConfig
from etm_jax.corpus.types import Document
from etm_jax.corpus.words.segmenters import make_segmenter, segmenter_version
from etm_jax.corpus.words.unicode_words import EARLIER_WORDS, segmenter_named, unicode_words


def tokens_of(text, **more):
    config = CorpusConfig(lang="en", segmenter="words", **{"lowercase": True} | more)
    return words_of(config, [Document("1", text)])[0]


@pytest.mark.parametrize("word", ["हिन्दी", "ข้อความ", "i̇stanbul", "কলকাতা", "ကမ္ဘာ", "שָׁלוֹם", "العَرَبِيَّة", "été"])
def test_letters_and_their_marks_are_one_word(word):
    for text in (word, unicodedata.normalize("NFD", word)):
        assert tokens_of(f"({text}, {text}.", nfkc=False) == [text, text]


def test_case_is_folded_without_cutting():
    assert tokens_of("İstanbul’da DİYARBAKIR") == ["i̇stanbul'da", "di̇yarbakir"]


@pytest.mark.parametrize(
    ("text", "words", "with_digits"),
    [
        ("rock'n'roll isn’t 'quoted'", "rock'n'roll isn't quoted", "rock'n'roll isn't quoted"),
        ("U.S.A. e-mail a_b end.Next k:a", "U S A e mail a b end Next k a", "U S A e mail a b end Next k a"),
        ("5G mp3player 3rd 1990's", "G mp player rd s", "5G mp3player 3rd 1990 s"),
        ("3.14, 1,000.5; 12'345 -7 50% 10:30", "", "3.14 1,000.5 12'345 7 50 10 30"),
        ("2024-05-31 x² ½", "x", "2024 05 31 x"),
        ('col·lecció צה"ל a"b ג\'ירפה', "collecció צהל a b ג'ירפה", "collecció צהל a b ג'ירפה"),
        ("北京カタカナ，列夫·托尔斯泰", "北京カタカナ 列夫 托尔斯泰", "北京カタカナ 列夫 托尔斯泰"),
    ],
)
def test_what_is_one_word_without_digits_and_with_them(text, words, with_digits):
    assert tokens_of(text, nfkc=False, lowercase=False) == words.split()
    assert tokens_of(text, nfkc=False, lowercase=False, keep_digits=True) == with_digits.split()


LETTERS = "aEßéकтЖאשดข中あカॐⅫ"
OTHERS = "'’\"·.:,_- 3٣½²!「\u0301\u093f\u0e49\u05b0״"


def spans(text):
    """Where the words of the text stand. No letter is outside of them."""
    found, end = [], 0
    for word in unicode_words(digits=False)(text):
        start = text.index(word, end)
        assert not regex.search(r"\p{L}", text[end:start])
        found.append((start, end := start + len(word)))
    assert not regex.search(r"\p{L}", text[end:])
    return found


@settings(max_examples=500, deadline=None)
@given(st.text(alphabet=st.sampled_from(LETTERS + OTHERS), max_size=14))
def test_words_end_where_unicode_ends_them_but_for_what_is_documented(text):
    boundaries = {match.start() for match in regex.finditer(r"(?w)\b", text)}
    found = spans(text)
    for start, end in found:
        # Letters side by side hold together, whatever their scripts; anything else needs Unicode's consent.
        for inner in boundaries & set(range(start + 1, end)):
            assert regex.match(r"(?V1)[\p{L}\p{Nl}\p{WB=ALetter}]", text[inner])
            assert regex.match(r"(?V1)[\p{L}\p{Nl}\p{WB=ALetter}\p{M}]", text[inner - 1])
    for (_, end), (start, _) in itertools.pairwise(found):
        # Two words that are one to Unicode have a digit, point, colon or underscore between them.
        if not boundaries & set(range(end, start + 1)):
            assert regex.search(r"[\p{N}.:_]", text[end:start])


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet=st.sampled_from("aZé’'-., 12_中")))
def test_text_without_marks_has_the_words_that_it_had_before(text):
    """But for apostrophes beside letters that are no alphabet's, where Unicode joins nothing."""
    if not regex.search(r"中['’]|['’]中", text):
        assert unicode_words(digits=False)(text) == make_segmenter(EARLIER_WORDS)(text)


def test_a_model_of_before_keeps_its_splitter():
    old, new = segmenter_version(EARLIER_WORDS), segmenter_version("words")
    assert (segmenter_named(old), segmenter_named(new), segmenter_named("jieba 0.42")) == (
        EARLIER_WORDS,
        "words",
        "jieba",
    )
    assert make_segmenter(EARLIER_WORDS)("हिन्दी don't") == ["ह", "न", "द", "don't"]
