"""The tables and pictures of experiments: how fits are kept and shown; the fits themselves at a tiny size."""

import csv
import importlib.util
import json
import statistics

import numpy as np
import pytest
from test_experiments import original_format

from etm_jax.cli import flags as cli
from etm_jax.metrics.relevance import relevant_words
from etm_jax.metrics.topics import top_words
from etm_jax.util.errors import UserError
from experiments import bench, figure1, fits, quality
from experiments.fits import Fit, figures_of
from experiments.relevance import WEIGHTS
from experiments.tables import markdown, mean_and_spread, write_between

TINY = {"num_epochs": 1, "hidden": [8], "embed_dim": 8}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return {"corpus": str(original_format(tmp_path_factory.mktemp("corpus") / "original"))}


@pytest.mark.parametrize(
    "model, settings, perplexities",
    [("default", TINY, 2), ("lda", {}, 4)],
)
def test_a_fit_is_made_once_in_a_process_of_its_own(model, settings, perplexities, tiny, tmp_path, monkeypatch):
    if model == "lda":
        pytest.importorskip("tomotopy", reason="tomotopy is not installed (extra: lda)")
    monkeypatch.setattr(fits, "COMPILATION_CACHE", "")
    fit = Fit(model, tiny, num_topics=4, sweeps=20, settings=settings)
    (made,) = figures_of([fit], tmp_path)
    assert {"tc", "tc_test", "td", "tq", "used", "seconds", "vocab"} < set(made)
    assert made["tq"] == pytest.approx(made["tc"] * made["td"])
    assert len([name for name in made if name.startswith("ppl_")]) == perplexities
    assert all(1 < value < 41 for name, value in made.items() if name.startswith("ppl_"))
    shares = [share for share, _, _ in made["topics"]]
    assert sum(shares) == pytest.approx(1)
    assert shares == sorted(shares, reverse=True)
    assert statistics.fmean(npmi for _, npmi, _ in made["topics"]) == pytest.approx(made["tc"])
    assert [row["weight"] for row in made["relevant"]] == list(WEIGHTS)
    assert all({"tc", "tc_test", "td", "tq", "common"} < set(row) for row in made["relevant"])
    monkeypatch.setattr(fits, "_in_fresh_process", lambda fit, folder: pytest.fail("it was kept"))
    assert figures_of([fit, fit], tmp_path) == [made, made]
    other = Fit(model, tiny, num_topics=4, seed=2, sweeps=20, settings=settings)
    assert figures_of([other, fit], tmp_path, kept_only=True) == [{"not_run": "not fitted yet"}, made]


def test_relevance_is_that_computed_by_hand():
    beta = np.array([[0.5, 0.3, 0.15, 0.05], [0.5, 0.1, 0.2, 0.2]])
    share = np.array([0.6, 0.2, 0.1, 0.1])
    # Lift: .83, 1.5, 1.5, .5; and .83, .5, 2, 2.
    assert relevant_words(beta, share, 3, 0.999).tolist() == top_words(beta, 3).tolist() == [[0, 1, 2], [0, 2, 3]]
    assert relevant_words(beta, share, 2, 0).tolist() == [[1, 2], [2, 3]]
    # √(β · lift): .645, .671, .474, .158; and .645, .224, .632, .632.
    assert relevant_words(beta, share, 3, 0.5).tolist() == [[1, 0, 2], [0, 2, 3]]
    # The first topic's two first words are level where λ log(.5/.3) = (1 − λ) log(1.8), 1.8 the ratio of their lifts.
    level = np.log(1.8) / np.log(3.0)
    assert relevant_words(beta, share, 1, level + 0.01)[0, 0] == 0
    assert relevant_words(beta, share, 1, level - 0.01)[0, 0] == 1


def test_a_word_that_is_nowhere_in_the_text_is_never_relevant():
    beta, share = np.array([[0.0, 0.9, 0.1]]), np.array([0.5, 0.0, 0.5])
    assert relevant_words(beta, share, 3, 0.6).tolist() == [[2, 0, 1]]


def test_a_fit_is_known_by_what_its_model_reads():
    corpus = {"corpus": "lee"}
    assert Fit("default", corpus).key != Fit("default", corpus, settings={"prior_variance": 2.0}).key
    assert Fit("default", corpus).key == Fit("default", corpus, sweeps=7).key
    assert Fit("lda", corpus).key == Fit("lda", corpus, settings={"prior_variance": 2.0}).key
    assert len({Fit("lda", corpus, *rest).key for rest in ((50, 1), (50, 2), (20, 1), (50, 1, 7))}) == 4
    assert Fit("lda", corpus).key != Fit("lda", corpus | {"no_above": 1.0}).key


def test_what_cannot_be_run_says_why_and_is_tried_again(tmp_path):
    fit = Fit("lda", {"corpus": str(tmp_path / "missing.txt")})
    for _ in range(2):
        (figures,) = figures_of([fit], tmp_path)
        assert str(tmp_path / "missing.txt") in figures["not_run"]
    assert not (tmp_path / "fits.jsonl").exists()


