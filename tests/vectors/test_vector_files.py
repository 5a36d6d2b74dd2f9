"""Files of word vectors: their forms, and what a broken one says."""

import bz2
import gzip
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from toy_corpora import corpus_of

from etm_jax.config.build import make_config
from etm_jax.config.settings import VectorsConfig
from etm_jax.util.errors import UserError
from etm_jax.vectors import check_vectors, word_vectors
from etm_jax.vectors import file as files
from etm_jax.vectors.records import opened

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


@pytest.mark.parametrize("number", ["1e38", "-1e38", "1e16"])
def test_numbers_whose_products_no_float32_holds_are_refused(number: str, tmp_path: Path) -> None:
    path = tmp_path / "v.vec"
    path.write_text(f"2 2\na 1 2\nb {number} 1\n", encoding="utf-8")
    with pytest.raises(UserError, match="line 3: the vector of 'b' holds numbers beyond ±1e") as error:
        word_vectors(corpus_of([["a", "b"]] * 3), VectorsConfig(vectors=f"file:{path}", embed_dim=None), seed=1)
    assert "\n" not in str(error.value)
