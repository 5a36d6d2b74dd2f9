"""Phrases from the text of a run to all that later reads text for it: caches, shards, new documents, saved models."""

import dataclasses
import json

import numpy as np
import pytest
import scipy.sparse as sp

from conftest import needs_scale
from etm_jax import ETM
from etm_jax.cli import flags as cli
from etm_jax.cli.run import run
from etm_jax.config.corpus_settings import CorpusConfig
from etm_jax.config.settings import VectorsConfig
from etm_jax.corpus.filter_report import format_phrases
from etm_jax.corpus.new_documents import read_new, settings_like
from etm_jax.corpus.prepare import prepare, resolve
from etm_jax.corpus.shard_writing import local
from etm_jax.corpus.shard_writing.job import make_job
from etm_jax.corpus.shard_writing.prepare import prepare_shards
from etm_jax.corpus.shards import folder as folder_module
from etm_jax.corpus.shards import read_corpus
from etm_jax.corpus.sources import as_prepared, find_source
from etm_jax.corpus.store.cache import corpus_digest, vocabulary_from_json, vocabulary_to_json
from etm_jax.corpus.types import Counted, Source
from etm_jax.corpus.words.stop_words import read_stop_words
from etm_jax.inference.predictor import read_predictor
from etm_jax.util.errors import UserError
from etm_jax.vectors import file as vectors_file

CONFIG = CorpusConfig(lang="en", phrases=True, phrase_min_count=5, no_below=2, no_above=0.9)
PHRASES = {"new_york", "new_york_times", "bank_of_england", "machine_learning"}


