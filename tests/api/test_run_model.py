"""The model of a run of the command line, loaded in Python."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from conftest import SMALL, themed_lines
from etm_jax import ETM
from etm_jax.api.run_model import OF_THE_FILES
from etm_jax.cli import flags as cli
from etm_jax.cli.run import run
from etm_jax.config.build import make_config
from etm_jax.results.edit_run import edit_run
from etm_jax.results.run import read_run
from etm_jax.training.run_folder import RunFolder
from etm_jax.training.run_record import self_fitted_record

LINES = themed_lines(60)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that has ended, on documents with seed words for the first topic."""
    place = tmp_path_factory.mktemp("run")
    (place / "lines.txt").write_text("\n".join(LINES), encoding="utf-8")
    (place / "seeds.txt").write_text("船 港口\n", encoding="utf-8")
    files = [f"--corpus={place / 'lines.txt'}", f"--workdir={place / 'run'}", f"--seed_words={place / 'seeds.txt'}"]
    run(*cli.parse(["train", *SMALL, *files, "--num_epochs=1", "--rarity=0.5"]))
    return place / "run"


def test_the_model_of_a_run_is_that_of_its_export(folder: Path, tmp_path: Path) -> None:
    model = ETM.load(folder)
    np.testing.assert_array_equal(model.components_, np.load(folder / "export" / "beta.npy"))
    table = (folder / "export" / "topics.csv").read_text("utf-8-sig").splitlines()[1:]
    rows = [f"{row.topic},{row.share:.6f},{' '.join(row.words)},{row.npmi:.6f}" for row in model.topic_info()]
    assert rows == table
    assert model.history_ == RunFolder(folder).epochs()
    assert model.transform(LINES[:2]).shape == (2, 3)
    with pytest.raises(ValueError, match="was loaded has no documents"):
        model.evaluate()
    model.save(tmp_path / "model")
    assert ETM.load(tmp_path / "model").topic_info() == model.topic_info()


def test_its_parameters_are_the_settings_of_the_run(folder: Path) -> None:
    model, record = ETM.load(folder), RunFolder(folder).record()
    assert record is not None
    assert (model.num_topics, model.segmenter, model.seed_words) == (3, "whitespace", [["船", "港口"]])
    assert model.settings == {"hidden": (16,), "embed_dim": 8, "batch_size": 32, "rarity": 0.5}
    ours, theirs = ({s.name: value for _, s, value in c.settings()} for c in (model._config(), record.config))
    assert {name for name in ours if ours[name] != theirs[name]} <= OF_THE_FILES


def test_a_run_with_edited_topics_is_loaded_as_edited(folder: Path, tmp_path: Path) -> None:
    edit_run(str(folder), str(tmp_path / "edited"), merge="0,2")
    model = ETM.load(tmp_path / "edited")
    assert model.components_.shape[0] == 2
    assert model.transform(LINES[:2]).shape == (2, 2)


def test_a_run_that_has_not_ended_or_is_of_another_model_is_refused(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "begun")
    shutil.rmtree(tmp_path / "begun" / "export")
    with pytest.raises(ValueError, match="cannot be read") as error:
        ETM.load(tmp_path / "begun")
    assert "\n" not in str(error.value)
    corpus = read_run(folder).corpus
    RunFolder(tmp_path / "lda").start(self_fitted_record(make_config("default", {"kind": "lda"}), corpus), corpus)
    with pytest.raises(ValueError, match=r"is a run of another model, lda; python -m etm_jax\.infer"):
        ETM.load(tmp_path / "lda")
