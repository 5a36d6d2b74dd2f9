"""LDA by either engine, beside ETM: what it finds, what it leaves, what it says."""

import importlib.util
import json

import numpy as np
import pytest
import scipy.sparse as sp

from conftest import SMALL, THEMES, planted_counts
from etm_jax.cli import flags as cli
from etm_jax.models.lda import Topics, gensim_topics, infer_theta, tomotopy_topics
from etm_jax.train import main

# tomotopy 0.14 warns of its own types when it is imported.
pytestmark = pytest.mark.filterwarnings("ignore:builtin type .* has no __module__ attribute:DeprecationWarning")


def engine(name):
    missing = importlib.util.find_spec(name) is None
    return pytest.param(name, marks=pytest.mark.skipif(missing, reason=f"{name} is not installed (extra: lda)"))


ENGINES = [engine("gensim"), engine("tomotopy")]
FIT = {"gensim": gensim_topics, "tomotopy": tomotopy_topics}


def train(*argv: object) -> int:
    return cli.run(main, ["train", *map(str, argv)])


def of_lda(lines_file, run, name, *flags: object) -> list[object]:
    return [f"--corpus={lines_file}", f"--workdir={run}", *SMALL, "--model=lda", f"--lda_engine={name}", *flags]


@pytest.mark.parametrize("name", ENGINES)
def test_a_run_leaves_what_a_run_of_etm_does_but_embeddings(name, lines_file, tmp_path, capsys):
    run = tmp_path / "run"
    assert train(*of_lda(lines_file, run, name)) == 0
    assert {path.name for path in (run / "export").iterdir()} == {
        "vocab.txt", "beta.npy", "theta_train.npy", "theta_valid.npy", "theta_test.npy", "theta_test_h1.npy",
        "SHA256SUMS", "theta_prior.npy",
        "topics.csv", "doc_topics.csv",
        "train.npz", "valid.npz", "test_h1.npz", "test_h2.npz",
    }  # fmt: skip
    assert {path.name for path in run.iterdir()} == {"SHA256SUMS", "config.json", "corpus", "export", "vocabulary"}
    vocab = np.array((run / "export" / "vocab.txt").read_text("utf-8").split())
    beta, theta, theta_h1 = (
        np.load(run / "export" / f"{name}.npy") for name in ("beta", "theta_train", "theta_test_h1")
    )
    assert beta.shape == (3, len(vocab))
    assert len(theta) == sp.load_npz(run / "export" / "train.npz").shape[0]
    assert len(theta_h1) == sp.load_npz(run / "export" / "test_h2.npz").shape[0]
    for matrix in (beta, theta, theta_h1):
        assert matrix.dtype == np.float32
        np.testing.assert_allclose(matrix.sum(1), 1, rtol=1e-5)
    out = capsys.readouterr().out
    assert all(figure in out for figure in ("coherence", "diversity", "completion perplexity"))
    for words in THEMES.values():
        assert max(len({*vocab[np.argsort(-row)[:10]]} & {*words.split()}) for row in beta) >= 9


@pytest.mark.parametrize("name", ENGINES)
def test_the_same_command_again_leaves_the_same_bytes(name, lines_file, tmp_path, capsys):
    command = of_lda(lines_file, tmp_path / "run", name, "--seed=3")
    read = lambda: {path.name: path.read_bytes() for path in (tmp_path / "run" / "export").iterdir()}  # noqa: E731
    assert train(*command) == 0
    first = read()
    assert "fitted again" not in capsys.readouterr().err
    assert train(*command) == 0
    assert read() == first
    assert "is fitted again from its start, as LDA keeps no checkpoints" in capsys.readouterr().err


@pytest.mark.parametrize("name", ENGINES)
def test_planted_topics_are_found_and_another_seed_finds_them_elsewhere(name):
    counts = planted_counts(400, 60, 4, seed=1)
    found = [FIT[name](counts, 4, 20, seed).beta for seed in (1, 2)]
    blocks = [beta.reshape(4, 4, 15).sum(-1) for beta in found]
    for mass in blocks:
        assert sorted(mass.argmax(1)) == [0, 1, 2, 3]
        assert (mass.max(1) > 0.8).all()
    assert not np.array_equal(*found)


