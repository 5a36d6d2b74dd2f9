"""Damaged files are one clean error; a fault of ours is never taken for a damaged file."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

from etm_jax.cli.flags import parse
from etm_jax.config.corpus_settings import CorpusConfig
from etm_jax.corpus.readers.exported import read_exported
from etm_jax.corpus.shards.manifest import NAME, Manifest
from etm_jax.corpus.types import Vocabulary
from etm_jax.corpus.words.stop_words import read_stop_words
from etm_jax.corpus.words.user_dict import read_user_dict
from etm_jax.interop.folders import read_folder
from etm_jax.interop.native_files import read_vocabulary
from etm_jax.models.seed_words import read_seed_words
from etm_jax.training.run_folder import RunFolder
from etm_jax.util.errors import UserError
from etm_jax.util.keyed_csv import read_pairs
from etm_jax.util.reading import as_object, parse_object, read_array, read_arrays, read_object, read_sparse
from torture.readers import READERS


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", '"a"', "[" * 100_000])
def test_a_text_that_is_no_json_object_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"JSON object|Expecting|recursion"):
        parse_object(text)


def test_objects_and_arrays_come_back(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"a": 1}')
    np.save(tmp_path / "a.npy", np.arange(3))
    np.savez(tmp_path / "a.npz", x=np.arange(3), y=np.eye(2))
    sp.save_npz(tmp_path / "s.npz", sp.csr_matrix(np.eye(3)))
    assert read_object(tmp_path / "a.json") == {"a": 1} == as_object({"a": 1})
    assert read_array(tmp_path / "a.npy").tolist() == [0, 1, 2]
    assert read_arrays(tmp_path / "a.npz").keys() == {"x", "y"}
    np.testing.assert_array_equal(read_sparse(tmp_path / "s.npz").toarray(), np.eye(3))
    with pytest.raises(ValueError, match="several arrays"):
        read_array(tmp_path / "a.npz")
    with pytest.raises(FileNotFoundError):
        read_arrays(tmp_path / "absent.npz")


def test_an_array_that_no_memory_holds_is_a_value_error(tmp_path: Path) -> None:
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (400000000000000000,), }".ljust(117) + b"\n"
    (tmp_path / "a.npy").write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    with pytest.raises(ValueError, match="allocate"):
        read_array(tmp_path / "a.npy")


@pytest.mark.parametrize("raised", [AttributeError, MemoryError, RuntimeError, NotImplementedError, EOFError])
def test_whatever_a_parser_raises_is_a_value_error(
    raised: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*args: object, **kwargs: object) -> None:
        raise raised

    np.save(tmp_path / "a.npy", np.arange(3))
    monkeypatch.setattr(np, "load", fails)
    with pytest.raises(ValueError, match=raised.__name__):
        read_array(tmp_path / "a.npy")


def _read_manifest(folder: Path) -> None:
    values = {"format": 1, "parts": dict.fromkeys(("train", "valid", "test"), _PART), "report": {}}
    (folder / NAME).write_text(json.dumps(values))
    Manifest.read(folder)


_PART: dict[str, list[object]] = {"shards": [], "nonzeros_of": [], "lengths_of": []}


@pytest.mark.parametrize(
    ("reader", "constructor", "read"),
    [
        ("saved", "etm_jax.corpus.store.cache.Vocabulary", lambda folder: read_folder(folder / "model")),
        ("saved", "etm_jax.interop.folders.SavedModel", lambda folder: read_folder(folder / "model")),
        ("saved", "etm_jax.api.state.Predictor", READERS["saved"].read),
        ("record", "etm_jax.training.run_folder.RunRecord.__new__", lambda folder: RunFolder(folder).record()),
        ("record", "etm_jax.corpus.store.cache.Vocabulary", lambda folder: read_vocabulary(RunFolder(folder))),
        ("exported", "etm_jax.corpus.readers.exported.as_counts", read_exported),
        ("words", "etm_jax.corpus.shards.manifest.FilterReport", _read_manifest),
    ],
)
@pytest.mark.parametrize("fault", [AttributeError, RuntimeError])
def test_a_fault_of_ours_is_not_reported_as_a_damaged_file(
    reader: str, constructor: str, read, fault: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    READERS[reader].make(tmp_path)

    def faulty(*args: object, **kwargs: object) -> None:
        raise fault("a fault of ours")

    monkeypatch.setattr(constructor, faulty)
    with pytest.raises(fault, match="a fault of ours"):
        read(tmp_path)


def test_a_saved_model_of_another_kind_or_shape_is_damaged(tmp_path: Path) -> None:
    READERS["saved"].make(tmp_path)
    path = tmp_path / "model"
    whole = read_arrays(path / "weights.npz")
    for changed in (
        {"params.rho": np.zeros(5)},
        {"params.rho": np.zeros((0, 4))},
        {"params.mu.kernel": np.zeros((1, 1))},
        {"params.more": np.zeros(1)},
    ):
        np.savez(path / "weights.npz", **whole | changed)
        with pytest.raises(UserError, match="is damaged"):
            read_folder(path)
    nested = {name: x for name, x in whole.items() if name != "params.rho"} | {"params.rho.x": np.zeros(3)}
    np.savez(path / "weights.npz", **nested)
    with pytest.raises(UserError, match="is damaged"):
        read_folder(path)
    np.savez(path / "weights.npz", **whole)
    model = read_object(path / "model.json")
    model["config"]["model"]["kind"] = "lda"
    (path / "model.json").write_text(json.dumps(model))
    with pytest.raises(UserError, match="is damaged"):
        read_folder(path)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="there is no file without an end here")
@pytest.mark.parametrize(
    "read",
    [
        lambda path: read_user_dict(path, CorpusConfig(lowercase=False)),
        lambda path: read_stop_words(CorpusConfig(stopwords=path, lowercase=False)),
        lambda path: read_seed_words(path, Vocabulary(["a"], np.ones(1), np.ones(1), 1, ""), 1),
        lambda path: read_pairs(path, "labels", "document", "label"),
        lambda path: parse(["train", f"--flagfile={path}"]),
    ],
    ids=["user_dict", "stopwords", "seed_words", "labels", "flagfile"],
)
def test_a_file_without_an_end_is_refused(read: Callable[[str], object]) -> None:
    with pytest.raises(UserError, match="/dev/zero"):
        read("/dev/zero")


@pytest.mark.parametrize("dtype", [">f4", "U3", "g", "V4"])
def test_a_model_of_arrays_that_jax_does_not_take_is_damaged(tmp_path: Path, dtype: str) -> None:
    reader = READERS["saved"]
    reader.make(tmp_path)
    weights = tmp_path / "model" / "weights.npz"
    with np.load(weights) as found:
        arrays = {name: np.zeros(found[name].shape, dtype) for name in found.files}
    np.savez(weights, **arrays)
    reader.seal(tmp_path)
    with pytest.raises(UserError, match="is damaged"):
        read_folder(tmp_path / "model")
