"""What a run survives: signals, a full disk, a second process, damage, a changed corpus, odd paths. Real processes."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

import forked
from conftest import SMALL, themed_lines
from etm_jax import infer
from etm_jax.cli import flags as cli
from etm_jax.report import __main__ as report
from etm_jax.train import main
from etm_jax.training.checkpoint import Checkpoints
from etm_jax.util.errors import UserError
from etm_jax.util.lock import locked

ROOT = Path(__file__).parents[2]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT)}
LONG = ("--batch_size=2", "--num_epochs=3", "--checkpoint_every=1")
"""Of `many` documents: epochs of a second, within which a signal is sure to come."""


def command(*flags: object) -> list[str]:
    return [sys.executable, "-m", "etm_jax.train", *map(str, flags)]


def start(*flags: object, env: dict[str, str] = ENVIRONMENT) -> "subprocess.Popen[str]":
    return forked.Popen(command(*flags), env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def train(*flags: object) -> int:
    return cli.run(main, ["train", *map(str, flags)])


def wait_until(process: "subprocess.Popen[str]", reached: Callable[[], bool]) -> None:
    while not reached():
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)


def epochs_logged(folder: Path) -> int:
    metrics = folder / "metrics.jsonl"
    return metrics.read_bytes().count(b"\n") if metrics.exists() else 0


def exported(folder: Path) -> bytes:
    return (folder / "export" / "beta.npy").read_bytes()


def figures(folder: Path) -> list[dict[str, float]]:
    rows = map(json.loads, (folder / "metrics.jsonl").read_text("utf-8").splitlines())
    return [{name: v for name, v in row.items() if name not in ("seconds", "docs_per_s")} for row in rows]


@pytest.fixture(scope="module")
def many(tmp_path_factory) -> list[str]:
    """Flags of a run with long epochs, of 1,600 documents: 680 steps."""
    corpus = tmp_path_factory.mktemp("many") / "lines.txt"
    corpus.write_text("\n".join(themed_lines(1600)) + "\n", encoding="utf-8")
    return [f"--corpus={corpus}", *SMALL, *LONG]


@pytest.fixture(scope="module")
def unbroken(many) -> Path:
    """The folder of that run, ended without a fault."""
    folder = Path(many[0].partition("=")[2]).with_name("unbroken")
    assert train(*many, f"--workdir={folder}") == 0
    return folder


@pytest.mark.parametrize("number, status", [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)])
def test_a_signal_saves_the_state_and_the_run_resumes_from_within_the_epoch(number, status, many, unbroken, tmp_path):
    folder = tmp_path / "run"
    process = start(*many, f"--workdir={folder}")
    wait_until(process, lambda: (folder / "checkpoints" / "1").exists())
    time.sleep(0.05)  # The next epoch begins, of a third of a second at least.
    process.send_signal(number)
    if number == signal.SIGHUP:  # The shell and the system both send it as a terminal is closed.
        process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (status, "")
    last = err.splitlines()[-1]
    assert last.startswith("stopped after epoch ")
    assert last.endswith("steps of the next of 3, which is saved; the same command resumes from there")
    assert "Traceback" not in err
    newest = max((folder / "checkpoints").iterdir(), key=lambda path: path.stat().st_mtime_ns)
    epoch, steps = newest.name.split("+")
    assert f"after epoch {epoch} and {steps} of 680 steps" in last
    # Nothing is logged of the epoch that was under way.
    assert epochs_logged(folder) == int(epoch)

    resumed = start(*many, f"--workdir={folder}")
    _, err = resumed.communicate(timeout=120)
    assert resumed.returncode == 0, err
    assert f"resumes after epoch {epoch} and {steps} of 680 steps" in err
    assert exported(folder) == exported(unbroken)
    assert figures(folder) == figures(unbroken)


def test_a_second_signal_ends_the_process_at_once_and_the_run_resumes(many, unbroken, tmp_path):
    folder = tmp_path / "run"
    # A compilation cache of its own: the first step then takes seconds to compile, and no step is made meanwhile.
    process = start(
        *many, f"--workdir={folder}", env=ENVIRONMENT | {"JAX_COMPILATION_CACHE_DIR": str(tmp_path / "jax")}
    )
    wait_until(process, lambda: (folder / "checkpoints" / "0").exists())
    time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    assert "once more stops at once" in next(line for line in process.stderr if "stop" in line)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 143
    process.communicate()
    # Where the machine had compiled by then, the second signal may have met the save: a part of it has no name of a
    # checkpoint, and the next command takes it away.
    assert (folder / "checkpoints" / "0").is_dir()
    assert train(*many, f"--workdir={folder}") == 0
    assert [path.name for path in (folder / "checkpoints").iterdir() if path.name.startswith(".")] == []
    assert exported(folder) == exported(unbroken)


@pytest.fixture(scope="module")
def large_text(tmp_path_factory) -> str:
    """What takes seconds to read."""
    return ("\n".join(themed_lines(1000)) + "\n") * 300


def test_before_training_a_signal_ends_at_once_and_leaves_nothing(large_text, tmp_path):
    corpus, folder = tmp_path / "lines.txt", tmp_path / "run"
    corpus.write_text(large_text, encoding="utf-8")
    process = start(f"--corpus={corpus}", *SMALL, f"--workdir={folder}")
    wait_until(process, lambda: (folder / ".lock").exists())
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (143, "")
    assert err.splitlines()[-1].startswith("stopped; the same command resumes")
    assert "Traceback" not in err
    assert not folder.exists()


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """A file system of 15 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=15m", "tmpfs", disk], capture_output=True, text=True)
    if mount.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {mount.stderr.strip()}")
    yield disk
    subprocess.run(["umount", disk], check=True)


