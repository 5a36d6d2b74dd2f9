"""Whole runs with --prevalence: one that goes on, one on shards, and new documents of both."""

import csv
from pathlib import Path

import numpy as np
import pytest

from conftest import SMALL, needs_scale, themed_lines
from etm_jax.cli import flags as cli
from etm_jax.cli.run import run
from etm_jax.inference.infer import Reading, infer
from etm_jax.interop.native_files import read_run_weights
from etm_jax.prepare import main as prepare
from etm_jax.util.errors import UserError

FLAGS = ("--meta_fields=theme", "--prevalence=~ theme", "--lr_schedule=constant")


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lines of three themes, each with its theme, which a tenth of them lack."""
    path = tmp_path_factory.mktemp("themes") / "lines.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["text", "theme"])
        rows.writerows([line, "海山城"[i % 3] if i % 10 else ""] for i, line in enumerate(themed_lines(120)))
    return path


def trained(corpus: Path, folder: Path, *more: str) -> Path:
    run(*cli.parse(["train", f"--corpus={corpus}", *SMALL, *FLAGS, f"--workdir={folder}", *more]))
    return folder


def test_a_run_that_goes_on_ends_with_the_same_bytes(table: Path, tmp_path: Path) -> None:
    whole = trained(table, tmp_path / "whole", "--num_epochs=4")
    trained(table, tmp_path / "parts", "--num_epochs=2")
    parts = trained(table, tmp_path / "parts", "--num_epochs=4")
    for name in ("beta", "theta_train", "theta_test"):
        assert (whole / "export" / f"{name}.npy").read_bytes() == (parts / "export" / f"{name}.npy").read_bytes()
    gamma = [np.asarray(read_run_weights(str(folder)).variables.params["gamma"]) for folder in (whole, parts)]
    np.testing.assert_array_equal(*gamma)
    assert np.abs(gamma[0]).max() > 0.01


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--prevalence=~ s(theme, 3)",), "takes a number or a date, and theme .3 categories. is neither"),
        (("--prevalence=~ mood",), "reads the metadata field 'mood'"),
        (("--ckpt=WHOLE", "--prevalence="), "was trained with --prevalence=~ theme, and its weights do not fit"),
    ],
)
def test_what_does_not_fit_is_one_line(table: Path, tmp_path: Path, flags: tuple[str, ...], says: str) -> None:
    if "--ckpt=WHOLE" in flags:
        flags = (f"--ckpt={trained(table, tmp_path / 'whole', '--num_epochs=1')}", *flags[1:])
    with pytest.raises(UserError, match=says):
        trained(table, tmp_path / "run", *flags)
    assert not (tmp_path / "run" / "config.json").exists()


def test_the_fields_are_read_from_standard_input_too(table: Path, tmp_path: Path, monkeypatch) -> None:
    folder = trained(table, tmp_path / "run", "--num_epochs=30")
    infer(str(folder), str(table), str(tmp_path / "file.npy"), Reading())
    with table.open(encoding="utf-8") as file:
        monkeypatch.setattr("sys.stdin", file)
        infer(str(folder), "-", str(tmp_path / "stdin.npy"), Reading(form="csv"))
    assert (tmp_path / "stdin.npy").read_bytes() == (tmp_path / "file.npy").read_bytes()


@needs_scale
def test_shards_move_the_prior_of_their_themes(table: Path, tmp_path: Path) -> None:
    shards = tmp_path / "shards"
    given = [f"--input={table}", f"--output={shards}", "--meta_fields=theme", "--segmenter=whitespace", "--no_below=1"]
    assert cli.run(prepare, ["prepare", *given, "--no_above=0.6"]) == 0
    small = [flag for flag in SMALL if not flag.startswith(("--segmenter", "--no_"))]
    more = ["--prevalence=~ theme", "--num_epochs=40", "--batch_size=64"]
    run(*cli.parse(["train", f"--corpus={shards}", *small, *more, f"--workdir={tmp_path / 'run'}"]))
    new = tmp_path / "new.csv"
    new.write_text("text,theme\n" + "".join(f"无此词,{theme}\n" for theme in "海山城"), "utf-8")
    infer(str(tmp_path / "run"), str(new), str(tmp_path / "theta.npy"), Reading())
    theta = np.load(tmp_path / "theta.npy")
    # Documents without a word of the model have the topics of their theme: three different ones.
    assert len(set(theta.argmax(axis=1))) == 3
