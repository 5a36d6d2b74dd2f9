"""Files of arrays: numpy and scipy read what is written, and the same arrays give the same bytes."""

import time

import numpy as np
import pytest
import scipy.sparse as sp

from etm_jax.util.npz import save_arrays, save_sparse


@pytest.mark.parametrize("dtype", [np.int32, np.float32, np.int64])
def test_scipy_reads_a_matrix(tmp_path, dtype):
    matrix = sp.random(40, 30, 0.1, "csr", random_state=1).astype(dtype)
    save_sparse(tmp_path / "a.npz", matrix)
    sp.save_npz(tmp_path / "b.npz", matrix)
    found, expected = sp.load_npz(tmp_path / "a.npz"), sp.load_npz(tmp_path / "b.npz")
    assert (type(found), found.dtype, found.shape) == (type(expected), expected.dtype, expected.shape)
    np.testing.assert_array_equal(found.toarray(), expected.toarray())


def test_numpy_reads_arrays_whose_bytes_do_not_tell_when_they_were_written(tmp_path, monkeypatch):
    arrays = {"a": np.arange(6).reshape(2, 3), "b": np.array([], np.float32), "c": np.array(b"csr")}
    save_arrays(tmp_path / "a.npz", **arrays)
    monkeypatch.setattr(time, "time", lambda: 2e9)
    save_arrays(tmp_path / "b.npz", **arrays)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    with np.load(tmp_path / "a.npz", allow_pickle=False) as found:
        assert set(found) == set(arrays)
        for name, values in arrays.items():
            np.testing.assert_array_equal(found[name], values)
