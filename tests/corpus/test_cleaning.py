"""--clean in memory, in shards by both runners, for new documents and in Python; and the hint to give it."""

import dataclasses
import json

import numpy as np
import pytest

from conftest import needs_scale
from etm_jax import ETM
from etm_jax.cli import flags as cli
from etm_jax.config.build import make_config
from etm_jax.config.corpus_settings import CorpusConfig
from etm_jax.corpus.filter_report import format_report
from etm_jax.corpus.new_documents import read_new, settings_like
from etm_jax.corpus.prepare import prepare
from etm_jax.corpus.shard_writing.job import make_job
from etm_jax.corpus.shard_writing.prepare import prepare_shards
from etm_jax.corpus.shards import read_corpus
from etm_jax.corpus.shards.manifest import Manifest
from etm_jax.corpus.sources import as_prepared, find_source
from etm_jax.corpus.store.cache import load_corpus, vocabulary_from_json, vocabulary_to_json
from etm_jax.corpus.types import Corpus, Document, Source
from etm_jax.corpus.words.cleaning import EMPTIED, CleaningTally, clean_documents
from etm_jax.corpus.words.novel_text import ADVERTISEMENTS, FURNITURE, HEADINGS
from etm_jax.corpus.words.web_text import LINKS, NAMES
from etm_jax.util.errors import UserError

CONFIG = CorpusConfig(
    clean_tokens=True, segmenter="whitespace", no_below=1, no_above=1.0, workers=1, valid_share=0.1, test_share=0.1
)
STORY = [f"春{n % 5} 山 花{n % 3} 雨{n % 7} 第{n}夜" for n in range(40)]
AD = "最新章节 请到 www.example.com 阅读"
CHAPTERS = [
    line for n in range(4) for line in (f"第{n + 1}章 夜行", *STORY[10 * n : 10 * n + 10], AD, "上一页 目录 下一页")
]
POSTS = [f"{text} http://t.cn/Ab{n}" if n % 2 else text for n, text in enumerate(STORY)] + ["@小明 @小红"]


def config_of(clean: str) -> CorpusConfig:
    return dataclasses.replace(CONFIG, clean=clean)


def source_of(texts: list[str]) -> Source:
    return Source("texts", [], documents=lambda: (Document(str(i), text) for i, text in enumerate(texts)))


def words_of(corpus: Corpus) -> set[str]:
    return set(corpus.vocabulary.words)


def test_the_words_are_those_of_the_clean_text_and_what_went_is_counted():
    clean, raw = prepare(source_of(POSTS), config_of("web")), prepare(source_of(POSTS), CONFIG)
    assert words_of(clean) == words_of(prepare(source_of(STORY), CONFIG))
    assert words_of(raw) - words_of(clean) >= {"小明", "小红"}
    assert clean.report is not None
    assert raw.report is not None
    assert clean.report.cleaned == {LINKS: 20, NAMES: 2, EMPTIED: 1}
    assert (clean.report.docs_before, clean.report.docs_after) == (41, 40)
    rows = [line.split() for line in format_report(clean.report).splitlines()]
    assert ["dropped:", "links", "20"] in rows
    assert ["dropped:", "whole", "documents", "1"] in rows
    assert "dropped" not in format_report(raw.report)


def test_a_novel_of_a_line_a_document_and_one_of_whole_files_lose_the_same(tmp_path):
    """Advertisements repeat in the whole corpus, wherever its documents end."""
    lines = prepare(source_of(CHAPTERS), config_of("novel"))
    assert words_of(lines) == words_of(prepare(source_of(STORY), CONFIG))
    assert lines.report is not None
    lost = {HEADINGS: 4, FURNITURE: 4, ADVERTISEMENTS: 4}
    assert lines.report.cleaned == {**lost, EMPTIED: 12}
    for n in range(4):
        (tmp_path / f"{n}.txt").write_text("\n".join(CHAPTERS[13 * n : 13 * n + 13]), encoding="utf-8")
    config = dataclasses.replace(config_of("novel"), corpus=str(tmp_path))
    files = prepare(find_source(config), config)
    assert words_of(files) <= words_of(lines)
    assert files.report is not None
    assert files.report.cleaned == lost
    assert files.vocabulary.advertisements == lines.vocabulary.advertisements != ()


