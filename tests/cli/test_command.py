"""The one command, and the preparation of a corpus by itself."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import forked
from conftest import SMALL
from etm_jax import __version__
from etm_jax.cli import flags as cli
from etm_jax.cli.command import COMMANDS, main
from etm_jax.prepare import main as prepare_main
from etm_jax.train import main as train_main


def test_help_names_every_command_and_needs_no_jax(capsys):
    code = (
        "import sys; from etm_jax.cli.command import main; main(['etm-jax']); "
        "print('jax' in sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert all(f"  {name} " in done.stdout for name in COMMANDS)
    assert done.stderr.strip() == "False"
    assert main(["etm-jax", "--version"]) == 0
    assert capsys.readouterr().out == f"etm_jax {__version__}\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_of_its_own(name, capsys):
    assert main(["etm-jax", name, "--help"]) == 0
    assert f"python -m {COMMANDS[name][0].removesuffix('.__main__')}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["trian"], "there is no command 'trian'; did you mean train?"),
        (["xyz"], "there is no command 'xyz'; the commands are train, report, infer"),
        (["train", "--n_topics=3"], "there is no flag --n_topics; did you mean --n_topic?"),
        (["report"], "give --workdir=FOLDER"),
    ],
)
def test_mistakes_get_one_line_and_status_two(argv, told, capsys):
    assert main(["etm-jax", *argv]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {told}")


def test_the_command_trains_as_the_module_does(lines_file, tmp_path):
    script = shutil.which("etm-jax", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    if script is None:
        pytest.skip("etm-jax is not on the path: the package is not installed, or was before it had the command")
    flags = [f"--corpus={lines_file}", *SMALL]
    subprocess.run([script, "train", *flags, f"--workdir={tmp_path / 'a'}"], check=True, capture_output=True)
    assert cli.run(train_main, ["train", *flags, f"--workdir={tmp_path / 'b'}"]) == 0
    beta = [(tmp_path / name / "export" / "beta.npy").read_bytes() for name in "ab"]
    assert beta[0] == beta[1]


@pytest.mark.parametrize("cached", [True, False])
def test_training_finds_what_was_prepared(lines_file, tmp_path, capsys, cached):
    flags = [f"--corpus={lines_file}", *SMALL, f"--workdir={tmp_path / 'run'}"]
    flags += [f"--cache_dir={tmp_path / 'kept'}"] if cached else []
    assert cli.run(prepare_main, ["prepare", *flags]) == 0
    told = capsys.readouterr().err
    where = tmp_path / "kept" if cached else tmp_path / "run" / "corpus"
    assert "documents emptied" in told
    assert f"{where} holds the prepared corpus" in told
    assert not (tmp_path / "run" / "config.json").exists()
    assert cli.run(train_main, ["train", *flags]) == 0
    assert f"prepared before, in {where}" in capsys.readouterr().err


def test_devices_that_are_not_there_are_one_line(lines_file, tmp_path):
    for platform in ("cuda", "nonsense"):
        command = [sys.executable, "-m", "etm_jax.train", f"--corpus={lines_file}", f"--workdir={tmp_path / platform}"]
        done = forked.run(command, capture_output=True, text=True, env=os.environ | {"JAX_PLATFORMS": platform})
        assert done.returncode == 2
        assert done.stderr.startswith(f"error: JAX finds no device for JAX_PLATFORMS={platform} here; unset that")
        assert done.stderr.count("\n") == 1


def test_a_run_is_not_called_damaged_where_there_is_no_device(lines_file, tmp_path, capsys):
    assert cli.run(train_main, ["train", f"--corpus={lines_file}", *SMALL, f"--workdir={tmp_path / 'run'}"]) == 0
    command = [sys.executable, "-m", "etm_jax.evaluate", f"--workdir={tmp_path / 'run'}"]
    done = forked.run(command, capture_output=True, text=True, env=os.environ | {"JAX_PLATFORMS": "cuda"})
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith("error: JAX finds no device for JAX_PLATFORMS=cuda here")
