"""Flags become settings, and help says what there is."""

import dataclasses
import json
import re
import subprocess
import sys

import pytest

from etm_jax.cli import flags as cli
from etm_jax.config.settings import SECTIONS, VARIANTS, Config, RunOptions, flag_name, make_config
from etm_jax.util.errors import UserError

# fmt: off
REPORT_FLAGS = [
    "taskname", "no_below", "no_above", "num_epochs", "n_topic", "bkpt_continue", "use_tfidf", "rebuild", "batch_size",
    "criterion", "emb_dim", "auto_adj", "ckpt", "lang",
]
# fmt: on


def parse(*argv):
    return cli.parse(["train", *argv])


def all_fields():
    return [f for kind in (RunOptions, *SECTIONS.values()) for f in dataclasses.fields(kind)]


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
    assert name in [flag_name(f) for f in all_fields()]


def test_flag_names_are_unique():
    names = [flag_name(f) for f in all_fields()]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("variant", VARIANTS)
def test_settings_survive_json(variant):
    config = make_config(variant, {"num_topics": 3, "hidden": (5,), "lowercase": True})
    assert Config.from_json(json.loads(json.dumps(config.to_json()))) == config


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
        (["--variant=gsm"], "variant='gsm'.*report"),
        (["--valid_share=0.6", "--test_share=0.5"], "valid_share"),
        (["corpus.txt"], "corpus.txt"),
    ],
)
def test_a_wrong_flag_is_named_with_its_value_and_the_way_out(argv, said):
    with pytest.raises(UserError) as caught:
        parse(*argv)
    assert re.search(said, str(caught.value))
    assert "\n" not in str(caught.value)


def test_help_names_every_flag_and_fits_a_terminal():
    text = cli.help_text("Usage.")
    for f in all_fields():
        assert re.search(rf"^  --(\[no\])?{flag_name(f)}\b", text, re.MULTILINE), f.name
    assert max(map(len, text.splitlines())) <= 120


def test_help_does_not_import_jax():
    code = "import sys; from etm_jax.train import main; main(['train', '--help']); assert 'jax' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_from_json_refuses_what_it_does_not_know():
    values = make_config().to_json()
    values["model"]["num_topic"] = 3
    with pytest.raises(UserError, match="num_topic"):
        Config.from_json(values)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_setting_that_an_earlier_version_did_not_have_takes_its_default(variant):
    values = make_config(variant).to_json()
    for section, name in (("corpus", "meta_fields"), ("corpus", "meta"), ("model", "hidden"), ("train", "num_epochs")):
        del values[section][name]
    assert Config.from_json(values) == make_config(variant)
    del values["model"]
    with pytest.raises(UserError, match="model"):
        Config.from_json(values)