def test_a_full_disk_is_reported_with_the_room_it_needs_and_earlier_checkpoints_stay(small_disk, lines_file, tmp_path):
    flags = (f"--corpus={lines_file}", *SMALL, "--hidden=800,800", "--checkpoint_every=2")
    folder, kept = small_disk / "run", tmp_path / "kept"
    ended = forked.run(command(*flags, f"--workdir={folder}"), env=ENVIRONMENT, capture_output=True, text=True)
    assert ended.returncode == 2, ended.stderr
    message = ended.stderr.splitlines()[-1]
    assert f"the checkpoint {folder / 'checkpoints' / '4'} cannot be written (" in message
    assert re.search(r"it needs 7\.\d MiB, and \d\.\d MiB are free there", message)
    assert message.endswith("MiB are free there; make room, or give another --workdir; that of 2 is whole, and the "
                            "same command resumes from it")  # fmt: skip
    assert "Traceback" not in ended.stderr
    assert sorted(path.name for path in (folder / "checkpoints").iterdir()) == ["0", "2"]
    shutil.copytree(folder, kept)
    assert train(*flags, f"--workdir={kept}") == 0
    assert train(*flags, f"--workdir={tmp_path / 'unbroken'}") == 0
    assert exported(kept) == exported(tmp_path / "unbroken")


@pytest.mark.parametrize("room", [0, 65536])
def test_a_full_disk_is_reported_whatever_is_written(small_disk, lines_file, capsys, room):
    with (small_disk / "filler").open("wb") as file:
        with suppress(OSError):
            file.write(b"x" * 15 * 2**20)
        file.truncate(Path(file.name).stat().st_size - room)
    assert train(f"--corpus={lines_file}", *SMALL, f"--workdir={small_disk / 'run'}") == 2
    message = capsys.readouterr().err.splitlines()[-1]
    assert re.search("(?i)no space left on", message)
    assert str(small_disk / "run") in message
    assert not (small_disk / "run" / "checkpoints" / "0").exists()
    assert not (small_disk / "run" / ".lock").exists()
    (small_disk / "filler").unlink()
    assert train(f"--corpus={lines_file}", *SMALL, f"--workdir={small_disk / 'run'}") == 0


