import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etm_jax.corpus.words.normalize import chunks, clean_token, normalize
from etm_jax.corpus.words.segmenters import make_segmenter


@pytest.mark.parametrize(
    "text, expected",
    [
        ("  一行\r\n二行\t三\u3000四 ", "一行 二行 三 四"),
        ("\ufeff零\u200b宽\u00ad字\u2060符", "零宽字符"),
        ("响铃\x07和\x00空", "响铃 和 空"),
        ("a\ud800b", "a b"),
        ("❤\ufe0f", "❤"),
        ("１９９８年ＡＢ", "１９９８年ＡＢ"),
    ],
)
def test_invisible_characters_go_and_separators_become_one_space(text, expected):
    assert normalize(text, nfkc=False, lowercase=False) == expected


def test_nfkc_and_case_are_folded_only_on_demand():
    assert normalize("Ｎｅｗ ﬁsh １２", nfkc=True, lowercase=False) == "New fish 12"
    assert normalize("Ｎew", nfkc=False, lowercase=True) == "ｎew"


def test_chinese_punctuation_stays_as_segmenters_know_it():
    text = "（ＰＣ，ｗｉ－ｆｉ）：１２．５％；５０㎡、①！ｶﾞ…？"
    expected = "（PC，wi-fi）：12.5%；50m2、1！ガ...？"
    assert normalize(text, nfkc=True, lowercase=False) == expected
    assert normalize(text, nfkc=False, lowercase=False) == text
    assert normalize("，\u0301a", nfkc=True, lowercase=False) == "，\u0301a"


@given(st.text(alphabet=st.one_of(st.characters(), st.sampled_from("，！？：；（）,!?:;()' \u0301ＡaＥé１①㎏ﾞﾊ"))))
def test_punctuation_that_is_not_folded_changes_no_token(text):
    """Of segmenters that only look for letters or spaces."""
    visible = normalize(text, nfkc=False, lowercase=False)
    all_folded = " ".join(unicodedata.normalize("NFKC", visible).split())
    ours = normalize(text, nfkc=True, lowercase=False)
    assert clean_token(ours) == clean_token(all_folded)
    for segmenter in ("words", "whitespace"):
        segment = make_segmenter(segmenter)
        assert list(map(clean_token, segment(ours))) == list(map(clean_token, segment(all_folded)))


@given(st.text(), st.booleans(), st.booleans())
def test_normalizing_twice_changes_nothing(text, nfkc, lowercase):
    once = normalize(text, nfkc, lowercase)
    assert normalize(once, nfkc, lowercase) == once
    assert not {unicodedata.category(c) for c in once} & {"Cc", "Cf", "Cs"}


def test_chunks_end_behind_sentences_and_their_closing_quotes():
    assert list(chunks("他说：“好。”她走了！谁知道呢", 7)) == ["他说：“好。”", "她走了！", "谁知道呢"]


def test_a_decimal_point_ends_no_sentence():
    assert list(chunks("It is 3.14159 now. Yes it is", 20)) == ["It is 3.14159 now.", " Yes it is"]


def test_without_a_sentence_end_the_cut_is_at_a_comma_then_at_the_limit():
    assert list(chunks("一二三，四五六七八九十", 6)) == ["一二三，", "四五六七八九", "十"]


@given(st.text(alphabet="a一。，. ”", max_size=60), st.integers(1, 9))
def test_chunks_join_to_the_text_and_keep_the_limit(text, limit):
    pieces = list(chunks(text, limit))
    assert "".join(pieces) == text
    assert all(0 < len(piece) <= limit for piece in pieces)


@pytest.mark.parametrize(
    "token, expected",
    [
        ("1998年", "年"),
        ("１２月", "月"),
        ("二〇〇八", "二〇〇八"),
        ("，", ""),
        ("——", ""),
        ("《三体》", "三体"),
        ("列夫·托尔斯泰", "列夫托尔斯泰"),
        ("\u3000", ""),
        ("½㎡", ""),
        ("100%", ""),
        ("C++", "C"),
        ("we'll", "we'll"),
        ("we’ll", "we'll"),
        ("'quoted'", "quoted"),
        ("1990's", "s"),
        ("1\ufe0f\u20e3", ""),
        ("\u0301s", "s"),
        ("e\u0301te", "e\u0301te"),
    ],
)
def test_tokens_keep_letters_alone(token, expected):
    assert clean_token(token) == expected


@pytest.mark.parametrize(
    "token, expected",
    [
        ("5G", "5G"),
        ("1998年", "1998年"),
        ("12.5%", "12.5"),
        ("1,000.5", "1,000.5"),
        ("3.", "3"),
        ("C.3", "C3"),
        ("½㎡", ""),
        ("1\ufe0f\u20e3", "1"),
        ("1990's", "1990's"),
        ("２０２４", "２０２４"),
        ("——", ""),
    ],
)
def test_tokens_keep_digits_on_demand(token, expected):
    assert clean_token(token, digits=True) == expected


def test_a_plain_chinese_character_is_what_its_neighbours_make_of_it():
    """What is passed over at once comes out as what is looked through: a comma has that done."""
    every = "".join(map(chr, range(0x4E00, 0xA000)))
    assert normalize(every, True, True) == every
    assert normalize(f"{every}，", True, True) == f"{every}，"
    assert unicodedata.is_normalized("NFKC", every)
