"""Words' vectors from an encoder: which contexts are read, what is made of them, and sources joined."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from bert_folders import CONFIG, numpy_states, random_state, write_folder
from test_vectors import corpus_of

from conftest import SMALL, token_stream
from etm_jax.cli import flags
from etm_jax.cli.run import run
from etm_jax.config.build import make_config
from etm_jax.config.declaration import files_read
from etm_jax.config.settings import VectorsConfig
from etm_jax.config.vector_sources import joined_sources, vector_source
from etm_jax.corpus.types import Corpus, Phrases, Vocabulary
from etm_jax.util.errors import UserError
from etm_jax.vectors import check_vectors, word_vectors
from etm_jax.vectors.bert import contexts as contexts_module
from etm_jax.vectors.bert.contexts import contexts_of, written_words
from etm_jax.vectors.bert.model import Encoder
from etm_jax.vectors.bert.words import from_contexts


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ETM_JAX_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "model")


def vocabulary_of(words: list[str], phrases: Phrases | None = None) -> Vocabulary:
    ones = np.ones(len(words), np.int64)
    return Vocabulary(words, ones, ones, 1, "whitespace", phrases=phrases)


def of_source(vectors: str, dim: int | None = None) -> VectorsConfig:
    return dataclasses.replace(VectorsConfig(), vectors=vectors, embed_dim=dim)


DOCUMENTS = [["海洋", "的", "船"], ["the", "sea", "ship", "words"], ["山", "the", "海洋"], ["海洋"]]


def test_the_text_is_written_as_people_write_it() -> None:
    found = contexts_of(token_stream(DOCUMENTS), vocabulary_of(["海洋", "sea", "words", "absent"]))
    assert found.passages == ["海洋的船", "the sea ship words", "山the海洋", "海洋"]
    read = [found.passages[p][s:e] for p, s, e in zip(found.passage, found.start, found.end, strict=True)]
    assert read == ["海洋", "sea", "words", "海洋", "海洋"]
    assert found.word.tolist() == [0, 1, 2, 0, 0]


def test_a_phrase_is_written_with_its_blanks() -> None:
    phrases = Phrases(((("the", "sea"), ("海", "洋")),))
    text = token_stream([["the_sea", "ship"], ["海洋", "a_b"]])
    found = contexts_of(text, vocabulary_of(["the_sea", "a_b"], phrases))
    assert found.passages == ["the sea ship", "海洋a_b"]
    assert [found.start[0], found.end[0]] == [0, 7]
    assert written_words(vocabulary_of([], phrases), ["the_sea", "a_b"]) == ["the sea", "a_b"]


def test_of_a_frequent_word_few_occurrences_are_read_all_over_the_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contexts_module, "OCCURRENCES", 4)
    monkeypatch.setattr(contexts_module, "PASSAGE", 5)
    documents = [["common"] * 3 + ([f"rare{i // 20}"] if i % 20 == 0 else ["other"]) for i in range(100)]
    words = ["common", "other", *sorted({w for d in documents for w in d if w.startswith("rare")})]
    text, vocabulary = token_stream(documents), vocabulary_of(words)
    found = contexts_of(text, vocabulary)
    assert np.bincount(found.word).tolist() == [4, 4, 1, 1, 1, 1, 1]
    # `common` takes the passages of the rare words, which have to be read anyway.
    assert len(found.passages) <= 9
    again = contexts_of(text, vocabulary)
    assert all(np.array_equal(one, other) for one, other in zip(found, again, strict=True))
    alone = contexts_of(text, vocabulary_of(["common"]))
    assert np.bincount(alone.word).tolist() == [4]
    assert len(alone.passages) == 4
    long = contexts_of(token_stream([["word"] * 12]), vocabulary_of(["word"]))
    assert all(len(passage.split()) <= 5 for passage in long.passages)


def test_a_word_is_the_mean_of_its_pieces_and_occurrences(folder: Path) -> None:
    encoder, vocabulary = Encoder(folder), vocabulary_of(["海洋", "words", "absent"])
    matrix, times = from_contexts(encoder, contexts_of(token_stream(DOCUMENTS), vocabulary), 3)
    assert times.tolist() == [3, 1, 0]
    state, mean = random_state(CONFIG), {}
    for text in ("海洋的船", "the sea ship words", "山the海洋", "海洋"):
        ids = encoder.tokenize([text]).ids[None]
        mean[text] = numpy_states(CONFIG, state, ids, np.ones_like(ids))[-4:, 0].mean(axis=0)
    sea = [mean["海洋的船"][1:3], mean["山the海洋"][3:5], mean["海洋"][1:3]]
    np.testing.assert_allclose(matrix[0], np.mean([pieces.mean(axis=0) for pieces in sea], axis=0), atol=1e-5)
    np.testing.assert_allclose(matrix[1], mean["the sea ship words"][4:6].mean(axis=0), atol=1e-5)
    assert not matrix[2].any()


def test_what_is_cut_off_with_its_passage_does_not_count(folder: Path) -> None:
    # Of 18 pieces the last word is left out, and the last but one is cut.
    document = ["海洋山峰城市船鱼", "海洋山峰城市船鱼", "影电体", "三"]
    found = contexts_of(token_stream([document]), vocabulary_of(["影电体", "三"]))
    assert from_contexts(Encoder(folder), found, 2)[1].tolist() == [1, 0]


def with_vocabulary(corpus: Corpus, *more: str) -> Corpus:
    words = [*corpus.vocabulary.words, *more]
    return dataclasses.replace(corpus, vocabulary=vocabulary_of(words))


def test_a_word_that_never_occurs_has_the_vector_of_the_word_alone(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = with_vocabulary(corpus_of(DOCUMENTS), "影", "城市")
    found = word_vectors(corpus, of_source(f"bert:{folder}"), 0)
    assert "2 words have the vector of the word alone, as the text lacks them" in capsys.readouterr().err
    assert found.matrix.shape == (len(corpus.vocabulary), 24)
    assert found.covered == len(corpus.vocabulary)
    np.testing.assert_allclose(found.matrix[:-2].mean(axis=0), 0, atol=1e-5)
    state, encoder = random_state(CONFIG), Encoder(folder, "cls")
    firsts = []
    for word in corpus.vocabulary.words:
        ids = encoder.tokenize([word]).ids[None]
        firsts.append(numpy_states(CONFIG, state, ids, np.ones_like(ids))[-1, 0, 0])
    alone = np.array(firsts) - np.mean(firsts, axis=0)
    cosine = (found.matrix[-2:] * alone[-2:]).sum(axis=1)
    cosine /= np.linalg.norm(found.matrix[-2:], axis=1) * np.linalg.norm(alone[-2:], axis=1)
    np.testing.assert_allclose(cosine, 1, atol=1e-5)


def test_counts_have_words_alone(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus = corpus_of(DOCUMENTS, with_text=False)
    found = word_vectors(corpus, of_source(f"bert:{folder}"), 0)
    assert "as the corpus came as counts" in capsys.readouterr().err
    expected = Encoder(folder, "cls")
    alone = expected.pooled(expected.tokenize(corpus.vocabulary.words), "")
    np.testing.assert_allclose(found.matrix, alone - alone.mean(axis=0), atol=1e-5)


def test_the_same_bytes_again_and_fewer_columns_of_the_same(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus, source = corpus_of(DOCUMENTS), f"bert:{folder}"
    whole = word_vectors(corpus, of_source(source), 0).matrix
    monkeypatch.setattr(Encoder, "run", None)  # All else comes from the cache.
    assert word_vectors(corpus, of_source(source), 0).matrix.tobytes() == whole.tobytes()
    few = word_vectors(corpus, of_source(source, 3), 0).matrix
    axes = np.linalg.svd(whole, full_matrices=False)
    np.testing.assert_allclose(few @ few.T, (axes[0][:, :3] * axes[1][:3] ** 2) @ axes[0][:, :3].T, atol=1e-3)


def test_what_cannot_be_is_said_before_the_corpus_is_read(folder: Path) -> None:
    for vectors, dim, message in (
        (f"bert:{folder}", 25, "--emb_dim=25 is more than the 24 columns"),
        (f"bert:{folder}x", None, "is no folder"),
        (f"ppmi+bert:{folder}x", 5, "is no folder"),
        ("bert:", None, "is unknown"),
        ("ppmi+random", 5, "joins random vectors"),
        ("ppmi+file:gone.txt", 5, "gone.txt"),
    ):
        with pytest.raises(UserError, match=message):
            check_vectors(of_source(vectors, dim))
    with pytest.raises(UserError, match="needs running text"):
        check_vectors(of_source("ppmi+skipgram", 5), counts_of="counts")


# --- Sources joined ---


def test_a_plus_joins_where_the_name_of_a_source_follows() -> None:
    assert joined_sources("ppmi+bert:/a+b/c++") == ["ppmi", "bert:/a+b/c++"]
    assert joined_sources("file:a+b.txt+use") == ["file:a+b.txt", "use"]
    assert joined_sources("file:a+useful.txt") == ["file:a+useful.txt"]
    assert joined_sources("bert:x+file:y+ppmi") == ["bert:x", "file:y", "ppmi"]
    assert vector_source("ppmi+bert:x").shown == "A+B"
    assert vector_source("ppmi+nothing") is None
    assert vector_source("ppmi+bert:") is None


def test_joined_sources_count_alike_in_few_columns(folder: Path) -> None:
    rng = np.random.default_rng(0)
    documents = [[f"{'ab'[i % 2]}{j}" for j in rng.integers(0, 10, size=12)] for i in range(200)]
    corpus = corpus_of(documents)
    both = word_vectors(corpus, of_source(f"ppmi+bert:{folder}", 6), 1)
    assert both.matrix.shape == (20, 6)
    assert both.source.startswith("document-level PPMI, randomised SVD + model, bert of 5 layers")
    parts = [word_vectors(corpus, of_source("ppmi", 6), 1), word_vectors(corpus, of_source(f"bert:{folder}"), 1)]
    whole = 0
    for part in parts:
        even = part.matrix - part.matrix.mean(axis=0)
        even /= np.linalg.norm(even, axis=1, keepdims=True)
        whole = whole + even @ even.T
    values, axes = np.linalg.eigh(whole)
    best = (axes[:, -6:] * values[-6:]) @ axes[:, -6:].T
    np.testing.assert_allclose(both.matrix @ both.matrix.T, best, atol=1e-4)


def test_a_word_that_one_source_lacks_is_known_by_the_other(tmp_path: Path) -> None:
    corpus = corpus_of([["a0", "a1", "b"], ["a1", "a0"], ["b", "a0"], ["lonely"]])
    (tmp_path / "vectors.txt").write_text("2 2\na0 1 2\na1 2 1\n")
    found = word_vectors(corpus, of_source(f"ppmi+file:{tmp_path / 'vectors.txt'}", 4), 0)
    # `lonely` is in no document with another word, and not in the file: it has a random vector.
    assert found.covered == 3
    assert np.linalg.norm(found.matrix, axis=1).all()


def test_more_columns_than_there_are_get_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus = corpus_of([["a0", "a1", "b"], ["a1", "a0"], ["b", "a0"]])
    (tmp_path / "vectors.txt").write_text("2 2\na0 1 2\na1 2 1\n")
    found = word_vectors(corpus, of_source(f"file:{tmp_path / 'vectors.txt'}+ppmi", 30), 0)
    assert "--emb_dim=30 is more than the 5 columns" in capsys.readouterr().err
    assert found.matrix.shape == (3, 5)


def test_a_run_from_text_to_topics_on_fixed_vectors(folder: Path, lines_file: Path, tmp_path: Path) -> None:
    given = [f"--corpus={lines_file}", *SMALL, "--num_epochs=2", "--notrain_rho", f"--workdir={tmp_path / 'run'}"]
    run(*flags.parse(["train", *given, f"--vectors=bert:{folder}"]))
    beta, rho = (np.load(tmp_path / "run" / "export" / f"{name}.npy") for name in ("beta", "rho"))
    np.testing.assert_allclose(beta.sum(axis=1), 1, atol=1e-5)
    assert rho.shape == (beta.shape[1], 8)


def test_flags_take_joined_sources_and_read_their_files(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "vectors.txt").write_text("2 2\na0 1 2\na1 2 1\n")
    config = make_config("default", {"vectors": f"file:{tmp_path / 'vectors.txt'}+bert:{folder}+ppmi"})
    assert config.vectors.embed_dim == 100
    assert files_read(config.vectors) == [("--vectors", folder), ("--vectors", tmp_path / "vectors.txt")]
    assert make_config("default", {"vectors": f"bert:{folder}"}).vectors.embed_dim is None
    with pytest.raises(UserError, match="is not one of ppmi, skipgram"):
        make_config("default", {"vectors": "ppmi+nothing"})
