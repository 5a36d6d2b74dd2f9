"""A whole configuration: who wins, what goes together, and what a file of another version holds."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from etm_jax.config.build import Config, make_config
from etm_jax.config.declaration import NOT_HERE, settings_of
from etm_jax.config.models import model_card, model_names
from etm_jax.config.settings import SECTIONS, RunOptions
from etm_jax.config.variants import VARIANTS
from etm_jax.util.errors import UserError
from etm_jax.util.forms import FORMAT, TooOldError


def test_a_user_wins_over_a_variant_and_a_variant_over_a_model() -> None:
    assert make_config().model.prior_variance == 15.0
    assert make_config("paper").model.prior_variance == 1.0
    gsm = make_config("default", {"kind": "gsm"})
    assert (gsm.model.prior_variance, gsm.train.num_epochs, gsm.train.export_from) == (1.0, 100, "best")
    assert make_config("paper", {"kind": "gsm"}).train.num_epochs == 1000
    assert make_config("default", {"kind": "gsm", "num_epochs": 3}).train.num_epochs == 3


@pytest.mark.parametrize("kind", ["gsm", "lda"])
def test_what_a_model_forces_holds_whatever_is_given(kind: str) -> None:
    given = {"kind": kind, "vectors": "cbow", "temperature": 2.0, "refine_steps": 3, "read_rho": True}
    config = make_config("default", given)
    forced = model_card(kind).forced or {"vectors": "ppmi", "temperature": 1.07, "refine_steps": 2}
    values = {s.name: value for _, s, value in config.settings()}
    assert {name: values[name] for name in forced} == forced


def test_a_model_that_reads_few_settings_keeps_the_defaults_of_the_others() -> None:
    given = {"kind": "lda", "num_topics": 7, "seed": 3, "learning_rate": 0.5, "no_above": 0.4, "lda_iterations": 9}
    config = make_config("paper", given)
    assert config.optimizer == make_config().optimizer
    assert config.objective == make_config().objective
    assert (config.model.num_topics, config.train.seed, config.corpus.no_above) == (7, 3, 0.4)
    assert config.lda.lda_iterations == config.model.own.lda_iterations == 9


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"valid_share": 0.6, "test_share": 0.5}, "--valid_share=0.6 .*--test_share=0.5 documents are left to train"),
        ({"infer_steps": 2, "theta_layer": True}, "--infer_steps=2 .*give 0, or --notheta_layer"),
        ({"infer_steps": 0, "refine_steps": 2, "theta_layer": True}, "--refine_steps=2 .*give 0, or --notheta_layer"),
        ({"seed": 2**32 - 1, "num_seeds": 2}, "--num_seeds=2 .*the last seed is at most 4294967295"),
        ({"kind": "lda", "num_seeds": 2}, "--num_seeds=2 is not for --model=lda, which fits one seed a run"),
        ({"kind": "prodlda"}, "--model='prodlda' is unknown; the models are etm, detm, detm_paper, gsm, lda"),
        ({"num_topic": 3}, "unknown setting 'num_topic'; did you mean 'num_topics'"),
        ({"n_topic": 3}, "unknown setting 'n_topic'; did you mean 'num_topics'"),
        ({"own": 3}, "unknown setting 'own'"),
        (
            {"kind": "detm", "content": "source"},
            "--content=source is for --model=etm, and not for --model=detm; leave it out",
        ),
        ({"kind": "gsm", "prevalence": "~ source"}, "--prevalence=~ source is for --model=etm"),
        ({"kind": "lda", "content": "source"}, "--content=source is for --model=etm"),
        ({"time_field": "date"}, "--time_field=date is for --model=detm"),
        (
            {"kind": "lda", "context": "use"},
            "--context=use is for --model=etm or --model=gsm or --model=detm, and not for",
        ),
        ({"context_axes": 8}, "--context_axes=8 is of the vectors of --context; give that too"),
        ({"neighbours": 50}, "--neighbours=50 is for --neighbour_share, which is 0"),
        ({"content": "source,year"}, "--content=source,year is to be one field"),
        ({"prevalence": "~ s(date, 2.5)"}, "give a whole number of columns, 3 to 30"),
    ],
)
def test_what_no_setting_can_be_asked_alone(given: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        make_config("default", given)


def test_settings_that_fit_together_alone_do_fit() -> None:
    assert make_config("default", {"valid_share": 0.5, "test_share": 0.4}).corpus.valid_share == 0.5
    assert make_config("default", {"seed": 2**32 - 2, "num_seeds": 2}).train.num_seeds == 2


@pytest.mark.parametrize("kind", model_names())
@pytest.mark.parametrize("variant", VARIANTS)
def test_settings_survive_json(variant: str, kind: str) -> None:
    config = make_config(variant, {"kind": kind, "num_topics": 3, "hidden": (5,), "lowercase": True})
    values = json.loads(json.dumps(config.to_json()))
    own = {card.own_section for card in [model_card(config.model.kind)] if card.settings} - SECTIONS.keys()
    assert list(values) == ["variant", *SECTIONS, *own]
    assert Config.from_json(values) == config


def test_what_was_stored_without_a_setting_has_what_the_code_did_then() -> None:
    values = make_config("default", {"no_below": 2}).to_json()
    assert values["model"].pop("infer_sif") == 0.001
    assert values["model"].pop("temperature") == 1.07
    del values["corpus"]["phrases"], values["train"]["read_workers"]
    assert Config.from_json(values) == make_config("default", {"no_below": 2, "infer_sif": 0.0, "temperature": 1.0})


def test_what_was_always_stored_is_missed() -> None:
    values = make_config().to_json()
    del values["corpus"]["keep_n"]
    with pytest.raises(UserError, match="section 'corpus' lacks keep_n"):
        Config.from_json(values)


def test_what_the_code_cannot_do_any_more_is_of_an_earlier_version() -> None:
    values = make_config().to_json()
    del values["model"]["read_rho"]
    with pytest.raises(TooOldError, match="it was made before --read_rho"):
        Config.from_json(values)


def test_a_new_setting_takes_a_format_of_its_own_and_what_was_before_it() -> None:
    """A setting that is added, renamed or dropped: raise `etm_jax.util.forms.FORMAT`, note the settings under it here,
    and say in the declaration what was before.
    """
    by_format = json.loads(Path(__file__).with_name("settings_by_format.json").read_text("ascii"))
    assert {name: [s.name for s in settings_of(kind)] for name, kind in SECTIONS.items()} == by_format[str(FORMAT)]
    assert sorted(by_format) == [str(number) for number in range(FORMAT + 1)]
    for section, kind in SECTIONS.items():
        always = set(by_format["0"][section])
        for s in settings_of(kind):
            if s.before is not NOT_HERE:
                assert s.may_be_absent == (always.isdisjoint((s.name, s.formerly))), s.name
                assert not s.may_be_absent or s.before is None or s.checked(s.before) == s.before
        for stored in by_format.values():
            assert set(stored[section]) <= {name for s in settings_of(kind) for name in (s.name, s.formerly)}


def test_compact_moments_are_for_rules_that_have_two() -> None:
    for optimizer in ("sgd", "adagrad", "rmsprop"):
        with pytest.raises(
            UserError, match=f"--adam_moments=compact is for .*leave it out with --optimizer={optimizer}$"
        ):
            make_config("default", {"optimizer": optimizer, "adam_moments": "compact"})
    assert make_config("ntm", {"optimizer": "adamw", "adam_moments": "compact"}).optimizer.adam_moments == "compact"
    assert make_config("default", {"kind": "lda", "adam_moments": "compact"}).optimizer.adam_moments == "full"


def test_a_former_name_of_a_variant_is_read_and_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    config = make_config("ntm")
    assert Config.from_json(config.to_json() | {"variant": "report"}) == config == make_config("report")
    assert config.variant == "ntm"
    assert capsys.readouterr().err == ""
    assert RunOptions.variant in VARIANTS


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"model": {"num_topic": 3}}, "section 'model' has unknown settings: num_topic"),
        ({"model": {"num_topics": 3.5}}, "--n_topic=3.5 must be a whole number"),
        ({"model": {"num_topics": 1}}, "--n_topic=1 is out of range"),
        ({"model": None}, "not a configuration of etm_jax"),
        ({"optimizer": ["adam"]}, "not a configuration of etm_jax"),
        ({"variant": "mine"}, "--variant='mine' is not one of default, ntm, paper"),
    ],
)
def test_a_file_that_is_no_configuration_is_refused(changed: dict[str, Any], said: str) -> None:
    values = copy.deepcopy(make_config().to_json())
    for section, value in changed.items():
        values[section] = values[section] | value if isinstance(value, dict) else value
    with pytest.raises(UserError, match=said):
        Config.from_json(values)


def test_a_section_less_is_no_configuration() -> None:
    for section in SECTIONS:
        values = make_config().to_json()
        del values[section]
        with pytest.raises(UserError, match=f"not a configuration of etm_jax: .*{section}"):
            Config.from_json(values)
