"""Prepare short documents and train an epoch on them, ever more of them; how much memory and time it takes.

python -m torture.load --documents=50000,500000,5000000 --output=torture/results/load.json
python -m torture.load --documents=1000000 --words=100
python -m torture.load --documents=10000000 --shards

The documents are drawn by LDA's process (`etm_jax.foundations.simulate`), ten words each on average, and are a text
file, a document a line. What is measured is the command that a person would give, from the text to the exported
results: its seconds and memory, when it has said what (which tells its stages apart), and those of the processor. With
--shards, those of two commands, of which the first puts the documents into shards, in twenty files to begin with, and
the second trains on them; memory is then that of the largest process.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from etm_jax.foundations.simulate import draw_counts

VOCAB_SIZE, NUM_TOPICS = 10_000, 50
AT_ONCE = 100_000
LINE_CHARS = 60
"""Of a printed line, that are kept."""


def write_documents(path: Path, num_docs: int, num_words: int = 10, seed: int = 1) -> None:
    """A text file of so many documents between blanks, each of one word and on average of num_words."""
    rng = np.random.default_rng(seed)
    # Words as frequent as words are: β around a law of Zipf's.
    zipf = 1 / np.arange(10, VOCAB_SIZE + 10)
    beta = rng.gamma(0.05, size=(NUM_TOPICS, VOCAB_SIZE)) * zipf + 1e-12
    beta /= beta.sum(axis=1, keepdims=True)
    words = [chr(0x4E00 + i // 100) + chr(0x5E00 + i % 100) for i in range(VOCAB_SIZE)]
    with path.open("w", encoding="utf-8") as file:
        for start in range(0, num_docs, AT_ONCE):
            some = min(AT_ONCE, num_docs - start)
            theta = rng.dirichlet(np.full(NUM_TOPICS, 0.1), some)
            counts = draw_counts(rng, theta, beta, 1 + rng.poisson(num_words - 1, some))
            for first, last in zip(counts.indptr[:-1], counts.indptr[1:], strict=True):
                row = np.repeat(counts.indices[first:last], counts.data[first:last])
                file.write(" ".join([words[j] for j in row]) + "\n")


def trained(corpus: Path, workdir: Path) -> dict[str, Any]:
    """Train an epoch on a corpus: what `measured` gives."""
    flags = [f"--corpus={corpus}", f"--workdir={workdir}", "--num_epochs=1"]
    return measured("etm_jax.train", flags + ([] if corpus.is_dir() else ["--segmenter=whitespace"]), workdir)


def sharded(corpus: Path, folder: Path) -> dict[str, Any]:
    """Put the documents of a text file into shards: what `measured` gives. The file is taken apart, and is gone."""
    parts = folder.with_name("parts")
    parts.mkdir()
    subprocess.run(["split", "--number=l/20", "--additional-suffix=.txt", str(corpus), f"{parts}/"], check=True)
    corpus.unlink()
    flags = [f"--input={parts}/*.txt", f"--output={folder}", "--segmenter=whitespace", "--workers=2"]
    return measured("etm_jax.prepare", flags, folder)


def measured(module: str, flags: Sequence[str], workdir: Path) -> dict[str, Any]:
    """Run a command in a process of its own: its seconds, its peak of resident memory, and its curve.

    peak_mib: of its largest process. rises: seconds and MiB of the first, whenever there were two hundredths more than
    ever before. said: seconds, MiB and the beginning of each line that it printed, but for those of tables.
    """
    command = [sys.executable, "-m", module, *flags]
    begun, used = time.monotonic(), _processor_seconds()
    file = workdir.parent / f"{workdir.name}.log"
    with file.open("w") as log, file.open() as told:
        environment = os.environ | {"PYTHONUNBUFFERED": "1"}
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        curve: list[tuple[float, int]] = []
        said: list[tuple[float, int, str]] = []
        peak, ended = 0, False
        while not ended:
            ended = process.poll() is not None
            time.sleep(0.05)
            resident, now = _resident_mib(process.pid), round(time.monotonic() - begun, 1)
            said += [
                (now, resident, line.replace(f"{workdir.parent}/", "")[:LINE_CHARS].rstrip())
                for line in told
                if line[0].isalpha()
            ]
            if not curve or resident > 1.02 * curve[-1][1]:
                curve.append((now, resident))
            peak = max(peak, resident, *map(_resident_mib, _children(process.pid)))
    if process.returncode:
        raise SystemExit(file.read_text()[-3000:])
    return {
        "seconds": round(time.monotonic() - begun, 1),
        "processor_seconds": round(_processor_seconds() - used, 1),
        "peak_mib": peak,
        "said": said,
        "rises": curve,
    }


def _processor_seconds() -> float:
    """Of all processes that were started here and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _children(process: int) -> list[int]:
    """The processes that it has started and that are there now."""
    try:
        return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
    except OSError:
        return []


def _resident_mib(process: int) -> int:
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE") >> 20


def main() -> int:
    """Measure each number of documents, and say what came out."""
    parser = argparse.ArgumentParser(prog="python -m torture.load", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--documents", default="50000,500000,5000000", help="default: 50000,500000,5000000")
    parser.add_argument("--words", type=int, default=10, help="of a document, on average; default: 10")
    parser.add_argument("--output", type=Path, help="a file for the figures")
    parser.add_argument("--folder", type=Path, help="where the corpora and runs lie; default: a temporary one")
    parser.add_argument("--shards", action="store_true", help="prepare shards, and train on them")
    given = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory(dir=given.folder) as place:
        for num_docs in map(int, given.documents.split(",")):
            corpus = Path(place) / f"{num_docs}.txt"
            write_documents(corpus, num_docs, given.words)
            row = {"documents": num_docs, "words": given.words, "text_mib": corpus.stat().st_size >> 20}
            if given.shards:
                folder = Path(place) / f"{num_docs}-shards"
                row["shards"] = sharded(corpus, folder)
                print(f"{num_docs:>10,} documents in shards: {row['shards']['peak_mib']:,} MiB", flush=True)
                corpus = folder
            row |= trained(corpus, Path(place) / str(num_docs))
            print(f"{num_docs:>10,} documents: {row['peak_mib']:,} MiB at most, {row['seconds']:,} s", flush=True)
            rows.append(row)
    if given.output:
        given.output.parent.mkdir(parents=True, exist_ok=True)
        given.output.write_text("".join(json.dumps(row) + "\n" for row in rows), "ascii")
    return 0


if __name__ == "__main__":
    sys.exit(main())
