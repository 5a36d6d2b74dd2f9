"""Flags become settings, and help says what there is."""

import re
import subprocess
import sys
from dataclasses import dataclass

import pytest

from etm_jax.cli import flags as cli
from etm_jax.cli.help import help_text
from etm_jax.config.build import make_config
from etm_jax.config.declaration import setting, settings_of
from etm_jax.config.settings import SECTIONS, RunOptions
from etm_jax.config.variants import VARIANTS
from etm_jax.util.errors import UserError

# fmt: off
REPORT_FLAGS = [
    "taskname", "no_below", "no_above", "num_epochs", "n_topic", "bkpt_continue", "use_tfidf", "rebuild", "batch_size",
    "criterion", "emb_dim", "auto_adj", "ckpt", "lang",
]
# fmt: on


def parse(*argv):
    return cli.parse(["train", *argv])


def all_flags():
    return [s.flag for kind in (RunOptions, *SECTIONS.values()) for s in settings_of(kind)]


def test_defaults_are_the_dataclasses():
    config, options = parse()
    assert config == make_config()
    assert options == RunOptions()


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_variant_brings_its_settings_and_flags_win(variant):
    config, _ = parse(f"--variant={variant}", "--n_topic=7", "--hidden=9,8", "--no_above=0.3")
    for name, value in VARIANTS[variant].items():
        if name not in ("num_topics", "hidden"):
            assert value in [getattr(s, name) for s in vars(config).values() if hasattr(s, name)]
    assert (config.model.num_topics, config.model.hidden, config.corpus.no_above) == (7, (9, 8), 0.3)


@pytest.mark.parametrize("name", REPORT_FLAGS)
def test_every_argument_of_the_report_is_a_flag(name):
    assert name in all_flags()


def test_flag_names_are_unique():
    assert len(all_flags()) == len(set(all_flags()))


def test_a_flagfile_with_comments(tmp_path):
    file = tmp_path / "a.flags"
    file.write_text("# a comment\n--n_topic=9\n\n--variant=paper\n")
    config, options = parse(f"--flagfile={file}", "--num_epochs=2")
    assert (config.model.num_topics, options.variant, config.train.num_epochs) == (9, "paper", 2)


def test_parsing_twice_is_independent():
    assert parse("--n_topic=5")[0].model.num_topics == 5
    assert parse()[0].model.num_topics == 50


@pytest.mark.parametrize(
    "argv, said",
    [
        (["--n_topics=3"], "n_topics.*n_topic"),
        (["--n_topic=many"], "n_topic=.many"),
        (["--criterion=mse"], "criterion='mse'.*cross_entropy"),
        (["--no_above=1.5"], "no_above=1.5.*at most 1"),
        (["--hidden=a,b"], "hidden='a,b'.*800,800"),
        (["--variant=gsm"], "variant='gsm'.*ntm"),
        (["--valid_share=0.6", "--test_share=0.5"], "valid_share"),
        (["corpus.txt"], "corpus.txt"),
    ],
)
def test_a_wrong_flag_is_named_with_its_value_and_the_way_out(argv, said):
    with pytest.raises(UserError) as caught:
        parse(*argv)
    assert re.search(said, str(caught.value))
    assert "\n" not in str(caught.value)


def test_a_former_name_is_taken_and_said_to_be_one(capsys):
    config, options = parse("--variant=report")
    assert (config, options.variant) == (make_config("ntm"), "ntm")
    [line] = capsys.readouterr().err.splitlines()
    assert line == "--variant=report is called --variant=ntm now; the former name is still taken"
    parse("--variant=ntm")
    assert capsys.readouterr().err == ""


def test_help_names_every_flag_and_fits_a_terminal():
    text = help_text("Usage.", cli.sections_of_training())
    for flag in all_flags():
        assert re.search(rf"^  --(\[no\])?{flag}\b", text, re.MULTILINE), flag
    assert max(map(len, text.splitlines())) <= 120


def test_help_does_not_import_jax():
    code = (
        "import sys; from etm_jax.train import main; main(['train', '--help']); "
        "assert not {'jax', 'scipy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


# Small commands


@dataclass(frozen=True)
class Small:
    """Flags of a command that there is not."""

    source: str = setting("", "what to read", flag="from", shown="FILE", required=True)
    output: str = setting("", "what to write", shown="FILE", endings=(".csv", ".npy"))
    parts: tuple[str, ...] = setting(("a", "b"), "what to do", choices=("a", "b", "c"), example="a,b")
    deep: bool = setting(False, "look twice")


def small(*argv):
    return cli.parse_small(Small, ["small", *argv], "Usage.")


def test_a_small_command_gets_its_flags_from_its_declarations(tmp_path):
    assert small("--from=x") == Small("x")
    assert small("--from=x", "--output=y.CSV", "--parts=a,c", "--deep") == Small("x", "y.CSV", ("a", "c"), True)
    assert small("--from=x", "--parts=a", "--parts=c").parts == ("a", "c")
    (tmp_path / "a.flags").write_text("--from=x\n--nodeep\n")
    assert small(f"--flagfile={tmp_path / 'a.flags'}") == Small("x")


@pytest.mark.parametrize(
    "argv, said",
    [
        ([], "give --from=FILE; --help shows how"),
        (["--from="], "give --from=FILE; --help shows how"),
        (["--from=x", "--output=y.txt"], "--output=y.txt must end in .csv, .npy"),
        (["--from=x", "--parts=a,d"], "--parts='d' is not one of a, b, c"),
        (["--form=x"], "there is no flag --form; did you mean --from? --help lists all flags"),
        ([f"--{'x' * 2000}=1"], f"there is no flag --{'x' * 100}…; --help lists all flags"),
        (["--help=x"], "--help takes no value; --help lists all flags"),
        (["x"], "'x' is no flag; flags begin with --, as in --from=FILE, and --help lists them"),
    ],
)
def test_a_mistake_in_a_small_command(argv, said):
    with pytest.raises(UserError) as caught:
        small(*argv)
    assert str(caught.value) == said


def test_help_of_a_small_command_is_its_usage_and_its_flags(capsys):
    assert small("--help") is None
    first, *lines = capsys.readouterr().out.splitlines()
    assert first == "Usage."
    assert [line.split()[0] for line in lines if line] == [
        "--from=FILE", "--output=FILE", "--parts=NAME,NAME", "--[no]deep", "--flagfile=FILE",
    ]  # fmt: skip
