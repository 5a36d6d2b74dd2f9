import importlib.metadata
import importlib.util
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import words_of
from etm_jax.config.corpus_settings import CorpusConfig
from etm_jax.corpus.types import Document
from etm_jax.corpus.words.segment import segment_documents
from etm_jax.corpus.words.segmenters import make_segmenter, segmenter_version
from etm_jax.util.errors import UserError


def needs(package):
    return pytest.mark.skipif(importlib.util.find_spec(package) is None, reason=f"{package} is not installed")


def tokens_of(text, **settings):
    return tokens_in(Document("1", text), **settings)


def tokens_in(document, **settings):
    return words_of(CorpusConfig(**settings), [document])[0]


def test_words_keep_inner_apostrophes_and_one_letter_words():
    text = "It’s a well-known FACT, isn't it: the 3rd 'naïve' café of e\u0301te"
    expected = ["it's", "a", "well", "known", "fact", "isn't", "it", "the", "rd", "naïve", "café", "of", "éte"]
    assert tokens_of(text, lang="en", segmenter="words", lowercase=True) == expected


def test_whitespace_separates_but_punctuation_and_digits_go():
    assert tokens_of("今天 ， 天气\u3000很 好 。 ２０ 度", lang="zh", segmenter="whitespace") == [
        "今天",
        "天气",
        "很",
        "好",
        "度",
    ]


def test_gold_tokens_are_normalised_one_by_one():
    document = Document("1", tokens=["１９９８年", "ＴＶ", "New York", "，"])
    assert tokens_in(document, lang="zh", segmenter="gold") == ["年", "TV", "NewYork"]


def test_gold_needs_tokens():
    with pytest.raises(UserError, match=r"--segmenter=gold .* document 7 .* --segmenter=whitespace"):
        tokens_in(Document("7", "plain"), segmenter="gold")


def test_another_segmenter_sees_gold_tokens_as_running_text():
    document = Document("1", tokens=["new", "york"])
    assert tokens_in(document, lang="en", segmenter="whitespace") == ["new", "york"]
    assert tokens_in(document, lang="zh", segmenter="whitespace") == ["newyork"]


@pytest.mark.parametrize("name", ["rjieba", "jieba"])
def test_dictionary_segmenters_lose_nothing(name):
    pytest.importorskip(name)
    words = make_segmenter(name)("我来到北京清华大学。")
    assert "".join(words) == "我来到北京清华大学。"
    assert "北京" in words
    assert segmenter_version(name) == f"{name} {importlib.metadata.version(name)}"


@needs("pkuseg")
def test_pkuseg_cuts_a_line_longer_than_a_chunk():
    sentence = "他来到北京大学学习数学。"
    tokens = tokens_of(sentence, lang="zh", segmenter="pkuseg")
    assert "学习" in tokens
    assert tokens_of(sentence * 200, lang="zh", segmenter="pkuseg") == tokens * 200


FULL_WIDTH = str.maketrans({chr(code): chr(code + 0xFEE0) for code in range(0x21, 0x7F) if chr(code).isalnum()})


@pytest.mark.parametrize("name", ["pkuseg", "rjieba", "jieba", "whitespace"])
def test_letters_and_digits_of_any_width_give_the_same_tokens(name):
    if name != "whitespace":
        pytest.importorskip(name)
    text = "他在IBM公司工作，1998年买了2台PC（含wifi）：共5000多元。"
    tokens = tokens_of(text, lang="zh", segmenter=name)
    assert tokens_of(text.translate(FULL_WIDTH), lang="zh", segmenter=name) == tokens
    assert {"IBM", "PC", "wifi"} <= set(tokens) or name == "whitespace"


@needs("pkuseg")
def test_pkuseg_reads_chinese_punctuation_as_it_was_trained_to():
    # After NFKC's comma it would give "flagwifi", and "m重kg".
    assert tokens_of("ﬁsh和ﬂag，ｗｉ－ｆｉ", lang="zh", segmenter="pkuseg") == ["fish", "和", "flag", "wifi"]
    assert tokens_of("面积５０㎡，重５㎏，①", lang="zh", segmenter="pkuseg") == ["面积", "m", "重", "kg"]
    assert tokens_of("ｆｌａｇ，ｗｉｆｉ", lang="zh", segmenter="pkuseg", nfkc=False) == ["ｆｌａｇ", "ｗｉｆｉ"]


