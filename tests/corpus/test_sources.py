"""What --corpus may be, and what is said where it is nothing."""

import gzip
import os
import subprocess
import sys

import numpy as np
import pytest
import scipy.sparse as sp

from etm_jax.config.corpus_settings import FORMS, CorpusConfig
from etm_jax.config.declaration import by_name
from etm_jax.corpus.prepare import prepare
from etm_jax.corpus.readers.exported import read_exported
from etm_jax.corpus.readers.text_files import read_lines
from etm_jax.corpus.sources import FORMATS, FileFormat, find_source, forms
from etm_jax.corpus.types import Document
from etm_jax.infer import InferFlags
from etm_jax.util.errors import UserError


def find(corpus, **settings):
    return find_source(CorpusConfig(corpus=str(corpus), **settings))


def texts(source):
    return [doc.text for doc in source.documents()]


def test_a_file_of_another_suffix_is_read_as_lines(tmp_path):
    path = tmp_path / "novel.log"
    path.write_text("一\n二\n", encoding="utf-8")
    source = find(path)
    assert (source.name, source.files, source.lang, source.segmenter) == (str(path), [path], "", "")
    assert source.counted is None
    assert texts(source) == ["一", "二"]
    assert texts(source) == ["一", "二"], "documents starts anew at each call"


def test_a_format_is_a_reader_and_a_row(tmp_path, monkeypatch):
    """Here of lines that begin with the document's number."""

    def read_numbered(path, config):
        for line in read_lines(path, config.encoding):
            number, _, text = line.text.partition(" ")
            yield Document(number, text)

    monkeypatch.setitem(FORMATS, "numbered", FileFormat((".num",), read_numbered))
    (tmp_path / "a.num").write_text("7 甲\n9 乙\n", encoding="gb18030")
    (tmp_path / "b.NUM.gz").write_bytes(gzip.compress("7 甲\n9 乙\n".encode("gb18030")))
    for name in ("a.num", "b.NUM.gz"):
        source = find(tmp_path / name, encoding="gb18030")
        assert [(doc.id, doc.text) for doc in source.documents()] == [("7", "甲"), ("9", "乙")]


def test_infer_takes_every_format_from_standard_input(monkeypatch):
    assert list(by_name(InferFlags)["form"].choice_phrases) == forms() == list(FORMS)
    monkeypatch.setitem(FORMATS, "pipes", FORMATS["csv"])
    assert by_name(InferFlags)["form"].checked("pipes") == "pipes"


