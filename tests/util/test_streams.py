"""Standard streams that are closed, full, gone or of few characters: one line, the right status. Real processes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from etm_jax.util.streams import standard_streams

PROGRAM = """
import sys
from pathlib import Path
from etm_jax.cli import flags as cli
from etm_jax.util.console import note

def main(argv):
    note("a note 飞船")
    Path(argv[1]).write_text("results")
    print("飞船 \\ud800")
    {more}

sys.exit(cli.run(main))
"""
WRITTEN = "files that the command writes are written before"


def outcome(shell: str, tmp_path: Path, more: str = "", **env: str) -> tuple[int, str, str]:
    """Status, standard output and standard error of a command with its streams as `shell` has them."""
    command = f'"$0" -c "$1" "$2" {shell}'
    argv = ["bash", "-c", command, sys.executable, PROGRAM.format(more=more), str(tmp_path / "file")]
    root = str(Path(__file__).parents[2])
    run = subprocess.run(argv, env={**os.environ, "PYTHONPATH": root, **env}, capture_output=True, timeout=60)
    assert (tmp_path / "file").read_text() == "results"
    return run.returncode, run.stdout.decode(), run.stderr.decode()


@pytest.mark.parametrize("shell, why", [(">/dev/full", "No space left on device"), (">&-", "it is closed")])
def test_results_that_cannot_be_shown_are_said_to_be_in_their_files(shell, why, tmp_path):
    status, out, err = outcome(shell, tmp_path)
    assert (status, out) == (2, "")
    assert err.splitlines()[0] == "a note 飞船"
    assert err.splitlines()[1].startswith(f"error: standard output cannot be written ({why}): ")
    assert err.splitlines()[1].endswith(WRITTEN)
    assert len(err.splitlines()) == 2


def test_results_and_messages_come_into_one_file_in_their_order(tmp_path):
    more = "from etm_jax.util.console import show; show('a table'); note('where it is')"
    status, out, _ = outcome(f"> {tmp_path / 'log'} 2>&1", tmp_path, more)
    assert (status, out) == (0, "")
    assert (tmp_path / "log").read_text("utf-8").splitlines()[-2:] == ["a table", "where it is"]


@pytest.mark.parametrize("shell", ["2>/dev/full", "2>&-", "<&-", "2> >(exit)"])
def test_messages_that_cannot_be_shown_cost_nothing(shell, tmp_path):
    status, out, _ = outcome(shell, tmp_path)
    assert (status, out) == (0, "飞船 \\ud800\n")


def test_without_any_stream_the_work_is_done_and_no_file_takes_their_place(tmp_path):
    # Were descriptor 1 or 2 that of a file, what a library prints there would go into it.
    status, out, err = outcome(">&- 2>&- <&-", tmp_path, more="import os; os.write(1, b'x'); os.write(2, b'x')")
    assert (status, out, err) == (2, "", "")


def test_a_reader_that_has_enough_ends_the_command_quietly(tmp_path):
    more = "[print(number) for number in range(100_000)]"
    status, out, err = outcome("| head -n 1; exit ${PIPESTATUS[0]}", tmp_path, more=more)
    assert (status, out, err) == (141, "飞船 \\ud800\n", "a note 飞船\n")


def test_what_an_ascii_terminal_cannot_show_is_escaped(tmp_path):
    status, out, err = outcome("", tmp_path, PYTHONIOENCODING="ascii")
    assert (status, out, err) == (0, "\\u98de\\u8239 \\ud800\n", "a note \\u98de\\u8239\n")


def test_an_error_is_one_line_and_what_was_printed_before_it_stays(tmp_path):
    more = "from etm_jax.util.errors import UserError; raise UserError('\\x1b[2J')"
    assert outcome("", tmp_path, more=more) == (2, "飞船 \\ud800\n", "a note 飞船\nerror: \\x1b[2J\n")
    assert outcome(">&- 2>&-", tmp_path, more=more)[0] == 2


def test_streams_that_are_no_files_stay(capsys):
    before = sys.stdout, sys.stderr
    with standard_streams():
        assert (sys.stdout, sys.stderr) == before
        print("shown")
    assert capsys.readouterr().out == "shown\n"