@pytest.mark.parametrize("name", ["pkuseg", "rjieba", "jieba"])
def test_what_sticks_to_words_goes_before_they_are_cut(name):
    pytest.importorskip(name)
    dirty = "我们\u200b来到\ufeff北\u00ad京\n，清华\u2060大学\x07学习\ud800。"
    clean = "我们来到北京 ，清华大学 学习 。"
    assert tokens_of(dirty, lang="zh", segmenter=name) == tokens_of(clean, lang="zh", segmenter=name)


@pytest.mark.parametrize("name, way", [("pkuseg", "pip install --no-deps"), ("rjieba", r"etm_jax\[zh\]")])
def test_a_missing_package_names_the_way_to_install_it(monkeypatch, name, way):
    def missing(distribution):
        raise importlib.metadata.PackageNotFoundError(distribution)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    with pytest.raises(UserError, match=f"--segmenter={name}.* needs .*{name}, which is not installed.*{way}"):
        make_segmenter(name)


@needs("spacy_pkuseg")
def test_a_model_folder_that_could_run_code_is_refused(tmp_path):
    with pytest.raises(UserError, match="--segmenter_model"):
        make_segmenter("spacy_pkuseg")
    with pytest.raises(UserError, match="holds neither"):
        make_segmenter("spacy_pkuseg", str(tmp_path))
    (tmp_path / "features.pkl").write_bytes(pickle.dumps(Path.cwd))
    with pytest.raises(UserError, match="it asks for"):
        make_segmenter("spacy_pkuseg", str(tmp_path))


def many_documents():
    return (Document(str(i), " ".join(f"词{chr(0x4E00 + i % 97)}" for _ in range(i % 400))) for i in range(600))


def test_two_processes_give_what_one_gives():
    results = []
    for workers in (1, 2):
        config = CorpusConfig(lang="zh", segmenter="whitespace", workers=workers)
        some = list(segment_documents(many_documents, config))
        names = [document.id for documents, _ in some for document in documents]
        results.append((names, [words for _, tokens in some for words in tokens.lists()]))
    assert results[0][0] == [str(i) for i in range(600)]
    assert results[0] == results[1]


def test_workers_leave_the_main_script_alone(tmp_path):
    # Without a main guard, a process that imported the script again would start processes of its own.
    script = tmp_path / "script.py"
    script.write_text(
        "from etm_jax.config.corpus_settings import CorpusConfig\n"
        "from etm_jax.corpus.words.segment import segment_documents\n"
        "from etm_jax.corpus.types import Document\n"
        "config = CorpusConfig(lang='en', segmenter='words', workers=2)\n"
        "some = segment_documents(lambda: iter([Document('1', 'two words')]), config)\n"
        "print('main', [words for _, tokens in some for words in tokens.lists()])\n"
    )
    root = str(Path(__file__).parents[2])
    run = subprocess.run([sys.executable, script], capture_output=True, text=True, env={"PYTHONPATH": root}, check=True)
    assert run.stdout == "main [['two', 'words']]\n"


def test_workers_import_nothing_heavy():
    code = "import sys, etm_jax.corpus.words.segment; print({'jax', 'gensim', 'sklearn'} & set(sys.modules))"
    root = str(Path(__file__).parents[2])
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={"PYTHONPATH": root}, check=True
    )
    assert run.stdout == "set()\n"


@pytest.mark.parametrize("name", ["whitespace", "gold", "rjieba"])
def test_digits_stay_on_demand_whatever_cuts_the_text(name):
    if name == "rjieba":
        pytest.importorskip(name)
    words = ["2024", "年", "5G", "网络", "覆盖", "率", "98.5%"]
    document = Document("1", tokens=words) if name == "gold" else Document("1", " ".join(words))
    kept = tokens_in(document, lang="zh", segmenter=name, keep_digits=True, clean_tokens=True)
    assert "".join(kept) == "2024年5G网络覆盖率98.5"
    assert {"2024", "5G", "98.5"} <= set(kept)
    assert "".join(tokens_in(document, lang="zh", segmenter=name, clean_tokens=True)) == "年G网络覆盖率"