def english(num_docs: int = 150, seed: int = 0) -> list[str]:
    """Lines with three phrases among words that are drawn at random."""
    rng = np.random.default_rng(seed)
    words = [f"{a}{b}{c}" for a in "bdfgk" for b in "aeo" for c in "lrs"]
    phrases = ["new york", "New York Times", "bank of england", "machine learning"]
    lines = []
    for _ in range(num_docs):
        some = [str(word) for word in rng.choice(words, rng.integers(8, 20))]
        for phrase in rng.choice(phrases, 2):
            some.insert(int(rng.integers(len(some))), str(phrase))
        lines.append(" ".join(some) + ".")
    return lines


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    path = tmp_path_factory.mktemp("phrases") / "lines.txt"
    path.write_text("\n".join(english()) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def trained(lines):
    flags = ["--lang=en", "--phrases", "--phrase_min_count=5", "--no_below=2", "--no_above=0.9"]
    folder = lines.parent / "run"
    # The model that takes the least time.
    run(*cli.parse(["train", f"--corpus={lines}", *flags, "--model=lda", "--n_topic=2", f"--workdir={folder}"]))
    return folder


def source_of(path, config=CONFIG):
    return find_source(dataclasses.replace(config, corpus=str(path)))


def test_a_corpus_counts_phrases_as_words_and_the_cache_keeps_them(lines, tmp_path):
    corpus = prepare(source_of(lines), CONFIG, tmp_path)
    again = prepare(source_of(lines), CONFIG, tmp_path)
    assert set(corpus.vocabulary.words) >= PHRASES
    assert again.vocabulary.phrases == corpus.vocabulary.phrases is not None
    assert {"new_york", "new_york_times"} <= set(corpus.text.words)
    assert "england" not in corpus.text.words
    text = " ".join(english()).lower()
    times = text.count("new york times")
    of_all = sp.vstack([part.counts for part in (corpus.train, corpus.valid, corpus.test)]).sum(axis=0).A1
    freq = dict(zip(corpus.vocabulary.words, of_all.tolist(), strict=True))
    assert freq["new_york_times"] == times
    assert freq["new_york"] == text.count("new york") - times
    assert format_phrases(corpus.vocabulary).startswith(f"phrases: {len(corpus.vocabulary.phrases)} joined, of which")
    assert "new_york" in format_phrases(corpus.vocabulary)


def test_without_the_flag_nothing_is_other_than_before(lines, tmp_path):
    config = dataclasses.replace(CONFIG, phrases=False, phrase_min_count=10)
    source = source_of(lines, config)
    corpus = prepare(source, config, tmp_path)
    assert not PHRASES & set(corpus.vocabulary.words)
    assert "phrases" not in vocabulary_to_json(corpus.vocabulary)
    assert format_phrases(corpus.vocabulary) == ""
    digests = [
        corpus_digest(source, resolve(dataclasses.replace(config, **given), source), "words")
        for given in ({}, {"phrases": True}, {"phrases": True, "phrase_threshold": 0.4})
    ]
    assert len(set(digests)) == 3
    # What versions without the flag computed of these very settings, for a corpus of no files.
    none = Source("none", [], documents=lambda: iter(()))
    assert corpus_digest(none, resolve(CorpusConfig(lang="en"), none), "words (Unicode 15)") == NO_PHRASES


NO_PHRASES = "391d72cd138df0940a21ccc32570046407b31a2f113fb3cd3a6e97b5cd125897"


def test_new_documents_get_the_phrases_of_the_run(trained, lines, tmp_path):
    model = read_predictor(str(trained))
    assert model.vocabulary.phrases == prepare(source_of(lines), CONFIG).vocabulary.phrases
    new = tmp_path / "new.txt"
    new.write_text("The New York Times of new york\nnew, york\nbank of england\n", encoding="utf-8")
    settings = settings_like(model.config.corpus, model.vocabulary)
    (some,) = read_new(str(new), "lines", settings, model.vocabulary)
    words = np.array(model.vocabulary.words)
    found = [sorted(words[row.indices]) for row in some.counts]
    assert found == [["new_york", "new_york_times"], [], ["bank_of_england"]]
    assert some.tokens.tolist() == [4, 2, 1]  # `the` and `of` are words too


def test_a_saved_model_keeps_them(tmp_path):
    options = {"phrases": True, "phrase_min_count": 5, "hidden": (8,), "embed_dim": 8}
    model = ETM(2, lang="en", no_below=2, no_above=0.9, num_epochs=1, settings=options, verbose=0).fit(english())
    assert set(model.vocab_) >= PHRASES
    model.save(tmp_path / "model")
    loaded = ETM.load(tmp_path / "model")
    given = ["the New York Times", "machine learning"]
    np.testing.assert_array_equal(loaded.transform(given), model.transform(given))
    column = model.vocab_.index("new_york_times")
    assert loaded._counted(given)[1].toarray()[0].nonzero()[0].tolist() == [column]
    model.partial_fit([*english(60, seed=4), "unheard of"])
    assert model.new_words_["unheard"] == 1
    assert "new" not in model.new_words_
    lists = loaded._counted([["New", "York"], ["new", ",", "york"]])[1].toarray()
    assert lists.sum(axis=1).tolist() == [1, 0]
    assert lists[0, model.vocab_.index("new_york")] == 1


@needs_scale
@pytest.mark.parametrize("runner", ["local", "beam"])
def test_shards_have_the_phrases_that_preparing_in_memory_finds(runner, tmp_path):
    run_with = local.run
    if runner == "beam":
        pytest.importorskip("apache_beam")
        from etm_jax.corpus.shard_writing.pipeline import BeamRunner

        run_with = BeamRunner("--direct_running_mode=in_memory")
    texts = english()
    (tmp_path / "in").mkdir()
    for number in range(3):
        some = texts[number * 50 : number * 50 + 50]
        (tmp_path / "in" / f"{number}.txt").write_text("\n".join(some) + "\n", encoding="utf-8")
    (tmp_path / "all.txt").write_text("\n".join(texts) + "\n", encoding="utf-8")
    config = dataclasses.replace(CONFIG, workers=1)
    prepare_shards(make_job(f"{tmp_path}/in/*.txt", config), tmp_path / "out", run_with)
    shards, whole = read_corpus(tmp_path / "out"), prepare(source_of(tmp_path / "all.txt"), config)
    assert shards.vocabulary.phrases == whole.vocabulary.phrases
    assert set(shards.vocabulary.words) == set(whole.vocabulary.words) >= PHRASES
    assert shards.report.tokens_before == whole.report.tokens_before
    # A run on shards need not be told again.
    assert settings_like(CorpusConfig(lang="en"), shards.vocabulary).phrases
    assert prepare(Source("out", [], prepared=tmp_path / "out"), config).digest == shards.digest


@needs_scale
def test_of_a_large_corpus_a_sample_is_learnt_from_and_an_interrupted_run_keeps_it(lines, tmp_path, monkeypatch):
    from etm_jax.corpus.shard_writing import phrase_sample

    monkeypatch.setattr(phrase_sample, "SAMPLE", 60)
    job = make_job(str(lines), dataclasses.replace(CONFIG, workers=1))
    chosen, number = phrase_sample._sample(job)
    assert (len(chosen), number) == (60, 150)
    assert [int(document.id) for document in chosen] == sorted(int(document.id) for document in chosen)
    assert phrase_sample._sample(job)[0] == chosen
    sizes = [len(document.text) for document in chosen]
    monkeypatch.setattr(phrase_sample, "MAX_CHARACTERS", sum(sizes) // 2)
    fewer, _ = phrase_sample._sample(job)
    assert {document.id for document in fewer} < {document.id for document in chosen}
    assert sum(len(document.text) for document in fewer) <= sum(sizes) // 2
    first = phrase_sample.with_phrases(job, tmp_path)
    monkeypatch.setattr(phrase_sample, "_sample", None)
    assert phrase_sample.with_phrases(job, tmp_path) == first
    assert first.phrases is not None
    assert first.digest({"lines.txt": ""}) == job.digest({"lines.txt": ""})


@needs_scale
def test_phrases_of_counts_are_refused(tmp_path, lines):
    eye = sp.csr_matrix(np.eye(3, dtype=np.int32))
    counted = Source("counts", [], counted=lambda: Counted(["a", "b", "c"], eye, eye, eye, eye))
    with pytest.raises(UserError, match="--phrases needs running text, but counts came as counts"):
        prepare(counted, CONFIG)
    with pytest.raises(ValueError, match="phrases are of running text, but counts were given"):
        ETM(2, settings={"phrases": True}, verbose=0).fit(eye)
    prepare_shards(make_job(str(lines), dataclasses.replace(CONFIG, phrases=False, workers=1)), tmp_path / "out")
    with pytest.raises(UserError, match="was prepared without; leave the flag out, or prepare the text again"):
        as_prepared(dataclasses.replace(CONFIG, corpus=str(tmp_path / "out")))


def test_a_vocabulary_with_damaged_phrases_is_refused(lines):
    values = vocabulary_to_json(prepare(source_of(lines), CONFIG).vocabulary)
    plain = json.loads(json.dumps(values))
    assert vocabulary_to_json(vocabulary_from_json(plain)) == values
    for damaged in ([], {"passes": [[["new"]]], "connectors": []}, {"passes": [[["a", 1]]], "connectors": []}):
        with pytest.raises((ValueError, TypeError)):
            vocabulary_from_json(plain | {"phrases": damaged})


def test_stop_words_and_seed_words_are_spelled_as_phrases_are(lines, tmp_path):
    stop = tmp_path / "stop.txt"
    stop.write_text("New York\nmachine_learning\nbal\n", encoding="utf-8")
    config = CorpusConfig(stopwords=str(stop), lowercase=True)
    with_phrases = dataclasses.replace(config, phrases=True)
    assert read_stop_words(with_phrases) == {"new_york", "machine_learning", "bal"}
    assert read_stop_words(config) == {"newyork", "machinelearning", "bal"}
    corpus = prepare(source_of(lines), dataclasses.replace(CONFIG, stopwords=str(stop)))
    assert "bank_of_england" in corpus.vocabulary.words
    assert not {"new_york", "machine_learning", "bal"} & set(corpus.vocabulary.words)


def test_a_vector_file_without_a_phrase_gives_it_the_mean_of_its_words(lines, tmp_path):
    corpus = prepare(source_of(lines), CONFIG)
    path = tmp_path / "vectors.txt"
    rows = {
        "new": [1, 0],
        "york": [3, 4],
        "bank_of_england": [7, 7],
        "bank": [1, 1],
        "england": [1, 1],
        "machine": [2, 2],
    }
    path.write_text("".join(f"{word} {a} {b}\n" for word, (a, b) in rows.items()), encoding="utf-8")
    matrix, known, _ = vectors_file.make(corpus, VectorsConfig(vectors=f"file:{path}", embed_dim=2), seed=1)
    of = {word: j for j, word in enumerate(corpus.vocabulary.words)}
    assert matrix.shape == (len(corpus.vocabulary), 2)
    assert matrix[of["new_york"]].tolist() == [2, 2]
    assert matrix[of["bank_of_england"]].tolist() == [7, 7]
    # One of its words has no vector.
    assert not known[of["machine_learning"]]
    assert not known[of["new_york_times"]]
    assert known.sum() == 2


def test_the_sample_is_that_of_the_reader():
    from etm_jax.corpus.shard_writing import phrase_sample

    assert phrase_sample.SAMPLE == folder_module.SAMPLE
