"""What earlier versions stored is read and gone on with, and what a later one stored is refused by its name.

tests/stored_forms/README.md says which version wrote each archive.
"""

import json
import shutil
import tarfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from conftest import needs_scale
from etm_jax import ETM
from etm_jax.cli import flags as cli
from etm_jax.corpus.shards import read_corpus
from etm_jax.corpus.store.cache import FORMAT as CORPUS_FORMAT
from etm_jax.corpus.store.cache import load_corpus
from etm_jax.corpus.types import Corpus
from etm_jax.inference.predictor import read_predictor
from etm_jax.interop.read import read_saved_model
from etm_jax.train import main
from etm_jax.training.run_folder import RunFolder
from etm_jax.util.digests import DIGESTS, file_digests
from etm_jax.util.errors import UserError
from etm_jax.util.forms import FORMAT
from etm_jax.util.tensor_files import read_metadata, read_tensors, write_tensors

ARCHIVES = sorted(
    Path(__file__).parents[1].joinpath("stored_forms").glob("*.tar.xz"),
    key=lambda path: (int(path.name.partition("_")[0]), path.name),
)
"""By the format and the day of the commit; what the first holds cannot be read any more."""

GONE, *READ = ARCHIVES


@cache
def parts(archive: Path) -> set[str]:
    """What is in an archive."""
    with tarfile.open(archive) as packed:
        return {name.partition("/")[0] for name in packed.getnames()}


def holding(part: str) -> pytest.MarkDecorator:
    """The archives with that in them, as the fixture `stored`."""
    having = [path for path in READ if part in parts(path)]
    return pytest.mark.parametrize("stored", having, indirect=True, ids=lambda path: path.name.partition(".")[0])


