"""A model of the user's own: by the environment, with settings of its own, in every command that reads a run."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

import forked
from conftest import SMALL
from etm_jax.cli import flags as cli
from etm_jax.cli.help import help_text
from etm_jax.config import models
from etm_jax.config.build import Config, make_config
from etm_jax.config.declaration import setting
from etm_jax.config.models import WITHOUT_EMBEDDINGS, ModelCard, UnknownModelError, model_card, model_names
from etm_jax.training.run_folder import RunFolder
from etm_jax.util.errors import UserError


@dataclass(frozen=True)
class OwnConfig:
    """Settings of a model that there is not."""

    own_width: int = setting(4, "a width", at_least=1)
    own_mode: str = setting("slow", "a mode", choices=("slow", "fast"))


class Own:
    """A model that there is not."""


CARD = ModelCard("own", "a model of one's own", Own, OwnConfig, {"num_topics": 9}, WITHOUT_EMBEDDINGS)


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "_CARDS", dict(models._CARDS))
    models.register_model(CARD)


@pytest.mark.usefixtures("registered")
def test_its_flags_come_with_it_and_its_settings_reach_the_model(capsys: pytest.CaptureFixture[str]) -> None:
    config, _ = cli.parse(["train", "--model=own", "--own_width=7"])
    assert config.model.own == OwnConfig(own_width=7)
    assert hash(config.model) == hash(replace(config.model, own=OwnConfig(own_width=7)))
    assert (config.model.num_topics, config.model.read_rho) == (9, False)
    text = help_text("", cli.sections_of_training())
    assert "  --own_mode=slow|fast" in text
    assert "own       a model of one's own" in text
    with pytest.raises(UserError, match="--own_width=0 is out of range; give at least 1"):
        cli.parse(["train", "--model=own", "--own_width=0"])


@pytest.mark.usefixtures("registered")
def test_its_settings_stand_in_a_section_of_its_name() -> None:
    config = make_config("default", {"kind": "own", "own_mode": "fast"})
    values = json.loads(json.dumps(config.to_json()))
    assert values["own"] == {"own_width": 4, "own_mode": "fast"}
    assert Config.from_json(values) == config
    del values["own"]
    assert Config.from_json(values) == make_config("default", {"kind": "own"})
    # A run of another model has no such section.
    assert "own" not in make_config().to_json()


@pytest.mark.usefixtures("registered")
def test_a_setting_that_was_renamed_is_read_by_its_former_name() -> None:
    values = make_config("default", {"kind": "own", "own_width": 7}).to_json()

    @dataclass(frozen=True)
    class Renamed:
        own_size: int = setting(4, "width", formerly="own_width")
        own_mode: str = setting("slow", "how", choices=("slow", "fast"))

    models.register_model(replace(CARD, settings=Renamed))
    assert Config.from_json(values).model.own == Renamed(own_size=7)


@pytest.mark.usefixtures("registered")
def test_a_name_that_is_taken_is_refused() -> None:
    models.register_model(CARD)
    with pytest.raises(UserError, match=r"there is a model own already, .*:Own; give .*:Other another name"):
        models.register_model(replace(CARD, implementation="my_models:Other"))

    @dataclass(frozen=True)
    class Clashing:
        hidden: int = setting(4, "taken")

    models.register_model(replace(CARD, name="other", settings=Clashing))
    with pytest.raises(UserError, match="the model other has a section or a setting hidden, and there is one already"):
        make_config()


def test_of_a_run_of_an_unknown_model_the_folder_and_the_model_are_named(tmp_path: Path) -> None:
    values = make_config().to_json()
    values["model"]["kind"] = "prodlda"
    with pytest.raises(UnknownModelError, match="--model='prodlda' is unknown"):
        Config.from_json(values)
    about = {"corpus": "c", "corpus_digest": "d", "vocabulary_hash": "h", "ckpt": ""}
    sizes = dict.fromkeys(("vocab_size", "num_docs", "embed_dim", "batch_size", "num_epochs"), 9)
    record = {"etm_jax": "0.1.0", "run": about | sizes, "config": values}
    (tmp_path / "config.json").write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(
        UserError, match=r"config\.json is of another model: --model='prodlda' is unknown; .*ETM_JAX_MOD"
    ):
        RunFolder(tmp_path).record()


MODULE = """
from etm_jax.config.models import ModelCard, register_model

register_model(ModelCard("twin", "ETM under another name", "etm_jax.models.etm:ETM"))
"""


def command(folder: Path, module: str, *flags: str, **environment: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(folder), str(Path(__file__).parents[2])])
    return forked.run(
        [sys.executable, "-m", module, *flags],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": path} | environment,
    )


def test_modules_that_the_environment_names_are_imported_for_every_entry(tmp_path: Path, lines_file: Path) -> None:
    (tmp_path / "my_models.py").write_text(MODULE, encoding="utf-8")
    helped = command(tmp_path, "etm_jax.train", "--help", ETM_JAX_MODELS="my_models")
    assert "twin      ETM under another name" in helped.stdout
    run = tmp_path / "run"
    flags = [f"--corpus={lines_file}", f"--workdir={run}", *SMALL, "--num_epochs=1", "--model=twin"]
    trained = command(tmp_path, "etm_jax.train", *flags, ETM_JAX_MODELS="my_models")
    assert trained.returncode == 0, trained.stderr
    infer = ["etm_jax.infer", f"--workdir={run}", f"--input={lines_file}", f"--output={tmp_path / 'theta.npy'}"]
    assert command(tmp_path, *infer, ETM_JAX_MODELS="my_models").returncode == 0
    without = command(tmp_path, *infer)
    assert (without.returncode, len(without.stderr.splitlines())) == (2, 1)
    assert "config.json is of another model: --model='twin' is unknown" in without.stderr
    program = "from etm_jax import ETM; ETM(settings={'kind': 'twin'})._config(); print('known')"
    imported = forked.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(tmp_path), "ETM_JAX_MODELS": "my_models"},
    )
    assert imported.stdout == "known\n", imported.stderr


def test_a_module_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    done = command(tmp_path, "etm_jax.train", "--n_topic=3", ETM_JAX_MODELS="no_such_module")
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert line.startswith("error: ETM_JAX_MODELS=no_such_module: no_such_module cannot be imported")
    assert line.endswith("correct the name, or put its folder on PYTHONPATH")


def test_the_models_here_are_found_where_their_cards_say() -> None:
    from importlib import import_module

    assert model_names() == ("etm", "detm", "detm_paper", "gsm", "lda")
    for name in model_names():
        module, _, attribute = str(model_card(name).implementation).partition(":")
        assert isinstance(getattr(import_module(module), attribute), type)