def test_a_folder_that_takes_no_lock_for_want_of_room_is_named(small_disk):
    """Some file systems make an empty file where there is no room for a byte of it, others do not."""
    with (small_disk / "filler").open("wb") as file, suppress(OSError):
        file.write(b"x" * 15 * 2**20)
    said = r"\.lock cannot be written: No space left on device \(0\.0 MiB are free"
    with pytest.raises(UserError, match=said), locked(small_disk):
        pass
    assert [path.name for path in small_disk.iterdir()] == ["filler"]


def test_a_run_resumes_before_a_damaged_checkpoint_and_says_so(many, unbroken, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(unbroken, folder)
    shutil.rmtree(folder / "export")
    newest = folder / "checkpoints" / "3"
    array = max((path for path in newest.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    content = bytearray(array.read_bytes())
    content[len(content) // 2] ^= 1
    array.write_bytes(content)
    process = start(*many, f"--workdir={folder}")
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert f"the checkpoint {newest} is damaged ({array.relative_to(newest)} is not as it was written)" in err
    assert "2 is taken in its place" in err
    assert "resumes after epoch 2 of 3" in err
    assert exported(folder) == exported(unbroken)
    assert figures(folder) == figures(unbroken)


def test_a_second_run_is_refused_and_a_dead_ones_lock_is_taken_over(many, tmp_path):
    folder = tmp_path / "run"
    first = start(*many, f"--workdir={folder}")
    wait_until(first, lambda: (folder / "config.json").exists())
    # Halted, or it might end before the second has started.
    first.send_signal(signal.SIGSTOP)
    second = forked.run(command(*many, f"--workdir={folder}"), env=ENVIRONMENT, capture_output=True, text=True)
    assert second.returncode == 2
    assert f"--workdir={folder} is in use by process {first.pid} since " in second.stderr
    assert f"--workdir={folder})" in second.stderr  # its command
    assert first.poll() is None
    first.kill()
    first.communicate()
    assert (folder / ".lock").exists()
    third = start(*many, f"--workdir={folder}")
    wait_until(third, lambda: f'"pid": {third.pid},' in (folder / ".lock").read_text("utf-8"))
    wait_until(third, lambda: epochs_logged(folder) >= 2)
    third.send_signal(signal.SIGINT)
    third.communicate(timeout=60)
    assert not (folder / ".lock").exists()


def test_two_runs_that_begin_together_do_not_mix(lines_file, tmp_path):
    folder = tmp_path / "run"
    flags = (f"--corpus={lines_file}", *SMALL, f"--workdir={folder}")
    processes = [start(*flags) for _ in range(3)]
    errors = [process.communicate(timeout=120)[1] for process in processes]
    statuses = [process.returncode for process in processes]
    # One that came when the others had ended finds a complete run.
    assert set(statuses) <= {0, 2}
    assert statuses.count(0) >= 1
    assert all("is in use by" in err for err, status in zip(errors, statuses, strict=True) if status == 2)
    assert train(*flags) == 0
    assert train(*flags[:-1], f"--workdir={tmp_path / 'alone'}") == 0
    assert exported(folder) == exported(tmp_path / "alone")


def test_another_precision_is_refused_by_value_before_anything_is_written(lines_file, tmp_path):
    flags = (f"--corpus={lines_file}", *SMALL, f"--workdir={tmp_path / 'run'}")
    assert train(*flags) == 0
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    doubled = forked.run(command(*flags), env=ENVIRONMENT | {"JAX_ENABLE_X64": "1"}, capture_output=True, text=True)
    assert doubled.returncode == 2
    assert "this process computes in float64, but the run in" in doubled.stderr
    assert "started in float32; set JAX_ENABLE_X64=0" in doubled.stderr
    assert {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()} == before


def test_a_corpus_that_changes_while_it_is_read_is_refused(large_text, tmp_path):
    corpus = tmp_path / "lines.txt"
    corpus.write_text(large_text, encoding="utf-8")
    process = start(f"--corpus={corpus}", *SMALL, f"--workdir={tmp_path / 'run'}")
    # The lock is taken before the corpus is looked at: by then it takes a second or two to read.
    wait_until(process, lambda: (tmp_path / "run" / ".lock").exists())
    while process.poll() is None:
        with corpus.open("a", encoding="utf-8") as file:
            file.write("海洋 船\n")
        time.sleep(0.05)
    _, err = process.communicate()
    assert process.returncode == 2
    assert f"--corpus={corpus} changed while it was read" in err
    assert not (tmp_path / "run").exists() or not list((tmp_path / "run").rglob("*.json"))


ODD = {
    "blanks and Chinese": "三体 的 故事 ‘x’ & more",
    "255 bytes": "海" * 85,
    "quotes, percent, dollar": "a'b\"c%d$HOME;e",
}


@pytest.mark.parametrize("name", ODD.values(), ids=list(ODD))
def test_any_path_works(name, tmp_path):
    assert len(name.encode()) <= 255
    parent = tmp_path / name
    parent.mkdir()
    (parent / name).write_text("\n".join(themed_lines()) + "\n", encoding="utf-8")
    (parent / "flags").write_text("\n".join([f"--corpus={parent / name}", *SMALL]) + "\n", encoding="utf-8")
    folder = parent / "runs" / name
    assert train(f"--flagfile={parent / 'flags'}", f"--workdir={folder}", "--num_epochs=1") == 0
    assert train(f"--flagfile={parent / 'flags'}", f"--workdir={folder}", "--num_epochs=1") == 0
    output = parent / f"{name[:80]}.csv"
    flags = [f"--workdir={folder}", f"--input={parent / name}"]
    assert cli.run(infer.main, ["infer", *flags, f"--output={output}"]) == 0
    assert len(output.read_text("utf-8-sig").splitlines()) == 121
    page = parent / ("海" * 83 + ".html")  # 254 bytes
    assert cli.run(report.main, ["report", f"--workdir={folder}", f"--output={page}"]) == 0
    assert page.stat().st_size > 50_000
    assert {path.name for path in parent.iterdir()} == {name, "flags", "runs", output.name, page.name}


def test_without_a_workdir_a_corpus_of_a_long_name_has_its_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = "海" * 83 + ".txt"
    Path(name).write_text("\n".join(themed_lines()) + "\n", encoding="utf-8")
    assert train(f"--corpus={name}", *SMALL, "--num_epochs=1") == 0
    assert (tmp_path / "runs" / ("海" * 83) / "export" / "beta.npy").exists()


def test_a_clock_that_was_set_back_changes_nothing(many, unbroken, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(unbroken, folder)
    # What was written is of ten years from now; the newest epoch is the oldest file, and has to be trained again.
    shutil.rmtree(folder / "checkpoints" / "3")
    later = time.time() + 10 * 365 * 86400
    for i, path in enumerate(sorted(folder.rglob("*"), reverse=True)):
        os.utime(path, (later - i, later - i))
    (folder / ".lock").write_text(json.dumps({"pid": os.getpid(), "host": "", "since": "2999", "command": ""}))
    assert train(*many, f"--workdir={folder}") == 0
    assert exported(folder) == exported(unbroken)
    assert Checkpoints(folder / "checkpoints").epochs() == Checkpoints(unbroken / "checkpoints").epochs()


def test_nohup_keeps_a_run_going(many, unbroken, tmp_path):
    folder = tmp_path / "run"
    process = subprocess.Popen(
        ["nohup", *command(*many, f"--workdir={folder}")],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    wait_until(process, lambda: epochs_logged(folder) > 0)
    process.send_signal(signal.SIGHUP)
    process.communicate(timeout=120)
    assert process.returncode == 0
    assert exported(folder) == exported(unbroken)