def test_a_corpus_with_counts_of_cleaning_comes_back_and_one_without_is_stored_as_before(tmp_path):
    source = source_of(CHAPTERS)
    stored = {}
    for clean in ("", "novel"):
        corpus = prepare(source, config_of(clean), tmp_path / "cache")
        folder = tmp_path / "cache" / corpus.digest[:16]
        loaded = load_corpus(folder)
        assert loaded.report == corpus.report
        assert loaded.vocabulary.advertisements == corpus.vocabulary.advertisements
        stored[clean] = [json.loads((folder / name).read_text()) for name in ("corpus.json", "vocabulary.json")]
    manifest, vocabulary = stored[""]
    assert "cleaned" not in manifest["report"]
    assert "advertisements" not in vocabulary
    manifest, vocabulary = stored["novel"]
    assert manifest["report"]["cleaned"][HEADINGS] == 4
    assert vocabulary["advertisements"] == ["最新章节请到wwwexamplecom阅读"]


def test_advertisements_that_are_no_lines_are_refused():
    values = vocabulary_to_json(prepare(source_of(CHAPTERS), config_of("novel")).vocabulary)
    assert vocabulary_from_json(values).advertisements
    with pytest.raises(ValueError, match="advertisements"):
        vocabulary_from_json(values | {"advertisements": [1]})


def test_it_decides_the_digest_of_text_alone(tmp_path, capsys):
    """Nothing is cleaned of words that a person has cut, and it is said."""
    digests = {prepare(source_of(CHAPTERS), config_of(clean)).digest for clean in ("", "web", "novel")}
    assert len(digests) == 3
    cut = Source("cut", [], segmenter="gold", documents=lambda: (Document("1", tokens=["@小明", "http://a"] * 9),) * 9)
    given = dataclasses.replace(CONFIG, segmenter="")
    capsys.readouterr()
    as_it_is, cleaned = prepare(cut, given), prepare(cut, dataclasses.replace(given, clean="web"))
    assert as_it_is.digest == cleaned.digest
    assert words_of(as_it_is) == words_of(cleaned) == {"小明", "httpa"}
    assert capsys.readouterr().err.count("--clean=web changes nothing: cut comes as words") == 1


def test_text_that_nothing_is_left_of_names_the_flag():
    with pytest.raises(UserError, match="leave out --clean=web"):
        prepare(source_of(["@小明"] * 9), config_of("web"))


@pytest.mark.parametrize("texts, clean", [(POSTS, "web"), (CHAPTERS, "novel"), (STORY, "")])
def test_a_hint_names_the_flag_where_one_document_in_twenty_has_marks(texts, clean, capsys):
    prepare(source_of(texts), CONFIG)
    told = capsys.readouterr().err
    assert ("hint:" in told) == bool(clean)
    assert not clean or f"--clean={clean} drops them" in told
    prepare(source_of(texts), config_of(clean or "web"))
    assert "hint:" not in capsys.readouterr().err


def test_the_sample_for_the_hint_is_the_beginning_and_a_part_of_the_rest():
    tally = CleaningTally()
    documents = (Document(str(i), "@小明 在 此" if i >= 200 else "山") for i in range(1500))
    assert len(list(clean_documents(documents, CONFIG, tally=tally))) == 1500
    assert tally.sampled == 200 + 13
    assert tally.marked["web"] == 13


def write_files(folder, texts: list[str]) -> str:
    folder.mkdir()
    for number, start in enumerate(range(0, len(texts), 13)):
        (folder / f"{number}.txt").write_text("\n".join(texts[start : start + 13]), encoding="utf-8")
    return f"{folder}/*.txt"


