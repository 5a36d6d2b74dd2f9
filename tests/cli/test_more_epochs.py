"""A run that has ended is given more epochs: the step size falls anew over those that are new."""

import json
import math
import shutil

import pytest

from conftest import SMALL, themed_lines
from etm_jax.cli import flags as cli
from etm_jax.train import main
from etm_jax.training.run_folder import RunFolder
from etm_jax.training.trainer import Trainer

STEPS, RATE = 4, 0.006
"""Of an epoch; --learning_rate."""


def train(*argv: object) -> int:
    return cli.run(main, ["train", *map(str, argv)])


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    """A run of two epochs, and its flags but for their number."""
    folder = tmp_path_factory.mktemp("more")
    (folder / "lines.txt").write_text("\n".join(themed_lines()) + "\n", encoding="utf-8")
    flags = [f"--corpus={folder / 'lines.txt'}", *SMALL, "--checkpoint_every=1"]
    assert train(*flags, "--num_epochs=2", f"--workdir={folder / 'run'}") == 0
    return folder / "run", flags


def rows_of(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text("utf-8").splitlines()]


def rate(step: int, first: int, last: int) -> float:
    """Of a cosine that falls to a fiftieth, at the end of an epoch."""
    return RATE * (0.98 * 0.5 * (1 + math.cos(math.pi * (step - first) / (last - first))) + 0.02)


def test_epochs_are_added_with_a_schedule_of_their_own(ended, tmp_path, capsys, monkeypatch):
    before, flags = ended
    run, parts = (shutil.copytree(before, tmp_path / name) for name in ("run", "parts"))
    assert train(*flags, "--num_epochs=4", f"--workdir={run}") == 0
    assert "gets 2 more" in capsys.readouterr().err
    rows = rows_of(run)
    assert rows[:2] == rows_of(before)
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4]
    ends = [(1, 0, 2), (2, 0, 2), (3, 2, 4), (4, 2, 4)]
    expected = [rate(STEPS * epoch - 1, STEPS * first, STEPS * last) for epoch, first, last in ends]
    assert [row["lr"] for row in rows] == pytest.approx(expected)

    # Stopped within the epochs that were added, the same command goes on as if it had not been.
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_signal_received", lambda self, step=0: 15 * (self.progress.epoch == 3))
        assert train(*flags, "--num_epochs=4", f"--workdir={parts}") == 128 + 15
    assert train(*flags, "--num_epochs=4", f"--workdir={parts}") == 0
    assert (parts / "export" / "beta.npy").read_bytes() == (run / "export" / "beta.npy").read_bytes()
    assert RunFolder(parts).record().restarted_after == 2


def test_a_run_that_has_not_ended_keeps_its_number(ended, tmp_path, capsys):
    before, flags = ended
    run = shutil.copytree(before, tmp_path / "run")
    shutil.rmtree(run / "export")
    assert train(*flags, "--num_epochs=4", f"--workdir={run}") == 2
    assert "has --num_epochs=4, but the run" in capsys.readouterr().err
    assert train(*flags, "--num_epochs=1", f"--workdir={before}") == 2
    assert "has --num_epochs=1, but the run" in capsys.readouterr().err
