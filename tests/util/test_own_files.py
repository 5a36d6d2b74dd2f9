"""Folders that are written again: ours is replaced, what others put there stays."""

import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from etm_jax.util.digests import DIGESTS, FolderDigests
from etm_jax.util.own_files import replace_own_files


def write(folder: Path, of_before: bool = False, **files: str) -> None:
    with replace_own_files(folder, of_before) as new:
        for name, text in files.items():
            (new / f"{name}.txt").write_text(text)


def content(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != DIGESTS)
    return {path.relative_to(folder).as_posix(): path.read_text() for path in files}


def test_what_was_written_before_is_replaced_and_what_is_not_ours_stays(tmp_path, capsys):
    folder = tmp_path / "out"
    write(folder, a="1", b="2")
    (folder / "note.md").write_text("mine")
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "deep" / "er" / "x.txt").write_text("mine too")
    (folder / "empty").mkdir()
    (folder / "link").symlink_to("note.md")
    (folder / "nowhere").symlink_to("not there")
    write(folder, a="3", c="4")
    assert content(folder) == {
        "a.txt": "3", "c.txt": "4", "note.md": "mine", "deep/er/x.txt": "mine too", "link": "mine"
    }  # fmt: skip
    assert (folder / "empty").is_dir()
    assert (folder / "link").readlink() == Path("note.md")
    assert (folder / "nowhere").readlink() == Path("not there")
    assert capsys.readouterr().err == ""


def test_one_of_ours_that_was_changed_is_kept_under_another_name_and_named(tmp_path, capsys):
    folder = tmp_path / "out"
    write(folder, a="1", b="2")
    (folder / "a.txt").write_text("edited")
    (folder / "b.txt").write_text("edited too")
    write(folder, a="3")
    (folder / "a.txt").write_text("edited again")
    write(folder, a="4")
    assert content(folder) == {
        "a.txt": "4",
        "a.changed.txt": "edited",
        "b.changed.txt": "edited too",
        "a.changed2.txt": "edited again",
    }
    warnings = capsys.readouterr().err.splitlines()
    assert [re.findall(r"[ab]\.changed2?\.txt", line) for line in warnings] == [
        ["a.changed.txt"], ["b.changed.txt"], ["a.changed2.txt"]
    ]  # fmt: skip


def test_a_folder_of_ours_does_not_lose_a_file_that_has_one_of_our_names(tmp_path, capsys):
    folder = tmp_path / "figures"
    folder.mkdir()
    (folder / "a.txt").write_text("another's")
    (folder / "b.txt").mkdir()
    (folder / "b.txt" / "inside").write_text("another's too")
    write(folder, a="1", b="2")
    assert content(folder) == {
        "a.txt": "1", "a.changed.txt": "another's", "b.txt": "2", "b.changed.txt/inside": "another's too"
    }  # fmt: skip
    assert capsys.readouterr().err.count("warning: ") == 2


def test_a_folder_that_an_earlier_version_wrote_is_replaced_by_name(tmp_path, capsys):
    folder = tmp_path / "export"
    folder.mkdir()
    (folder / "a.txt").write_text("of before")
    (folder / "note.md").write_text("mine")
    write(folder, of_before=True, a="1")
    assert content(folder) == {"a.txt": "1", "note.md": "mine"}
    assert capsys.readouterr().err == ""


def test_folders_of_others_keep_their_modes_and_times(tmp_path):
    folder = tmp_path / "out"
    write(folder, a="1")
    private, empty = folder / "private" / "deep", folder / "empty"
    private.mkdir(parents=True)
    (private / "x.txt").write_text("mine")
    empty.mkdir()
    for path, mode in ((private, 0o500), (private.parent, 0o700), (empty, 0o750), (folder, 0o711)):
        path.chmod(mode)
        os.utime(path, (1e9, 1e9))
    write(folder, a="2")
    found = {path.name: path.stat() for path in (private, private.parent, empty, folder)}
    assert {name: stat.S_IMODE(of.st_mode) for name, of in found.items()} == {
        "deep": 0o500, "private": 0o700, "empty": 0o750, "out": 0o711
    }  # fmt: skip
    assert [found[name].st_mtime for name in ("deep", "private", "empty")] == [1e9] * 3
    private.chmod(0o700)


