import dataclasses
import json

import numpy as np
import pytest
import scipy.sparse as sp

from etm_jax.config.corpus_settings import CorpusConfig
from etm_jax.corpus.filter_report import format_report, report_warnings
from etm_jax.corpus.prepare import prepare, resolve
from etm_jax.corpus.types import Counted, Document, FilterReport, Source
from etm_jax.util.errors import UserError

CONFIG = CorpusConfig(lang="en", no_below=2, no_above=0.9, valid_share=0.1, test_share=0.2)


def source_of(texts, tmp_path, lang=""):
    path = tmp_path / "texts.jsonl"
    path.write_text(json.dumps(texts), encoding="utf-8")
    return Source("texts", [path], lang, documents=lambda: (Document(f"d{i}", t) for i, t in enumerate(texts)))


def animal_texts(num_docs=60):
    rng = np.random.default_rng(0)
    words = [f"{a}{b}" for a in "bdfgklmn" for b in ("ab", "eg", "ip", "ox")]
    return ["The " + " ".join(rng.choice(words, size=rng.integers(3, 12))) + "." for _ in range(num_docs)]


def test_a_corpus_is_sparse_split_and_counted(tmp_path):
    texts = animal_texts()
    corpus = prepare(source_of(texts, tmp_path), CONFIG)
    assert [len(corpus.train), len(corpus.valid), len(corpus.test)] == [42, 6, 12]
    assert corpus.vocabulary.segmenter.startswith("words")
    assert "the" not in corpus.vocabulary.words  # in more than 90% of the documents
    for part in (corpus.train, corpus.valid, corpus.test):
        assert isinstance(part.counts, sp.csr_matrix)
        assert part.counts.dtype == np.int32
        assert part.counts.has_canonical_format
        assert part.counts.shape == (len(part), len(corpus.vocabulary))
        for row, name, first in zip(part.counts.toarray(), part.ids, part.first_words, strict=True):
            text = texts[int(name[1:])]
            assert first == text[:60] + "…" * (len(text) > 60)
            words = text[4:-1].split()
            assert dict(zip(corpus.vocabulary.words, row.tolist(), strict=True)) == {
                word: words.count(word) for word in corpus.vocabulary.words
            }
    assert (corpus.test_h1 + corpus.test_h2 != corpus.test.counts).nnz == 0


def test_vocabulary_describes_the_training_documents(tmp_path):
    corpus = prepare(source_of(animal_texts(), tmp_path), CONFIG)
    counts = corpus.train.counts.toarray()
    vocabulary = corpus.vocabulary
    assert vocabulary.num_docs == len(corpus.train)
    assert vocabulary.doc_freq.tolist() == (counts > 0).sum(0).tolist()
    assert vocabulary.term_freq.tolist() == counts.sum(0).tolist()
    keys = [(-df, word) for df, word in zip(vocabulary.doc_freq, vocabulary.words, strict=True)]
    assert keys == sorted(keys)


def test_the_text_is_the_training_documents_before_filtering(tmp_path):
    texts = animal_texts()
    corpus = prepare(source_of(texts, tmp_path), CONFIG)
    stream = corpus.text
    for i, name in enumerate(corpus.train.ids):
        words = [stream.words[j] for j in stream.ids[stream.starts[i] : stream.starts[i + 1]]]
        assert words == texts[int(name[1:])].lower().rstrip(".").split()


def test_words_of_no_training_document_are_left_out(tmp_path):
    # Every text is two of one word: wherever the split falls, words stay only if a training document holds them.
    texts = [f"{word} {word}" for word in ("aa", "bb", "cc", "dd", "ee", "ff") for _ in range(2)]
    config = dataclasses.replace(CONFIG, no_below=1, test_share=0.4)
    for seed in range(5):
        corpus = prepare(source_of(texts, tmp_path), dataclasses.replace(config, split_seed=seed))
        assert (corpus.vocabulary.doc_freq > 0).all()
        assert all((part.counts.sum(axis=1) > 0).all() for part in (corpus.valid, corpus.test))
        assert corpus.report.docs_after == len(corpus.train) + len(corpus.valid) + len(corpus.test)


def test_the_report_counts_what_filtering_did(tmp_path):
    # "rare" and "1984" go; the fourth document is emptied.
    texts = ["red fox 1984", "red fox fox", "red hen", "rare", "fox hen hen"]
    config = dataclasses.replace(CONFIG, no_above=1.0, valid_share=0.0, test_share=0.0)
    report = prepare(source_of(texts, tmp_path), config).report
    assert report == FilterReport(5, 4, 11, 10, 4, 3, 2.0, 2.5)
    assert [line.split() for line in format_report(report).splitlines()[2:]] == [
        ["documents", "5", "4", "80.0%"],
        ["tokens", "11", "10", "90.9%"],
        ["words", "4", "3", "75.0%"],
        ["median", "tokens", "a", "document", "2", "2.5"],
        ["documents", "emptied", "1"],
    ]
    (warning,) = report_warnings(report)
    assert "1 of 5 documents have no words left" in warning


def test_less_than_half_surviving_is_warned_of():
    tokens, documents = report_warnings(FilterReport(100, 49, 1000, 130, 50, 5, 10.0, 2.0))
    assert "with 2 words or fewer (10 before)" in tokens
    assert "--no_above" not in tokens
    assert "49 of 100 documents" in documents