def test_a_process_that_fails_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(fits.sys, "executable", "false")
    with pytest.raises(UserError, match=r"the fit of lda on lee, K=50, seed 1 ended with status 1; .*fit\.log"):
        figures_of([Fit("lda", {"corpus": "lee"})], tmp_path)


def test_of_a_damaged_file_the_whole_lines_are_taken(tmp_path, capsys):
    fit, whole = Fit("lda", {"corpus": "lee"}), dict.fromkeys(fits.ALWAYS, 1)
    lines = ['{"key": 1}', '{"ke', "", "[1, 2]", "null", json.dumps({"key": fit.key, **whole})]
    (tmp_path / "fits.jsonl").write_text("\n".join(lines), "utf-8")
    assert figures_of([fit], tmp_path, kept_only=True) == [whole]
    told = capsys.readouterr().err.splitlines()
    assert [line.split(" of ")[0] for line in told] == [f"warning: line {number}" for number in (1, 2, 3, 4, 5)]
    (tmp_path / "folder" / "fits.jsonl").mkdir(parents=True)
    with pytest.raises(UserError, match=r"fits\.jsonl is no file"):
        figures_of([fit], tmp_path / "folder", kept_only=True)


def test_prose_around_a_table_survives(tmp_path):
    file = tmp_path / "docs" / "page.md"
    write_between(file, "one", "First", "old \\1")
    write_between(file, "two", "Second", "other")
    file.write_text(
        "# Title\n\nBefore.\n\n" + file.read_text("utf-8").replace("## Second", "After.\n\n## Second"), "utf-8"
    )
    write_between(file, "one", "First", "new \\1")
    text = file.read_text("utf-8")
    assert [line for line in text.splitlines() if line and not line.startswith("<!--")] == [
        "# Title", "Before.", "## First", "new \\1", "After.", "## Second", "other",
    ]  # fmt: skip


def test_means_and_tables_are_those_computed_by_hand():
    assert mean_and_spread([1, 2, 3], ".1f") == "2.0 ± 1.0"
    assert mean_and_spread([0.25], ".3f") == "0.250"
    assert markdown([("词", 1)], ("word", "n"), "<>") == "| word |   n |\n| ---- | --: |\n| 词   |   1 |"


def given_figures(monkeypatch, module, **by_model):
    """Stands in for the fits: figures by model, the same whatever the corpus."""

    def figures(wanted, work, kept_only=False):
        common = {"topics": [[1.0, 0.5, "甲 乙"]] * 4, "seconds": 10.0, "tokens": 30_000, "machine": "a machine"}
        common["relevant"] = [{"tc": weight / 4, "tc_test": 0.1} for weight in WEIGHTS]
        sizes = [{"vocab": 100 * fit.corpus.get("no_below", 1)} for fit in wanted]
        return [common | size | by_model[fit.model] for fit, size in zip(wanted, sizes, strict=True)]

    monkeypatch.setattr(module, "figures_of", figures)


OURS = {"tc": 0.26, "tc_test": 0.1, "td": 0.9, "tq": 0.234, "ppl_doc": 2800.0, "ppl_tok": 2651.0, "used": 4}
LDA = OURS | {"tc_test": 0.2, "tq": 0.1, "ppl_doc_fold": 2700.0, "ppl_tok": 2900.0, "ppl_tok_fold": 2800.0}


def test_every_part_is_written_and_goals_are_judged(tmp_path, monkeypatch, capsys):
    if importlib.util.find_spec("snownlp") is None:
        pytest.skip("snownlp is not installed (extra: demo)")
    given_figures(monkeypatch, bench, default=OURS | {"seconds": 6.0}, lda=LDA, paper=OURS)
    argv = ["quality", f"--out={tmp_path / 'quality.md'}", f"--work={tmp_path}", "--n_topic=4"]
    assert cli.run(quality.main, argv) == 0
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in capsys.readouterr().out.splitlines()]
    goals = [row for row in rows if len(row) == 7 and row[4] in ("yes", "no")]
    judged = {row[1]: (row[3], row[4], row[6]) for row in goals if row[0].endswith("no_above .02")}
    assert judged == {
        "TC": ("≥ 0.250", "yes", "no"),
        "TD": ("≥ 0.860", "yes", "yes"),
        "ppl tok": ("≤ 2,800 (LDA)", "yes", ""),
        "ppl doc": ("≤ 2,700 (LDA)", "no", ""),
        "TC, test": ("≥ 0.200 (LDA)", "no", ""),
        "used": ("≥ 4", "yes", ""),
        "seconds": ("≤ 10.0 (LDA)", "yes", "no"),
        "words in common": ("≥ 0.650", "yes", "yes"),
    }
    assert [row[4] for row in rows if row[0].endswith("no_above .02") and row[1] == "ppl tok"] == ["no", "yes"]
    assert [row[1] for row in goals if row[0] == "lee"] == ["TC·TD", "ppl doc", "ppl tok"]
    assert any(row[:2] == ["20 Newsgroups", "ours, not run: give --ng20=FOLDER"] for row in rows)
    daily = "People's Daily, no_above .02"
    assert [daily, "LDA", "1.000", "1.000", "1.000"] in [row for row in rows if len(row) == 5]
    assert ["lee", "probability", "0.260 ± 0.000", "0.100 ± 0.000"] in [row[:4] for row in rows]
    assert ["lee", "relevance, λ = 0.4", "0.100 ± 0.000", "0.100 ± 0.000"] in [row[:4] for row in rows]
    text = (tmp_path / "quality.md").read_text("utf-8")
    assert [line[3:] for line in text.splitlines() if line.startswith("## ")] == [t for t, _ in quality.PARTS.values()]
    assert "    python -m experiments.quality --only=k\n\na machine\n" in text
    assert "    python -m experiments.quality --only=words --n_topic=4\n\na machine\n" in text
    folded = [row for row in rows if row[1:2] == ["LDA, folded in"]]
    assert [row[0] for row in folded if row[0] in ("K = 10", "kept", "articles")] == ["K = 10", "kept", "articles"]
    assert {tuple(row[6:8]) for row in folded} == {("2,700 ± 0", "2,800 ± 0")}


