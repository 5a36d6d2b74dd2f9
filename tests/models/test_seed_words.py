"""Guided topics: what the file says, where they start, what draws them, and that it does."""

import jax.numpy as jnp
import numpy as np
import pytest

from conftest import SMALL, THEMES, themed_lines
from etm_jax import ETM
from etm_jax.cli import flags as cli
from etm_jax.corpus.types import Vocabulary
from etm_jax.models.objective import seed_loss
from etm_jax.models.seed_words import read_seed_words, write_seed_words
from etm_jax.models.warm_start import guided
from etm_jax.train import main
from etm_jax.util.errors import UserError

COUNTS = np.ones(6, np.int64)
VOCABULARY = Vocabulary(["sea", "ship", "hill", "tree", "town", "ＡＢ"], COUNTS, COUNTS, 6, "whitespace")


def written(tmp_path, text: str) -> str:
    path = tmp_path / "seeds 词.txt"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_a_line_a_topic_and_an_empty_one_for_a_free_topic(tmp_path, capsys):
    path = written(tmp_path, "# a comment\nship sea ship\n\nHill 塔\n\n\n")
    assert read_seed_words(path, VOCABULARY, 4) == ((1, 0), (), (2,))
    assert capsys.readouterr().err == f"warning: --seed_words={path}: left out, as the vocabulary lacks them: 塔\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("sea\nship\nhill\n", "has words for 3 topics, and there are 2; raise --n_topic"),
        ("", "has no words; write those of a topic in a line, or leave it out"),
        ("\n# nothing\n", "has no words"),
        ("sea\n塔 桥\n", "the vocabulary has none of the words of topic 1 \\(塔 桥\\)"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path, text, told):
    with pytest.raises(UserError, match=told):
        read_seed_words(written(tmp_path, text), VOCABULARY, 2)


def test_files_that_cannot_be_read_are_named(tmp_path):
    with pytest.raises(UserError, match="cannot be read"):
        read_seed_words(str(tmp_path / "nowhere"), VOCABULARY, 2)
    (tmp_path / "gbk.txt").write_bytes("海".encode("gbk"))
    with pytest.raises(UserError, match="is not UTF-8 at byte 0"):
        read_seed_words(str(tmp_path / "gbk.txt"), VOCABULARY, 2)


def test_words_written_are_read_again(tmp_path):
    path = write_seed_words([["ship", "sea"], [], ["hill"]], tmp_path)
    assert read_seed_words(path, VOCABULARY, 3) == ((1, 0), (), (2,))
    assert write_seed_words([[], []], tmp_path) == ""
    with pytest.raises(UserError, match="'two words' is not one word"):
        write_seed_words([["two words"]], tmp_path)
    with pytest.raises(UserError, match="list of lists"):
        write_seed_words(["sea"], tmp_path)


def test_the_pull_is_the_log_of_the_share_that_the_words_have():
    beta = jnp.array([[0.5, 0.25, 0.25], [0.125, 0.125, 0.75]])
    assert float(seed_loss(beta, ((0, 1),))) == pytest.approx(-np.log(0.75))
    assert float(seed_loss(beta, ((), (1,)))) == pytest.approx(np.log(8))
    assert float(seed_loss(beta, ((0, 1), (1,)))) == pytest.approx(-np.log(0.75) + np.log(8))
    assert float(seed_loss(beta, ((0, 1, 2),))) == pytest.approx(0)
    # A topic that holds none of its words in this precision still gives a number.
    assert np.isfinite(seed_loss(jnp.array([[0.0, 1.0]]), ((0,),)))


def test_a_guided_topic_takes_the_place_of_the_nearest_cluster():
    centres, directions = np.eye(4), np.array([[0.0, 0.0, 1, 0], [0, 0, 0.8, 0.6], [1, 0, 0, 0]])
    found = guided(centres, directions, [[], [0, 1]])
    np.testing.assert_allclose(found[1], np.array([0, 0, 1.8, 0.6]) / np.sqrt(1.8**2 + 0.6**2))
    np.testing.assert_array_equal(found[[0, 2, 3]], centres[[0, 1, 3]])
    np.testing.assert_array_equal(guided(centres, directions, []), centres)


def train(*argv) -> int:
    return cli.run(main, ["train", *map(str, argv)])


def topics(run) -> list[list[str]]:
    words = (run / "export" / "vocab.txt").read_text("utf-8").split()
    beta = np.load(run / "export" / "beta.npy")
    return [[words[j] for j in np.argsort(-row)[:10]] for row in beta]


