"""Several real processes on this machine, connected by gloo: they train what one trains, and end and go on together."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import forked
from conftest import SMALL, needs_scale, themed_lines
from etm_jax.config.settings import RunOptions
from etm_jax.training.distributed import (
    all_gather,
    distributed,
    environment_is_multiprocess,
    is_main_process,
    is_multiprocess,
)

EPOCHS, KEPT = 10, 2
FLAGS = (*SMALL, f"--num_epochs={EPOCHS}", f"--checkpoint_every={KEPT}")

LOST = (75, -signal.SIGABRT)
"""What a process ends with where another is gone: our own status, or the abort of JAX's runtime, whichever is first."""


def start(flags: tuple[str, ...], folder: Path, number: int) -> list[subprocess.Popen]:
    """So many processes that train as one in a folder."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    joins = ["--distributed", f"--coordinator=127.0.0.1:{port}", f"--num_processes={number}"]
    root = Path(__file__).parents[2]
    return [
        forked.Popen(
            [sys.executable, "-m", "etm_jax.train", *flags, f"--workdir={folder}"]
            + ([*joins, f"--process_id={i}"] if number > 1 else []),
            env=os.environ | {"JAX_PLATFORMS": "cpu", "PYTHONPATH": str(root)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for i in range(number)
    ]


def ended(processes: list[subprocess.Popen]) -> list[tuple[int, str, str]]:
    """Status and output of each."""
    outputs = [process.communicate(timeout=120) for process in processes]
    return [(process.returncode, *out) for process, out in zip(processes, outputs, strict=True)]


def train(flags: tuple[str, ...], folder: Path, number: int) -> Path:
    first, *others = ended(start(flags, folder, number))
    assert first[0] == 0, first[2]
    assert "topic" in first[1]
    # The others write nothing, and say nothing.
    assert [(status, out) for status, out, _ in others] == [(0, "")] * (number - 1), others
    assert all("epoch" not in err for _, _, err in others)
    return folder


def exported(folder: Path, name: str = "beta") -> np.ndarray:
    return np.load(folder / "export" / f"{name}.npy")


def losses(folder: Path) -> list[float]:
    return [json.loads(line)["nelbo"] for line in (folder / "metrics.jsonl").read_text("utf-8").splitlines()]


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("processes")
    (folder / "lines.txt").write_text("\n".join(themed_lines()) + "\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def flags(place) -> tuple[str, ...]:
    return (f"--corpus={place / 'lines.txt'}", *FLAGS)


@pytest.fixture(scope="module")
def alone(place, flags) -> Path:
    return train(flags, place / "1", 1)


@pytest.fixture(scope="module")
def two(place, flags) -> Path:
    return train(flags, place / "2", 2)


def test_two_processes_train_what_one_trains(alone, two):
    np.testing.assert_allclose(exported(two), exported(alone), atol=2e-4)
    np.testing.assert_allclose(exported(two, "theta_train"), exported(alone, "theta_train"), atol=2e-3)
    np.testing.assert_allclose(losses(two), losses(alone), rtol=1e-4)


def test_four_processes_split_the_words_too(alone, place, flags):
    four = train((*flags, "--mesh=data:2,vocab:2"), place / "4", 4)
    np.testing.assert_allclose(exported(four), exported(alone), atol=2e-4)
    np.testing.assert_allclose(losses(four), losses(alone), rtol=1e-4)


@pytest.fixture(scope="module")
def killed(place, flags) -> Path:
    """The folder of a job of two of which one was killed."""
    folder = place / "killed"
    processes = start(flags, folder, 2)
    deadline = time.monotonic() + 120
    while not (folder / "checkpoints" / str(KEPT)).exists():
        assert time.monotonic() < deadline
        assert [process.poll() for process in processes] == [None, None]
        time.sleep(0.01)
    processes[1].kill()
    (status, out, err), other = ended(processes)
    assert (status in LOST, out, other[0]) == (True, "", -signal.SIGKILL)
    assert "another process of this job is gone" in err
    assert "Traceback" not in err
    assert not (folder / "export").exists()
    return folder


def test_where_one_is_killed_all_end_and_go_on_to_equal_bytes(killed, two, place, flags):
    again = train(flags, Path(shutil.copytree(killed, place / "again")), 2)
    assert (again / "export" / "beta.npy").read_bytes() == (two / "export" / "beta.npy").read_bytes()


def test_they_go_on_in_another_number_too(killed, two, place, flags):
    again = train(flags, Path(shutil.copytree(killed, place / "other")), 1)
    np.testing.assert_allclose(exported(again), exported(two), atol=2e-4)


def test_a_signal_to_one_saves_the_state_of_all(place, flags):
    folder = place / "stopped"
    processes = start(flags, folder, 2)
    deadline = time.monotonic() + 120
    while not (folder / "checkpoints" / str(KEPT)).exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    processes[1].send_signal(signal.SIGTERM)
    assert [status for status, _, _ in ended(processes)] == [143, 143]
    assert max(int(path.name.partition("+")[0]) for path in (folder / "checkpoints").iterdir()) >= KEPT


def test_what_the_first_refuses_ends_the_others_too(place, two):
    results = ended(start((f"--corpus={place / 'lines.txt'}", *FLAGS, "--n_topic=4"), two, 2))
    assert [status for status, _, _ in results] == [2, 2]
    assert "--n_topic" in results[0][2]
    assert "first process" in results[1][2]


@pytest.fixture(scope="module")
def on_disk(place) -> tuple[str, ...]:
    """Flags of a training on a corpus in shards."""
    (place / "docs.txt").write_text("\n".join(themed_lines(600)) + "\n", encoding="utf-8")
    command = [sys.executable, "-m", "etm_jax.prepare", f"--input={place / 'docs.txt'}", f"--output={place / 'shards'}"]
    cut = [flag for flag in SMALL if flag.startswith(("--segmenter", "--no_"))]
    forked.run([*command, *cut, "--block_docs=8"], check=True, env=os.environ | {"JAX_PLATFORMS": "cpu"})
    return (f"--corpus={place / 'shards'}", *FLAGS, "--num_epochs=6", "--checkpoint_every=1")


@pytest.fixture(scope="module")
def from_disk(place, on_disk) -> Path:
    return train(on_disk, place / "shards_1", 1)


@needs_scale
def test_each_process_reads_its_own_part_of_a_corpus_on_disk(place, on_disk, from_disk):
    two = train(on_disk, place / "shards_2", 2)
    np.testing.assert_allclose(exported(two), exported(from_disk), atol=2e-4)
    np.testing.assert_allclose(losses(two), losses(from_disk), rtol=1e-4)


@needs_scale
def test_training_from_disk_resumes_to_equal_bytes(place, on_disk, from_disk):
    folder = place / "shards_killed"
    (process,) = start(on_disk, folder, 1)
    deadline = time.monotonic() + 120
    while not (folder / "checkpoints" / "1").exists():
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.communicate()
    assert not (folder / "export").exists()
    with pytest.raises(AssertionError, match=r"--read_workers=1, but the run in .* was started with --read_workers=0"):
        train((*on_disk, "--read_workers=1"), folder, 1)
    again = train(on_disk, folder, 1)
    assert (again / "export" / "beta.npy").read_bytes() == (from_disk / "export" / "beta.npy").read_bytes()


def test_one_process_agrees_with_itself():
    assert is_main_process()
    assert not is_multiprocess()
    np.testing.assert_array_equal(all_gather(np.array([3, 1])), [[3, 1]])
    with distributed(RunOptions()):
        assert not is_multiprocess()


@pytest.mark.parametrize(
    "environment, expected",
    [
        ({}, False),
        ({"JAX_NUM_PROCESSES": "1"}, False),
        ({"JAX_NUM_PROCESSES": "2"}, True),
        ({"SLURM_STEP_NUM_TASKS": "4"}, True),
        ({"OMPI_COMM_WORLD_SIZE": "8"}, True),
        ({"TPU_WORKER_HOSTNAMES": "10.0.0.1"}, False),
        ({"TPU_WORKER_HOSTNAMES": "10.0.0.1,10.0.0.2"}, True),
    ],
)
def test_a_cluster_says_that_there_are_several(environment, expected, monkeypatch):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert environment_is_multiprocess() == expected
