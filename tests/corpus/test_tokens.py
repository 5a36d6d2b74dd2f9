import dataclasses
import json

import numpy as np
import pytest

from conftest import SMALL, words_of
from etm_jax import ETM
from etm_jax.cli import flags as cli
from etm_jax.cli.run import run
from etm_jax.config.build import Config, make_config
from etm_jax.config.corpus_settings import CorpusConfig
from etm_jax.corpus.new_documents import settings_like
from etm_jax.corpus.prepare import prepare
from etm_jax.corpus.sources import as_prepared
from etm_jax.corpus.store.cache import corpus_digest
from etm_jax.corpus.types import Document, Source, Vocabulary
from etm_jax.corpus.words.normalize import clean_token
from etm_jax.corpus.words.token_form import letters_of
from etm_jax.corpus.words.tokenizer import cleaner
from etm_jax.corpus.words.tokens import GIVEN, MergedTokens, cleans_tokens, given_warnings
from etm_jax.training.run_folder import RunFolder, check_resumable
from etm_jax.util.errors import UserError

LINES = ["C++ 5G ice_cream AT&T", "C# 4G icecream 3D", "C ５G ice_cream 3D"]


def tokens_of(document, **settings):
    return words_of(CorpusConfig(**settings), [document])[0]


def corpus_of(lines, **settings):
    documents = [Document(str(i), line) for i, line in enumerate(lines)]
    config = CorpusConfig(
        **{"segmenter": "whitespace", "no_below": 1, "no_above": 1.0, "valid_share": 0.0, "test_share": 0.0} | settings
    )
    return prepare(Source("texts", [], documents=lambda: iter(documents)), config)


@pytest.mark.parametrize(
    "token", ["C++", "C#", "5G", "G20", "ice_cream", "AT&T", "3D", "1998年", "don’t", "New York", "〇"]
)
def test_a_token_with_a_letter_keeps_all_its_characters(token):
    assert letters_of(CorpusConfig(segmenter=GIVEN))(token) == token


@pytest.mark.parametrize("token", ["，", "——", "2018", "3.14", "%", "😀", "'", "\u0301"])
def test_a_token_without_a_letter_goes(token):
    assert letters_of(CorpusConfig(segmenter=GIVEN))(token) == ""


def test_tokens_that_the_user_has_cut_are_normalised_and_nothing_else():
    line = "Ｃ＋＋ ， 5Ｇ\u3000ice_\u200bcream ２０"
    assert tokens_of(Document("1", line), segmenter="whitespace") == ["C++", "5G", "ice_cream"]
    assert tokens_of(Document("1", line), segmenter="whitespace", lowercase=True) == ["c++", "5g", "ice_cream"]
    assert tokens_of(Document("1", line), segmenter="whitespace", nfkc=False) == ["Ｃ＋＋", "5Ｇ", "ice_cream"]
    given = Document("1", tokens=["Ｃ＋＋", "，", "New  York", "20"])
    assert tokens_of(given, segmenter=GIVEN) == ["C++", "New York"]


def test_cleaning_is_a_flag_in_both_directions():
    line = Document("1", LINES[0])
    assert tokens_of(line, segmenter="whitespace", clean_tokens=True) == ["C", "G", "icecream", "ATT"]
    gold = Document("1", tokens=["１９９８年", "，"])
    assert tokens_of(gold, segmenter="gold") == ["年"]
    assert tokens_of(gold, segmenter="gold", clean_tokens=False) == ["1998年"]


def test_the_default_goes_by_who_cut_the_text():
    by_default = {
        name: cleans_tokens(CorpusConfig(segmenter=name)) for name in ("pkuseg", "words", "gold", "whitespace")
    }
    assert by_default == {"pkuseg": True, "words": True, "gold": True, "whitespace": False}
    assert not cleans_tokens(CorpusConfig(segmenter=GIVEN))


def test_other_processes_keep_tokens_too():
    documents = [Document(str(i), line) for i, line in enumerate(LINES)]
    words = words_of(CorpusConfig(segmenter="whitespace"), documents, workers=2)
    assert words == [["C++", "5G", "ice_cream", "AT&T"], ["C#", "4G", "icecream", "3D"], [
        "C", "5G", "ice_cream", "3D",
    ]]  # fmt: skip