@pytest.mark.parametrize("variant", ["default", "paper"])
def test_guided_topics_are_about_their_words_in_the_order_of_the_file(lines_file, tmp_path, variant):
    themes = [words.split() for words in THEMES.values()]
    flags = [f"--corpus={lines_file}", *SMALL, f"--variant={variant}", "--num_epochs=30", "--seed_weight=1"]
    # Whatever the order, so that none has it by chance.
    for order in ([0, 1, 2], [2, 0, 1]):
        seeds = written(tmp_path, "".join(f"{themes[i][0]} {themes[i][1]}\n" for i in order))
        run = tmp_path / f"{order[0]}"
        assert train(*flags, f"--seed_words={seeds}", f"--workdir={run}") == 0
        for k, i in enumerate(order):
            assert set(themes[i][:2]) <= set(topics(run)[k])


def test_one_topic_is_drawn_to_words_of_two_themes_that_nothing_else_joins(lines_file, tmp_path):
    pair = {THEMES["海"].split()[0], THEMES["城"].split()[0]}
    flags = [f"--corpus={lines_file}", *SMALL, "--n_topic=4"]
    assert train(*flags, f"--workdir={tmp_path / 'free'}") == 0
    seeds = written(tmp_path, " ".join(pair))
    drawn = [f"--seed_words={seeds}", "--seed_weight=3"]
    assert train(*flags, *drawn, f"--workdir={tmp_path / 'drawn'}") == 0
    assert not any(pair <= set(topic[:5]) for topic in topics(tmp_path / "free"))
    assert pair <= set(topics(tmp_path / "drawn")[0][:5])


def test_without_seed_words_their_weight_changes_no_byte(lines_file, tmp_path):
    flags = [f"--corpus={lines_file}", *SMALL]
    assert train(*flags, f"--workdir={tmp_path / 'a'}") == 0
    assert train(*flags, f"--workdir={tmp_path / 'b'}", "--seed_weight=9") == 0
    beta = [(tmp_path / name / "export" / "beta.npy").read_bytes() for name in "ab"]
    assert beta[0] == beta[1]


def test_a_run_goes_on_with_the_same_words_alone(lines_file, tmp_path, capsys):
    flags = [f"--corpus={lines_file}", *SMALL, "--lr_schedule=constant", f"--workdir={tmp_path / 'run'}"]
    seeds = written(tmp_path, "海洋 船\n")
    whole = [f"--seed_words={seeds}", f"--workdir={tmp_path / 'whole'}"]
    assert train(*flags, *whole) == 0
    assert train(*flags, f"--seed_words={seeds}", "--num_epochs=3") == 0
    assert train(*flags) == 2
    assert "--seed_words differs from what this run was started with, 海洋 船" in capsys.readouterr().err
    written(tmp_path, "山峰\n")
    assert train(*flags, f"--seed_words={seeds}") == 2
    written(tmp_path, "# the same words\n海洋 船\n")
    assert train(*flags, f"--seed_words={seeds}") == 0
    beta = [(tmp_path / name / "export" / "beta.npy").read_bytes() for name in ("run", "whole")]
    assert beta[0] == beta[1]


@pytest.mark.parametrize("model", ["gsm", "lda"])
def test_models_without_embeddings_cannot_be_guided(lines_file, tmp_path, capsys, model):
    seeds = written(tmp_path, "海洋\n")
    flags = [f"--corpus={lines_file}", *SMALL, f"--model={model}", f"--workdir={tmp_path / 'run'}"]
    assert train(*flags, f"--seed_words={seeds}") == 2
    assert "is for --model=etm" in capsys.readouterr().err
    assert not (tmp_path / "run" / "config.json").exists()


def test_several_seeds_are_guided_alike(lines_file, tmp_path):
    seeds = written(tmp_path, "\n" + THEMES["山"] + "\n")
    flags = [
        f"--corpus={lines_file}",
        *SMALL,
        "--num_seeds=2",
        f"--seed_words={seeds}",
        f"--workdir={tmp_path / 'run'}",
    ]
    assert train(*flags) == 0
    assert len(set(topics(tmp_path / "run")[1]) & set(THEMES["山"].split())) >= 7


def test_the_estimator_takes_them_too(tmp_path):
    settings = {"hidden": (16,), "embed_dim": 8, "batch_size": 32}
    words = [[], THEMES["城"].split()[:2]]
    model = ETM(
        3,
        segmenter="whitespace",
        no_below=1,
        no_above=0.6,
        num_epochs=8,
        seed_words=words,
        settings=settings,
        verbose=0,
    ).fit(themed_lines())
    assert set(words[1]) <= set(model.topics(10)[1])
    model.save(tmp_path / "kept")
    assert ETM.load(tmp_path / "kept").seed_words == words
    with pytest.raises(ValueError, match="none of the words of topic 0"):
        model.set_params(seed_words=[["塔吊"]]).fit(themed_lines())
