"""Labelled corpora: how they are built, what is measured with labels, and rivals in a process of their own."""

import ast
import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

from etm_jax.cli import flags as cli
from etm_jax.util.errors import UserError
from experiments import fits, quality, rival_job, rivals
from experiments.bench import Goal, Result
from experiments.fits import Fit, figures_of
from experiments.label_figures import accuracy, commonness, label_figures, nmi, small_topics
from experiments.labelled import Labels, build, read_labels, training_text
from experiments.quality_labels import BARS, FEW_SMALL, Bars, goals_of, summary

WORDS = ["alpha", "beta", "gamma", "delta"]


def write_corpus(folder: Path, documents: int = 50, texts: bool = True) -> Path:
    """Two labels, each with two words of its own. Training document 3 is empty; the last test document has one word."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for part, size in (("train", documents), ("test", 12)):
        labels = np.arange(size) % 2
        counts = np.zeros((size, 4), np.int64)
        counts[np.arange(size), 2 * labels] = rng.integers(2, 5, size)
        counts[np.arange(size), 2 * labels + 1] = rng.integers(2, 5, size)
        if part == "train":
            counts[3] = 0
        else:
            counts[-1] = [0, 0, 1, 0]
        sp.save_npz(folder / f"{part}_bow.npz", sp.csr_matrix(counts))
        (folder / f"{part}_labels.txt").write_text("".join(f"label{label}\n" for label in labels), "utf-8")
        if texts:
            lines = (" ".join(word for word, n in zip(WORDS, row, strict=True) for _ in range(n)) for row in counts)
            (folder / f"{part}_texts.txt").write_text("".join(line + "\n" for line in lines), "utf-8")
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n", "utf-8")
    return folder


def counts_of(folder: Path, part: str) -> np.ndarray:
    return sp.load_npz(folder / f"{part}.npz").toarray()


def test_a_built_corpus_has_every_document_of_two_words_and_its_label(tmp_path):
    source, out = write_corpus(tmp_path / "source"), tmp_path / "out"
    build(source, out)
    given = sp.load_npz(source / "train_bow.npz").toarray()
    filled = [row for row in range(50) if row != 3]
    fit = [row for i, row in enumerate(filled) if i % 20]
    assert (counts_of(out, "train") == given[fit]).all()
    assert (counts_of(out, "valid") == given[filled[::20]]).all()
    whole = counts_of(out, "test_h1") + counts_of(out, "test_h2")
    assert (whole == sp.load_npz(source / "test_bow.npz").toarray()[:-1]).all()
    assert (counts_of(out, "test_h1").sum(axis=1) == whole.sum(axis=1) // 2).all()
    labels = read_labels(out)
    assert labels.train.tolist() == [f"label{row % 2}" for row in fit]
    assert labels.test.tolist() == [f"label{row % 2}" for row in range(11)]
    text = training_text(out)
    spans = zip(text.starts[:-1], text.starts[1:], strict=True)
    said = [[text.words[j] for j in text.ids[a:b]] for a, b in spans]
    assert said == [[word for word, n in zip(WORDS, given[row], strict=True) for _ in range(n)] for row in fit]


def test_a_corpus_without_texts_has_none_and_mistakes_are_told(tmp_path):
    source = write_corpus(tmp_path / "source", texts=False)
    build(source, tmp_path / "out")
    assert training_text(tmp_path / "out") is None
    (source / "test_labels.txt").write_text("label0\n", "utf-8")
    with pytest.raises(UserError, match=r"test_labels\.txt has 1 lines where 12 are due"):
        build(source, tmp_path / "again")
    assert not (tmp_path / "again").exists()
    with pytest.raises(UserError, match=r"train_bow\.npz is not there; --labelled is a folder"):
        build(tmp_path / "nothing", tmp_path / "again")


def test_the_yardstick_builds_the_same(shared, tmp_path):
    source, script = shared / "data" / "octis_BBC_News", shared / "yardstick" / "labelled.py"
    if not (source.is_dir() and script.is_file()):
        pytest.skip(f"{source} or {script} is not there")
    spec = importlib.util.spec_from_file_location("labelled", script)
    theirs = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(theirs)
    theirs.build(source, tmp_path / "theirs")
    build(source, tmp_path / "ours")
    for part in ("train", "valid", "test_h1", "test_h2"):
        assert (counts_of(tmp_path / "ours", part) == counts_of(tmp_path / "theirs", part)).all(), part
    for name in ("vocab", "labels_train", "labels_test"):
        ours, yardstick = ((tmp_path / who / f"{name}.txt").read_bytes() for who in ("ours", "theirs"))
        assert ours == yardstick, name
    rng, labels = np.random.default_rng(1), read_labels(tmp_path / "ours")
    theta = {name: rng.dirichlet(np.ones(6), len(of)) for name, of in labels._asdict().items()}
    (tmp_path / "run").mkdir()
    for name, values in theta.items():
        np.save(tmp_path / "run" / f"theta_{name}.npy", values)
    said: list[dict[str, float]] = []
    vars(theirs).update(print=lambda _: None, json=type("", (), {"dumps": staticmethod(said.append)}))
    theirs.score(tmp_path / "ours", tmp_path / "run")
    ours = label_figures(theta["train"], theta["test"], labels) | {"small": small_topics(theta["train"], 6)}
    assert ours == pytest.approx(said[0], abs=6e-5)


def test_agreement_with_labels_is_that_computed_by_hand():
    """Six documents in three topics: two pure ones of two documents, and one that is half of either label."""
    theta, labels = np.eye(3)[[0, 0, 1, 1, 2, 2]], np.array(["a", "a", "b", "b", "a", "b"])
    figures = label_figures(theta, theta, Labels(labels, labels))
    assert figures["purity"] == figures["purity_test"] == pytest.approx(5 / 6)
    # H(label) = ln 2, H(topic) = ln 3, H(label | topic) = ln 2 / 3.
    wanted = (np.log(2) * 2 / 3) / ((np.log(2) + np.log(3)) / 2)
    assert figures["nmi"] == figures["nmi_test"] == pytest.approx(wanted)
    assert nmi(np.array([0, 0, 1]), np.array(["b", "b", "a"])) == pytest.approx(1)


def test_a_linear_classifier_finds_what_proportions_tell_and_no_more():
    rng = np.random.default_rng(0)
    labels = np.array(["a", "b", "c"])[rng.integers(3, size=300)]
    telling = np.eye(3)[(labels == "b") + 2 * (labels == "c")] * 0.4 + 0.2
    other = rng.dirichlet(np.ones(3), 300)
    assert accuracy(telling[:200], telling[200:], Labels(labels[:200], labels[200:])) == 1
    assert accuracy(other[:200], other[200:], Labels(labels[:200], labels[200:])) < 0.5


def test_small_topics_and_common_words_are_counted():
    largest = [0] * 6 + [1] * 5 + [2] * 4 + [4] * 3
    # Of four topics: 2 has four documents and 3 none; the fifth column is no topic.
    assert small_topics(np.eye(5)[largest], 4) == 2
    counts = sp.csr_matrix([[1, 0, 2], [3, 0, 0], [1, 1, 0], [1, 0, 1]])
    # Shares by word: 1, 1/4, 1/2; shown: 1, 1/2, 1/2, 1/4.
    assert commonness(np.array([[0, 2], [2, 1]]), counts) == 0.5


def labelled_fit(model: str, folder: Path, **others: object) -> Fit:
    return Fit(model, {"corpus": "set"}, num_topics=2, labelled=str(folder), **others)


@pytest.mark.parametrize("model", ["default", "lda"])
def test_a_fit_on_a_labelled_corpus_has_its_figures(model, tmp_path):
    if model == "lda":
        pytest.importorskip("tomotopy", reason="tomotopy is not installed (extra: lda)")
    write_corpus(tmp_path / "sets" / "set")
    settings = {"num_epochs": 2, "hidden": [8], "embed_dim": 4} if model == "default" else {}
    (made,) = figures_of([labelled_fit(model, tmp_path / "sets", sweeps=50, settings=settings)], tmp_path / "work")
    assert {"c_v", "c_npmi", "small", "common", "purity", "nmi", "purity_test", "nmi_test", "lr"} <= set(made)
    assert made["looked_up_in"] == "windows"
    assert made["docs"] == 46
    # Each word is in every document of its label: of the 46, 24 are of label 0.
    assert 22 / 46 <= made["common"] <= 24 / 46
    if model == "lda":
        assert made["purity"] == made["nmi"] == made["purity_test"] == made["lr"] == 1


PLAYED = """#!{python}
import json, os, signal, sys
from pathlib import Path
import numpy as np, scipy.sparse as sp
_, module, model, folder, out, *options = sys.argv[1:]
if model == "vectors":
    Path(folder, "vectors_were_made").touch()
    sys.exit()
