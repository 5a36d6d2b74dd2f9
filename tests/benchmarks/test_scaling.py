"""The figures of docs/scaling.md: what they are made of."""

import numpy as np
import pytest

from benchmarks.billion import Machine, cores_to_keep_up, largest_vocabulary, preparing, reading, vocabulary_pays
from benchmarks.runners import FILES, write_files
from benchmarks.starvation import starved_share
from etm_jax.corpus.shard_writing.job import find_inputs


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


COST = {
    **{f"{name}_us": 10.0 for name in ("read_text", "rjieba", "count", "put_down", "table", "deal", "write")},
    **{"pkuseg_us": 1000.0, "merge_us_a_word": 1.0, "words": 100.0, "documents": 10.0, "read_0_us": 4.0},
    **{"packed_bytes": 100.0, "block_bytes": 200.0, "shard_bytes": 50.0, "batch_bytes": 800.0, "batch_us": 6.0},
}


def test_hours_are_those_of_the_arithmetic():
    """10⁹ documents of 80 µs are 80,000 s of a processor; 950 bytes each at 500 MB/s are 1,900 s."""
    one = preparing(COST, "rjieba", machines=1)
    assert one.processors == pytest.approx(80_000 / 16 / 3600)
    assert one.disk == pytest.approx(1900 / 3600)
    assert (one.network, one.limit) == (0, "processors")
    four = preparing(COST, "rjieba", machines=4, machine=Machine(cores=64))
    assert four.processors == pytest.approx(one.processors / 16)
    assert four.network == pytest.approx(1e9 * 150 / 4 / 1.25e9 / 3600)
    twice = preparing(COST, "pkuseg", machines=1, passes=2)
    assert twice.processors - preparing(COST, "pkuseg", 1).processors == pytest.approx(1010_000 / 16 / 3600)
    read = reading(COST, machines=2)
    assert read.processors == pytest.approx(5_000 / 3600)
    assert (read.disk, read.link) == (pytest.approx(50 / 3600), pytest.approx(25 / 3600))


def test_cores_and_vocabularies():
    assert cores_to_keep_up(COST, 100, 0.001) == pytest.approx(1.0)
    assert largest_vocabulary(16e9, 1000) == 1_000_000
    assert vocabulary_pays(256, 800, 1100) == pytest.approx(186.2, abs=0.1)
