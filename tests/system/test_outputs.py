"""No command and no function writes over what it reads, whatever it is called."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from conftest import SMALL, themed_lines
from etm_jax import ETM, convert, evaluate, infer, prepare, train
from etm_jax.cli import flags as cli
from etm_jax.config.declaration import settings_of
from etm_jax.config.settings import RunOptions, all_sections
from etm_jax.interop import read_saved_model, to_safetensors
from etm_jax.interop.folders import save_folder
from etm_jax.report import __main__ as report
from etm_jax.training.run_folder import RunFolder
from etm_jax.util.errors import UserError

RUN, INPUT = "--workdir=run", "--input=news.csv"
AGAIN = [*SMALL, "--num_epochs=1", RUN, "--corpus=news.csv", "--stopwords=stop.txt", "--meta=meta.csv"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A folder with a finished run and all that it was trained on."""
    folder = tmp_path_factory.mktemp("outputs")
    (folder / "news.csv").write_text("text\n" + "\n".join(themed_lines()) + "\n", encoding="utf-8")
    (folder / "stop.txt").write_text("的\n", encoding="utf-8")
    (folder / "meta.csv").write_text("document,day\n1,2024-05-31\n2,2024-06-01\n", encoding="utf-8")
    (folder / "names.csv").write_text("topic,name\n0,sea\n", encoding="utf-8")
    (folder / "projector").mkdir()
    (folder / "projector" / "names.csv").write_text("topic,name\n0,sea\n", encoding="utf-8")
    before = Path.cwd()
    os.chdir(folder)
    try:
        assert cli.run(train.main, ["train", *AGAIN]) == 0
    finally:
        os.chdir(before)
    model = read_saved_model(str(folder / "run"))
    to_safetensors(folder / "model.safetensors", model)
    np.save(folder / "rho.npy", model.variables.params["rho"])
    (folder / "link.csv").symlink_to("news.csv")
    for name, other in (
        ("hard.csv", "news.csv"),
        ("beta.safetensors", "run/export/beta.npy"),
        ("stop.pt", "stop.txt"),
        ("shards/vocabulary.json", "stop.txt"),
    ):
        (folder / name).parent.mkdir(exist_ok=True)
        os.link(folder / other, folder / name)
    return folder


class Case(NamedTuple):
    """A command, its flags, and what its error names."""

    main: Callable
    flags: list[str]
    said: str