@pytest.mark.parametrize(
    "name, content",
    [
        ("a.TXT", "甲\n乙"),
        ("a.jsonl", '{"body": "甲"}\n{"body": "乙"}\n'),
        ("a.csv", "n,body\n1,甲\n2,乙\n"),
        ("a.tsv", "n\tbody\n1\t甲\n2\t乙\n"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_the_suffix_decides_how_a_file_is_read(tmp_path, name, content, packed):
    data = content.encode("gb18030")
    path = tmp_path / (name + ".gz" if packed else name)
    path.write_bytes(gzip.compress(data) if packed else data)
    assert texts(find(path, text_field="body", encoding="gb18030")) == ["甲", "乙"]


def test_a_json_file_says_what_to_write_instead(tmp_path):
    (tmp_path / "a.json").write_text("[]")
    with pytest.raises(UserError, match=r"a\.json is one JSON value.*\.jsonl"):
        find(tmp_path / "a.json")


def test_a_folder_gives_its_text_files_in_order_without_hidden_ones(tmp_path):
    for name in ("b.txt", "a/z.txt", "a.txt", ".git/x.txt", "._b.txt", "notes.md"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(name)
    source = find(tmp_path)
    assert [doc.id for doc in source.documents()] == ["a/z.txt", "a.txt", "b.txt"]
    assert source.files == [tmp_path / "a/z.txt", tmp_path / "a.txt", tmp_path / "b.txt"]


def test_a_folder_without_text_says_what_it_may_hold(tmp_path):
    with pytest.raises(UserError, match=r"holds no \.txt files.*bow_tr_tokens\.mat"):
        find(tmp_path)


def test_a_path_wins_over_a_corpus_of_that_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lee").write_text("mine\n")
    assert texts(find("lee")) == ["mine"]


def test_the_home_folder_may_be_a_tilde(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "a.txt").write_text("mine\n")
    assert texts(find("~/a.txt")) == ["mine"]


@pytest.mark.parametrize("corpus", ["no/such.txt", "people_daily", "x" * 300])
def test_a_missing_corpus_lists_the_names(corpus):
    with pytest.raises(UserError, match=r"--corpus=") as caught:
        find(corpus)
    assert "\n" not in str(caught.value)
    if len(corpus) < 255:
        assert "peoples_daily, inews, sanguo, newsarticles, lee" in str(caught.value)


@pytest.mark.parametrize("corpus", ["", "  "])
def test_an_empty_corpus_is_an_error_even_with_a_fallback(corpus):
    with pytest.raises(UserError, match="--corpus is empty"):
        find(corpus, corpus_fallback="lee")


def test_the_fallback_is_used_and_said_in_three_lines(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other.txt").write_text("other\n")
    source = find("data/3body.txt", corpus_fallback="other.txt")
    assert source.name == "other.txt"
    not_there, where, instead = capsys.readouterr().err.splitlines()
    assert "data/3body.txt" in not_there
    assert str(tmp_path / "data" / "3body.txt") in where
    assert "other.txt" in instead


def test_a_corpus_that_is_there_needs_no_fallback(tmp_path, capsys):
    (tmp_path / "a.txt").write_text("mine\n")
    assert texts(find(tmp_path / "a.txt", corpus_fallback="lee")) == ["mine"]
    assert capsys.readouterr().err == ""


def test_a_missing_fallback_names_its_own_flag():
    with pytest.raises(UserError, match="--corpus_fallback='nor/this'"):
        find("no/such.txt", corpus_fallback="nor/this")


def test_gold_segmentation_is_refused_where_there_is_none(tmp_path):
    (tmp_path / "a.txt").write_text("一 二\n")
    with pytest.raises(UserError, match=r"--segmenter=gold .*peoples_daily"):
        find(tmp_path / "a.txt", segmenter="gold")


def test_importing_the_corpus_modules_imports_nothing_heavy():
    heavy = "{'jax', 'gensim', 'sklearn', 'snownlp', 'pkuseg', 'torch'}"
    code = f"import sys, etm_jax.corpus.sources; print(sorted({heavy} & set(sys.modules)))"
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    assert done.stdout.strip() == "[]"


# An export folder of ours.

WORDS = ["三体", "程心", "罗辑"]


def write_export(folder, **parts):
    (folder / "vocab.txt").write_text("".join(word + "\n" for word in WORDS), encoding="utf-8")
    default = sp.csr_matrix(np.array([[1, 0, 2], [0, 0, 0]]))
    for part in ("train", "valid", "test_h1", "test_h2"):
        sp.save_npz(folder / f"{part}.npz", parts.get(part, default))
    return folder


def test_an_export_folder_is_read_back(tmp_path):
    unsorted = sp.csr_matrix((np.array([2.0, 1.0, 3.0]), np.array([2, 0, 2]), np.array([0, 3])), shape=(1, 3))
    source = find(write_export(tmp_path, train=unsorted))
    assert source.documents is None
    assert len(source.files) == 5
    counted = source.counted()
    assert counted.words == WORDS
    assert counted.train.dtype == np.int32
    assert counted.train.has_sorted_indices
    np.testing.assert_array_equal(counted.train.indices, [0, 2])
    np.testing.assert_array_equal(counted.train.data, [1, 5])
    np.testing.assert_array_equal(counted.test_h2.toarray(), [[1, 0, 2], [0, 0, 0]])


def out_of_range():
    matrix = sp.csr_matrix(np.array([[1, 0, 2]]))
    matrix.indices[1] = 70_000
    return matrix


@pytest.mark.parametrize(
    "parts, message",
    [
        ({"valid": sp.csr_matrix((2, 4))}, r"valid\.npz has 4 columns but vocab\.txt has 3 words"),
        ({"train": sp.csr_matrix(np.array([[0.5, 0, 0]]))}, r"train\.npz holds values that are not counts"),
        ({"train": sp.csr_matrix(np.array([[-1, 0, 0]]))}, r"train\.npz holds values that are not counts"),
        ({"train": sp.csr_matrix(np.array([[np.nan, 0, 0]]))}, r"train\.npz holds values that are not counts"),
        ({"train": sp.csr_matrix(np.array([[np.inf, 0, 0]]))}, r"train\.npz holds values that are not counts"),
        (
            {"train": sp.csr_matrix(np.array([[2**31, 0, 0]]))},
            r"document 0 has 2147483648 words; a document has at most",
        ),
        ({"valid": sp.csr_matrix(np.array([[1, 0, 0], [2**24, 1, 0]]))}, r"document 1 has 16777217 words"),
        ({"train": sp.coo_matrix(np.array([[1, 0, 0]]))}, r"train\.npz is a matrix in coo format"),
        ({"train": out_of_range()}, r"train\.npz does not fit a vocabulary of 3 words"),
        ({"test_h2": sp.csr_matrix((5, 3))}, r"first halves are of 2 test documents and the second of 5"),
    ],
)
def test_an_export_folder_that_does_not_fit_together_is_refused(tmp_path, parts, message):
    with pytest.raises(UserError, match=message):
        read_exported(write_export(tmp_path, **parts))


def test_a_missing_file_of_an_export_folder_is_named(tmp_path):
    (write_export(tmp_path) / "test_h1.npz").unlink()
    with pytest.raises(UserError, match=r"lacks test_h1\.npz"):
        read_exported(tmp_path)


def test_no_pickle_is_loaded_from_an_export_folder(tmp_path):
    marker = tmp_path / "ran"

    class Payload:
        def __reduce__(self):
            return os.mkdir, (str(marker),)

    write_export(tmp_path)
    np.savez(tmp_path / "train.npz", format=np.array([Payload()], dtype=object))
    with pytest.raises(UserError, match=r"train\.npz is not a matrix saved by scipy"):
        read_exported(tmp_path)
    assert not marker.exists()


def test_a_cut_off_matrix_is_refused(tmp_path):
    path = write_export(tmp_path) / "train.npz"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(UserError, match=r"train\.npz is not a matrix saved by scipy"):
        read_exported(tmp_path)


def test_entries_of_an_export_folder_that_stand_twice_are_summed_whatever_their_type(tmp_path):
    for dtype in (bool, np.uint8):
        twice = sp.csr_matrix((np.ones(300, dtype), np.full(300, 1), [0, 300]), (1, 3))
        assert read_exported(write_export(tmp_path, train=twice)).train.toarray().tolist() == [[0, 300, 0]]


def test_a_word_that_an_export_folder_has_twice_is_named(tmp_path):
    write_export(tmp_path)
    (tmp_path / "vocab.txt").write_text("a\nb\na\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"vocab\.txt has the word 'a' 2 times, in columns 0 and 2, counted from 0"):
        read_exported(tmp_path)


@pytest.mark.parametrize("num_docs", [0, 20])
def test_counts_without_a_word_to_train_on_are_refused(tmp_path, num_docs):
    source = find(write_export(tmp_path, train=sp.csr_matrix(np.zeros((num_docs, 3), np.int32))))
    with pytest.raises(UserError, match="no document to train on holds a word"):
        prepare(source, CorpusConfig())