def test_a_table_is_not_replaced_by_one_with_gaps(tmp_path, monkeypatch, capsys):
    given_figures(monkeypatch, bench, default=OURS, lda=LDA)
    out = tmp_path / "quality.md"
    write_between(out, "targets", "Ours and LDA", "with 20 Newsgroups")
    argv = ["quality", f"--out={out}", f"--work={tmp_path}", "--only=targets,k"]
    assert cli.run(quality.main, argv) == 0
    assert "keeps its table of targets: this one has gaps (give --ng20=FOLDER)" in capsys.readouterr().out
    text = out.read_text("utf-8")
    assert "with 20 Newsgroups" in text
    assert "| K = 10  | ours" in text
    monkeypatch.setattr(bench, "figures_of", lambda wanted, *_: [{"not_run": fits.NOT_FITTED} for _ in wanted])
    assert cli.run(quality.main, [*argv, "--kept_only"]) == 0
    assert out.read_text("utf-8") == text
    out.write_bytes(b"\xff")
    assert cli.run(quality.main, argv) == 2
    assert "cannot be read as UTF-8 text" in capsys.readouterr().err


def test_where_coherence_is_not_above_zero_there_is_no_ratio(tmp_path, monkeypatch, capsys):
    for package in ("matplotlib", "snownlp"):
        pytest.importorskip(package, reason=f"{package} is not installed (extras: figures, demo)")
    given_figures(monkeypatch, figure1, default=OURS, lda=LDA | {"tc": 0.0})
    argv = ["figure1", f"--out={tmp_path / 'out'}", f"--work={tmp_path}", "--no_below=3,1"]
    assert cli.run(figure1.main, argv) == 0
    assert (tmp_path / "out" / "figure1.png").stat().st_size > 10_000
    with (tmp_path / "out" / "figure1.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 2 * 2 * 2
    assert {row["ratio"] for row in rows if row["model"] == "lda"} == {""}
    # LDA's perplexity is that of the fold-in.
    assert {row["perplexity_over_vocab"] for row in rows if row["model"] == "lda"} == {"9.0", "27.0"}
    ratios = sorted({float(row["ratio"]) for row in rows if row["model"] == "default"})
    assert ratios == pytest.approx([2800 / 300 / 0.26, 2800 / 100 / 0.26])
    capsys.readouterr()


@pytest.mark.parametrize(
    "main, flag, message",
    [
        (
            quality.main,
            "--only=k,z",
            "--only=k,z: 'z' is not one of "
            "targets, labels, topics, topics_ecnews, stopwords, k, words, units, shown, stability",
        ),
        (quality.main, "--seeds=a", "--seeds=a must be different whole numbers such as 1,2,3"),
        (quality.main, "--seeds=1,1", "--seeds=1,1 must be different whole numbers such as 1,2,3"),
        (quality.main, "--minutes=0", "--minutes=0.0 must be at least 1"),
        (quality.main, "--n_topic=1", "--n_topic=1 must be at least 2"),
        (quality.main, "--ng20=no/folder", "--ng20=no/folder is no folder"),
        (
            quality.main,
            "--labelled=no/folder",
            "no/folder/infoctm_ECNews_cn/train_bow.npz is not there; --labelled is a folder of labelled corpora, as "
            "docs/quality.md describes; --sets chooses some",
        ),
        (figure1.main, "--models=x", "--models=x: 'x' is not one of default, lda, paper"),
        (figure1.main, "--no_below=0", "--no_below=0 must be whole numbers above 0 such as 100,10,1"),
    ],
)
def test_a_mistaken_flag_is_told(main, flag, message, capsys):
    assert cli.run(main, ["command", flag]) == 2
    assert capsys.readouterr().err == f"error: {message}\n"
