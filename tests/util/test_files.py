"""Writing files and folders: whole or not at all, under names of their own, and what killed processes left goes."""

import errno
import gc
import os
import re
import signal
import stat
import subprocess
import sys
import zipfile
from contextlib import ExitStack
from pathlib import Path

import pytest

from etm_jax.util import lock, temporary
from etm_jax.util.errors import UserError
from etm_jax.util.files import replace_by_name, replace_file, replace_folder, replace_text, unpacked
from etm_jax.util.lock import locked
from etm_jax.util.temporary import sweep


def write_file(path: Path, text: str) -> None:
    replace_text(path, text)


def write_by_name(path: Path, text: str) -> None:
    with replace_by_name(path) as beside:
        beside.write_text(text)


def write_folder(path: Path, text: str) -> None:
    with replace_folder(path) as new:
        (new / "one").write_text(text)


def content(path: Path) -> str:
    return (path / "one").read_text() if path.is_dir() else path.read_text()


WAYS = pytest.mark.parametrize("write", [write_file, write_by_name, write_folder])


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def umask():
    """Sets the umask for the test."""
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)


# Two writers


@pytest.mark.parametrize("replace", [replace_file, replace_folder])
def test_of_two_writers_at_once_one_has_the_whole(replace, tmp_path):
    path = tmp_path / "out"
    with ExitStack() as first, ExitStack() as second:
        a, b = first.enter_context(replace(path)), second.enter_context(replace(path))
        for _ in range(3):
            for written, name in ((a, "a"), (b, "b")):
                if replace is replace_file:
                    written.write(name.encode() * 10_000)
                else:
                    (written / name).write_text(name)
    if replace is replace_file:
        assert path.read_bytes() == b"a" * 30_000
    else:
        assert [part.name for part in path.iterdir()] == ["a"]
    assert list(tmp_path.iterdir()) == [path]


# Names and links


@WAYS
def test_a_prepared_link_is_not_followed(write, tmp_path, monkeypatch):
    victim, folder = tmp_path / "victim", tmp_path / "folder"
    victim.write_text("of another")
    folder.mkdir()
    monkeypatch.setattr("secrets.token_hex", lambda size: "0" * 2 * size)
    temporary.name_beside(folder / "out").symlink_to(victim)
    with pytest.raises(UserError, match="out cannot be written: File exists"):
        write(folder / "out", "new")
    assert victim.read_text() == "of another"