def test_text_that_loses_its_function_words_is_not_warned_of():
    # An English corpus at the defaults: 40% of the tokens stay, and every document has enough of them.
    assert report_warnings(FilterReport(1000, 999, 200_000, 80_000, 20_000, 5000, 190.0, 75.0)) == []


def test_documents_that_vanish_are_counted():
    (warning,) = report_warnings(FilterReport(100, 90, 1000, 900, 50, 40, 10.0, 9.0))
    assert warning.startswith("10 of 100 documents have no words left")


def test_defaults_follow_the_language_and_the_corpus(tmp_path):
    plain = source_of([], tmp_path)
    for source, config, expected in [
        (plain, CorpusConfig(), ("zh", "pkuseg", False, 1)),
        (plain, CorpusConfig(lang="en"), ("en", "words", True, 2)),
        (dataclasses.replace(plain, lang="en"), CorpusConfig(lowercase=False), ("en", "words", False, 2)),
        (dataclasses.replace(plain, segmenter="gold"), CorpusConfig(), ("zh", "gold", False, 1)),
        (dataclasses.replace(plain, segmenter="gold"), CorpusConfig(segmenter="jieba"), ("zh", "jieba", False, 1)),
    ]:
        settings = resolve(config, source)
        assert (settings.lang, settings.segmenter, settings.lowercase, settings.min_token_len) == expected


def test_stop_words_stay_in_the_text_but_not_in_the_vocabulary(tmp_path):
    stopwords = tmp_path / "stop.txt"
    stopwords.write_text("Box\n")
    texts = ["box cat dog", "box cat dog", "box cat"]
    config = CorpusConfig(
        lang="en", no_below=1, no_above=1.0, valid_share=0.0, test_share=0.0, stopwords=str(stopwords)
    )
    corpus = prepare(source_of(texts, tmp_path), config)
    assert corpus.vocabulary.words == ["cat", "dog"]
    assert "box" in corpus.text.words


def test_a_corpus_of_counts_keeps_its_split_and_columns(tmp_path):
    def matrix(*rows):
        return sp.csr_matrix(np.array(rows, dtype=np.float64))

    counted = Counted(
        words=["a", "b", "unseen"],
        train=matrix([1, 3, 0], [0, 2, 0]),
        valid=matrix([1, 0, 0]),
        test_h1=matrix([1, 0, 0]),
        test_h2=matrix([0, 0, 2]),
    )
    path = tmp_path / "bow.bin"
    path.write_bytes(b"x")
    corpus = prepare(Source("bow", [path], counted=lambda: counted), CONFIG)
    assert corpus.vocabulary.words == ["a", "b", "unseen"]
    assert corpus.vocabulary.segmenter == "none"
    assert corpus.vocabulary.doc_freq.tolist() == [1, 2, 0]
    assert corpus.train.counts.dtype == np.int32
    assert corpus.train.ids == ["train-0", "train-1"]
    assert corpus.train.first_words == ["b a", "b"]
    assert corpus.test.counts.toarray().tolist() == [[1, 0, 2]]
    assert corpus.text is None
    assert corpus.report is None


@pytest.mark.parametrize(
    "texts, settings, message",
    [
        ([], {}, "texts holds no documents"),
        (["1984", "!!"], {}, r"nothing is left of its 2 documents .*--encoding=utf-8"),
        (["a b"] * 12, {}, "filtering leaves 0 of 2 words.*2 are stop words, too short"),
        (["one two"] * 12, {"no_below": 13}, "2 are in fewer than --no_below=13 documents"),
        (["one two"] * 12, {}, r"2 in more than 10 of the 12 documents \(--no_above=0.9\)"),
        (["one two"] * 12, {"no_above": 1.0, "valid_share": 0.6, "test_share": 0.5}, "12 of 12 .* too few to split"),
        (["one two"] * 5, {}, "too small for topics: there are only 5 documents"),
        (["one two " * 1000], {"no_above": 1.0, "no_below": 1}, "all of its text is one document"),
        (["one two"] * 9, {"stopwords": "nowhere.txt"}, "--stopwords=nowhere.txt is not there"),
    ],
)
def test_what_cannot_be_prepared_says_why(tmp_path, texts, settings, message):
    with pytest.raises(UserError, match=message):
        prepare(source_of(texts, tmp_path), dataclasses.replace(CONFIG, **settings))


def test_english_taken_for_chinese_is_warned_of(tmp_path, capsys):
    config = dataclasses.replace(CONFIG, lang="", segmenter="whitespace")
    prepare(source_of(animal_texts(), tmp_path), config)
    assert "--lang=en" in capsys.readouterr().err
    prepare(source_of(animal_texts(), tmp_path), dataclasses.replace(config, lang="zh"))
    assert "hardly any Chinese, though --lang=zh is given" in capsys.readouterr().err
    prepare(source_of(animal_texts(), tmp_path, lang="en"), config)
    assert "--lang=en" not in capsys.readouterr().err


def test_chinese_taken_for_english_is_warned_of(tmp_path, capsys):
    texts = [f"机器{a}学习{b} 海洋{a}鱼类 words{b}" for a in "甲乙丙丁" for b in "天地人和水火"]
    prepare(source_of(texts, tmp_path), CONFIG)
    assert "hold Chinese characters, and --lang=en cuts text at spaces" in capsys.readouterr().err
