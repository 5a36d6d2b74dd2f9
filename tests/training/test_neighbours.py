"""Pooling by neighbours: who is near, and what a document then has to explain."""

from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

from conftest import SMALL, themed_lines
from etm_jax import ETM
from etm_jax.cli import flags as cli
from etm_jax.config.build import Config
from etm_jax.corpus.types import Corpus
from etm_jax.prepare import main as prepare_main
from etm_jax.train import main as train_main
from etm_jax.training import neighbours
from etm_jax.training.batches import Batcher
from etm_jax.training.neighbours import nearest, pooled, pooled_counts, spread_over


def test_the_nearest_are_those_of_the_largest_cosines(monkeypatch) -> None:
    vectors = np.random.default_rng(1).normal(size=(23, 4)).astype(np.float32)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = unit @ unit.T
    np.fill_diagonal(cosines, -2)
    expected = np.argsort(-cosines, axis=1)[:, :5]
    # Blocks of 5 documents, of which the last overlaps.
    monkeypatch.setattr(neighbours, "NUMBERS_AT_ONCE", 23 * 5)
    found, like = nearest(vectors * 7, 5)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_allclose(like, np.take_along_axis(cosines, expected, 1), atol=1e-6)


def test_a_share_of_the_neighbours_words_by_hand() -> None:
    counts = sp.csr_matrix(np.array([[2, 0, 0], [0, 1, 3], [0, 5, 0]]))
    near, like = np.array([[1, 2], [0, 2], [0, 1]]), np.array([[0.9, 0.5], [0.9, -0.1], [0.0, -1.0]], np.float32)
    pooled = pooled_counts(counts, near, like, 0.5)
    # 2 (½ (1, 0, 0) + ½ (0, ¼ + 1, ¾)/2); 4 (½ (0, ¼, ¾) + ½ (1, 0, 0)); no neighbour that is like it.
    np.testing.assert_allclose(pooled.toarray(), [[1, 0.625, 0.375], [2, 0.5, 1.5], [0, 5, 0]])
    assert pooled.dtype == np.float32


def test_documents_keep_their_lengths_and_empty_ones_count_for_nothing() -> None:
    rng = np.random.default_rng(2)
    counts = sp.csr_matrix(rng.poisson(0.1, (40, 12)))
    assert (counts.sum(axis=1) == 0).any()
    near, like = nearest(rng.normal(size=(40, 3)), 6)
    pooled = pooled_counts(counts, near, like, 0.7)
    np.testing.assert_allclose(pooled.sum(axis=1), counts.sum(axis=1), rtol=1e-5)
    np.testing.assert_allclose(pooled_counts(counts, near, like, 0.0).toarray(), counts.toarray())


def test_entries_are_spread_over_a_larger_pattern() -> None:
    pattern = sp.csr_matrix(np.array([[1, 1, 0, 1], [0, 0, 0, 0], [1, 0, 1, 0]]))
    values = sp.csr_matrix(np.array([[0, 5, 0, 7], [0, 0, 0, 0], [0, 0, 9, 0]]))
    spread = spread_over(values, pattern)
    np.testing.assert_array_equal(spread.toarray(), values.toarray())
    np.testing.assert_array_equal(spread.indices, pattern.indices)


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("themes") / "lines.txt"
    path.write_text("\n".join(themed_lines(120)) + "\n", "utf-8")
    return path


def trained(lines: Path, folder: Path, *more: str) -> Path:
    flags = [f"--corpus={lines}", *SMALL, "--neighbour_share=0.5", "--neighbours=3", f"--workdir={folder}", *more]
    assert cli.run(train_main, ["train", *flags]) == 0
    return folder


@pytest.mark.parametrize("context", ["", "--context=ppmi"])
def test_a_run_explains_pooled_words_and_resumes(
    lines: Path, tmp_path: Path, context: str, capsys: pytest.CaptureFixture[str]
) -> None:
    more = [context] if context else []
    whole = trained(lines, tmp_path / "whole", *more)
    assert "3 nearest documents by document-level PPMI of the words give 50% of what" in capsys.readouterr().err
    half = trained(lines, tmp_path / "half", *more, "--num_epochs=2", "--lr_schedule=constant")
    trained(lines, half, *more, "--num_epochs=3", "--lr_schedule=constant")
    unbroken = trained(lines, tmp_path / "unbroken", *more, "--num_epochs=3", "--lr_schedule=constant")
    for name in ("beta.npy", "theta_train.npy"):
        assert (half / "export" / name).read_bytes() == (unbroken / "export" / name).read_bytes()
    # What is shown of the documents, and of new ones, is by their own words.
    model = ETM.load(whole)
    theta = np.load(whole / "export" / "theta_train.npy")
    np.testing.assert_allclose(theta.sum(axis=1), 1, rtol=1e-5)
    assert model.transform([themed_lines(1)[0]]).shape == (1, theta.shape[1])


def test_the_encoder_reads_a_document_alone(lines: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen: dict[str, Batcher] = {}

    def kept(in_memory: Batcher, corpus: Corpus, config: Config) -> Batcher:
        seen["own"], seen["pooled"] = in_memory, pooled(in_memory, corpus, config)
        return seen["pooled"]

    monkeypatch.setattr("etm_jax.training.corpus_batches.pooled", kept)
    trained(lines, tmp_path / "run")
    own, more = seen["own"], seen["pooled"]
    np.testing.assert_array_equal(own.inputs.toarray(), more.inputs.toarray())
    np.testing.assert_allclose(own.counts.sum(axis=1), more.counts.sum(axis=1), rtol=1e-5)
    assert more.counts.nnz > own.counts.nnz


def test_shards_are_refused_in_one_line(tmp_path: Path, lines: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = [f"--input={lines}", f"--output={tmp_path / 'shards'}", "--no_below=1", "--no_above=1"]
    assert cli.run(prepare_main, ["prepare", *flags]) == 0
    flags = [f"--corpus={tmp_path / 'shards'}", "--n_topic=3", "--neighbour_share=0.5", f"--workdir={tmp_path / 'run'}"]
    assert cli.run(train_main, ["train", *flags]) != 0
    assert "those of a corpus of shards are not all in memory" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