@pytest.fixture
def stored(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of what an archive holds: the folder in which its commands were given, and in which the test is."""
    with tarfile.open(request.param) as archive:
        archive.extractall(tmp_path, filter="data")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def newest(tmp_path: Path) -> Path:
    """A copy of the archive of the newest format."""
    with tarfile.open(READ[-1]) as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path


def corpus_of(run: Path) -> Corpus:
    return load_corpus(next(run.joinpath("corpus").iterdir()))


def command(run: Path) -> list[str]:
    """The flags that a run was started with: all of them, as the defaults were others then."""
    record = RunFolder(run).record()
    given = [s.spelled(value) for _, s, value in record.config.settings() if value not in (None, "")]
    return [f"--workdir={run}", f"--variant={record.config.variant}", *given]


def same_theta(found: np.ndarray, expected: np.ndarray) -> None:
    """That of another version of XLA, perhaps on another processor."""
    np.testing.assert_allclose(found, expected, atol=2e-5)


def test_the_newest_format_is_among_them() -> None:
    """Raising FORMAT takes an archive of what it stores: tests/stored_forms/README.md says how."""
    with tarfile.open(READ[-1]) as archive:
        written = json.load(archive.extractfile("run/config.json"))
    assert written["format"] == FORMAT
    by_format = Path(__file__).parents[1] / "config" / "settings_by_format.json"
    of_format = json.loads(by_format.read_text("ascii"))[str(FORMAT)]
    assert {section: list(values) for section, values in written["config"].items() if section != "variant"} == of_format


@holding("run")
def test_a_run_has_the_topics_that_it_had(stored: Path) -> None:
    counts = corpus_of(stored / "run").train.counts
    for run in ("run", "report"):
        if (stored / run).exists():
            theta = read_predictor(str(stored / run)).theta(counts)
            same_theta(theta, np.load(stored / run / "export" / "theta_train.npy"))


@holding("run")
def test_a_run_goes_on(stored: Path) -> None:
    run = stored / "run"
    before = RunFolder(run).epochs()
    assert cli.run(main, ["train", *command(run), "--num_epochs=3"]) == 0
    after = RunFolder(run).epochs()
    assert after[:2] == before
    assert [row["epoch"] for row in after] == [1, 2, 3]
    assert after[2]["step"] == 3 * before[0]["step"]
    assert after[2]["valid_nelbo"] == pytest.approx(before[1]["valid_nelbo"], rel=0.02)
    theta = read_predictor(str(run)).theta(corpus_of(run).train.counts)
    same_theta(theta, np.load(run / "export" / "theta_train.npy"))
    assert json.loads((run / "config.json").read_text("utf-8"))["format"] == FORMAT


@holding("report")
def test_a_run_whose_corpus_was_not_kept_goes_on_with_the_same_words(stored: Path) -> None:
    assert cli.run(main, ["train", *command(stored / "report"), "--num_epochs=3"]) == 0
    assert corpus_of(stored / "report").digest == RunFolder(stored / "report").record().corpus_digest
    assert [row["epoch"] for row in RunFolder(stored / "report").epochs()] == [1, 2, 3]


@holding("run")
def test_a_prepared_corpus_is_that_of_today(stored: Path) -> None:
    """All were made from one text, and nothing but the order of columns has changed."""
    corpus = corpus_of(stored / "run")
    assert (corpus.num_train, len(corpus.valid), len(corpus.test)) == (21, 1, 2)
    assert corpus.train.counts.sum() + corpus.valid.counts.sum() + corpus.test.counts.sum() == 24 * 12
    lines = (stored / "lines.txt").read_text("utf-8").splitlines()
    for part in (corpus.train, corpus.valid, corpus.test):
        for name, first_words, counts in zip(part.ids, part.first_words, part.counts.toarray(), strict=True):
            document = lines[int(name) - 1]
            assert document.startswith(first_words.rstrip("…"))
            assert counts.tolist() == [document.split().count(word) for word in corpus.vocabulary.words]


@holding("model")
def test_a_saved_model_has_the_topics_that_it_had(stored: Path) -> None:
    lines = (stored / "lines.txt").read_text("utf-8").splitlines()
    same_theta(ETM.load(stored / "model").transform(lines), np.load(stored / "theta.npy"))


@holding("run.safetensors")
def test_a_file_of_weights_is_the_run_that_it_was_made_from(stored: Path) -> None:
    pytest.importorskip("safetensors")
    run, file = read_saved_model(str(stored / "run")), read_saved_model(str(stored / "run.safetensors"))
    assert file.config == run.config
    assert file.vocabulary.words == run.vocabulary.words
    counts = corpus_of(stored / "run").train.counts
    same_theta(read_predictor(str(stored / "run.safetensors")).theta(counts), read_predictor("run").theta(counts))


@needs_scale
@holding("shards")
def test_shards_hold_the_text(stored: Path) -> None:
    corpus = read_corpus(stored / "shards")
    words = "".join((stored / "lines.txt").read_text("utf-8")).split()
    assert corpus.num_train == 24
    found = dict(zip(corpus.vocabulary.words, corpus.train.counts.sum(axis=0).A1.tolist(), strict=True))
    assert found == {word: words.count(word) for word in set(words)}


def test_what_the_code_cannot_do_any_more_is_refused_by_the_version(tmp_path: Path) -> None:
    with tarfile.open(GONE) as archive:
        archive.extractall(tmp_path, filter="data")
    with pytest.raises(
        UserError,
        match=r"config.json is of an earlier version: it was made before --read_rho, and what the code did then is "
        r"gone; it was written by etm_jax 0\.1\.0, format 0",
    ):
        RunFolder(tmp_path / "run").record()
    # Its corpus is the corpus of then, and can be used.
    assert corpus_of(tmp_path / "run").num_train == 21


# What a later version stored


def of_later_version(path: Path, **more: object) -> None:
    """Let a file of ours be of a later version."""
    values = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps(values | {"etm_jax": "9.9.9", "format": 99} | more), encoding="utf-8")


def later_run(folder: Path) -> None:
    of_later_version(folder / "run" / "config.json", config={"unknown": {}})
    RunFolder(folder / "run").record()


def later_checkpoint(folder: Path) -> None:
    checkpoint = folder / "run" / "checkpoints" / "2"
    of_later_version(checkpoint / "progress.json", epoch=[2])
    (checkpoint / DIGESTS).write_text(file_digests(checkpoint), encoding="utf-8")
    read_saved_model(str(folder / "run"))


def later_model(folder: Path) -> None:
    of_later_version(folder / "model" / "model.json")
    shutil.rmtree(folder / "run")
    read_saved_model(str(folder / "model"))


def later_tensors(folder: Path) -> None:
    pytest.importorskip("safetensors")
    path = folder / "run.safetensors"
    about = read_metadata(path) | {"etm_jax": "9.9.9", "format": "99", "config": "{}"}
    write_tensors(path, read_tensors(path), about)
    read_saved_model(str(path))


def later_corpus(folder: Path) -> None:
    of_later_version(next(folder.glob("run/corpus/*/corpus.json")))
    corpus_of(folder / "run")


def later_shards(folder: Path) -> None:
    pytest.importorskip("grain")
    pytest.importorskip("array_record")
    of_later_version(folder / "shards" / "manifest.json", parts=[])
    read_corpus(folder / "shards")


@pytest.mark.parametrize(
    "read",
    [later_run, later_checkpoint, later_model, later_tensors, later_corpus, later_shards],
    ids=lambda f: f.__name__,
)
def test_what_a_later_version_stored_is_refused_by_its_name(newest: Path, read: Callable[[Path], None]) -> None:
    with pytest.raises(UserError, match=r"is of a later version: .*it was written by etm_jax 9\.9\.9, format 99$"):
        read(newest)


def test_a_later_version_of_a_prepared_corpus_is_prepared_again(newest: Path, capsys, monkeypatch) -> None:
    monkeypatch.chdir(newest)
    of_later_version(next(newest.glob("run/corpus/*/corpus.json")))
    assert cli.run(main, ["train", *command(newest / "run"), "--num_epochs=3"]) == 0
    assert "cannot be used" in capsys.readouterr().err
    assert json.loads(next(newest.glob("run/corpus/*/corpus.json")).read_text("ascii"))["format"] == CORPUS_FORMAT


def test_settings_of_a_damaged_file_are_not_taken_for_earlier_ones(newest: Path) -> None:
    """One that was always stored has no value of before it: its absence is damage."""
    path = newest / "run" / "config.json"
    values = json.loads(path.read_text("utf-8"))
    del values["config"]["model"]["skip"]
    path.write_text(json.dumps(values), encoding="utf-8")
    (newest / "run" / DIGESTS).unlink()  # Which would find it first.
    with pytest.raises(UserError, match=r"damaged \(section 'model' lacks skip\); it was written by etm_jax 0\.1\.0"):
        RunFolder(newest / "run").record()


@pytest.mark.parametrize("stored", [READ[0]], indirect=True)
def test_all_flags_are_named_that_the_defaults_of_then_take(stored: Path, capsys: pytest.CaptureFixture[str]) -> None:
    few = [flag for flag in command(stored / "run") if flag.partition("=")[0] not in ("--rho_lr", "--infer_variance")]
    assert cli.run(main, ["train", *few]) == 2
    said = capsys.readouterr().err
    assert "this command has --infer_variance=1.5, --rho_lr=0.35, but the run in" in said
    assert "was started with --infer_variance=3.0, --rho_lr=0.5;" in said
