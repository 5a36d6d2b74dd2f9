import json
import math
from collections import Counter
from pathlib import Path

import pytest

from etm_jax.config.corpus_settings import CorpusConfig
from etm_jax.corpus.filter_report import format_report, report_warnings
from etm_jax.corpus.prepare import prepare
from etm_jax.corpus.store.cache import corpus_digest
from etm_jax.corpus.types import Document, Source
from etm_jax.corpus.words.normalize import clean_token, normalize
from etm_jax.corpus.words.stop_words import NAMED, named_list, read_stop_words
from etm_jax.util.errors import UserError
from experiments.stop_word_lists import Proposal, joined, kept, proposals, residual_idf


def words(given, **settings):
    return read_stop_words(CorpusConfig(stopwords=str(given), **settings))


def prepared(texts, **settings):
    documents = [Document(str(i), text) for i, text in enumerate(texts)]
    config = CorpusConfig(
        lang="en", no_below=1, no_above=1.0, valid_share=0.0, test_share=0.0, min_token_len=1, **settings
    )
    return prepare(Source("texts", [], documents=lambda: iter(documents)), config)


def test_none_are_dropped_by_default():
    assert words("") == frozenset()


@pytest.mark.parametrize("given", [",", "，,", "empty.txt", "empty.json"])
def test_a_list_without_words_is_refused(given, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("empty.txt").write_text(" \n\n")
    Path("empty.json").write_text("[]")
    with pytest.raises(UserError, match=f"^--stopwords={given} has no words; give zh or en"):
        words(given)


def test_a_file_is_normalised_like_tokens(tmp_path):
    path = tmp_path / "stop.txt"
    path.write_text("\ufeffＴhe\n（的），\n\n don’t \n", encoding="utf-8")
    assert words(path, lowercase=True) == {"the", "的", "don't"}
    assert words(path, nfkc=False) == {"Ｔhe", "的", "don't"}


def test_stop_words_keep_their_marks_where_tokens_do(tmp_path):
    path = tmp_path / "stop.txt"
    path.write_text("C++\n——\n")
    assert words(path, segmenter="whitespace") == {"C++"}
    assert words(path, segmenter="pkuseg") == {"C"}


def test_names_files_and_words_stand_between_commas(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text("阿里\n")
    assert words("的,了，是 ,") == {"的", "了", "是"}
    assert words(f"en,{path},foo") == {*named_list("en"), "阿里", "foo"}


def test_a_name_is_a_name_whatever_files_there_are(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "zh").write_text("own\n")
    (tmp_path / "a,b.txt").write_text("whole\n")
    (tmp_path / "word").write_text("in the file\n")
    assert words("zh") == frozenset(named_list("zh"))
    assert words("./zh") == {"own"}
    assert words("a,b.txt") == {"whole"}
    assert words("word,") == {"word"}
    assert words("./word,") == {"inthefile"}


def test_a_json_file_holds_a_list(tmp_path):
    path = tmp_path / "stop.json"
    path.write_text(json.dumps(["的", "the\n"]))
    assert words(path) == {"的", "the"}
    assert words(f"zh,{path}") == {*named_list("zh"), "the"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"zh": ["\xe7\x9a\x84"]}', r"stop\.json is no list of words; give one in JSON"),
        (b'["a", 1]', "is no list of words"),
        (b"a\nb\n", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b'["\xb5\xc4"]', "is not UTF-8 at byte 2"),
    ],
)
def test_what_is_no_list_of_words_is_refused(tmp_path, content, message):
    path = tmp_path / "stop.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match=message):
        words(path)


def test_unreadable_files_are_named(tmp_path):
    path = tmp_path / "stop.txt"
    path.write_bytes("的\n".encode() + b"\xb5\xc4")
    with pytest.raises(UserError, match=r"--stopwords=.*stop\.txt is not UTF-8 at byte 4"):
        words(path)
    with pytest.raises(UserError, match=r"--stopwords=nowhere is not there; .* zh or en, or words with commas"):
        words("nowhere")
    with pytest.raises(UserError, match=r"--stopwords=nowhere\.txt cannot be read"):
        words("zh,nowhere.txt")
    with pytest.raises(UserError, match=r"cannot be read .*a file of one word a line"):
        words(tmp_path)