def test_a_word_that_tomotopy_has_not_seen_is_less_probable_than_any_that_it_has():
    pytest.importorskip("tomotopy", reason="tomotopy is not installed (extra: lda)")
    counts = planted_counts(100, 20, 2, seed=1)
    wider = sp.csr_matrix((counts.data, counts.indices, counts.indptr), shape=(100, 22))
    beta = tomotopy_topics(wider, 2, 50, seed=1).beta
    np.testing.assert_allclose(beta.sum(1), 1)
    assert (beta[:, 20:] > 0).all()
    assert (beta[:, 20:] < beta[:, :20].max(1, keepdims=True) / 100).all()
    np.testing.assert_allclose(beta[:, 20], beta[:, 21])


def test_proportions_are_the_fixed_point_and_an_empty_document_has_the_priors_mean():
    topics = Topics(beta=np.array([[0.5, 0.4, 0.1], [0.1, 0.1, 0.8]]), alpha=np.array([0.5, 1.5]))
    counts = sp.csr_matrix(np.array([[3, 1, 0], [0, 0, 0], [1, 0, 9]]))
    theta = infer_theta(topics, counts)
    np.testing.assert_allclose(theta[1], [0.25, 0.75])
    share = theta[:, :, None] * topics.beta
    share /= share.sum(1, keepdims=True)
    again = topics.alpha + (share * counts.toarray()[:, None, :]).sum(-1)
    np.testing.assert_allclose(theta, again / again.sum(1, keepdims=True), atol=1e-3)


def test_flags_of_etm_are_ignored(lines_file, tmp_path):
    run = tmp_path / "run"
    etm_flags = ("--variant=ntm", "--n_topic=3", "--vectors=file:missing.txt", "--batch_size=7", "--tensorboard")
    assert train(*of_lda(lines_file, run, "gensim", *etm_flags, "--lda_iterations=2")) == 0
    written = json.loads((run / "config.json").read_text("utf-8"))
    assert written["run"]["num_epochs"] == 2
    assert written["config"]["optimizer"]["learning_rate"] == 0.006
    assert train(*of_lda(lines_file, run, "gensim", *etm_flags, "--lda_iterations=2", "--batch_size=9")) == 0


def test_the_default_folder_is_not_that_of_etm(lines_file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert train(f"--corpus={lines_file}", "--taskname=story", *SMALL, "--model=lda", "--lda_iterations=1") == 0
    assert (tmp_path / "runs" / "story_lda" / "export" / "topics.csv").is_file()


def refused(capsys) -> str:
    return capsys.readouterr().err.splitlines()[-1]


def test_what_is_refused(lines_file, tmp_path, capsys, monkeypatch):
    run = tmp_path / "run"
    assert train(*of_lda(lines_file, run, "gensim", "--ckpt=elsewhere")) == 2
    assert refused(capsys) == (
        "error: --ckpt=elsewhere is for models with weights to start from; leave it out with --model=lda"
    )
    assert train(*of_lda(lines_file, run, "gensim", "--lda_iterations=-1")) == 2
    assert "--lda_iterations=-1 is out of range" in refused(capsys)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert train(*of_lda(lines_file, run, "tomotopy")) == 2
    assert refused(capsys) == (
        "error: --lda_engine=tomotopy needs tomotopy, which is not installed; pip install 'etm_jax[lda]', or give "
        "--lda_engine=gensim"
    )
    assert not run.exists()


def test_a_folder_belongs_to_one_model_and_its_settings(lines_file, tmp_path, capsys):
    run = tmp_path / "run"
    assert train(*of_lda(lines_file, run, "gensim", "--lda_iterations=1")) == 0
    assert train(*of_lda(lines_file, run, "gensim", "--lda_iterations=1", "--n_topic=4")) == 2
    assert "--n_topic=4" in refused(capsys)
    assert train(f"--corpus={lines_file}", f"--workdir={run}", *SMALL) == 2
    assert "this command has --model=etm, but the run in" in refused(capsys)
    assert train(f"--corpus={lines_file}", f"--workdir={tmp_path / 'etm'}", *SMALL, f"--ckpt={run}") == 2
    assert "holds no run with a checkpoint" in refused(capsys)