CASES = [
    Case(infer.main, [RUN, INPUT, "--output=news.csv"], "--output=news.csv"),
    Case(infer.main, [RUN, INPUT, "--output=link.csv"], "--output=link.csv"),
    Case(infer.main, [RUN, "--input=link.csv", "--output=hard.csv"], "--output=hard.csv"),
    Case(infer.main, [RUN, "--input=names.csv", "--text_field=name", "--output=hard.csv"], "--corpus of its training"),
    Case(infer.main, [RUN, INPUT, "--meta=meta.csv", "--output=meta.csv"], "--meta=meta.csv"),
    Case(infer.main, [RUN, INPUT, "--output=run/export/doc_topics.csv"], "(--workdir=run/export/doc_topics.csv)"),
    Case(infer.main, [RUN, INPUT, "--output=run/metrics.jsonl"], "(--workdir=run/metrics.jsonl)"),
    Case(report.main, [RUN, "--output=news.csv"], "--corpus of its training=news.csv"),
    Case(report.main, [RUN, "--output=stop.txt"], "--stopwords of its training=stop.txt"),
    Case(report.main, [RUN, "--output=run/vocabulary"], "(--workdir=run/vocabulary)"),
    Case(report.main, [RUN, "--output=run/config.json"], "(--workdir=run/config.json)"),
    Case(report.main, [RUN, "--output=run/metrics.json"], "(--workdir=run/metrics.json)"),
    Case(report.main, [RUN, "--topic_names=names.csv", "--output=names.csv"], "(--topic_names=names.csv)"),
    Case(
        report.main,
        [RUN, "--topic_names=projector/names.csv", "--output=page.html", "--projector"],
        "--projector=projector/names.csv",
    ),
    Case(evaluate.main, [RUN, "--labels=run/metrics.json"], "(--labels=run/metrics.json)"),
    Case(convert.main, ["--from=model.safetensors", "--to=model.safetensors"], "--to=model.safetensors"),
    Case(convert.main, ["--from=run", "--to=beta.safetensors"], "(--from=run/export/beta.npy)"),
    Case(convert.main, ["--from=run", "--to=stop.pt", "--layout=ntm"], "--stopwords of its training=stop.txt"),
    Case(train.main, [*AGAIN, "--corpus=run/export"], "(--corpus=run/export/vocab.txt)"),
    Case(train.main, [*AGAIN, "--seed_words=run/export/vocab.txt"], "(--seed_words=run/export/vocab.txt)"),
    Case(train.main, [*SMALL, "--corpus=news.csv", "--workdir=new", "--ckpt=new"], "(--ckpt=new/checkpoints)"),
    Case(prepare.main, [*SMALL, RUN, "--corpus=run/export"], "(--corpus=run/export/vocab.txt)"),
    Case(prepare.main, [*SMALL, INPUT, "--output=shards", "--stopwords=stop.txt"], "(--stopwords=stop.txt)"),
]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.main.__module__} {case.flags[-2:]}")
def test_an_output_that_is_an_input_is_refused(case, trained, monkeypatch, capsys):
    monkeypatch.chdir(trained)
    before = contents(trained)
    assert cli.run(case.main, ["command", *case.flags]) == 2
    (error,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert "would be written over what is read" in error
    assert case.said in error
    assert contents(trained) == before


@pytest.mark.parametrize("name", ["thesis.tex", "notes", "page.html.txt"])
def test_a_page_takes_the_place_of_pages_alone(name, trained, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(trained)
    (tmp_path / name).write_text("mine")
    assert cli.run(report.main, ["report", RUN, f"--output={tmp_path / name}"]) == 2
    assert "is to be a page; give a name that ends in .html" in capsys.readouterr().err
    assert (tmp_path / name).read_text() == "mine"


def test_a_saved_model_does_not_go_over_what_it_was_trained_on(trained, tmp_path, monkeypatch):
    monkeypatch.chdir(trained)
    model = read_saved_model("run")
    save_folder(tmp_path / "model", model, {})
    (tmp_path / "model" / "weights.npz").unlink()
    os.link("stop.txt", tmp_path / "model" / "weights.npz")
    with pytest.raises(UserError, match=r"path=.*weights\.npz .*--stopwords of its training=stop\.txt.*another path"):
        save_folder(tmp_path / "model", model, {})
    assert Path("stop.txt").read_text("utf-8") == "的\n"


def test_the_comparison_with_torch_does_not_either(tmp_path):
    pytest.importorskip("torch")
    from etm_jax.parity.compare import Comparison

    corpus = tmp_path / "rows.csv"
    corpus.write_text("text\na\n")
    with pytest.raises(UserError, match=r"--out=.*rows\.csv would be written over .*--corpus="):
        Comparison("", str(corpus), 100, 100, 1, str(tmp_path)).run(["passes"])


def test_beside_a_runs_own_files_there_is_room(trained, monkeypatch):
    monkeypatch.chdir(trained)
    for _ in range(2):  # The second time over its own.
        assert cli.run(infer.main, ["infer", RUN, INPUT, "--output=run/theta.csv"]) == 0
        assert cli.run(convert.main, ["convert", "--from=run", "--to=run/model.safetensors"]) == 0
    assert {Path("run", "theta.csv"), Path("run", "model.safetensors")} <= set(Path("run").iterdir())


def test_the_parts_of_a_run_are_all_that_it_writes(trained):
    parts = {path.name for path in RunFolder(trained / "run").parts}
    written = {path.name for path in (trained / "run").iterdir()} - {"theta.csv", "model.safetensors"}
    assert written | {"metrics.json", "edit.json"} == parts


def test_every_setting_that_names_a_path_says_whether_it_is_read():
    kinds = [*all_sections().values(), RunOptions]
    paths = {s.flag for kind in kinds for s in settings_of(kind) if {"FILE", "FOLDER"} & set(s.shown.split("|"))}
    reads = {s.flag for kind in kinds for s in settings_of(kind) if s.reads}
    # `files_of` and `model_files` know what is read of the first two; the others are written to.
    assert paths - reads == {"corpus", "ckpt", "cache_dir", "workdir", "compilation_cache"}
    assert reads - paths == {"vectors", "context"}  # file:PATH and bert:FOLDER are among their choices.


PLACES = [(evaluate, "metrics.json", "metrics.changed.json"), (report, "report.html", "report.changed.html")]


@pytest.mark.parametrize(("command", "name", "other"), PLACES)
def test_a_users_file_that_has_the_name_of_a_result_is_kept(
    command, name, other, trained, monkeypatch, tmp_path, capsys
):
    shutil.copytree(trained, tmp_path / "all")
    monkeypatch.chdir(tmp_path / "all")
    mine, again = Path("run", name), [command.__name__, RUN]
    mine.write_text("mine")
    assert cli.run(command.main, again) == 0
    assert f"run/{name} is not as it was written here; it is kept as run/{other}" in capsys.readouterr().err
    assert Path("run", other).read_text() == "mine"
    written = mine.read_bytes()
    assert cli.run(command.main, again) == 0  # Its own it replaces, without a word.
    assert "kept as" not in capsys.readouterr().err
    assert mine.read_bytes() == written
    mine.write_bytes(written + b"\n")  # One that the user added to.
    assert cli.run(command.main, again) == 0
    second = other.replace("changed", "changed2")
    assert f"it is kept as run/{second}" in capsys.readouterr().err
    assert {path.name for path in Path("run").glob("*.changed*")} == {other, second}
    assert subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd="run", check=False).returncode == 0


@pytest.mark.parametrize(("command", "name", "other"), PLACES)
def test_results_of_a_version_that_listed_none_are_replaced(
    command, name, other, trained, monkeypatch, tmp_path, capsys
):
    shutil.copytree(trained, tmp_path / "all")
    monkeypatch.chdir(tmp_path / "all")
    digests, before = Path("run", "SHA256SUMS"), Path("run", "SHA256SUMS").read_bytes()
    assert cli.run(command.main, [command.__name__, RUN]) == 0
    mine = Path("run", name)
    mine.write_bytes(mine.read_bytes() + b"\n")
    digests.write_bytes(before)
    assert cli.run(command.main, [command.__name__, RUN]) == 0
    assert not Path("run", other).exists()
    digests.unlink()  # A run of a time when no digests were kept gets none, which would not be those of its parts.
    assert cli.run(command.main, [command.__name__, RUN]) == 0
    assert not digests.exists()
    assert "kept as" not in capsys.readouterr().err


def test_a_saved_models_results_stay_when_it_is_saved_again(tmp_path, capsys):
    texts = themed_lines()
    model = ETM(num_topics=2, num_epochs=1, vectors="random", no_above=1.0).fit(texts)
    place = tmp_path / "model"
    model.save(place, documents=True)
    (place / "report.html").write_text("mine")
    for command, name in ((evaluate, "metrics.json"), (report, "report.html")):
        assert cli.run(command.main, [name, f"--workdir={place}"]) == 0
    kept = {name: (place / name).read_bytes() for name in ("metrics.json", "report.html", "report.changed.html")}
    model.save(place, documents=True)
    model.save(place)
    assert {name: (place / name).read_bytes() for name in kept} == kept
    assert not (place / "documents").exists()
    capsys.readouterr()
    assert ETM.load(place).num_topics == 2
    model.save(place, documents=True)
    for command, name in ((evaluate, "metrics.json"), (report, "report.html")):
        assert cli.run(command.main, [name, f"--workdir={place}"]) == 0
    assert "kept as" not in capsys.readouterr().err