@pytest.mark.parametrize("name", NAMED)
def test_a_list_by_name_holds_each_word_once_and_as_tokens_are(name):
    listed = named_list(name)
    assert len(listed) == len(set(listed))
    assert all(clean_token(normalize(word, nfkc=True, lowercase=name == "en")) == word for word in listed)


def test_lists_by_name_hold_function_words_and_no_subjects():
    chinese, english = set(named_list("zh")), set(named_list("en"))
    assert {"的", "了", "和", "因为", "我们", "这些", "這些", "為", "爲", "儘管"} <= chinese
    assert {"the", "of", "because", "we", "don't", "themselves"} <= english
    # The counts alone propose these.
    assert not chinese & {"中国", "北京", "记者", "工作", "经济", "曹操"}
    assert not english & {"government", "president", "said", "year", "police", "computer"}


def test_the_run_says_how_many_of_the_words_the_text_holds():
    corpus = prepared(["the cat saw the dog", "a cat ran", "one dog ran"], stopwords="the,a,never,cat")
    assert set(corpus.vocabulary.words) == {"saw", "dog", "ran", "one"}
    assert format_report(corpus.report).splitlines()[-1] == "stop words: 3 of 4 occur in the text"
    assert not any("stop words" in warning for warning in report_warnings(corpus.report))


def test_stop_words_without_effect_are_warned_of():
    report = prepared(["one two", "two three"], stopwords="的,了").report
    assert "stop words: 0 of 2" in format_report(report)
    assert any("none of the 2 stop words occurs in the text" in warning for warning in report_warnings(report))
    without = prepared(["one two", "two three"]).report
    assert "stop words" not in format_report(without)
    assert not any("stop words" in warning for warning in report_warnings(without))


def test_the_corpus_depends_on_the_words_and_not_on_how_they_are_given(tmp_path):
    source = Source("a", [], documents=lambda: iter([]))
    path = tmp_path / "two.txt"
    path.write_text("b\na\n")

    def digest(stopwords):
        return corpus_digest(source, CorpusConfig(stopwords=stopwords), "words 1")

    assert digest("a,b") == digest("b,a,") == digest(f"{path},a")
    assert len({digest("a,b"), digest("a,c"), digest("zh"), digest("en"), digest("zh,a"), digest("")}) == 6
    path.write_text("c\n")
    assert digest(f"{path},a") == digest("a,c")


# How the lists came about.


def test_residual_idf_is_nothing_for_a_word_that_falls_anywhere():
    """A word of mean λ occurrences a document that falls as Poisson does is in 1 − exp(−λ) of them."""
    docs, term_freq = 1000, 700
    expected = docs * (1 - math.exp(-0.7))
    assert residual_idf(docs, expected, term_freq) == pytest.approx(0)
    assert residual_idf(docs, expected / 4, term_freq) == pytest.approx(2)


def test_words_are_proposed_that_are_common_or_even():
    #               common, even, in few documents, in one place
    doc_freq = Counter(common=100, even=30, few=19, bursty=30)
    term_freq = Counter(common=9000, even=31, few=19, bursty=300)
    assert {p.word for p in proposals(1000, doc_freq, term_freq)} == {"common", "even"}


def test_a_list_is_what_was_read_of_the_proposals():
    first, second = [Proposal("a", 0.2, 0.1), Proposal("b", 0.5, 0.1)], [Proposal("a", 0.7, 0.3), Proposal("x", 0.9, 0)]
    found = joined([first, second])
    assert found == [Proposal("x", 0.9, 0), Proposal("a", 0.7, 0.3), Proposal("b", 0.5, 0.1)]
    assert kept(found, ["b", "a", "c"], "en") == ["a", "b"]
