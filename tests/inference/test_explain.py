"""Which words speak for which topic, how sure proportions are, and which topics a query asks for."""

import numpy as np
import pytest
import scipy.sparse as sp

from conftest import SMALL, THEMES, themed_lines
from etm_jax.cli import flags as cli
from etm_jax.edit import main as edit_main
from etm_jax.explain import main as explain_main
from etm_jax.find import main as find_main
from etm_jax.inference.explain import deviations, explain
from etm_jax.inference.find_topics import find_topics
from etm_jax.inference.predictor import read_predictor
from etm_jax.train import main as train_main

SEA = THEMES["海"].split()


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run of each model, and one whose first two topics were merged."""
    folder = tmp_path_factory.mktemp("explain")
    (folder / "lines.txt").write_text("\n".join(themed_lines()) + "\n", encoding="utf-8")
    small = ["train", f"--corpus={folder / 'lines.txt'}", *SMALL]
    for model, *more in (("etm", "--num_epochs=20"), ("gsm", "--num_epochs=1"), ("lda", "--lda_iterations=20")):
        assert cli.run(train_main, [*small, f"--model={model}", f"--workdir={folder / model}", *more]) == 0
    for model in ("etm", "lda"):
        edit = ["edit", f"--workdir={folder / model}", f"--output={folder / f'{model}_edited'}", "--merge=0,1"]
        assert cli.run(edit_main, edit) == 0
    return folder


def counts_of(model, words):
    row = np.zeros((1, len(model.vocabulary)), np.int32)
    for word in words:
        row[0, model.vocabulary.words.index(word)] += 1
    return sp.csr_matrix(row)


@pytest.mark.parametrize("name", ["etm", "lda", "etm_edited", "lda_edited"])
def test_words_are_shared_out_by_bayes_rule(runs, name):
    model = read_predictor(str(runs / name))
    counts = counts_of(model, [*SEA[:4], SEA[0]])
    found = explain(model, counts, unknown=2, posterior=True)
    joint = found.theta[:, None] * model.beta[:, counts.indices]
    np.testing.assert_allclose(found.shares, (joint / joint.sum(axis=0)).T, rtol=1e-5)
    assert found.unknown == 2
    topic = found.largest(1)[0]
    words, expected = zip(*found.words_for(topic), strict=True)
    assert words[0] == SEA[0]
    assert set(words) == set(SEA[:4])
    assert sum(expected) <= 5
    assert found.deviation.shape == found.theta.shape
    assert (found.deviation > 0).all()


@pytest.mark.parametrize("name", ["etm", "lda"])
def test_more_words_leave_less_open_and_merged_topics_vary_together(runs, name):
    model, edited = read_predictor(str(runs / name)), read_predictor(str(runs / f"{name}_edited"))
    some, many = counts_of(model, SEA[:3]), counts_of(model, SEA * 4)
    both = sp.csr_matrix(sp.vstack([some, many]))
    found = deviations(model, both)
    assert found[1].sum() < found[0].sum()
    # Two topics are left, whose proportions sum to 1; topic 2 is as it was.
    np.testing.assert_allclose(deviations(edited, both)[:, 0], found[:, 2], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(deviations(edited, both)[:, 1], found[:, 2], rtol=1e-4, atol=1e-6)


def test_a_query_finds_the_topic_of_its_words():
    beta = np.array([[0.7, 0.2, 0.1], [0.1, 0.2, 0.7]])
    query = sp.csr_matrix([[1, 0, 3]])
    first, second = find_topics(beta, np.array([0.5, 0.5]), query, ["a", "b", "c"])
    assert (first.topic, second.topic) == (1, 0)
    assert first.score == pytest.approx((0.125 + 3 * 0.875) / 4)
    assert first.score + second.score == pytest.approx(1)
    assert first.words == ["c", "b", "a"]
    rare = find_topics(beta, np.array([1.0, 0.0]), query, ["a", "b", "c"], n=1)
    assert [(t.topic, t.score) for t in rare] == [(0, 1)]


@pytest.mark.parametrize("name", ["etm", "lda", "etm_edited"])
def test_the_commands_print_the_topic_of_the_words(runs, name, capsys):
    text = f"{SEA[0]} {SEA[1]} {SEA[2]} 火箭"
    assert cli.run(find_main, ["find", f"--workdir={runs / name}", f"--query={text}", "--topics=1"]) == 0
    said = capsys.readouterr()
    assert set(said.out.splitlines()[2].split()) & set(SEA)
    assert "1 are not the model's and were left out, such as 火箭" in said.err
    (runs / "one.txt").write_text(text, encoding="utf-8")
    assert cli.run(explain_main, ["explain", f"--workdir={runs / name}", f"--text={text}"]) == 0
    by_text = capsys.readouterr().out
    assert cli.run(explain_main, ["explain", f"--workdir={runs / name}", f"--input={runs / 'one.txt'}"]) == 0
    assert capsys.readouterr().out == by_text
    as_counted = ["explain", f"--workdir={runs / name}", f"--text={SEA[0]}{SEA[1]}", "--segmenter=whitespace"]
    assert cli.run(explain_main, as_counted) == 2  # Uncut, it is one word that the model does not know.
    capsys.readouterr()
    assert SEA[0] in by_text.splitlines()[2]
    assert "±" in by_text


@pytest.mark.parametrize(
    ("main", "flags", "message"),
    [
        (find_main, ["--workdir=etm", "--query=火箭"], "has none of the model's"),
        (explain_main, ["--workdir=etm"], "give --text=TEXT or --input=FILE"),
        (explain_main, ["--workdir=etm", "--input=nowhere.txt"], "--input=nowhere.txt cannot be read"),
        (explain_main, ["--workdir=gsm", f"--text={SEA[0]}"], "topics cannot explain them"),
        (find_main, ["--workdir=etm"], "give --workdir=FOLDER and --query=TEXT"),
    ],
)
def test_mistakes_get_one_line(runs, monkeypatch, capsys, main, flags, message):
    monkeypatch.chdir(runs)
    assert cli.run(main, ["command", *flags]) == 2
    assert message in capsys.readouterr().err.splitlines()[-1]
