"""What is read is not written over, by whatever name."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from etm_jax.util.errors import UserError
from etm_jax.util.overlap import check_not_read, given


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with a file that is read, and names of it."""
    monkeypatch.chdir(tmp_path)
    Path("docs").mkdir()
    Path("docs/text.txt").write_text("a document")
    Path("link.txt").symlink_to("docs/text.txt")
    os.link("docs/text.txt", "hard.txt")
    Path("folder").symlink_to("docs")
    return tmp_path


@pytest.mark.parametrize(
    "output", ["docs/text.txt", "link.txt", "hard.txt", "folder/text.txt", "docs/../docs/text.txt", "docs", "folder"]
)
def test_all_names_of_a_file_are_seen_and_its_folder(output, here):
    with pytest.raises(UserError, match=r"--output=\S* would be written over what is read \(--input=docs/text.txt\);"):
        check_not_read(given("output", output), given("input", "docs/text.txt"))


@pytest.mark.parametrize("output", ["docs/text.txt", "hard.txt", "folder/text.txt"])
def test_a_folder_that_is_read_is_all_that_is_in_it(output, here):
    with pytest.raises(UserError, match=r"--input=docs/text\.txt"):
        check_not_read(given("output", output), given("input", "docs"))
    check_not_read(given("output", "docs/new.txt"), given("input", "docs"))


def test_what_is_read_wherever_it_is_counts_before_it_is_there(here):
    with pytest.raises(UserError, match="--output=folder/names"):
        check_not_read(given("output", "folder/names"), given("workdir", "docs/names"))


def test_the_rest_is_free(here):
    check_not_read(given("output", ""), given("input", "docs"))
    check_not_read(given("output", os.devnull), given("input", os.devnull))  # Nothing replaces a device.
    check_not_read(given("output", "docs/new.txt"), given("input", "docs/text.txt"))


@pytest.mark.skipif(not Path("/dev/stdin").exists(), reason="the system does not name standard input")
def test_standard_input_is_the_file_that_it_comes_from(here):
    code = (
        "from pathlib import Path; from etm_jax.util.overlap import check_not_read\n"
        "check_not_read([('--output', Path('hard.txt'))], [('--input', Path('/dev/stdin'))])"
    )
    root = Path(__file__).parents[2]
    with Path("docs/text.txt").open() as text:
        done = subprocess.run(
            [sys.executable, "-c", code],
            stdin=text,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            env={**os.environ, "PYTHONPATH": str(root)},
        )
    assert done.stderr.splitlines()[-1].endswith("(--input=/dev/stdin); give another --output")
