"""One script for all words: the text, stop words, seed words and new documents, whichever they were written in."""

import dataclasses
import importlib.metadata
import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import SMALL, themed_lines, words_of
from etm_jax import ETM
from etm_jax.cli import flags as cli
from etm_jax.config.corpus_settings import CorpusConfig
from etm_jax.corpus.sources import find_source
from etm_jax.corpus.store.cache import corpus_digest
from etm_jax.corpus.types import Document, Vocabulary
from etm_jax.corpus.words.normalize import normalize
from etm_jax.corpus.words.script import for_reader, for_segmenter, in_script
from etm_jax.corpus.words.stop_words import read_stop_words
from etm_jax.infer import main as infer_main
from etm_jax.models.seed_words import read_seed_words
from etm_jax.train import main as train_main
from etm_jax.util.errors import UserError

pytest.importorskip("opencc", reason="opencc is not installed (extra: script)")

SIMPLIFIED = "头发 发展 皇后 以后 干净 台湾 软件"
TRADITIONAL = "頭髮 發展 皇后 以後 乾淨 臺灣 軟件"
SCRIPTS = ("", "simplified", "traditional")
CONFIG = CorpusConfig(lang="zh", segmenter="whitespace", lowercase=False, min_token_len=1)


def tokens_of(text, script, **more):
    return words_of(dataclasses.replace(CONFIG, script=script, **more), [Document("1", text)])[0]


@pytest.mark.parametrize(("script", "expected"), [("simplified", SIMPLIFIED), ("traditional", TRADITIONAL)])
def test_both_scripts_become_the_one_that_is_wanted(script, expected):
    assert tokens_of(SIMPLIFIED, script) == expected.split()
    assert tokens_of(TRADITIONAL, script) == expected.split()
    gold = dataclasses.replace(CONFIG, script=script, segmenter="gold")
    assert words_of(gold, [Document("1", tokens=TRADITIONAL.split())]) == [expected.split()]
    assert tokens_of(TRADITIONAL, "") == TRADITIONAL.split()


def test_characters_are_folded_and_words_of_a_region_are_not_exchanged():
    assert tokens_of("軟體 計程車 台灣", "simplified") == ["软体", "计程车", "台湾"]


def test_the_standards_of_taiwan_and_hong_kong_are_both_known():
    taiwan, hong_kong = "看著 著名 衛生 裡面 台灣", "看着 著名 衞生 裏面 台灣"
    for text in (taiwan, hong_kong):
        assert tokens_of(text, "simplified") == ["看着", "著名", "卫生", "里面", "台湾"]
        assert tokens_of(text, "traditional") == ["看著", "著名", "衛生", "裡面", "臺灣"]


def test_text_that_is_simplified_already_stays():
    for text in ("显著", "看着 显著 编著 土著 执著 这么 发展 皇后 乾隆"):
        assert for_segmenter("simplified")(text) == text
    assert for_segmenter("simplified")("看著") == "看着"


def test_what_looks_the_same_under_another_code_is_folded_too():
    # U+F92F is 勞 of a Korean standard, U+2FBA a radical.
    assert tokens_of("\uf92f動 \u2fba", "simplified", nfkc=False) == ["劳动", "马"]


def test_a_word_alone_has_the_commoner_of_its_traditional_characters():
    assert tokens_of("頭髮 髮", "traditional") == ["頭髮", "發"]


@pytest.mark.parametrize("name", ["rjieba", "jieba"])
def test_traditional_text_is_cut_as_the_same_text_in_simplified_characters(name):
    pytest.importorskip(name)
    simplified = "他在台湾大学学习计算机，头发干净。"
    traditional = "他在臺灣大學學習計算機，頭髮乾淨。"
    cut = tokens_of(simplified, "", segmenter=name)
    assert tokens_of(traditional, "simplified", segmenter=name) == cut
    assert tokens_of(traditional, "traditional", segmenter=name) == list(map(for_reader("traditional"), cut))
    assert tokens_of(traditional, "", segmenter=name) != list(map(for_reader("traditional"), cut))


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet=st.one_of(st.characters(), st.sampled_from("\ud800\x00臺灣髮發后乾軟\u2fba"))))
def test_any_text_can_be_folded_and_keeps_its_length(text):
    folded = for_segmenter("simplified")(text)
    assert len(folded) == len(text)
    assert normalize(for_segmenter("simplified")(folded), True, False) == normalize(folded, True, False)


def test_text_without_chinese_stays():
    text = "Ünïcode, हिन्दी and 2024!"
    for script in ("simplified", "traditional"):
        assert in_script(script)(text) == text == unicodedata.normalize("NFC", text)


