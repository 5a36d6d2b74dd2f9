"""A user's dictionary decides the corpus, and goes with the model wherever that goes."""

import dataclasses
import json
import shutil
from importlib.util import find_spec

import numpy as np
import pytest

from conftest import SMALL, needs_scale, themed_lines
from etm_jax import ETM
from etm_jax.cli import flags as cli
from etm_jax.config.corpus_settings import CorpusConfig
from etm_jax.corpus.new_documents import settings_like
from etm_jax.corpus.prepare import prepare, resolve
from etm_jax.corpus.sources import find_source
from etm_jax.corpus.store.cache import corpus_digest, vocabulary_from_json, vocabulary_to_json
from etm_jax.infer import main as infer_main
from etm_jax.interop import read_saved_model, to_safetensors
from etm_jax.prepare import main as prepare_main
from etm_jax.results.run import read_run
from etm_jax.train import main as train_main

JOINED = "海洋船"


@pytest.fixture
def dictionary(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text(f"{JOINED}\n", "utf-8")
    return path


@pytest.fixture
def lines(tmp_path):
    """A corpus in which two words often stand side by side."""
    path = tmp_path / "lines.txt"
    texts = [line.replace("海洋", "海洋 船") for line in themed_lines()]
    path.write_text("\n".join(texts) + "\n", "utf-8")
    return path


def digest_of(lines, **settings):
    config = CorpusConfig(corpus=str(lines), segmenter="whitespace", **settings)
    source = find_source(config)
    return corpus_digest(source, resolve(config, source), "whitespace")


def test_the_digest_goes_by_what_the_file_holds(lines, dictionary, tmp_path):
    plain, with_words = digest_of(lines), digest_of(lines, user_dict=str(dictionary))
    other = tmp_path / "elsewhere.txt"
    other.write_text(f"\ufeff# comments do not count\r\n\r\n{JOINED}\r\n", "utf-8")
    assert digest_of(lines, user_dict=str(other)) == with_words
    other.write_text(f"{JOINED} 5\n", "utf-8")
    assert len({plain, with_words, digest_of(lines, user_dict=str(other))}) == 3


def test_a_corpus_keeps_the_words_that_it_was_cut_with(lines, dictionary, tmp_path):
    config = CorpusConfig(corpus=str(lines), segmenter="whitespace", user_dict=str(dictionary), no_above=0.9)
    source = find_source(config)
    made, kept = (prepare(source, config, tmp_path / "cache") for _ in range(2))
    assert JOINED in made.vocabulary.words
    assert kept.vocabulary.user_words == made.vocabulary.user_words == JOINED
    without = dataclasses.replace(config, user_dict="")
    assert JOINED not in prepare(source, without).vocabulary.words
    assert "user_dict" not in vocabulary_to_json(prepare(source, without).vocabulary)


def test_a_damaged_dictionary_of_a_model_is_refused(lines, dictionary):
    config = CorpusConfig(corpus=str(lines), segmenter="whitespace", user_dict=str(dictionary), no_above=0.9)
    values = vocabulary_to_json(prepare(find_source(config), config).vocabulary)
    assert vocabulary_from_json(values).user_words == JOINED
    for damaged in ("海洋", [1], ["海 洋"], ["海洋", ""]):
        with pytest.raises(ValueError, match="dict"):
            vocabulary_from_json(values | {"user_dict": damaged})


def theta_of(workdir, text, output):
    assert cli.run(infer_main, ["infer", f"--workdir={workdir}", f"--input={text}", f"--output={output}"]) == 0
    return np.load(output)


def test_a_run_keeps_to_the_words_that_it_began_with(lines, dictionary, tmp_path, capsys):
    run = tmp_path / "run"
    flags = [f"--corpus={lines}", *SMALL, f"--user_dict={dictionary}", "--no_above=0.9", f"--workdir={run}"]
    assert cli.run(train_main, ["train", *flags]) == 0
    dictionary.write_text("港口渔民\n", "utf-8")
    capsys.readouterr()
    assert cli.run(train_main, ["train", *flags]) == 2
    assert "user dictionary" in capsys.readouterr().err.splitlines()[-1]
    dictionary.unlink()
    assert json.loads((run / "vocabulary").read_text("utf-8"))["user_dict"] == [JOINED]
    model = read_saved_model(run)
    settings = settings_like(model.config.corpus, model.vocabulary)
    assert (settings.user_dict, settings.user_words) == ("", JOINED)
    text = tmp_path / "new.txt"
    text.write_text("海洋 船 港口\n海洋船 港口\n", "utf-8")
    apart, together = theta_of(run, text, tmp_path / "theta.npy")
    np.testing.assert_array_equal(apart, together)
    if find_spec("safetensors"):
        to_safetensors(tmp_path / "model.safetensors", model)
        found = theta_of(tmp_path / "model.safetensors", text, tmp_path / "other.npy")
        np.testing.assert_allclose(found[0], apart, atol=1e-6)
    # Where the corpus was not kept, it is prepared again with the run's words.
    shutil.rmtree(run / "corpus")
    assert JOINED in read_run(run).corpus.vocabulary.words


def test_the_python_class_keeps_them_too(dictionary, tmp_path):
    settings = {"hidden": (16,), "embed_dim": 8, "segmenter_model": ""}
    texts = [line.replace("海洋", "海洋 船") for line in themed_lines()]
    model = ETM(
        3,
        segmenter="whitespace",
        user_dict=str(dictionary),
        no_below=1,
        no_above=0.9,
        num_epochs=1,
        settings=settings,
        verbose=0,
    ).fit(texts)
    dictionary.unlink()
    assert JOINED in model.vocab_
    model.save(tmp_path / "model")
    for one in (model, ETM.load(tmp_path / "model")):
        apart, together, listed = one.transform(["海洋 船", "海洋船"]), one.transform(["海洋船"]), [["海洋", "船"]]
        np.testing.assert_array_equal(apart[0], together[0])
        np.testing.assert_array_equal(one.transform(listed)[0], together[0])


@needs_scale
def test_shards_are_cut_and_used_alike(lines, dictionary, tmp_path, capsys):
    out = tmp_path / "shards"
    flags = ["--segmenter=whitespace", "--no_above=0.9", "--workers=1", f"--user_dict={dictionary}"]
    assert cli.run(prepare_main, ["prepare", f"--input={lines}", f"--output={out}", *flags]) == 0
    vocabulary = json.loads((out / "vocabulary.json").read_text("utf-8"))
    assert JOINED in vocabulary["words"]
    assert vocabulary["user_dict"] == [JOINED]
    # The same files and settings, with other words, are another corpus.
    other = tmp_path / "other.txt"
    other.write_text("港口渔民\n", "utf-8")
    capsys.readouterr()
    assert (
        cli.run(prepare_main, ["prepare", f"--input={lines}", f"--output={out}", *flags, f"--user_dict={other}"]) == 2
    )
    assert "with other settings" in capsys.readouterr().err
    train = ["train", f"--corpus={out}", "--n_topic=2", "--num_epochs=1", "--batch_size=64", "--hidden=8"]
    assert cli.run(train_main, [*train, f"--workdir={tmp_path / 'a'}", f"--user_dict={other}"]) == 2
    assert "was prepared with another --user_dict" in capsys.readouterr().err
    assert cli.run(train_main, [*train, f"--workdir={tmp_path / 'b'}", f"--user_dict={dictionary}"]) == 0
    dictionary.unlink()
    model = read_saved_model(tmp_path / "b")
    assert settings_like(model.config.corpus, model.vocabulary).user_words == JOINED


def test_a_file_that_cannot_be_used_leaves_no_run(lines, tmp_path, capsys):
    bad = tmp_path / "bad.txt"
    bad.write_text("海 洋\t\n", "utf-8")
    for flag, told in ((bad, "bad.txt, line 1: '海 洋' holds a space"), (tmp_path / "none.txt", "cannot be read")):
        flags = ["train", f"--corpus={lines}", *SMALL, f"--user_dict={flag}", f"--workdir={tmp_path / 'run'}"]
        assert cli.run(train_main, flags) == 2
        [line] = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
        assert told in line
        assert not (tmp_path / "run" / "config.json").exists()
