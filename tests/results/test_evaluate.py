"""Measuring a run of any model from its folder, and while it trains."""

import contextlib
import csv
import dataclasses
import gzip
import json
import re
import shutil

import numpy as np
import pytest
import scipy.sparse as sp

from conftest import SMALL, THEMES, planted_counts, themed_lines, yardstick
from etm_jax.cli import flags as cli
from etm_jax.evaluate import main as evaluate_main
from etm_jax.metrics.evaluator import Measured, Row
from etm_jax.metrics.registry import EVALUATORS
from etm_jax.metrics.topics import npmi_coherence, top_words
from etm_jax.results.evaluation import evaluate
from etm_jax.results.label_file import read_labels
from etm_jax.results.other_topics import evaluate_other
from etm_jax.results.run import read_run
from etm_jax.train import main as train_main
from etm_jax.util.errors import UserError


def train(*argv) -> int:
    return cli.run(train_main, ["train", *map(str, argv)])


def figures_of(path):
    return evaluate(read_run(path))


def evaluated(*argv) -> int:
    return cli.run(evaluate_main, ["evaluate", *map(str, argv)])


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run of each model on the same text, and one on bare counts."""
    folder = tmp_path_factory.mktemp("运行 runs")
    (folder / "lines.txt").write_text("\n".join(themed_lines()) + "\n", encoding="utf-8")
    small = [f"--corpus={folder / 'lines.txt'}", *SMALL, "--log_quality_every=5"]
    with (folder / "etm.log").open("w", encoding="utf-8") as log, contextlib.redirect_stderr(log):
        assert train(*small, f"--workdir={folder / 'etm'}", "--num_epochs=20", "--refine_steps=0", "--thinning=0") == 0
    assert train(*small, f"--workdir={folder / 'gsm'}", "--model=gsm") == 0
    assert train(*small, f"--workdir={folder / 'lda'}", "--model=lda", "--lda_iterations=2") == 0
    return folder


def export(run, name):
    return np.load(run / "export" / f"{name}.npy", allow_pickle=False)


@pytest.mark.parametrize("model", ["etm", "gsm", "lda"])
def test_every_model_is_measured(runs, model, capsys):
    assert evaluated(f"--workdir={runs / model}") == 0
    printed = capsys.readouterr()
    for figure in (
        "NPMI",
        "C_V",
        "C_UCI",
        "C_NPMI",
        "UMass",
        "C_W2V",
        "inverted RBO",
        "duplicate",
        "used",
        "perplexity",
    ):
        assert figure in printed.out
    assert ("active units" in printed.out) == ("KL" in printed.out) == (model != "lda")
    for recorded in ("window 110", "window 10;", "top 10 words", "running text of"):
        assert recorded in printed.out
    assert str(runs / model / "metrics.json") in printed.err
    kept = json.loads((runs / model / "metrics.json").read_text("utf-8"))
    assert len(kept["coherences"]) == 7
    assert all(len(c["per_topic"]) == 3 for c in kept["coherences"])
    assert kept["kl"] is None if model == "lda" else len(kept["kl"]) == 3
    assert kept["labelled"] is None


def test_the_topics_that_are_the_themes_are_seen_to_be_good(runs):
    figures = figures_of(runs / "etm")
    of = {c.measure: c.value for c in figures.values["coherences"]}
    assert of["NPMI"] > 0.5
    assert of["NPMI, held out"] > 0.5
    assert figures.values["diversity"][10] == figures.values["inverted_rbo"] == 1
    assert [figures.values[key] for key in ("duplicates", "used", "active")] == [0, 3, 3]


def test_a_metric_is_a_function_and_a_row(runs, tmp_path, monkeypatch, capsys):
    """Here how sure the topics are of their most probable word: [K], and its mean in the table."""
    run = shutil.copytree(runs / "lda", tmp_path / "run")
    assert evaluated(f"--workdir={run}") == 0
    before, keys = capsys.readouterr().out, list(json.loads((run / "metrics.json").read_text("utf-8")))

    def sureness(fitted):
        sure = fitted.beta.max(axis=1)
        return Measured({"sureness": sure}, [Row("sureness", f"{sure.mean():.3f}", "the most probable word")])

    monkeypatch.setitem(EVALUATORS, "sureness", sureness)
    assert evaluated(f"--workdir={run}") == 0
    kept, sure = json.loads((run / "metrics.json").read_text("utf-8")), export(run, "beta").max(axis=1)
    assert kept["sureness"] == pytest.approx(sure.tolist())
    assert list(kept) == [*keys[:-1], "sureness", keys[-1]]
    *others, last = capsys.readouterr().out.splitlines()
    assert last.split() == ["sureness", f"{sure.mean():.3f}", "the", "most", "probable", "word"]
    assert others == before.splitlines()


def test_a_key_of_metrics_json_has_one_evaluator(runs, monkeypatch):
    monkeypatch.setitem(EVALUATORS, "again", lambda fitted: Measured({"used": 1}, []))
    with pytest.raises(ValueError, match="two evaluators give used"):
        figures_of(runs / "lda")


def test_kl_is_the_bounds_own(runs):
    kl = figures_of(runs / "etm").values["kl"]
    rows = [json.loads(line) for line in (runs / "etm" / "metrics.jsonl").read_text("utf-8").splitlines()]
    # Over other documents, and not while the encoder was still learning: near, not equal.
    assert kl is not None
    assert kl.sum() == pytest.approx(rows[-1]["kl"], rel=0.2)


@pytest.mark.parametrize("model", ["etm", "lda"])
def test_figures_equal_the_yardsticks(runs, model, shared):
    figures, scored = figures_of(runs / model), yardstick(shared, runs / model / "export")
    of = {c.measure: c.value for c in figures.values["coherences"]}
    assert of["NPMI"] == pytest.approx(scored["tc10"], abs=1e-6)
    assert of["NPMI, held out"] == pytest.approx(scored["tc10_test"], abs=1e-6)
    assert figures.values["diversity"][25] == pytest.approx(scored["td25"], abs=1e-6)
    assert figures.values["perplexity"].by_document == pytest.approx(scored["ppl_doc"], rel=1e-6)
    assert figures.values["perplexity"].by_token == pytest.approx(scored["ppl_tok"], rel=1e-6)
    assert figures.values["used"] == scored["used"]


def test_gsms_perplexity_is_not_the_mixtures(runs, shared):
    assert figures_of(runs / "gsm").values["perplexity"].by_token != pytest.approx(
        yardstick(shared, runs / "gsm" / "export")["ppl_tok"], rel=1e-3
    )


def test_labels_that_are_the_themes_are_told_apart(runs, tmp_path, capsys):
    # Document n is of theme (n − 1) mod 3; one in ten is left without a label.
    rows = [(n, "海山城"[(n - 1) % 3]) for n in range(1, 121) if n % 10]
    (tmp_path / "labels.tsv").write_text(
        "label\tdocument\n" + "".join(f"{label}\t{n}\n" for n, label in rows), encoding="utf-8-sig"
    )
    assert evaluated(f"--workdir={runs / 'etm'}", f"--labels={tmp_path / 'labels.tsv'}") == 0
    kept = json.loads((runs / "etm" / "metrics.json").read_text("utf-8"))["labelled"]
    assert kept["purity"] == kept["nmi"] == kept["accuracy"] == kept["macro_f1"] == pytest.approx(1)
    assert kept["majority"] < 0.5
    told = capsys.readouterr()
    assert "macro F1" in told.out
    assert "108 labels, 108 of them name a document" in told.err


def test_labels_are_joined_by_the_runs_own_ids(runs, tmp_path, capsys):
    corpus = read_run(runs / "lda").corpus
    parts = (corpus.train, corpus.valid, corpus.test)
    called = [dataclasses.replace(part, ids=[f"A{name}" for name in part.ids]) for part in parts]
    of_ids = dataclasses.replace(corpus, train=called[0], valid=called[1], test=called[2])
    path = tmp_path / "labels.csv"
    path.write_text("id,label\n" + "".join(f"A{n},{'海山城'[(n - 1) % 3]}\n" for n in range(1, 121)), encoding="utf-8")
    labels = read_labels(of_ids, str(path), "id")
    assert labels.test == ["海山城"[(int(of_ids.test.ids[row][1:]) - 1) % 3] for row in labels.test_rows]
    assert len(labels.test) == len(of_ids.test)
    assert "120 labels, 120 of them name a document" in capsys.readouterr().err
    # Row numbers say nothing of documents that have names: both sides are shown.
    path.write_text("document,label\n" + "".join(f"{n},{'ab'[n % 2]}\n" for n in range(120)), encoding="utf-8")
    with pytest.raises(UserError, match=r"none of its 120 labels names .* such as '0', and the run such as 'A\d+'"):
        read_labels(of_ids, str(path), "id")


def write_state(path, corpus):
    """As ParallelTopicModel.printState writes it, packed whatever the name is: each word in the topic of its theme."""
    topic = {word: k for k, theme in enumerate(THEMES.values()) for word in theme.split()}
    rows = ["#doc source pos typeindex type topic", "#alpha : 1.5 1.5 1.5 ", "#beta : 0.01"]
    for doc, columns in enumerate(corpus.train.counts.tolil().rows):
        words = [corpus.vocabulary.words[j] for j in columns]
        rows += [f"{doc} NA {i} {i} {word} {topic[word]}" for i, word in enumerate(words) if word in topic]
    rows += ["9999 file:/a b.txt 0 7 elsewhere 1"] * 5
    path.write_bytes(gzip.compress("".join(f"{row}\n" for row in rows).encode()))


def test_mallets_topics_are_measured_like_ours(runs, tmp_path, capsys):
    corpus = read_run(runs / "etm").corpus
    write_state(tmp_path / "state.mallet", corpus)
    (runs / "etm" / "metrics.json").write_text("as it was")
    assert evaluated(f"--workdir={runs / 'etm'}", f"--state={tmp_path / 'state.mallet'}") == 0
    told = capsys.readouterr()
    assert "3 topics; 30 of its 31 words" in told.err
    assert "perplexity" not in told.out
    found = evaluate_other(read_run(runs / "etm"), str(tmp_path / "state.mallet"))
    themes = np.array([[corpus.vocabulary.words.index(w) for w in theme.split()] for theme in THEMES.values()])
    npmi = npmi_coherence(themes, corpus.train.counts)
    assert found.values["coherences"][0].per_topic == pytest.approx(npmi, abs=1e-6)
    assert found.values["diversity"][10] == 1
    assert (runs / "etm" / "metrics.json").read_text() == "as it was"
    assert "NPMI, held out" in told.out


@pytest.mark.parametrize("dense", [True, False])
def test_mallets_proportions_tell_labels_apart(runs, tmp_path, dense, capsys):
    rows = [] if dense else ["#doc name topic proportion ..."]
    labels = ["document,label"]
    for n in range(1, 121):
        k = (n - 1) % 3
        shares = [0.8 if i == k else 0.1 for i in range(3)]
        pairs = [k, 0.8, (k + 1) % 3, 0.1]
        rows.append("\t".join(map(str, [n - 1, n, *(shares if dense else pairs)])) + ("" if dense else "\t"))
        labels.append(f"{n},{'海山城'[k]}")
    (tmp_path / "doc_topics.txt").write_text("\n".join(rows) + "\n")
    (tmp_path / "labels.csv").write_text("\n".join(labels) + "\n", encoding="utf-8")
    run = f"--workdir={runs / 'lda'}"
    given = (f"--doc_topics={tmp_path / 'doc_topics.txt'}", f"--labels={tmp_path / 'labels.csv'}")
    assert evaluated(run, *given) == 0
    assert re.findall(r"^(purity|accuracy) +(\S+)", capsys.readouterr().out, re.M) == [
        ("purity", "1.000"),
        ("accuracy", "1.000"),
    ]
    assert "--labels and --doc_topics go together" in refused(capsys, run, given[0])
    with (tmp_path / "doc_topics.txt").open("a") as file:
        file.write("120\t1\t0.5\t0.5\n" if not dense else "120\tx\t1\t0\t0\t0\n")
    assert evaluated(run, *given) == 2
    assert "--doc_topics=" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "does not begin with #doc"),
        ("#doc source pos typeindex type topic\n#alpha : 1 x\n#beta : 1\n", "does not begin with #doc"),
        ("#doc source pos typeindex type topic\n#alpha : 1 1\n#beta : 1\n0 NA 0 0 w 2\n", "line 4, is not"),
        ("#doc source pos typeindex type topic\n#alpha : 1 1\n#beta : 1\n0 NA 0 0 w 1\n", "0 of its 1 words"),
    ],
)
def test_a_state_that_is_none_is_refused(runs, tmp_path, text, told):
    (tmp_path / "state.txt").write_text(text)
    with pytest.raises(UserError, match=told):
        evaluate_other(read_run(runs / "lda"), str(tmp_path / "state.txt"))


def test_bare_counts_without_test_documents_give_numbers_or_null(tmp_path):
    folder, run = tmp_path / "counts", tmp_path / "run"
    folder.mkdir()
    (folder / "vocab.txt").write_text("".join(f"w{j}\n" for j in range(24)), encoding="utf-8")
    for part in ("train", "valid", "test_h1", "test_h2"):
        sp.save_npz(folder / f"{part}.npz", planted_counts(60 if part == "train" else 0, 24, 3))
    assert train(f"--corpus={folder}", f"--workdir={run}", *SMALL, "--model=lda") == 0
    figures = figures_of(run)
    assert all(np.isfinite(c.per_topic).all() for c in figures.values["coherences"])
    assert figures.values["coherences"][-1].reference.startswith("PPMI vectors of the bags of words")
    assert figures.to_json()["used"] is None
    assert "topics used" not in figures.to_table()
    assert "held out" not in figures.to_table()
    assert figures.to_json()["perplexity"] == {"by_document": None, "by_token": None}
    assert "perplexity" not in figures.to_table()


def test_quality_is_logged_while_training(runs):
    lines, told = (runs / "etm" / "metrics.jsonl").read_text("utf-8"), (runs / "etm.log").read_text("utf-8")
    rows = [json.loads(line) for line in lines.splitlines()]
    assert [row["epoch"] for row in rows if "npmi" in row] == [5, 10, 15, 20]
    last, words = rows[-1], top_words(export(runs / "etm", "beta"), 10)
    # The export is of the last epoch.
    assert last["npmi"] == pytest.approx(figures_of(runs / "etm").values["coherences"][0].value)
    assert last["npmi"] == pytest.approx(
        npmi_coherence(words, sp.load_npz(runs / "etm" / "export" / "train.npz")).mean()
    )
    of = {c.measure: c.value for c in figures_of(runs / "etm").values["coherences"]}
    assert last["c_v"] == pytest.approx(of["C_V"])
    assert f"coherence {last['npmi']:.3f} (C_V {last['c_v']:.3f})  diversity {last['diversity']:.3f}" in told


def test_a_corpus_that_is_no_longer_cached_is_prepared_again(runs, tmp_path):
    run = shutil.copytree(runs / "lda", tmp_path / "run")
    shutil.rmtree(run / "corpus")
    again, before = figures_of(run), figures_of(runs / "lda")
    assert again.values["coherences"][0].value == before.values["coherences"][0].value


def refused(capsys, *argv) -> str:
    capsys.readouterr()
    assert evaluated(*argv) == 2
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 1
    return told[0]


def test_mistakes_are_told_in_one_line(runs, tmp_path, capsys):
    run = f"--workdir={runs / 'etm'}"
    assert "give --workdir" in refused(capsys)
    assert "holds no run" in refused(capsys, f"--workdir={tmp_path / 'nowhere'}")
    assert "--help" in refused(capsys, run, "--label=x")
    assert "No such file" in refused(capsys, run, f"--labels={tmp_path / 'nowhere.csv'}")
    (tmp_path / "wrong.csv").write_text("doc,label\n1,a\n")
    assert "has columns doc, label; it needs document and label" in refused(
        capsys, run, f"--labels={tmp_path / 'wrong.csv'}"
    )
    (tmp_path / "other.csv").write_text("document,label\nfirst,a\nsecond,b\n")
    message = refused(capsys, run, f"--labels={tmp_path / 'other.csv'}")
    assert "none of its 2 labels names a document" in message
    assert "has names such as 'first', and the run such as '" in message
    # The index of a table in pandas begins at 0.
    (tmp_path / "index.csv").write_text("document,label\n" + "".join(f"{n},{'ab'[n % 2]}\n" for n in range(120)))
    assert "numbers documents from 0" in refused(capsys, run, f"--labels={tmp_path / 'index.csv'}")
    (tmp_path / "few.csv").write_text("document,label\n1,a\n2,a\nfirst,b\n")
    capsys.readouterr()
    assert evaluated(run, f"--labels={tmp_path / 'few.csv'}") == 2
    told = capsys.readouterr().err
    assert "3 labels, 2 of them name a document" in told
    assert "too few labels: two different ones among the training documents, and one of a test document" in told
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    assert "UTF-8" in refused(capsys, run, f"--labels={tmp_path / 'binary.csv'}")


def test_a_run_that_has_not_ended_is_told_of(runs, tmp_path, capsys):
    run = shutil.copytree(runs / "etm", tmp_path / "run")
    np.save(run / "export" / "beta.npy", np.full((3, export(run, "beta").shape[1]), 0.01, np.float32))
    assert "beta.npy is not as it was written" in refused(capsys, f"--workdir={run}")
    # As a version left it that kept no digests.
    (run / "SHA256SUMS").unlink()
    (run / "export" / "SHA256SUMS").unlink()
    assert "training went on and was stopped" in refused(capsys, f"--workdir={run}")
    shutil.rmtree(run / "export")
    assert "given again, writes its results again" in refused(capsys, f"--workdir={run}")


def test_document_names_are_those_of_the_export(runs):
    with (runs / "etm" / "export" / "doc_topics.csv").open(encoding="utf-8-sig", newline="") as file:
        named = [row["document"] for row in csv.DictReader(file) if row["split"] in ("train", "valid", "test")]
    assert len(named) == sum(len(export(runs / "etm", f"theta_{part}")) for part in ("train", "valid", "test"))


def test_help_needs_no_run(capsys):
    assert evaluated("--help") == 0
    assert "--labels=FILE" in capsys.readouterr().out
