"""Where the programs are that the tests compile."""

import os
from pathlib import Path

import pytest

import programs

HERE = Path(__file__).parents[1]


def test_all_checkouts_of_a_user_share_them_by_processor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ETM_JAX_CACHE", str(tmp_path))
    ours = programs.folder_of_programs()
    monkeypatch.setattr(programs, "processor_name", lambda: "another")
    assert ours.parent == programs.folder_of_programs().parent == tmp_path / "programs_of_tests"
    assert ours != programs.folder_of_programs()


def test_they_are_in_the_checkout_where_there_is_no_room_for_them_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("ETM_JAX_CACHE", str(tmp_path / "file"))
    assert programs.folder_of_programs() == HERE / ".pytest_cache" / "jax"
    programs.forget_old_programs()


def test_those_used_longest_ago_go_and_nothing_beside_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ETM_JAX_CACHE", str(tmp_path))
    (tmp_path / "vectors.npz").write_bytes(bytes(100))
    for age, name in enumerate(("new", "old")):
        path = programs.folder_of_programs() / name
        path.write_bytes(bytes(60))
        os.utime(path, (1e9 - age, 1e9 - age))
    monkeypatch.setattr(programs, "MOST", 100)
    programs.forget_old_programs()
    assert [path.name for path in programs.folder_of_programs().iterdir()] == ["new"]
    assert (tmp_path / "vectors.npz").exists()
