"""The figures of docs/scaling.md: what they are made of."""

import numpy as np
import pytest

from benchmarks.runners import FILES, write_files
from benchmarks.starvation import starved_share
from etm_jax.corpus.shards.job import find_inputs


@pytest.mark.parametrize("load", [0.5, 1.0, 2.0, 4.0])
def test_without_variation_a_step_waits_for_what_reading_takes_longer(load):
    assert starved_share(load, 0, depth=4) == pytest.approx(max(0, 1 - 1 / load), abs=1e-3)
    assert starved_share(load, 0, depth=4, workers=4) == pytest.approx(max(0, 1 - 1 / load), abs=1e-3)


def test_one_that_may_not_read_ahead_waits_for_every_batch():
    """A batch is begun when the step before it begins: of each pair of times the longer counts."""
    rng = np.random.default_rng(0)
    reading = rng.gamma(4, 0.8 / 4, 20_000)
    expected = 1 - 1 / np.maximum(reading, 1).mean()
    assert starved_share(0.8, 0.5, depth=1) == pytest.approx(expected, abs=2e-3)


def test_depth_covers_variation_and_nothing_covers_a_lack():
    shares = [starved_share(0.9, 1.0, depth) for depth in (1, 2, 4, 16, 64)]
    assert shares == sorted(shares, reverse=True)
    assert shares[-1] < 0.01 < shares[0]
    assert starved_share(1.5, 1.0, 64) == pytest.approx(1 - 1 / 1.5, abs=0.01)
    assert starved_share(0.9, 2.0, 4) > starved_share(0.9, 0.5, 4)


def test_the_drawn_files_are_read_as_inputs(tmp_path):
    assert write_files(tmp_path / "in", 100) == sum(file.size for file in find_inputs(f"{tmp_path}/in/docs-*"))
    assert len(find_inputs(f"{tmp_path}/in/docs-*")) == FILES
