"""A whole run in process: what it prints and what it leaves."""

import csv
import json
import subprocess
import sys

import numpy as np
import pytest
import scipy.sparse as sp

import forked
from conftest import SMALL, THEMES, themed_lines
from etm_jax.cli import flags as cli
from etm_jax.config.build import make_config
from etm_jax.corpus.store.cache import vocabulary_from_json
from etm_jax.train import main


def train(*argv: str) -> int:
    return cli.run(main, ["train", *map(str, argv)])


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("a run 运行")
    (folder / "lines.txt").write_text("\n".join(themed_lines()) + "\n", encoding="utf-8")
    assert train(f"--corpus={folder / 'lines.txt'}", f"--workdir={folder / 'run'}", *SMALL, "--num_epochs=20") == 0
    return folder / "run"


def load(run, name):
    return np.load(run / "export" / f"{name}.npy", allow_pickle=False)


def test_the_export_is_as_documented(finished):
    export = finished / "export"
    vocab = (export / "vocab.txt").read_text("utf-8").splitlines()
    counts = {name: sp.load_npz(export / f"{name}.npz") for name in ("train", "valid", "test_h1", "test_h2")}
    v, k, length = len(vocab), 3, 8
    assert load(finished, "beta").shape == (k, v)
    assert load(finished, "beta").dtype == np.float32
    assert load(finished, "rho").shape == (v, length)
    assert load(finished, "alpha").shape == (k, length)
    assert load(finished, "theta_train").shape == (counts["train"].shape[0], k)
    assert load(finished, "theta_valid").shape == (counts["valid"].shape[0], k)
    for name in ("theta_test", "theta_test_h1"):
        assert load(finished, name).shape == (counts["test_h1"].shape[0], k)
    assert all(matrix.format == "csr" and matrix.shape[1] == v for matrix in counts.values())
    assert counts["test_h1"].shape == counts["test_h2"].shape
    for name in ("beta", "theta_train", "theta_valid", "theta_test", "theta_test_h1"):
        np.testing.assert_allclose(load(finished, name).sum(1), 1, rtol=1e-4)


def test_beta_is_the_softmax_of_what_is_exported(finished):
    logits = load(finished, "rho") @ load(finished, "alpha").T + load(finished, "background")[:, None]
    softmax = np.exp(logits) / np.exp(logits).sum(0)
    np.testing.assert_allclose(load(finished, "beta"), softmax.T, rtol=1e-3, atol=1e-7)


def test_the_topics_are_the_themes(finished):
    vocab = np.array((finished / "export" / "vocab.txt").read_text("utf-8").split())
    found = {frozenset(vocab[np.argsort(-row)[:10]]) for row in load(finished, "beta")}
    assert found == {frozenset(words.split()) for words in THEMES.values()}


def test_the_csv_files_hold_every_topic_and_document(finished):
    with (finished / "export" / "topics.csv").open(encoding="utf-8-sig", newline="") as file:
        topics = list(csv.DictReader(file))
    assert sorted(int(row["topic"]) for row in topics) == [0, 1, 2]
    shares = [float(row["share"]) for row in topics]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(1, abs=1e-5)
    assert all(len(row["words"].split()) == 10 and -1 <= float(row["npmi"]) <= 1 for row in topics)
    with (finished / "export" / "doc_topics.csv").open(encoding="utf-8-sig", newline="") as file:
        documents = list(csv.DictReader(file))
    lines = themed_lines()
    # As the lines stand in the file.
    assert [int(row["document"]) for row in documents] == list(range(1, 121))
    assert all(lines[int(row["document"]) - 1].startswith(row["first_words"].rstrip("…")) for row in documents)
    theta = load(finished, "theta_train")
    trained_on = [row for row in documents if row["split"] == "train"]
    assert [int(row["topics"].split(":")[0]) for row in trained_on] == theta.argmax(1).tolist()
    np.testing.assert_allclose([[float(row[f"topic_{k}"]) for k in range(3)] for row in trained_on], theta, atol=1e-6)
    assert [int(row["tokens"]) for row in documents] == [len(line.split()) for line in lines]