@needs_scale
@pytest.mark.parametrize("texts, clean", [(POSTS, "web"), (CHAPTERS, "novel")])
def test_both_runners_make_the_words_and_counts_of_the_way_in_memory(texts, clean, tmp_path):
    """Also of advertisements of which each file has one alone."""
    job = make_job(write_files(tmp_path / "in", texts), config_of(clean))
    manifest = prepare_shards(job, tmp_path / "local")
    in_memory = prepare(source_of(texts), config_of(clean))
    assert in_memory.report is not None
    assert dict(manifest.report.cleaned) == dict(in_memory.report.cleaned)
    assert manifest.settings["clean"] == clean
    corpus = read_corpus(tmp_path / "local", False)
    assert corpus.vocabulary.advertisements == in_memory.vocabulary.advertisements
    assert words_of(corpus) <= words_of(in_memory)
    assert not words_of(corpus) & {"小明", "小红", "最新章节", "目录"}
    # What is trained on the folder cleans new documents alike, whatever its own flags say.
    assert as_prepared(CorpusConfig(corpus=str(tmp_path / "local"))).clean == clean

    pytest.importorskip("apache_beam")
    from etm_jax.corpus.shard_writing.pipeline import BeamRunner

    prepare_shards(job, tmp_path / "beam", BeamRunner("--direct_running_mode=in_memory"))
    names = sorted(path.name for path in (tmp_path / "local").iterdir())
    assert sorted(path.name for path in (tmp_path / "beam").iterdir()) == names
    assert all((tmp_path / "local" / name).read_bytes() == (tmp_path / "beam" / name).read_bytes() for name in names)


@needs_scale
def test_shards_without_it_are_as_before_and_hint_at_it(tmp_path, capsys):
    prepare_shards(make_job(write_files(tmp_path / "in", POSTS), CONFIG), tmp_path / "out")
    assert "--clean=web drops them" in capsys.readouterr().err
    values = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert "cleaned" not in values["report"]
    assert "clean" not in Manifest.read(tmp_path / "out").settings
    given = CorpusConfig(corpus=str(tmp_path / "out"))
    assert as_prepared(given).clean == ""
    with pytest.raises(UserError, match=r"--clean=web: .*out was prepared without; leave the flag out"):
        as_prepared(dataclasses.replace(given, clean="web"))


def test_new_documents_lose_what_those_of_training_lost(tmp_path):
    """A line that repeated in training is an advertisement also where it stands once."""
    new = tmp_path / "new.txt"
    new.write_text(f"第九章 归来\n{STORY[0]}\n{AD}\n@小明 {STORY[1]}\n", encoding="utf-8")
    vocabulary = prepare(source_of(CHAPTERS), config_of("novel")).vocabulary
    counts = {
        clean: next(
            read_new(str(new), "lines", settings_like(config_of(clean), vocabulary), vocabulary)
        ).tokens.tolist()
        for clean in ("", "web", "novel")
    }
    assert counts == {"": [2, 5, 4, 6], "web": [2, 5, 3, 5], "novel": [0, 5, 0, 6]}


def test_the_class_cleans_what_it_is_fitted_to_and_what_it_transforms(tmp_path):
    settings = {"clean": "novel", "clean_tokens": True, "embed_dim": 8, "hidden": (8,)}
    given = {"no_below": 1, "no_above": 1.0, "segmenter": "whitespace", "num_epochs": 1, "verbose": 0}
    model = ETM(2, settings=settings, **given).fit(CHAPTERS)
    assert set(model.vocab_) == words_of(prepare(source_of(STORY), CONFIG))
    model.save(tmp_path / "model")
    for fitted in (model, ETM.load(tmp_path / "model")):
        np.testing.assert_array_equal(fitted.transform([f"{STORY[0]}\n{AD}"]), fitted.transform([STORY[0]]))


def test_a_value_that_is_not_one_is_a_line(capsys):
    assert cli.run(lambda argv: print(make_config("default", {"clean": "all"})), ["x"]) == 2
    assert "--clean='all' is not one of web, novel" in capsys.readouterr().err


@pytest.mark.parametrize(("line", "told"), [("体育\t球员球队", True), ("doc0\tL0\tone two", True), ("one two", False)])
def test_lines_of_a_table_are_said_to_look_like_one(line, told, capsys):
    list(clean_documents(iter([Document(str(i), line) for i in range(20)]), CONFIG, tally=(tally := CleaningTally())))
    tally.give_hint()
    assert ("give --text_field=text --meta_fields=label" in capsys.readouterr().err) == told
