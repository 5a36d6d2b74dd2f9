"""The paper's own format, and the pickle in it."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from etm_jax.config.corpus_settings import CorpusConfig
from etm_jax.corpus.readers.original import PARTS, read_original
from etm_jax.corpus.sources import find_source
from etm_jax.util.errors import UserError
from etm_jax.util.plain_pickle import load_plain_pickle

SHARED = Path(os.environ.get("ETM_SHARED") or Path(__file__).resolve().parents[3] / "shared")
NEWSGROUPS = SHARED / "data" / "20ng"

WORDS = ["plate", "duke", "三体", "greatly"]
TOKENS = [[3, 0, 3], [], [1]]
COUNTS = [[1, 2, 4], [], [5]]


def cells(rows):
    """[1, D] object array, as scipy saves a list of arrays of several lengths."""
    out = np.empty((1, len(rows)), dtype=object)
    for i, row in enumerate(rows):
        out[0, i] = np.array([row], dtype=np.int64)
    return out


def write(folder, words=WORDS, **replaced):
    """A whole folder. replaced: what to save in place of a file's array, by name, such as `tr_tokens`."""
    (folder / "vocab.pkl").write_bytes(pickle.dumps(words))
    for part in PARTS:
        for kind, rows in (("tokens", TOKENS), ("counts", COUNTS)):
            savemat(folder / f"bow_{part}_{kind}.mat", {kind: replaced.get(f"{part}_{kind}", cells(rows))})
    return folder


def test_cells_become_sorted_counts_with_duplicates_summed(tmp_path):
    source = find_source(CorpusConfig(corpus=str(write(tmp_path))))
    assert (source.documents, len(source.files)) == (None, 9)
    counted = source.counted()
    assert counted.words == WORDS
    for matrix in (counted.train, counted.valid, counted.test_h1, counted.test_h2):
        assert matrix.dtype == np.int32
        np.testing.assert_array_equal(matrix.indptr, [0, 2, 2, 3])
        np.testing.assert_array_equal(matrix.indices, [0, 3, 1])
        np.testing.assert_array_equal(matrix.data, [2, 5, 5])


def test_documents_of_one_length_are_saved_as_a_matrix(tmp_path):
    folder = write(tmp_path, va_tokens=np.array([[0, 1], [2, 3]]), va_counts=np.array([[1.0, 2.0], [3.0, 4.0]]))
    np.testing.assert_array_equal(read_original(folder).valid.toarray(), [[1, 2, 0, 0], [0, 0, 3, 4]])


@pytest.mark.parametrize(
    "replaced, message",
    [
        ({"tr_tokens": cells([[4, 0, 3], [], [1]])}, r"bow_tr_tokens\.mat does not fit a vocabulary of 4 words"),
        ({"tr_tokens": cells([[-1, 0, 3], [], [1]])}, r"bow_tr_tokens\.mat does not fit a vocabulary of 4 words"),
        ({"tr_tokens": cells([[3, 0], [], [1]])}, r"bow_tr_tokens\.mat and bow_tr_counts\.mat are not of the same"),
        ({"va_counts": cells([[1, -2, 4], [], [5]])}, r"bow_va_tokens\.mat holds values that are not counts"),
        ({"va_tokens": np.array([[0.5], [1], [2]])}, r"bow_va_tokens\.mat and bow_va_counts\.mat are not of the same"),
        (
            {"va_tokens": np.array([[0.5]]), "va_counts": np.array([[1]])},
            r"bow_va_tokens\.mat holds values .* word ids",
        ),
        ({"ts_h1_tokens": cells([[1]]), "ts_h1_counts": cells([[1]])}, r"first halves are of 1 test .* second of 3"),
    ],
)
def test_files_that_do_not_fit_together_are_refused(tmp_path, replaced, message):
    with pytest.raises(UserError, match=message):
        read_original(write(tmp_path, **replaced))


def test_missing_files_are_named(tmp_path):
    write(tmp_path)
    (tmp_path / "vocab.pkl").unlink()
    (tmp_path / "bow_va_counts.mat").unlink()
    with pytest.raises(UserError, match=r"lacks vocab\.pkl, bow_va_counts\.mat"):
        find_source(CorpusConfig(corpus=str(tmp_path))).counted()


