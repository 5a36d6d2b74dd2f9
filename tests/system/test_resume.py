"""Real processes, killed and started again until they are done; and runs that begin from another or are complete.

ETM_KILLS=25 pytest tests/system/test_resume.py also kills that many runs of each kind at random moments.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

import forked
from conftest import SMALL, themed_lines
from etm_jax.cli import flags as cli
from etm_jax.train import main

KILLS = int(os.environ.get("ETM_KILLS", "0"))
KINDS = {
    "default": ["--vectors=ppmi"],
    "ntm": ["--variant=ntm", "--vectors=cbow", "--vectors_epochs=3"],
    "seeds": ["--vectors=ppmi", "--num_seeds=3"],
    "random": ["--variant=paper", "--vectors=random", "--dropout=0.2", "--adam_moments=compact"],
}
EPOCHS = ["--num_epochs=6", "--checkpoint_every=2"]
ROOT = Path(__file__).parents[2]


def hidden(folder: Path) -> bool:
    return any(folder.glob(".*"))


def lines(folder: Path) -> int:
    metrics = folder / "metrics.jsonl"
    return metrics.read_bytes().count(b"\n") if metrics.exists() else 0


PLACES: dict[str, Callable[[Path], bool]] = {
    "the corpus is half-written": lambda folder: hidden(folder / "corpus") or (folder / "config.json").exists(),
    "the first state is half-saved": lambda folder: hidden(folder / "checkpoints") or lines(folder) > 0,
    "an epoch was not saved": lambda folder: lines(folder) >= 3,
    "the last state is half-saved": lambda folder: lines(folder) >= 6,
    "the results are half-written": lambda folder: any(folder.glob(".export.*")) or (folder / "export").exists(),
}
"""Moments by what the folder holds. A moment that was too short to be seen gives way to what comes next."""


class Unbroken(NamedTuple):
    """A run that nothing stopped, and the flags that made it."""

    folder: Path
    flags: list[str]


def start(folder: Path, flags: list[str]) -> "subprocess.Popen[bytes]":
    # A killed process may leave an entry of the compilation cache half-written, so these have one of their own.
    env = os.environ | {"PYTHONPATH": str(ROOT), "JAX_COMPILATION_CACHE_DIR": str(folder.with_name("jax"))}
    argv = [sys.executable, "-m", "etm_jax.train", *flags, f"--workdir={folder}"]
    with folder.with_suffix(".log").open("ab") as log:
        return forked.Popen(argv, env=env, stdout=log, stderr=log)


def finish(folder: Path, flags: list[str]) -> None:
    assert start(folder, flags).wait(timeout=300) == 0, folder.with_suffix(".log").read_text("utf-8")


def kill(process: "subprocess.Popen[bytes]") -> bool:
    """Kill -9. False where the process had ended well before."""
    process.send_signal(signal.SIGKILL)
    status = process.wait()
    assert status in (0, -signal.SIGKILL)
    return status != 0


@pytest.fixture(scope="module", params=KINDS if KILLS else ["default"])
def unbroken(request, tmp_path_factory) -> Unbroken:
    folder = tmp_path_factory.mktemp("resume") / "unbroken"
    corpus = folder.with_name("lines.txt")
    corpus.write_text("\n".join(themed_lines()) + "\n", encoding="utf-8")
    flags = [f"--corpus={corpus}", *SMALL, *KINDS[request.param], *EPOCHS]
    finish(folder, flags)
    return Unbroken(folder, flags)


def files(folder: Path) -> set[str]:
    """Every file of a run, and its checkpoints by name: what is inside them orbax names at random."""
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    outside = {name for name in found if not name.startswith("checkpoints/")}
    return outside | {f"checkpoints/{path.name}" for path in (folder / "checkpoints").iterdir()}


def figures(folder: Path) -> list[dict]:
    rows = map(json.loads, (folder / "metrics.jsonl").read_text("utf-8").splitlines())
    return [{name: v for name, v in row.items() if name not in ("seconds", "docs_per_s")} for row in rows]


def assert_same(folder: Path, unbroken: Unbroken) -> None:
    assert files(folder) == files(unbroken.folder)
    assert [row["epoch"] for row in figures(folder)] == list(range(1, 7))
    assert figures(folder) == figures(unbroken.folder)
    for path in (unbroken.folder / "export").iterdir():
        # Archives hold the time at which they were made.
        if path.suffix != ".npz":
            assert (folder / "export" / path.name).read_bytes() == path.read_bytes(), path.name


def test_a_run_that_was_killed_ends_as_if_it_was_not(unbroken):
    folder = unbroken.folder.with_name("killed")
    killed = 0
    for reached in PLACES.values():
        process = start(folder, unbroken.flags)
        while process.poll() is None and not reached(folder):
            time.sleep(0.001)
        killed += kill(process)
    assert killed >= len(PLACES) - 1
    finish(folder, unbroken.flags)
    assert_same(folder, unbroken)


@pytest.mark.skipif(not KILLS, reason="ETM_KILLS=25 kills so many runs of each kind, in some minutes")
def test_many_runs_that_were_killed_end_as_if_they_were_not(unbroken):
    started = time.monotonic()
    finish(unbroken.folder.with_name("timed"), unbroken.flags)
    seconds = time.monotonic() - started  # with its programs compiled before
    moments, killed, folders = random.Random(1), 0, 0
    while killed < KILLS:
        folders += 1
        folder = unbroken.folder.with_name(f"killed{folders}")
        while killed < KILLS:
            process = start(folder, unbroken.flags)
            try:
                process.wait(timeout=moments.uniform(0, seconds))
            except subprocess.TimeoutExpired:
                killed += kill(process)
            if process.returncode == 0:
                break
        finish(folder, unbroken.flags)
        assert_same(folder, unbroken)
    print(f"{killed} kills of {folders} runs")


def train(*argv: object) -> int:
    return cli.run(main, ["train", *map(str, argv)])


def test_a_complete_run_is_shown_again_and_not_changed(unbroken, capsys):
    def state() -> dict[Path, int]:
        kept = [unbroken.folder / "metrics.jsonl", *(unbroken.folder / "checkpoints").rglob("*")]
        return {path: path.stat().st_mtime_ns for path in kept}

    before, beta = state(), (unbroken.folder / "export" / "beta.npy").read_bytes()
    assert train(*unbroken.flags, f"--workdir={unbroken.folder}") == 0
    printed = capsys.readouterr()
    assert "was already complete, 6 epochs: nothing is trained" in printed.err
    assert printed.out in unbroken.folder.with_suffix(".log").read_text("utf-8")
    assert "coherence" in printed.out
    assert state() == before
    assert (unbroken.folder / "export" / "beta.npy").read_bytes() == beta


def test_a_run_begins_from_the_best_weights_of_another(lines_file, tmp_path):
    flags = (f"--corpus={lines_file}", *SMALL, "--lr_schedule=constant", "--export_from=best")
    assert train(*flags, f"--workdir={tmp_path / 'other'}", "--learning_rate=0.03", "--num_epochs=25") == 0
    slow = (*flags, "--learning_rate=1e-6", "--num_epochs=1")
    assert train(*slow, f"--workdir={tmp_path / 'cold'}") == 0
    assert train(*slow, f"--workdir={tmp_path / 'from other'}", f"--ckpt={tmp_path / 'other'}") == 0

    other, cold, ours = (tmp_path / name for name in ("other", "cold", "from other"))
    best = min(row["valid_nelbo"] for row in figures(other) if row["epoch"] % 5 == 0)
    assert figures(ours)[0]["valid_nelbo"] == pytest.approx(best, abs=0.05)
    assert figures(cold)[0]["valid_nelbo"] > best + 3
    betas = {path: np.load(path / "export" / "beta.npy", allow_pickle=False) for path in (other, cold, ours)}
    np.testing.assert_allclose(betas[ours], betas[other], atol=1e-4)
    assert np.abs(betas[cold] - betas[other]).max() > 0.01


def test_the_weight_of_the_overlap_stays_as_the_run_began(lines_file, tmp_path):
    """As a version with another rule for it recorded it; and where a record is older, as its settings have it."""
    flags = (f"--corpus={lines_file}", *SMALL, "--lr_schedule=constant")

    def begin(name: str, *more: str) -> dict:
        assert train(*flags, *more, f"--workdir={tmp_path / name}", "--num_epochs=1") == 0
        return json.loads((tmp_path / name / "config.json").read_text("utf-8"))

    def go_on(name: str, record: dict, *more: str) -> tuple[float, np.ndarray]:
        config = tmp_path / name / "config.json"
        config.write_text(json.dumps(record), "utf-8")
        (tmp_path / name / "SHA256SUMS").unlink()  # Which runs of then did not have.
        assert train(*flags, *more, f"--workdir={tmp_path / name}", "--num_epochs=4") == 0
        beta = np.load(tmp_path / name / "export" / "beta.npy", allow_pickle=False)
        return json.loads(config.read_text("utf-8"))["run"]["overlap_weight"], beta

    by_rule, heavy, given = begin("by rule"), begin("heavy"), begin("given", "--overlap_weight=5")
    heavy["run"]["overlap_weight"] = 5.0
    given["run"].pop("overlap_weight")
    (first, apart), (second, together) = go_on("heavy", heavy), go_on("by rule", by_rule)
    assert (first, second) == (5, by_rule["run"]["overlap_weight"])
    # The same weight would give the same bytes.
    assert not np.array_equal(apart, together)
    assert go_on("given", given, "--overlap_weight=5")[0] == 5


def test_weights_of_another_vocabulary_or_shape_are_refused(unbroken, tmp_path, capsys):
    (tmp_path / "lines.txt").write_text("\n".join(themed_lines()).replace("海洋", "大洋") + "\n", encoding="utf-8")
    corpus, ckpt = unbroken.flags[0], f"--ckpt={unbroken.folder}"
    for given, said in (
        ([f"--corpus={tmp_path / 'lines.txt'}"], "is not this corpus's"),
        ([corpus, "--hidden=8"], "do not fit --hidden=8"),
    ):
        assert train(*SMALL, *given, ckpt, f"--workdir={tmp_path / 'run'}") == 2
        assert said in capsys.readouterr().err.splitlines()[-1]
        assert not (tmp_path / "run" / "config.json").exists()
