"""The folder of compiled programs: whatever is wrong with it, only speed is lost."""

import os
import shutil
import subprocess
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

from etm_jax.cli import compiled
from etm_jax.cli.compiled import programs_kept
from etm_jax.util.errors import UserError


@pytest.fixture(autouse=True)
def settings_of_before():
    """JAX as it was: its folder, and what it has compiled already, which it would not look for in one."""
    names = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")
    before = {name: getattr(jax.config, name) for name in names}
    yield
    for name, value in before.items():
        jax.config.update(name, value)
    jax.experimental.compilation_cache.compilation_cache.reset_cache()


def compute(cache: Path | str) -> list[float]:
    """A program that is compiled anew, or read from the folder."""
    jax.clear_caches()
    jax.experimental.compilation_cache.compilation_cache.reset_cache()
    with programs_kept(str(cache)):
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
        return jax.jit(lambda x: jnp.sin(x) @ jnp.ones((3, 2)))(jnp.arange(3.0)).tolist()


def programs(cache: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in cache.rglob("*-cache")}


def flipped(content: bytes) -> bytes:
    return content[:-20] + bytes([content[-20] ^ 1]) + content[-19:]


DAMAGE = {
    "one bit": flipped,
    "half": lambda c: c[: len(c) // 2],
    "empty": lambda c: b"",
    "zeros": lambda c: bytes(len(c)),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("damage", DAMAGE.values(), ids=list(DAMAGE))
def test_a_damaged_program_is_compiled_again(damage, tmp_path, capfd):
    right = compute(tmp_path)
    before = programs(tmp_path)
    assert before
    for path in tmp_path.rglob("*-cache"):
        path.write_bytes(damage(path.read_bytes()))
    assert compute(tmp_path) == right
    assert programs(tmp_path).keys() == before.keys()
    assert not any(damage(before[name]) == content for name, content in programs(tmp_path).items())
    assert capfd.readouterr().err == ""


@pytest.mark.filterwarnings("error")
def test_a_program_that_a_killed_run_left_half_written_is_compiled_again(tmp_path, capfd):
    right = compute(tmp_path)
    next(tmp_path.rglob("SHA256SUMS")).unlink()  # It is written at the end.
    for path in tmp_path.rglob("*-cache"):
        path.write_bytes(path.read_bytes()[:-100])
    assert compute(tmp_path) == right
    assert capfd.readouterr().err == ""


def test_programs_of_another_processor_are_not_read(tmp_path, monkeypatch):
    right = compute(tmp_path)
    (ours,) = tmp_path.iterdir()
    monkeypatch.setattr(compiled, "processor_name", lambda: "another")
    for path in ours.iterdir():
        path.write_bytes(b"instructions that are missing here")
    assert compute(tmp_path) == right
    assert {path.name for path in tmp_path.iterdir()} == {ours.name, "another"}
    assert set(programs(ours).values()) == {b"instructions that are missing here"}


def test_a_full_disk_costs_time_alone_and_is_told(tmp_path, capfd):
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", tmp_path], capture_output=True, text=True
    )
    if mount.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {mount.stderr.strip()}")
    try:
        (tmp_path / "filler").write_bytes(b"x" * 8192)
        right = compute(tmp_path / "cache")
        (tmp_path / "filler").write_bytes(b"x" * os.statvfs(tmp_path).f_bfree * 4096)
        assert compute(tmp_path / "cache") == compute(tmp_path / "other") == right
    finally:
        subprocess.run(["umount", tmp_path], check=True)
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 3
    assert all(line.startswith("warning: ") and "--compilation_cache=" in line for line in lines)


def test_a_folder_that_cannot_be_one_is_a_mistake(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="--compilation_cache"), programs_kept(str(tmp_path / "file")):
        pass
    shutil.rmtree(tmp_path)


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A user's own folder of caches, and nothing that JAX was told."""
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    monkeypatch.setenv("ETM_JAX_CACHE", str(tmp_path / "home"))
    return tmp_path / "home"


def test_programs_are_kept_in_the_users_caches_unless_told_otherwise(home, monkeypatch):
    right = compute("")
    assert programs(home / "programs")
    assert compute("") == right
    shutil.rmtree(home)
    assert compute("none") == right
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "elsewhere")
    assert compute("") == right
    assert not home.exists()


@pytest.mark.filterwarnings("error")
def test_where_the_users_caches_cannot_be_written_to_nothing_is_said(home, capfd):
    home.write_text("a file")
    assert compute("") == compute("none")
    assert capfd.readouterr().err == ""


def test_what_was_used_longest_ago_is_swept(tmp_path):
    for age, name in enumerate(("newest", "older", "oldest")):
        path = tmp_path / ("here" if age else "there") / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(bytes(100))
        os.utime(path, (1e9 - age, 1e9 - age))
    compiled.sweep(tmp_path, 250)
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["newest", "older"]
    compiled.sweep(tmp_path, 0)
    assert not any(path.is_file() for path in tmp_path.rglob("*"))


def test_the_users_caches_are_swept_at_the_end(home, monkeypatch):
    monkeypatch.setattr(compiled, "MOST", 1)
    compute("")
    assert not programs(home)