@pytest.mark.parametrize("size", [0, 100, 150, 300])
def test_a_cut_off_matlab_file_is_named(tmp_path, size):
    path = write(tmp_path) / "bow_tr_counts.mat"
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(UserError, match=r"bow_tr_counts\.mat is not a MATLAB 5 file") as caught:
        read_original(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("words", [("plate", "duke"), ["plate", 2], {"plate": 1}, "plate"])
def test_a_vocabulary_is_a_list_of_strings(tmp_path, words):
    with pytest.raises(UserError, match=r"vocab\.pkl is not a list of words"):
        read_original(write(tmp_path, words=words))


# The unpickler.


class RunsShell:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"echo ran > {self.marker}",)


def payloads(marker):
    """Pickles that each make the file `marker` where they are loaded by the standard library."""
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        yield pickle.dumps(["plate", RunsShell(marker)], protocol=protocol)
    command = f"echo ran > {marker}"
    yield f"cos\nsystem\n(S'{command}'\ntR.".encode()
    yield f"(S'{command}'\nios\nsystem\n.".encode()
    code = f"__import__('os').system({command!r})"
    short = pickle.SHORT_BINUNICODE + bytes([len(code)]) + code.encode()
    yield pickle.PROTO + b"\4\x8c\x08builtins\x8c\x04exec" + pickle.STACK_GLOBAL + short + pickle.TUPLE1 + b"R."


def test_the_payloads_are_real_and_the_unpickler_runs_none(tmp_path):
    marker, path = tmp_path / "ran", tmp_path / "vocab.pkl"
    for payload in payloads(marker):
        pickle.loads(payload)
        assert marker.exists()
        marker.unlink()
        path.write_bytes(payload)
        with pytest.raises(UserError, match=r"vocab\.pkl is not a pickle of plain values and was not loaded") as caught:
            load_plain_pickle(path)
        assert not marker.exists()
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no pickle",
        pickle.dumps(WORDS)[:-5],
        # Room for two billion numbers in the memo, 16 GB, from eight bytes.
        pickle.PROTO + b"\4" + pickle.EMPTY_LIST + pickle.LONG_BINPUT + b"\xff\xff\xff\x7f" + pickle.STOP,
        b"\x80\x04P1\n.",  # a persistent id
        b"\x80\x04\x82\x01.",  # a registered extension
        b"\x80\x04]}b.",  # a state set on a list
        b"\x80\x04]]R.",  # a list called as a function
        pickle.dumps(np.array(["plate"])),
    ],
)
def test_what_is_no_plain_pickle_is_an_error_of_one_line(tmp_path, data):
    path = tmp_path / "vocab.pkl"
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"vocab\.pkl is not a pickle of plain values"):
        load_plain_pickle(path)


@pytest.mark.skipif(not NEWSGROUPS.is_dir(), reason="20 Newsgroups in the paper's format is not beside the checkout")
def test_the_papers_own_corpus():
    counted = read_original(NEWSGROUPS)
    assert (len(counted.words), len(set(counted.words))) == (3072, 3072)
    assert counted.train.shape == (11214, 3072)
    assert counted.valid.shape == (100, 3072)
    assert counted.test_h1.shape == counted.test_h2.shape == (7531, 3072)
    totals = [int(m.sum()) for m in (counted.train, counted.valid, counted.test_h1, counted.test_h2)]
    assert totals == [919_850, 8_334, 295_245, 299_031]


@pytest.mark.skipif(not NEWSGROUPS.is_dir(), reason="20 Newsgroups in the paper's format is not beside the checkout")
def test_the_halves_of_the_papers_corpus_sum_to_its_test_documents():
    from scipy.io import loadmat

    counted = read_original(NEWSGROUPS)
    whole = np.zeros((7531, 3072), dtype=np.int64)
    tokens = loadmat(NEWSGROUPS / "bow_ts_tokens.mat")["tokens"][0]
    counts = loadmat(NEWSGROUPS / "bow_ts_counts.mat")["counts"][0]
    for row, ids, values in zip(whole, tokens, counts, strict=True):
        row[ids[0]] = values[0]
    np.testing.assert_array_equal((counted.test_h1 + counted.test_h2).toarray(), whole)
