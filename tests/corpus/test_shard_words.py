"""The form of words in shards: as the flags say, with either runner, and known to the runs that read them."""

import dataclasses
import json

import pytest

from conftest import needs_scale
from etm_jax.config.corpus_settings import CorpusConfig
from etm_jax.corpus.prepare import prepare as prepare_any
from etm_jax.corpus.shard_writing import local
from etm_jax.corpus.shard_writing.job import make_job
from etm_jax.corpus.shard_writing.pipeline import BeamRunner
from etm_jax.corpus.shard_writing.prepare import prepare_shards
from etm_jax.corpus.sources import as_prepared, find_source
from etm_jax.corpus.words.segmenters import segmenter_version
from etm_jax.corpus.words.unicode_words import EARLIER_WORDS
from etm_jax.util.errors import UserError

pytestmark = needs_scale


@pytest.mark.parametrize("runner", ["local", "beam"])
def test_either_runner_folds_scripts_and_keeps_digits(tmp_path, runner):
    pytest.importorskip("opencc", reason="opencc is not installed (extra: script)")
    (tmp_path / "a.txt").write_text("\n".join(["5G 頭髮", "5G 头发", "頭髮 的"] * 30), encoding="utf-8")
    (tmp_path / "stop.txt").write_text("的", encoding="utf-8")
    config = CorpusConfig(
        segmenter="whitespace", no_below=1, no_above=1.0, script="traditional", keep_digits=True, workers=1
    )
    config = dataclasses.replace(config, stopwords=str(tmp_path / "stop.txt"))
    run = local.run if runner == "local" else BeamRunner("")
    manifest = prepare_shards(make_job(str(tmp_path / "a.txt"), config), tmp_path / "out", run)
    assert sorted(json.loads((tmp_path / "out/vocabulary.json").read_text("ascii"))["words"]) == ["5G", "頭髮"]
    assert manifest.settings["script"] == "traditional"
    plain = make_job(str(tmp_path / "a.txt"), CorpusConfig(segmenter="whitespace"))
    assert not {"script", "keep_digits", "opencc"} & set(plain.settings)


def test_a_run_on_a_prepared_folder_has_the_settings_of_its_words(tmp_path):
    (tmp_path / "a.txt").write_text("\n".join(["5G net", "5G web", "net web"] * 30))
    config = CorpusConfig(segmenter="whitespace", no_below=1, no_above=1.0, keep_digits=True, workers=1)
    prepare_shards(make_job(str(tmp_path / "a.txt"), config), tmp_path / "out")
    given = CorpusConfig(corpus=str(tmp_path / "out"))
    assert as_prepared(given).keep_digits
    assert "5G" in prepare_any(find_source(given), as_prepared(given)).vocabulary.words
    with pytest.raises(UserError, match=r"--phrases: .*out was prepared without; leave the flag out"):
        as_prepared(dataclasses.replace(given, phrases=True))


@pytest.mark.parametrize(
    "splitter", [segmenter_version(EARLIER_WORDS), "words (Unicode 13.0.0)", "words 2 (Unicode 13.0.0)"]
)
def test_a_folder_that_an_earlier_splitter_or_another_python_filled_is_left_as_it_is(tmp_path, splitter):
    (tmp_path / "a.txt").write_text("\n".join(["cat dog", "cat hen", "hen dog"] * 30))
    config = CorpusConfig(lang="en", no_below=1, no_above=1.0, workers=1)
    job = make_job(str(tmp_path / "a.txt"), config)
    earlier = dataclasses.replace(job, segmenter=splitter)
    made = prepare_shards(earlier, tmp_path / "out")
    assert prepare_shards(job, tmp_path / "out") == made
    with pytest.raises(UserError, match="prepared from other files, or with other settings"):
        prepare_shards(make_job(str(tmp_path / "a.txt"), dataclasses.replace(config, no_below=2)), tmp_path / "out")
