"""When a run is said to have collapsed, and what is recommended."""

import numpy as np
import pytest

from conftest import SMALL
from etm_jax.cli import flags as cli
from etm_jax.config.build import make_config
from etm_jax.models.topic_arrays import TopicArrays
from etm_jax.results.collapse import advice, collapse_warning, symptoms
from etm_jax.train import main

NO_THETA = np.empty((0, 10))


def model(beta: np.ndarray, active: int = 10) -> TopicArrays:
    activity = np.where(np.arange(len(beta)) < active, 0.02, 0.005)
    return TopicArrays(beta, NO_THETA, NO_THETA, NO_THETA, NO_THETA, activity=activity)


def topics(distinct: int, num_topics: int = 10, vocab_size: int = 1000) -> np.ndarray:
    """[K, V], of which `distinct` have 25 words of their own and the others those of the first."""
    beta = np.full((num_topics, vocab_size), 1e-6)
    for k in range(num_topics):
        start = 25 * k if k < distinct else 0
        beta[k, start : start + 25] = np.linspace(0.05, 0.03, 25)
    return beta / beta.sum(axis=1, keepdims=True)


def test_sound_topics_have_no_symptoms():
    assert symptoms(model(topics(10))) == []
    assert collapse_warning(model(topics(10)), make_config(), 1000) is None


def test_topics_that_are_all_the_same_have_two():
    diversity, duplicates = symptoms(model(topics(1)))
    assert diversity.startswith("diversity is 0.10")
    assert duplicates.startswith("9 of 10 topics repeat")


def test_a_few_duplicates_are_no_collapse():
    assert symptoms(model(topics(8))) == []
    assert len(symptoms(model(topics(7)))) == 1


def test_an_encoder_that_reads_nothing_is_seen_though_the_topics_differ():
    assert symptoms(model(topics(10), active=5)) == []
    assert symptoms(model(topics(10), active=4)) == ["only 4 of 10 topics vary with the document"]


def test_a_small_vocabulary_is_not_taken_for_collapse():
    # Ten topics of 25 words out of 40: at most 0.16 of them are unique.
    beta = np.random.default_rng(0).dirichlet(np.full(40, 0.3), 10)
    assert symptoms(model(beta)) == []


def test_lda_is_never_warned_of():
    assert symptoms(model(topics(1))._replace(activity=None)) == []


def test_the_warning_is_one_line_with_two_flags():
    told = collapse_warning(model(topics(1), active=0), make_config("paper"), 1000)
    assert told is not None
    assert "\n" not in told
    for part in ("0.10", "9 of 10", "only 0 of 10", "--vectors=ppmi --warm_start", "docs/collapse.md"):
        assert part in told


@pytest.mark.parametrize(
    ("variant", "given", "expected"),
    [
        ("paper", {}, ("--vectors=ppmi", "--warm_start")),
        ("ntm", {}, ("--vectors=ppmi", "--warm_start")),
        ("paper", {"vectors": "skipgram", "no_above": 1.0}, ("--warm_start", "--no_above=0.1")),
        ("default", {"no_above": 0.5, "overlap_weight": 0.0}, ("--no_above=0.1", "--overlap_weight=0.5")),
        ("default", {"num_epochs": 20, "overlap_weight": 0.6}, ("--num_epochs=40", "--n_topic=25")),
        (
            "default",
            {"num_topics": 2, "num_epochs": 30, "overlap_weight": 0.6},
            ("--num_epochs=60", "--learning_rate=0.003"),
        ),
        ("default", {"kind": "gsm"}, ("--num_epochs=200", "--batch_size=64")),
        ("default", {"kind": "gsm", "prior_variance": 10.0}, ("--prior_variance=1", "--num_epochs=200")),
    ],
)
def test_the_flags_are_those_that_the_settings_leave(variant, given, expected):
    assert advice(make_config(variant, given), 1000) == expected


def test_few_documents_are_not_filtered_away():
    given = {"no_above": 1.0, "num_epochs": 60, "overlap_weight": 0.01}
    assert advice(make_config("default", given), 99) == ("--overlap_weight=0.5", "--num_epochs=120")
    assert advice(make_config("default", given), 100) == ("--no_above=0.1", "--overlap_weight=0.5")


def test_lists_of_ten_of_a_dozen_words_are_no_duplicates():
    # Any two lists of ten words of thirteen have seven in common.
    beta = np.random.default_rng(0).dirichlet(np.full(13, 0.3), 4)
    assert symptoms(model(beta)) == []


def test_a_collapsed_run_says_so_once(lines_file, tmp_path, capsys):
    # With steps of almost no size, no topic is learnt and the encoder stays as it began. test_run has a sound run.
    flags = (*SMALL, "--variant=paper", "--num_epochs=2", "--learning_rate=1e-9")
    assert cli.run(main, ["train", f"--corpus={lines_file}", f"--workdir={tmp_path / 'run'}", *flags]) == 0
    (told,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning")]
    assert "the topics have collapsed" in told
