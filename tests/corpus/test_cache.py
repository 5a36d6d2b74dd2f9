import dataclasses
import os
import shutil
import stat
from pathlib import Path

import numpy as np
import pytest

import etm_jax.corpus.store.cache as cache
from etm_jax.config.corpus_settings import CorpusConfig
from etm_jax.corpus.prepare import prepare
from etm_jax.corpus.sources import find_source
from etm_jax.corpus.types import Document, Source
from etm_jax.corpus.words.segmenters import segmenter_version
from etm_jax.corpus.words.unicode_words import EARLIER_WORDS
from etm_jax.util.errors import UserError

CONFIG = CorpusConfig(lang="en", segmenter="words", lowercase=True, min_token_len=2, no_below=1, no_above=1.0)
TEXTS = [f"{a} {b} {a}" for a in ("cat", "dog", "hen") for b in ("red", "black", "white")]


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "texts.txt"
    path.write_text("\n".join(TEXTS))
    reads = []

    def documents():
        reads.append(1)
        return (Document(str(i), text) for i, text in enumerate(path.read_text().splitlines()))

    found = Source("texts", [path], documents=documents)
    object.__setattr__(found, "reads", reads)
    return found


def flat(value):
    """Every leaf of a corpus, arrays and matrices as plain lists with their dtype."""
    if dataclasses.is_dataclass(value):
        return {f.name: flat(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if hasattr(value, "toarray"):
        return (str(value.dtype), value.has_canonical_format, value.toarray().tolist())
    return (str(value.dtype), value.tolist()) if isinstance(value, np.ndarray) else value


def test_a_corpus_comes_back_as_it_was_saved(source, tmp_path):
    corpus = prepare(source, CONFIG)
    for kept in (corpus, dataclasses.replace(corpus, text=None, report=None)):
        cache.save_corpus(kept, tmp_path / "entry")
        assert flat(cache.load_corpus(tmp_path / "entry")) == flat(kept)


def test_the_second_time_nothing_is_read(source, tmp_path, capsys):
    first = prepare(source, CONFIG, tmp_path / "cache")
    second = prepare(dataclasses.replace(source, name="moved"), CONFIG, tmp_path / "cache")
    assert len(source.reads) == 1
    assert "--rebuild" in capsys.readouterr().err
    assert second.name == "moved"
    assert flat(dataclasses.replace(second, name=first.name)) == flat(first)


def test_rebuild_ignores_the_cache(source, tmp_path):
    for _ in range(2):
        prepare(source, dataclasses.replace(CONFIG, rebuild=True), tmp_path / "cache")
    assert len(source.reads) == 2


@pytest.mark.parametrize("name", ["train.npz", "train_documents.npz", "vocabulary.json", "text.npz", "corpus.json"])
@pytest.mark.parametrize("damage", ["truncate", "delete", "flip"])
def test_a_damaged_entry_is_made_again(source, tmp_path, capsys, name, damage):
    corpus = prepare(source, CONFIG, tmp_path / "cache")
    (entry,) = (tmp_path / "cache").iterdir()
    content = (entry / name).read_bytes()
    if damage == "delete":
        (entry / name).unlink()
    elif damage == "truncate":
        (entry / name).write_bytes(content[: len(content) // 2])
    else:
        (entry / name).write_bytes(bytes([content[0] ^ 1]) + content[1:])
    assert flat(prepare(source, CONFIG, tmp_path / "cache")) == flat(corpus)
    assert "damaged" in capsys.readouterr().err
    assert flat(cache.load_corpus(entry)) == flat(corpus)


def test_an_interrupted_save_leaves_the_old_entry_and_nothing_else(source, tmp_path, monkeypatch):
    corpus = prepare(source, CONFIG, tmp_path / "cache")

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(cache, "vocabulary_to_json", interrupted)
    with pytest.raises(KeyboardInterrupt):
        prepare(source, dataclasses.replace(CONFIG, rebuild=True), tmp_path / "cache")
    (entry,) = (tmp_path / "cache").iterdir()
    assert flat(cache.load_corpus(entry)) == flat(corpus)


def test_an_unwritable_cache_names_the_way_out(source, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match=r"^--cache_dir=.* is a file; give another --cache_dir"):
        prepare(source, CONFIG, tmp_path / "file")


def test_a_folder_that_others_filled_is_read_where_it_cannot_be_written_to(source, tmp_path, monkeypatch):
    def refused(folder, flag):
        raise UserError(f"--{flag}={folder} cannot be written to")

    corpus = prepare(source, CONFIG, tmp_path / "cache")
    monkeypatch.setattr("etm_jax.corpus.prepare.check_writable", refused)
    assert flat(prepare(source, CONFIG, tmp_path / "cache")) == flat(corpus)
    with pytest.raises(UserError, match="--cache_dir="):
        prepare(source, dataclasses.replace(CONFIG, no_below=2), tmp_path / "cache")


@pytest.mark.parametrize("mask", [0o002, 0o022, 0o077])
def test_what_is_kept_can_be_read_by_whom_the_umask_lets(source, tmp_path, mask):
    before = os.umask(mask)
    try:
        prepare(source, CONFIG, tmp_path / "cache")
    finally:
        os.umask(before)
    modes = {path.is_dir(): stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "cache").rglob("*")}
    assert modes == {True: 0o777 & ~mask, False: 0o666 & ~mask}
    assert stat.S_IMODE((tmp_path / "cache").stat().st_mode) == 0o777 & ~mask


@pytest.mark.parametrize("moment", [1, 2])
@pytest.mark.parametrize("is_there", [False, True])
def test_another_process_that_saves_the_same_corpus_at_any_moment_is_no_error(
    source, tmp_path, monkeypatch, moment, is_there
):
    """moment: before which of the two renames, of what is there and of what is new, the other one has its turn."""
    corpus, entry = prepare(source, CONFIG), tmp_path / "entry"
    if is_there:
        cache.save_corpus(corpus, entry)
    rename, renames = Path.rename, []

    def with_another(path, target):
        renames.append(target)
        if len(renames) == moment:
            cache.save_corpus(corpus, entry)
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", with_another)
    cache.save_corpus(corpus, entry)
    assert len(renames) > moment
    assert flat(cache.load_corpus(entry)) == flat(corpus)
    assert list(tmp_path.glob(".*")) == []


def test_what_is_there_may_be_taken_away_by_another_process(source, tmp_path, monkeypatch):
    corpus, entry = prepare(source, CONFIG), tmp_path / "entry"
    cache.save_corpus(corpus, entry)
    rename = Path.rename

    def taken_away(path, target):
        shutil.rmtree(entry, ignore_errors=True)
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", taken_away)
    cache.save_corpus(corpus, entry)
    assert flat(cache.load_corpus(entry)) == flat(corpus)


def test_the_digest_follows_bytes_and_options_that_matter(source, tmp_path):
    def digest(version="words 1", **settings):
        return cache.corpus_digest(source, dataclasses.replace(CONFIG, **settings), version)

    plain = digest()
    for same in ({"corpus": "x"}, {"workers": 2}, {"cache_dir": "x"}, {"rebuild": True}, {"corpus_fallback": "x"}):
        assert digest(**same) == plain
    stopwords = tmp_path / "stop.txt"
    stopwords.write_text("cat")
    changed = [
        digest(no_below=2),
        digest(nfkc=False),
        digest(split_seed=2),
        digest(version="words 2"),
        digest(stopwords=str(stopwords)),
    ]
    stopwords.write_text("dog")
    changed.append(digest(stopwords=str(stopwords)))
    source.files[0].write_text("other")
    changed.append(digest())
    assert len({plain, *changed}) == 8


def test_corpora_that_were_prepared_before_are_found_again(tmp_path):
    """Their folders bear the digest: it may not change for settings that are not new."""
    (tmp_path / "texts.txt").write_text("cat dog\n")
    (tmp_path / "s.txt").write_text("the\n")
    source = Source("a", [tmp_path / "texts.txt"], documents=lambda: iter([]))
    files = {"stopwords": str(tmp_path / "s.txt"), "segmenter_model": str(tmp_path / "s.txt")}
    assert [
        cache.corpus_digest(source, CorpusConfig(**given), "words 1")[:16]
        for given in ({}, {"lang": "en", "lowercase": True, "min_token_len": 2, "no_below": 1}, files | {"keep_n": 5})
    ] == ["ce7e8e78bfc6d6d3", "f1ff76d444e8368e", "14ec15602a4b5eb8"]


def test_punctuation_counts_only_where_words_depend_on_it(source):
    def changed(**given):
        digests = [cache.corpus_digest(source, CorpusConfig(**given), "1", before) for before in (False, True)]
        return digests[0] != digests[1]

    assert [changed(segmenter=name) for name in ("pkuseg", "spacy_pkuseg", "jieba", "rjieba", "words", "gold")] == [
        True, True, False, False, False, False,
    ]  # fmt: skip
    assert not changed(segmenter="pkuseg", nfkc=False)


def test_a_run_of_before_punctuation_was_kept_goes_on_with_its_own_corpus(source, tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "PKUSEG", ("words",))
    settings = dataclasses.replace(CONFIG, cache_dir=str(tmp_path / "cache"))
    before = cache.corpus_digest(source, CONFIG, segmenter_version("words"), folded_punctuation=True)
    corpus = dataclasses.replace(prepare(source, CONFIG), digest=before)
    assert before != prepare(source, settings).digest
    with pytest.raises(UserError, match="does not find the same"):
        prepare(source, settings, tmp_path / "cache", before, "texts")
    cache.save_corpus(corpus, tmp_path / "cache" / before[:16])
    assert flat(prepare(source, settings, tmp_path / "cache", before, "texts")) == flat(corpus)
    # The text has to be that of the run.
    source.files[0].write_text("other")
    with pytest.raises(UserError, match="is not what the run"):
        prepare(source, settings, tmp_path / "cache", before, "texts")


def test_a_run_of_before_marks_were_letters_goes_on_with_the_words_that_it_had(tmp_path):
    """Also where its corpus is no longer in the cache."""
    path = tmp_path / "hindi.txt"
    path.write_text("\n".join(f"हिन्दी शब्द {word}" for word in ("cat", "dog", "hen", "cat") * 4), encoding="utf-8")
    config = dataclasses.replace(CONFIG, corpus=str(path), segmenter="", min_token_len=1)
    source = find_source(config)
    version = segmenter_version(EARLIER_WORDS)
    before = cache.corpus_digest(source, dataclasses.replace(config, segmenter="words"), version)
    new = prepare(source, config, tmp_path / "cache")
    assert {"हिन्दी", "शब्द"} <= set(new.vocabulary.words)
    old = prepare(source, config, tmp_path / "cache", before, "hindi")
    assert (old.digest, old.vocabulary.segmenter) == (before, version)
    assert {"ह", "न", "द", "शब"} <= set(old.vocabulary.words)
    assert flat(prepare(source, config, tmp_path / "cache", before, "hindi")) == flat(old)
    assert flat(prepare(source, config, tmp_path / "cache")) == flat(new)


def test_digits_count_only_where_they_are_kept(source):
    def digest(**given):
        return cache.corpus_digest(source, dataclasses.replace(CONFIG, **given), "words 1")

    assert digest() == digest(keep_digits=False) != digest(keep_digits=True)


def test_a_vocabulary_comes_back_from_json_and_changed_words_are_refused(source):
    vocabulary = prepare(source, CONFIG).vocabulary
    values = cache.vocabulary_to_json(vocabulary)
    assert flat(cache.vocabulary_from_json(values)) == flat(vocabulary)
    with pytest.raises(ValueError, match="hash"):
        cache.vocabulary_from_json(values | {"words": vocabulary.words[::-1]})
