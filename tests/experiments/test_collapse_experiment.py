"""The pictures of docs/collapse.md, at a small size."""

import importlib.util

import numpy as np
import pytest

from experiments.collapse import RUNS, draw_topics, draw_training, outcome

SMALL = {
    "segmenter": "whitespace",
    "num_topics": 3,
    "hidden": (16,),
    "embed_dim": 8,
    "no_below": 1,
    "no_above": 0.6,
    "batch_size": 32,
    "num_epochs": 6,
}


def test_runs_are_measured_and_drawn(lines_file, tmp_path):
    if importlib.util.find_spec("matplotlib") is None:
        pytest.skip("matplotlib is not installed (extra: figures)")
    found = outcome("default", tmp_path / "run", corpus=str(lines_file), **SMALL)
    assert [row["epoch"] for row in found.epochs] == list(range(1, 7))
    assert all({"npmi", "diversity", "kl"} <= set(row) for row in found.epochs)
    np.testing.assert_array_equal(np.diag(found.shared), [10, 10, 10])
    np.testing.assert_array_equal(found.shared, found.shared.T)
    for draw, name in ((draw_training, "training.png"), (draw_topics, "topics.png")):
        draw(tmp_path / name, dict.fromkeys(RUNS, found))
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