def test_the_run_describes_itself(finished):
    config = json.loads((finished / "config.json").read_text("utf-8"))
    assert config["config"]["model"]["num_topics"] == 3
    assert config["run"]["corpus"].endswith("lines.txt")
    vocabulary = vocabulary_from_json(json.loads((finished / "vocabulary").read_text("utf-8")))
    assert vocabulary.segmenter == "whitespace"
    assert vocabulary.hash == config["run"]["vocabulary_hash"]
    rows = [json.loads(line) for line in (finished / "metrics.jsonl").read_text("utf-8").splitlines()]
    assert [row["epoch"] for row in rows] == list(range(1, 21))
    assert {"nelbo", "recon", "kl", "valid_nelbo", "lr", "docs_per_s"} <= set(rows[0])
    assert rows[-1]["nelbo"] == pytest.approx(rows[-1]["recon"] + make_config().objective.kl_weight * rows[-1]["kl"])
    assert {path.name for path in finished.iterdir()} == {
        "SHA256SUMS", "checkpoints", "config.json", "corpus", "export", "metrics.jsonl", "vocabulary",
    }  # fmt: skip


def test_what_is_printed(finished, capsys):
    capsys.readouterr()
    assert train(f"--corpus={finished.parent / 'lines.txt'}", f"--workdir={finished}", *SMALL, "--num_epochs=20") == 0
    printed = capsys.readouterr()
    assert len([line for line in printed.out.splitlines() if line.split()[:1] in (["0"], ["1"], ["2"])]) == 3
    for word in ("topic", "share", "NPMI", "coherence", "diversity", "perplexity"):
        assert word in printed.out
    assert str(finished / "export") in printed.err
    assert "documents" in printed.err
    assert "warning" not in printed.err


def test_the_yardstick_reads_the_export(finished, shared):
    script = shared / "yardstick" / "score.py"
    out = subprocess.run([sys.executable, script, finished / "export"], capture_output=True, check=True).stdout
    assert json.loads(out)["used"] == 3


def test_the_export_of_one_run_is_a_corpus_for_another(finished, tmp_path):
    assert train(f"--corpus={finished / 'export'}", f"--workdir={tmp_path / 'again'}", *SMALL) == 0
    for name in ("train", "test_h2"):
        again, once = (sp.load_npz(run / "export" / f"{name}.npz") for run in (tmp_path / "again", finished))
        assert (again != once).nnz == 0


@pytest.mark.parametrize(
    "flags",
    [
        ["--variant=ntm", "--vectors=cbow", "--vectors_epochs=2"],
        ["--variant=paper"],
        ["--vectors=skipgram", "--vectors_epochs=2", "--notrain_rho"],
        ["--use_tfidf"],
        ["--vectors=random", "--nowarm_start", "--noskip", "--dropout=0.2"],
        ["--auto_adj", "--optimizer=adamw", "--weight_decay=0.01", "--clip_norm=1", "--patience=2", "--anneal_lr"],
    ],
    ids=lambda flags: " ".join(flags)[:40],
)
def test_other_ways_through(flags, lines_file, tmp_path):
    assert train(f"--corpus={lines_file}", f"--workdir={tmp_path / 'run'}", *SMALL, "--num_epochs=2", *flags) == 0
    assert np.isfinite(load(tmp_path / "run", "beta")).all()


def test_tensorboard_events(lines_file, tmp_path):
    pytest.importorskip("tensorboardX", reason="tensorboardX is not installed (extra: tensorboard)")
    run = tmp_path / "run"
    assert train(f"--corpus={lines_file}", f"--workdir={run}", *SMALL, "--num_epochs=2", "--tensorboard") == 0
    events = b"".join(path.read_bytes() for path in (run / "tensorboard").iterdir())
    assert b"valid_nelbo" in events


def test_taskname_reads_the_files_of_the_report(lines_file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    lines_file.rename(tmp_path / "data" / "3body1_lines.txt")
    assert train("--taskname=3body1", *SMALL, "--num_epochs=1") == 0
    assert (tmp_path / "runs" / "3body1" / "export" / "topics.csv").is_file()


def test_compiled_programs_are_kept_where_one_says(lines_file, tmp_path):
    cache = tmp_path / "compiled 程序"

    def trained(workdir: str) -> set[str]:
        command = [sys.executable, "-m", "etm_jax.train", f"--corpus={lines_file}", *SMALL, "--num_epochs=1"]
        kept = [f"--workdir={tmp_path / workdir}", f"--compilation_cache={cache}"]
        forked.run([*command, *kept], check=True, capture_output=True)
        return {path.name for path in cache.rglob("*train_step*-cache")}

    first = trained("one")
    assert first
    assert trained("two") == first