def test_what_cleaning_made_one_of_is_counted(capsys):
    cleaned = corpus_of(LINES, clean_tokens=True)
    # C of C, C# and C++; G of 4G and 5G; icecream of two. ATT and D are of one token each.
    assert set(cleaned.vocabulary.words) == {"C", "G", "icecream", "ATT", "D"}
    assert "cleaning made 3 words of 7 different tokens, such as C of C, C#, C++;" in capsys.readouterr().err
    whole = corpus_of(LINES)
    assert set(whole.vocabulary.words) == set(" ".join(LINES).replace("５", "5").split())
    assert "cleaning" not in capsys.readouterr().err


def test_lists_of_words_are_counted_whole_and_segmented_text_is_not():
    config = CorpusConfig(segmenter=GIVEN, clean_tokens=True)
    lists = MergedTokens(config, cleaner(config))
    for token in ("New York", "new-york", "NewYork"):
        lists.clean(token)
    assert "1 word of 2 different tokens, such as NewYork of New York, NewYork;" in lists.message()
    cut = MergedTokens(CorpusConfig(segmenter="pkuseg"), clean_token)
    assert cut.clean("C++") == cut.clean("C#") == "C"
    assert cut.message() == ""


def test_text_that_looks_tagged_or_uncut_is_warned_of():
    config = CorpusConfig(segmenter="whitespace")
    tagged = given_warnings(["中国/ns", "银行/n", "发展/v", "C++"], config)
    assert len(tagged) == 1
    assert "75% of the different words end like a part-of-speech tag, such as 中国/ns" in tagged[0]
    marked = given_warnings(["hello,", "world.", "again", "C++", "C#"], config)
    assert len(marked) == 1
    assert "40% of the different words end in a punctuation mark, such as hello," in marked[0]
    assert given_warnings(["ice_cream", "C++", "U.S.", *map(str.lower, "ABCDEFGHIJ")], config) == []
    assert given_warnings(["hello,"], CorpusConfig(segmenter="whitespace", clean_tokens=True)) == []
    assert given_warnings([], config) == []


def test_the_corpus_is_another_one_where_tokens_are_not_cleaned():
    source = Source("a", [], documents=lambda: iter([]))

    def digest(**settings):
        return corpus_digest(source, CorpusConfig(**settings), "version 1")

    # What was prepared before this was a setting was cleaned, whatever the segmenter.
    assert digest(segmenter="whitespace", clean_tokens=True) == digest(segmenter="words") == digest(segmenter="gold")
    assert digest(segmenter="words", clean_tokens=True) == digest(segmenter="words")
    assert digest(segmenter="whitespace") == digest(segmenter="words", clean_tokens=False) != digest(segmenter="words")


# Runs of before.


def before(config: Config) -> Config:
    """The settings as a run of an earlier version has them in its config.json."""
    values = config.to_json()
    del values["corpus"]["clean_tokens"]
    return Config.from_json(json.loads(json.dumps(values)))


@pytest.mark.parametrize("segmenter", ["whitespace", "pkuseg"])
def test_a_run_of_before_goes_on_with_tokens_cleaned(segmenter):
    now = make_config("default", {"segmenter": segmenter})
    begun = before(now)
    assert now.corpus.clean_tokens is None
    assert begun.corpus.clean_tokens is True
    assert now.continuing(begun) == begun
    told = make_config("default", {"segmenter": segmenter, "clean_tokens": False})
    assert told.continuing(begun) == told
    assert now.continuing(told) == told


def test_new_text_is_cleaned_as_the_models_was():
    zeros = np.zeros(2, np.int64)

    def clean(was, segmenter="", clean_tokens=None):
        vocabulary = Vocabulary(["a", "b"], zeros, zeros, 0, was)
        return cleans_tokens(settings_like(CorpusConfig(clean_tokens=clean_tokens), vocabulary, segmenter))

    assert not clean("whitespace")
    assert not clean("whitespace", "jieba")
    assert not clean(GIVEN)
    assert clean("gold")
    assert clean("pkuseg 0.0.25")
    assert clean("pkuseg 0.0.25", GIVEN)
    assert clean("whitespace", clean_tokens=True)
    # Counts say nothing of tokens.
    assert clean("none")
    assert not clean("none", GIVEN)


