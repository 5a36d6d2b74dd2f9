"""One loaded model, many threads: what each gets is what it would get alone."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from conftest import themed_lines
from etm_jax import ETM

CALLS, THREADS = 1000, 8


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "saved"
    settings = {"hidden": (16,), "embed_dim": 8, "batch_size": 32}
    model = ETM(3, segmenter="whitespace", no_below=1, no_above=0.6, num_epochs=3, settings=settings, verbose=0)
    model.fit(themed_lines(300)).save(folder)
    return folder


def test_a_thousand_calls_from_eight_threads_give_the_bytes_of_one_after_another(saved):
    rng = np.random.default_rng(1)
    lines = themed_lines(200, seed=3)
    # Of one to 40 documents, some without a word that the model knows.
    calls = [[*rng.choice(lines, rng.integers(1, 40)), *["未知"] * (i % 3 == 0)] for i in range(CALLS)]
    # Loaded anew, so that the threads meet programs that are not yet compiled.
    together = ETM.load(saved)
    with ThreadPoolExecutor(THREADS) as pool:
        ours = list(pool.map(together.transform, calls))
    alone = ETM.load(saved)
    theirs = [alone.transform(documents) for documents in calls]
    assert [theta.tobytes() for theta in ours] == [theta.tobytes() for theta in theirs]
    assert len({theta.tobytes() for theta in ours}) > CALLS / 2