def test_processes_fold_as_one_does():
    documents = [Document(str(i), f"{TRADITIONAL} {'髮' * (i % 7)}") for i in range(900)]
    config = dataclasses.replace(CONFIG, script="traditional")
    results = [words_of(config, documents, workers) for workers in (1, 2)]
    assert results[0] == results[1]
    assert results[0][0] == TRADITIONAL.split()


def test_stop_words_are_folded_as_the_text_is(tmp_path):
    path = tmp_path / "stop.txt"
    path.write_text("後來\n这个\n", encoding="utf-8")
    stop = {
        script: read_stop_words(dataclasses.replace(CONFIG, stopwords=str(path), script=script)) for script in SCRIPTS
    }
    assert stop == {"": {"後來", "这个"}, "simplified": {"后来", "这个"}, "traditional": {"後來", "這個"}}


def test_seed_words_are_found_in_the_script_of_the_vocabulary(tmp_path):
    ones = np.ones(3, np.int64)
    path = tmp_path / "seeds.txt"
    path.write_text("球隊 联赛\n環境\n", encoding="utf-8")
    simplified = Vocabulary(["联赛", "球队", "环境"], ones, ones, 3, "whitespace")
    traditional = Vocabulary(["聯賽", "球隊", "環境"], ones, ones, 3, "whitespace")
    assert read_seed_words(str(path), simplified, 3, "simplified") == ((1, 0), (2,))
    assert read_seed_words(str(path), traditional, 3, "traditional") == ((1, 0), (2,))
    with pytest.raises(UserError, match="none of the words of topic 1"):
        read_seed_words(str(path), simplified, 3)


def test_the_digest_depends_on_it_only_where_it_is_given(tmp_path, monkeypatch):
    (tmp_path / "a.txt").write_text("頭髮 發展\n", encoding="utf-8")
    config = dataclasses.replace(CONFIG, corpus=str(tmp_path / "a.txt"))
    source = find_source(config)
    monkeypatch.setattr(importlib.metadata, "version", lambda name: {"opencc": "9"}[name])
    digests = [corpus_digest(source, dataclasses.replace(config, script=script), "whitespace") for script in SCRIPTS]
    assert len(set(digests)) == 3
    monkeypatch.setattr(importlib.metadata, "version", lambda name: {"opencc": "10"}[name])
    after = [corpus_digest(source, dataclasses.replace(config, script=script), "whitespace") for script in SCRIPTS]
    assert [old == new for old, new in zip(digests, after, strict=True)] == [True, False, False]


def test_without_the_package_a_run_says_how_to_install_it_and_leaves_nothing(tmp_path, monkeypatch, capsys):
    def version(name):
        raise importlib.metadata.PackageNotFoundError(name)

    (tmp_path / "a.txt").write_text("頭髮 發展\n", encoding="utf-8")
    monkeypatch.setattr(importlib.metadata, "version", version)
    given = [f"--corpus={tmp_path / 'a.txt'}", "--segmenter=whitespace", f"--workdir={tmp_path / 'run'}"]
    assert cli.run(train_main, ["train", *given, "--script=simplified"]) == 2
    told = "error: --script=simplified needs opencc, which is not installed; pip install 'etm_jax[script]'"
    assert told in capsys.readouterr().err
    assert not (tmp_path / "run" / "config.json").exists()


def in_other_script(lines):
    return [" ".join(map(in_script("traditional"), line.split())) for line in lines]


def test_a_run_and_its_new_documents_may_be_in_different_scripts(tmp_path):
    lines = themed_lines()
    (tmp_path / "a.txt").write_text("\n".join(in_other_script(lines)), encoding="utf-8")
    (tmp_path / "new.txt").write_text("\n".join(lines[:5]), encoding="utf-8")
    (tmp_path / "neu.txt").write_text("\n".join(in_other_script(lines[:5])), encoding="utf-8")
    run = f"--workdir={tmp_path / 'run'}"
    assert cli.run(train_main, ["train", f"--corpus={tmp_path / 'a.txt'}", *SMALL, run, "--script=traditional"]) == 0
    words = (tmp_path / "run/export/vocab.txt").read_text("utf-8").split()
    assert "電影" in words
    assert "电影" not in words
    for name in ("new", "neu"):
        given = [f"--input={tmp_path / name}.txt", f"--output={tmp_path / name}.csv", run]
        assert cli.run(infer_main, ["infer", *given]) == 0
    assert (tmp_path / "new.csv").read_bytes() == (tmp_path / "neu.csv").read_bytes()


def test_the_python_class_folds_what_it_transforms():
    lines = themed_lines()
    model = ETM(
        3, segmenter="whitespace", no_below=1, no_above=0.6, num_epochs=2, verbose=0, settings={"script": "simplified"}
    ).fit(in_other_script(lines))
    assert "电影" in model.vocab_
    np.testing.assert_array_equal(model.transform(lines[:4]), model.transform(in_other_script(lines[:4])))