def test_a_run_of_before_resumes_and_infers_as_it_was(lines_file, tmp_path):
    """Its folder is that of a run with --clean_tokens, in whose config.json the setting is missing."""
    lines = lines_file.read_text().splitlines()
    lines_file.write_text(
        "".join(f"{line} {i}号\n" if i % 3 == 0 else f"{line}\n" for i, line in enumerate(lines[:60]))
    )
    command = ["train", f"--corpus={lines_file}", f"--workdir={tmp_path / 'run'}", *SMALL]
    run(*cli.parse([*command, "--clean_tokens"]))
    record = tmp_path / "run" / "config.json"
    values = json.loads(record.read_text())
    assert values["config"]["corpus"].pop("clean_tokens") is True
    record.write_text(json.dumps(values))
    (tmp_path / "run" / "SHA256SUMS").unlink()  # Which runs of then did not have.
    words = (tmp_path / "run" / "export" / "vocab.txt").read_text().split()
    # Uncleaned, each would be a word of one document.
    assert "号" in words

    run(*cli.parse(command))
    assert (tmp_path / "run" / "export" / "vocab.txt").read_text().split() == words
    saved = RunFolder(tmp_path / "run").record()
    assert saved is not None
    settings = settings_like(saved.config.corpus, Vocabulary(words, np.zeros(0), np.zeros(0), 0, "whitespace"))
    assert words_of(settings, [Document("1", "3号")]) == [["号"]]

    config, options = cli.parse([*command, "--noclean_tokens"])
    with pytest.raises(UserError, match=r"--noclean_tokens.* was started with --clean_tokens"):
        check_resumable(saved, config, options, tmp_path / "run")


def test_shards_hold_given_tokens_whole_and_those_of_before_do_not(tmp_path):
    pytest.importorskip("array_record")
    from etm_jax.corpus.shard_writing.job import make_job
    from etm_jax.corpus.shard_writing.prepare import prepare_shards
    from etm_jax.corpus.shards import read_corpus

    (tmp_path / "a.txt").write_text("\n".join(LINES * 4))
    config = CorpusConfig(
        segmenter="whitespace", no_below=1, no_above=1.0, valid_share=0.0, test_share=0.0, workers=1,
        stopwords="3D,AT&T,none",
    )  # fmt: skip
    for name, settings in {"whole": config, "cleaned": dataclasses.replace(config, clean_tokens=True)}.items():
        prepare_shards(make_job(str(tmp_path / "a.txt"), settings), tmp_path / name)
    whole, cleaned = read_corpus(tmp_path / "whole"), read_corpus(tmp_path / "cleaned")
    assert set(whole.vocabulary.words) == {"C++", "C#", "C", "5G", "4G", "ice_cream", "icecream"}
    assert set(cleaned.vocabulary.words) == {"C", "G", "icecream"}
    assert whole.report is not None
    assert (whole.report.stopwords, whole.report.stopwords_found) == (3, 2)
    # A manifest of before has no word of cleaning.
    assert as_prepared(CorpusConfig(corpus=str(tmp_path / "whole"))).clean_tokens is False
    assert as_prepared(CorpusConfig(corpus=str(tmp_path / "cleaned"))).clean_tokens is True


# In Python.

CASE = [
    ["5G", "网络", "基站"], ["4G", "网络", "基站"], ["G20", "峰会", "会议"], ["C++", "编程", "代码"],
    ["C#", "编程", "代码"], ["C", "编程", "代码"], ["ice_cream", "牛奶"], ["icecream", "牛奶"],
] * 5  # fmt: skip


@pytest.fixture(scope="module")
def of_lists() -> ETM:
    tiny = {"hidden": (4,), "embed_dim": 4, "batch_size": 16}
    return ETM(2, lang="zh", no_above=1.0, no_below=1, num_epochs=1, verbose=0, settings=tiny).fit(CASE)


def test_lists_of_words_are_the_words_of_the_model(of_lists):
    assert sorted(of_lists.vocab_) == sorted({word for document in CASE for word in document})


def test_new_lists_are_read_as_those_of_the_fit_were(of_lists, tmp_path):
    with_marks, without = [["C++", "编程"]], [["C", "编程"]]
    assert not np.array_equal(of_lists.transform(with_marks), of_lists.transform(without))
    of_lists.save(tmp_path / "model")
    loaded = ETM.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.transform(with_marks), of_lists.transform(with_marks))

    # As an earlier version saved it, whose words had been cleaned.
    model = json.loads((tmp_path / "model" / "model.json").read_text())
    assert model["config"]["corpus"].pop("clean_tokens") is None
    (tmp_path / "model" / "model.json").write_text(json.dumps(model))
    (tmp_path / "model" / "SHA256SUMS").unlink()  # Which models of then did not have.
    older = ETM.load(tmp_path / "model")
    np.testing.assert_array_equal(older.transform(with_marks), of_lists.transform(without))