def test_a_subfolder_of_ours_keeps_the_mode_that_it_was_given(tmp_path):
    for text in "12":
        with replace_own_files(tmp_path / "out") as new:
            (new / "ours").mkdir()
            (new / "ours" / "a.txt").write_text(text)
        (tmp_path / "out" / "ours").chmod(0o700)
    assert content(tmp_path / "out") == {"ours/a.txt": "2"}
    with replace_own_files(tmp_path / "out") as new:
        (new / "ours").mkdir()
    assert stat.S_IMODE((tmp_path / "out" / "ours").stat().st_mode) == 0o700


def test_a_process_that_works_in_a_folder_that_is_replaced_works_in_the_new_one(tmp_path, monkeypatch):
    write(tmp_path / "out", a="1")
    (tmp_path / "out" / "mine").mkdir()
    for within in ("out", "out/mine"):
        monkeypatch.chdir(tmp_path / within)
        write(tmp_path / "out", a="2")
        assert Path.cwd() == tmp_path / within
        assert Path("../a.txt" if within != "out" else "a.txt").read_text() == "2"


@pytest.mark.parametrize("damaged", ["", "0" * 64, "not digests\n"])
def test_a_list_of_digests_that_is_damaged_loses_nothing(tmp_path, damaged):
    folder = tmp_path / "out"
    write(folder, a="1")
    (folder / DIGESTS).write_text(damaged)
    write(folder, a="2")
    assert content(folder) == {"a.txt": "2", "a.changed.txt": "1"}


def test_sha256sum_agrees_with_the_digests(tmp_path):
    write(tmp_path / "out", a="1", b="2")
    done = subprocess.run(["sha256sum", "--check", DIGESTS], cwd=tmp_path / "out", capture_output=True, check=False)
    assert done.returncode == 0


def test_a_process_that_is_killed_while_it_writes_leaves_all_as_it_was(tmp_path):
    folder = tmp_path / "out"
    write(folder, a="1")
    (folder / "note.md").write_text("mine")
    program = f"""
import os, signal
from pathlib import Path
from etm_jax.util import own_files
keep = own_files._keep_others
def keep_and_die(*given):
    keep(*given)
    os.kill(os.getpid(), signal.SIGKILL)
own_files._keep_others = keep_and_die
with own_files.replace_own_files(Path({str(folder)!r})) as new:
    (new / "a.txt").write_text("2")
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -9
    assert content(folder) == {"a.txt": "1", "note.md": "mine"}
    write(folder, a="3")
    assert content(folder) == {"a.txt": "3", "note.md": "mine"}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_process_that_is_killed_between_two_folders_loses_neither(tmp_path):
    folder = tmp_path / "out"
    write(folder, a="1")
    program = f"""
import os, signal
from pathlib import Path
from etm_jax.util.files import replace_folder
rename = Path.rename
def rename_and_die(self, target):
    if self.name == "new":
        os.kill(os.getpid(), signal.SIGKILL)
    return rename(self, target)
Path.rename = rename_and_die
with replace_folder(Path({str(folder)!r})) as new:
    (new / "a.txt").write_text("2")
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -9
    assert not folder.exists()
    write(tmp_path / "another", b="1")  # Any next write in that folder.
    assert content(folder) == {"a.txt": "1"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["another", "out"]


def test_files_are_replaced_one_by_one_with_their_digests(tmp_path):
    digests = FolderDigests(tmp_path)
    digests.check("a")  # Nothing is known of a folder without digests.
    digests.replace({"a": b"1", "b": b"2"})
    digests.check("a", "b")
    (tmp_path / "a").write_bytes(b"3")
    with pytest.raises(ValueError, match=r"^a is not as it was written$"):
        digests.check("b", "a")
    digests.replace({"a": b"4"}, forget=["b"])
    digests.check("a")
    with pytest.raises(ValueError, match=r"^SHA256SUMS does not list b$"):
        digests.check("b")


def test_a_file_is_known_before_and_after_it_is_replaced(tmp_path, monkeypatch):
    digests = FolderDigests(tmp_path)
    digests.replace({"a": b"1"})

    def killed(*given: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("etm_jax.util.digests.replace_file", killed)
    with pytest.raises(KeyboardInterrupt):
        digests.replace({"a": b"2"})
    for content in (b"1", b"2"):
        (tmp_path / "a").write_bytes(content)
        digests.check("a")
    (tmp_path / "a").write_bytes(b"3")
    with pytest.raises(ValueError, match="not as it was written"):
        digests.check("a")
