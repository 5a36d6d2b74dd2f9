"""A model in one file of the user's goes through every command, and metadata reach its loss."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import forked
from conftest import SMALL, themed_lines

HERE = Path(__file__).parents[1] / "models"
ROOT = Path(__file__).parents[2]


def environment(models: str) -> dict[str, str]:
    return os.environ | {"ETM_JAX_MODELS": models, "PYTHONPATH": os.pathsep.join([str(HERE), str(ROOT)])}


def command(name: str, *flags: str, models: str = "prodlda", status: int = 0) -> subprocess.CompletedProcess:
    done = forked.run(
        [sys.executable, "-m", f"etm_jax.{name}", *flags], env=environment(models), capture_output=True, text=True
    )
    assert done.returncode == status, done.stderr
    return done


def test_prodlda_is_one_short_file() -> None:
    assert len((HERE / "prodlda.py").read_text("utf-8").splitlines()) < 80


@pytest.fixture(scope="module")
def workdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of ProdLDA that has ended."""
    folder = tmp_path_factory.mktemp("prodlda")
    (folder / "lines.txt").write_text("\n".join(themed_lines()) + "\n", encoding="utf-8")
    command("train", *flags(folder), f"--workdir={folder / 'run'}")
    return folder / "run"


def flags(folder: Path) -> list[str]:
    return [f"--corpus={folder / 'lines.txt'}", "--model=prodlda", *SMALL, "--num_epochs=40", "--learning_rate=0.05"]


def test_it_trains_and_exports_topics_that_differ(workdir: Path) -> None:
    beta = np.load(workdir / "export" / "beta.npy")
    np.testing.assert_allclose(beta.sum(1), 1, rtol=1e-5)
    top = [set(np.argsort(-row)[:5]) for row in beta]
    assert len(set.union(*top)) >= 12
    assert not (workdir / "export" / "rho.npy").exists()


def test_it_goes_on_after_a_kill_to_the_same_bytes(workdir: Path, tmp_path: Path) -> None:
    again = [sys.executable, "-m", "etm_jax.train", *flags(workdir.parent), "--checkpoint_every=1"]
    killed = forked.Popen([*again, f"--workdir={tmp_path / 'run'}"], env=environment("prodlda"))
    while not (metrics := tmp_path / "run" / "metrics.jsonl").exists() or len(metrics.read_text().splitlines()) < 5:
        assert killed.poll() is None
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    done = forked.run(
        [*again, f"--workdir={tmp_path / 'run'}"], env=environment("prodlda"), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    for name in ("beta.npy", "theta_train.npy"):
        assert (tmp_path / "run" / "export" / name).read_bytes() == (workdir / "export" / name).read_bytes()


def test_it_infers_evaluates_and_reports(workdir: Path, tmp_path: Path) -> None:
    (tmp_path / "new.txt").write_text("海洋 船 港口 渔民\n街道 地铁 工厂 工人\n", encoding="utf-8")
    command("infer", f"--workdir={workdir}", f"--input={tmp_path / 'new.txt'}", f"--output={tmp_path / 'theta.npy'}")
    theta = np.load(tmp_path / "theta.npy")
    np.testing.assert_allclose(theta.sum(1), 1, rtol=1e-5)
    assert theta[0].argmax() != theta[1].argmax()
    command("evaluate", f"--workdir={workdir}")
    assert json.loads((workdir / "metrics.json").read_text("utf-8"))["perplexity"]["by_token"] > 1
    command("report", f"--workdir={workdir}")
    assert (workdir / "report.html").stat().st_size > 10_000


def test_without_its_file_the_run_is_refused_in_one_line(workdir: Path, tmp_path: Path) -> None:
    (tmp_path / "new.txt").write_text("海洋 船\n", encoding="utf-8")
    done = command("infer", f"--workdir={workdir}", f"--input={tmp_path / 'new.txt'}", models="", status=2)
    assert done.stderr.count("\n") == 1
    assert "prodlda" in done.stderr
    assert "ETM_JAX_MODELS" in done.stderr


def test_a_column_of_metadata_reaches_the_loss(tmp_path: Path) -> None:
    """Of the three themes, whose documents take turns, the first two are to have .9 of topic 0 and the third .05."""
    with (tmp_path / "docs.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["text", "share"])
        rows.writerows([line, 0.05 if i % 3 == 2 else 0.9] for i, line in enumerate(themed_lines()))
    command(
        "train", f"--corpus={tmp_path / 'docs.csv'}", "--meta_fields=share", "--model=dated", *SMALL,
        "--num_epochs=30", "--learning_rate=0.02", "--refine_steps=0", "--infer_steps=0",
        f"--workdir={tmp_path / 'run'}", models="dated",
    )  # fmt: skip
    theta = np.load(tmp_path / "run" / "export" / "theta_train.npy")
    with (tmp_path / "run" / "export" / "doc_topics.csv").open(encoding="utf-8-sig", newline="") as file:
        share = np.array([float(row["share"]) for row in csv.DictReader(file) if row["split"] == "train"])
    for wanted in (0.05, 0.9):
        assert abs(theta[share == wanted, 0].mean() - wanted) < 0.1