@WAYS
def test_of_a_link_what_it_points_to_is_replaced(write, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    real, link = tmp_path / "elsewhere" / "real", tmp_path / "link"
    link.symlink_to(Path("elsewhere", "real"))
    for text in ("first", "second"):  # Nothing is there at first.
        write(link, text)
        assert content(real) == text
        assert link.is_symlink()
    assert list(tmp_path.rglob(".*")) == []


@WAYS
def test_links_in_a_circle_are_an_error(write, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(link)
    with pytest.raises(UserError, match="cannot be written"):
        write(link, "new")
    assert link.is_symlink()


def test_only_files_are_replaced_by_files(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, Path(os.devnull)):
        before = path.stat()
        with pytest.raises(UserError, match="is no file that can be replaced; give another path"):
            replace_text(path, "new")
        assert path.stat().st_mode == before.st_mode


@pytest.mark.parametrize("name", ["a" * 255, "中" * 85])
@WAYS
def test_a_name_may_be_as_long_as_file_systems_allow(write, name, tmp_path):
    write(tmp_path / name, "whole")
    assert content(tmp_path / name) == "whole"


def test_a_lock_that_is_a_link_is_refused(tmp_path):
    victim, run = tmp_path / "victim", tmp_path / "run"
    victim.write_text("of another")
    run.mkdir()
    for link in (os.symlink, os.link):
        link(victim, run / lock.NAME)
        with pytest.raises(UserError, match=r"--workdir=.*run: \.lock in it is a link; remove it"), locked(run):
            pass
        assert victim.read_text() == "of another"
        (run / lock.NAME).unlink(missing_ok=True)


# Modes


@WAYS
@pytest.mark.parametrize("mask", [0o002, 0o027, 0o077])
def test_what_is_new_has_the_mode_that_the_umask_leaves(write, mask, tmp_path, umask):
    umask(mask)
    write(tmp_path / "out", "new")
    for path in (tmp_path / "out").rglob("*"):
        assert mode(path) == 0o666 & ~mask
    assert mode(tmp_path / "out") == (0o777 if write is write_folder else 0o666) & ~mask


@WAYS
@pytest.mark.parametrize("kept", [0o600, 0o640, 0o444, 0o666])
def test_what_is_replaced_keeps_its_mode(write, kept, tmp_path, umask):
    write(tmp_path / "out", "old")
    kept |= 0o700 if write is write_folder else 0
    (tmp_path / "out").chmod(kept)
    write(tmp_path / "out", "new")
    assert content(tmp_path / "out") == "new"
    assert mode(tmp_path / "out") == kept


@pytest.mark.parametrize("replace", [replace_file, replace_folder])
def test_what_is_private_is_private_while_it_is_written(replace, tmp_path, umask):
    path = tmp_path / "out"
    with replace(path):
        pass
    path.chmod(0o700)
    with replace(path):
        (beside,) = (found for found in tmp_path.iterdir() if found != path)
        assert mode(beside) & 0o077 == 0


# What is left

KILLED = """
import os, signal, sys
from pathlib import Path
from etm_jax.util.files import replace_file, replace_folder
with replace_file(Path(sys.argv[1], "a")) as file, replace_folder(Path(sys.argv[1], "b")) as folder:
    file.write(b"half"); file.flush(); (folder / "half").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def left(tmp_path):
    """The folder in which a process was killed that wrote a file and a folder, and the paths that it left."""
    folder = tmp_path / "folder"
    folder.mkdir()
    done = subprocess.run([sys.executable, "-c", KILLED, str(folder)], check=False, cwd=Path(__file__).parents[2])
    assert done.returncode == -signal.SIGKILL
    found = sorted(folder.iterdir())
    assert [path.name[:3] for path in found] == [".a.", ".b."]
    return folder, found


@WAYS
def test_what_a_killed_process_left_goes_with_the_next_write(write, left):
    write(left[0] / "other", "new")
    assert [path.name for path in left[0].iterdir()] == ["other"]


def test_what_a_living_writer_fills_stays(left):
    with replace_file(left[0] / "a") as file, replace_folder(left[0] / "b") as folder:
        (folder / "one").write_text("whole")
        file.write(b"whole")
        sweep(left[0])
        assert len(list(left[0].iterdir())) == 2
    assert [content(left[0] / name) for name in "ab"] == ["whole", "whole"]


def test_a_users_own_files_stay_whatever_they_are_called(left, tmp_path):
    folder, (ours, _) = left
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "note").write_text("mine")
    names = [
        ".a.new",
        ".b.old",
        ".c.etm_jax",
        "d.etm_jax",
        ".0123456789abcdef-abcdefgh",
        ours.name[1:],
        f"{ours.name}~",
    ]
    for name in names:
        (folder / name).write_text("mine")
    (folder / ours.name.replace(".a.", ".link.")).symlink_to(tmp_path / "notes")
    replace_text(folder / "other", "new")
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        [*names, ours.name.replace(".a.", ".link."), "other"]
    )
    assert (tmp_path / "notes" / "note").read_text() == "mine"


def test_what_another_machine_left_goes_after_a_day_or_where_nobody_else_writes(left):
    folder, found = left
    theirs = [path.rename(path.with_name(re.sub(r"[0-9a-f]{8}-", "deadbeef-", path.name))) for path in found]
    sweep(folder)
    assert sorted(folder.iterdir()) == sorted(theirs)
    os.utime(theirs[0], (0, 0))
    sweep(folder)
    assert list(folder.iterdir()) == theirs[1:]
    sweep(folder, alone=True)
    assert list(folder.iterdir()) == []


def test_a_file_system_without_locks_takes_files_and_nothing_is_swept(left, monkeypatch):
    def unsupported(*args):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", unsupported)
    write_file(left[0] / "a", "new")
    write_folder(left[0] / "b", "new")
    assert sorted(left[0].iterdir()) == sorted([*left[1], left[0] / "a", left[0] / "b"])


@WAYS
def test_a_name_that_was_swept_before_it_was_locked_gives_way_to_another(write, tmp_path, monkeypatch):
    held, taken = temporary.hold, []

    def swept_first(descriptor, path, required=True):
        if not taken:
            taken.append(path)
            sweep(tmp_path)
        return held(descriptor, path, required)

    monkeypatch.setattr(temporary, "hold", swept_first)
    write(tmp_path / "out", "whole")
    assert taken
    assert content(tmp_path / "out") == "whole"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@WAYS
def test_after_an_error_what_was_there_stays_and_nothing_else(write, tmp_path):
    write(tmp_path / "out", "before")
    replace = {write_file: replace_file, write_by_name: replace_by_name, write_folder: replace_folder}[write]
    with pytest.raises(KeyError), replace(tmp_path / "out"):
        raise KeyError
    assert content(tmp_path / "out") == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_of_what_is_no_archive_nothing_is_left_to_close(tmp_path, monkeypatch):
    (tmp_path / "vectors.zip").write_bytes(b"no archive")
    unraised = []
    monkeypatch.setattr(sys, "unraisablehook", unraised.append)
    with (tmp_path / "vectors.zip").open("rb") as file, pytest.raises(zipfile.BadZipFile):
        unpacked(file, lambda packed: zipfile.ZipFile(packed).open("vectors.txt"))  # noqa: SIM115
    gc.collect()
    assert unraised == []
