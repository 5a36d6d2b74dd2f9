"""Fit, transform, save and load again and again in one process; memory, threads and open files must not grow.

python -m torture.soak --minutes=60 --output=torture/results/soak.json
"""

import argparse
import gc
import json
import os
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

from etm_jax.estimator import ETM

WARM_UP = 0.1
"""Share of the time after which the resident memory is taken for that of a warm process."""


class Sample(NamedTuple):
    """What the process holds after a cycle. seconds: since the start; rss_mib: resident memory."""

    seconds: float
    rss_mib: float
    threads: int
    files: int


def sample(begun: float) -> Sample:
    """Of this process, now."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    tasks, files = (len(list(Path(f"/proc/self/{kind}").iterdir())) for kind in ("task", "fd"))
    return Sample(time.monotonic() - begun, pages * os.sysconf("SC_PAGE_SIZE") / 2**20, tasks, files)


def texts(seed: int, num_docs: int) -> list[list[str]]:
    """Documents that speak of one of ten themes each, of other words for another seed."""
    rng = np.random.default_rng(seed)
    words = [[chr(0x4E00 + 600 * seed + 60 * theme + i) * 2 for i in range(60)] for theme in range(10)]
    return [list(rng.choice(words[rng.integers(10)], 40)) for _ in range(num_docs)]


def cycle(number: int, folder: Path) -> None:
    """One fit, transform, save and load, of one of four corpora and numbers of topics."""
    seed = number % 4
    documents = texts(seed, 400 + 100 * seed)
    model = ETM(5 + seed, no_above=0.9, segmenter="whitespace", num_epochs=4, verbose=0)
    model.fit(documents)
    theta = model.transform(documents[:100])
    model.save(folder / "model")
    again = ETM.load(folder / "model").transform(documents[:100])
    if theta.tobytes() != again.tobytes():
        raise AssertionError("the model that was loaded gives other numbers")


def main() -> int:
    """Cycle until the time is over, write the samples, say whether they are flat. Returns the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--output", type=Path, default=Path("torture/results/soak.json"))
    given = parser.parse_args()
    begun, samples, told = time.monotonic(), [], 0.0
    with tempfile.TemporaryDirectory() as folder:
        while time.monotonic() - begun < 60 * given.minutes:
            cycle(len(samples), Path(folder))
            samples.append(sample(begun))
            if time.monotonic() - told > 60:
                told = time.monotonic()
                print(f"cycle {len(samples)}: {samples[-1]}", file=sys.stderr, flush=True)
    warm = [one for one in samples if one.seconds >= WARM_UP * samples[-1].seconds]
    growth = max(one.rss_mib for one in warm) / warm[0].rss_mib - 1
    # Threads that are being started or ended come and go: what grows is in the least of the last tenth.
    last = warm[-max(1, len(warm) // 10) :]
    more_threads = min(one.threads for one in last) - max(one.threads for one in warm[: len(last)])
    more_files = min(one.files for one in last) - max(one.files for one in warm[: len(last)])
    flat = growth <= 0.05 and more_threads <= 0 and more_files <= 0
    result = {
        "minutes": round(samples[-1].seconds / 60, 1),
        "cycles": len(samples),
        "warm_mib": round(warm[0].rss_mib, 1),
        "most_mib": round(max(one.rss_mib for one in warm), 1),
        "last_mib": round(warm[-1].rss_mib, 1),
        "threads": [warm[0].threads, warm[-1].threads],
        "files": [warm[0].files, warm[-1].files],
        "python_threads": threading.active_count(),
        "flat": flat,
        "samples": [[round(x, 1) for x in one] for one in samples[:: max(1, len(samples) // 200)]],
    }
    given.output.parent.mkdir(parents=True, exist_ok=True)
    given.output.write_text(json.dumps(result) + "\n", encoding="utf-8")
    print({name: value for name, value in result.items() if name != "samples"})
    return 0 if flat else 1


if __name__ == "__main__":
    sys.exit(main())