if model == "topica_lda":
    os.kill(os.getpid(), signal.SIGXCPU)
if model == "etm":
    sys.exit("ImportError: no such thing")
assert options == ["--n_topic=2", "--seed=1", "--minutes={minutes}"], options
half1, half2, train = (sp.load_npz(Path(folder, name + ".npz")) for name in ("test_h1", "test_h2", "train"))
beta = np.array([[0.5, 0.5, 0, 0], [0, 0, 0.5, 0.5]])
for part, counts in (("train", train), ("test_h1", half1), ("test", half1 + half2)):
    np.save(Path(out, f"theta_{{part}}.npy"), counts.toarray() @ beta.T / counts.sum(axis=1).reshape(-1, 1) * 2)
np.save(Path(out, "beta.npy"), beta)
mixture = model == "fastopic"
if model == "ecrtm":
    np.save(Path(out, "log_px.npy"), np.full(half2.nnz, -np.log(3)))
told = {{"seconds": 7.0, "mixture": mixture, "stopped": "3 of 9 epochs" if model == "ecrtm" else ""}}
Path(out, "told.json").write_text(json.dumps(told))
"""


@pytest.fixture
def play(tmp_path):
    """A fit of a rival that a script plays: topics are known, and θ is perfect."""
    write_corpus(tmp_path / "sets" / "set")

    def fit(model: str, minutes: float = 1.0) -> Fit:
        python = tmp_path / "python"
        python.write_text(PLAYED.format(python=sys.executable, minutes=minutes), "utf-8")
        python.chmod(0o755)
        return labelled_fit(model, tmp_path / "sets", rival_python=str(python), minutes=minutes)

    return fit


def test_rivals_are_measured_like_ours(play, tmp_path):
    models = ("fastopic", "ecrtm", "bertopic")
    mixture, other, none = figures_of([play(model) for model in models], tmp_path / "work")
    for made in (mixture, other, none):
        assert made["purity"] == made["nmi"] == made["lr"] == 1
        assert made["seconds"] == 7
        assert made["small"] == 0
        assert sorted(words.split()[0] for _, _, words in made["topics"]) == ["alpha", "gamma"]
    assert mixture["ppl_tok"] == pytest.approx(2)
    assert (other["ppl_tok"], other["ppl_doc"]) == pytest.approx((3, 3))
    assert other["stopped"] == "3 of 9 epochs"
    assert "ppl_tok" not in none
    assert (tmp_path / "work" / "labelled" / "set" / "vectors_were_made").is_file()


def test_a_rival_that_fails_is_tried_again_and_one_that_is_slow_is_not(play, tmp_path):
    failed, slow = figures_of([play("etm", 0.02), play("topica_lda", 0.02)], tmp_path / "work")
    assert failed == {"not_run": "etm failed: ImportError: no such thing"}
    assert slow["not_run"] == "it took more than 0.02 minutes"
    kept = [json.loads(line) for line in (tmp_path / "work" / "fits.jsonl").read_text("utf-8").splitlines()]
    assert [row["not_run"] for row in kept] == ["it took more than 0.02 minutes"]
    (missing,) = figures_of([labelled_fit("etm", tmp_path / "sets", rival_python="no/python")], tmp_path / "work")
    assert missing["not_run"] == "no Python at no/python; `make rivals` makes the environment of the rivals"


def test_fits_of_others_are_known_without_a_setting_of_ours(tmp_path):
    for model, own in (("lda", {"sweeps": 7}), ("ecrtm", {"minutes": 2})):
        fit = labelled_fit(model, tmp_path)
        assert fit.key == labelled_fit(model, tmp_path / "elsewhere", settings={"prior_variance": 2.0}).key
        assert fit.key == labelled_fit(model, tmp_path, rival_python="python").key
        assert len({fit.key, labelled_fit(model, tmp_path, seed=2).key, labelled_fit(model, tmp_path, **own).key}) == 3
    assert labelled_fit("ecrtm", tmp_path).key == labelled_fit("ecrtm", tmp_path, sweeps=7).key
    assert labelled_fit("ecrtm", tmp_path, minutes=15).key == labelled_fit("ecrtm", tmp_path, minutes=15.0).key
    ours = labelled_fit("default", tmp_path)
    assert ours.key == labelled_fit("default", tmp_path / "elsewhere").key
    assert ours.key != labelled_fit("default", tmp_path, settings={"prior_variance": 2.0}).key


def test_the_script_of_the_rivals_imports_nothing_of_ours():
    nodes = [node for module in (rivals, rival_job) for node in ast.walk(ast.parse(Path(module.__file__).read_text()))]
    names = [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    names += [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    assert {name for name in names if name.split(".")[0] in ("etm_jax", "experiments")} == {"experiments.rival_job"}
    assert list(rivals.RIVALS) == list(fits.RIVALS)


def test_a_rival_reads_counts_as_words_and_stops_in_time(tmp_path):
    build(write_corpus(tmp_path / "source", texts=False), tmp_path / "built")
    job = rival_job.Job(tmp_path / "built", 2, 1, minutes=1)
    counts = counts_of(tmp_path / "built", "train")
    words = [[str(j) for j in range(4) for _ in range(row[j])] for row in counts]
    assert job.tokens("train") == words
    assert job.bags("train")[0] == " ".join(words[0])
    assert list(job.epochs(range(1, 4), desc="progress")) == [1, 2, 3]
    assert job.stopped == ""
    epochs = job.epochs(range(1, 4))
    assert next(epochs) == 1
    job.limit = 0
    assert list(epochs) == []
    assert job.stopped == "1 of 3 epochs"


def test_words_in_common_and_goals_follow_from_the_figures_of_the_others():
    def result(**figures: float) -> Result:
        return Result([figures, {name: value + 0.2 for name, value in figures.items()}])

    found = {
        "default": result(nmi=0.9, purity=0.9),
        "lda": result(tc=0.1, tq=0.05, nmi=0.2, purity=0.5, ppl_tok_fold=1000),
        "bertopic": result(nmi=0.3, purity=0.4),
        "ecrtm": result(nmi=0.5, purity=0.8),
        "fastopic": Result([], "no Python"),
    }
    goals = goals_of(BARS["infoctm_ECNews_cn"], found)
    assert [(goal.figure, goal.by) for goal in goals] == [
        ("tc", "LDA"), ("tq", "LDA"), ("ppl_tok", "0.85 LDA, folded in"), ("nmi", "BERTopic"), ("purity", "LDA"),
        ("small", ""),
    ]  # fmt: skip
    assert [goal.least for goal in goals] == pytest.approx([0.2, 0.15, 850.085, 0.4, 0.6, 2])
    assert goals[3].aim == pytest.approx(1.1 * 0.6)
    bbc = {goal.figure: goal for goal in goals_of(BARS["octis_BBC_News"], found)}
    assert (bbc["nmi"].least, bbc["purity"].aim) == (0.5, pytest.approx(0.9))
    assert goals_of(Bars(above=("tc",)), {"default": found["default"], "lda": Result([], "no")}) == [FEW_SMALL]
    assert Goal("small", 2, 0) == FEW_SMALL


def test_the_summary_has_a_row_a_model_and_a_column_a_corpus():
    found = {
        "octis_BBC_News": {
            "lda": Result([{"tq": 0.1, "nmi": 0.4, "ppl_tok": 900.0, "ppl_tok_fold": 1850.0}]),
            "keynmf": Result([{"tq": 0.2, "nmi": 0.5}]),
        },
        "ecrtm_AGNews": {
            "lda": Result([], "no reason"),
            "keynmf": Result([{"tq": 0.3, "nmi": 0.6}, {"tq": 0.4, "nmi": 0.7}]),
        },
    }
    lines = summary(found, {"lda": "LDA", "keynmf": "KeyNMF"}).splitlines()
    assert lines[0] == "In a cell: TC·TD / NMI / ppl tok."
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]
    assert rows[0] == ["model", "BBC News", "AG News"]
    assert rows[2:] == [
        ["LDA", "0.100 / 0.400 / 1,850", "–"],
        ["KeyNMF", "0.200 / 0.500 / –", "0.350 / 0.650 / –"],
    ]


def test_the_command_says_that_there_are_no_rivals(tmp_path, capsys):
    out = tmp_path / "quality.md"
    argv = ["quality", f"--out={out}", f"--work={tmp_path}", "--only=labels", "--rivals=none"]
    assert cli.run(quality.main, argv) == 0
    assert "    python -m experiments.quality --only=labels --rivals=none" in out.read_text("utf-8").splitlines()
    assert cli.run(quality.main, [*argv[:-1], "--rivals=nobody"]) == 2
    assert "'nobody' is not one of ecrtm" in capsys.readouterr().err


def test_without_the_flag_the_rows_say_so(tmp_path, capsys):
    argv = ["quality", f"--out={tmp_path / 'quality.md'}", f"--work={tmp_path}", "--only=labels,topics_ecnews"]
    assert cli.run(quality.main, argv) == 0
    said = capsys.readouterr().out
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in said.splitlines()]
    assert ["BBC News", "ours, not run: give --labelled=FOLDER"] in [row[:2] for row in rows]
    assert "not run: give --labelled=FOLDER" in said.splitlines()
