"""A corpus prepared by processes of this machine and by Apache Beam: the same bytes, in what time and memory."""

import gzip
import json
import os
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from torture.load import write_documents

FILES = 16
RUNNERS = ("local", "beam")


def write_files(folder: Path, num_docs: int) -> int:
    """So many drawn documents, ten words each on average, dealt to `FILES` files of gzipped JSON lines; their bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    text = folder / "documents.txt"
    write_documents(text, num_docs)
    paths = [folder / f"docs-{number:02}.jsonl.gz" for number in range(FILES)]
    with ExitStack() as opened, text.open(encoding="utf-8") as lines:
        files = [opened.enter_context(gzip.open(path, "wt", 1, "utf-8")) for path in paths]
        for number, line in enumerate(lines):
            files[number % FILES].write(json.dumps({"text": line.rstrip("\n")}, ensure_ascii=False) + "\n")
    text.unlink()
    return sum(path.stat().st_size for path in paths)


def prepared(folder: Path, runner: str, workers: int) -> dict[str, Any]:
    """Prepare the files of a folder by the command: seconds, those of processors, the peak of memory in MiB of all
    processes together and of the largest."""
    command = [sys.executable, "-m", "etm_jax.prepare", f"--input={folder}/docs-*", f"--output={folder}/{runner}"]
    command += [f"--runner={runner}", f"--workers={workers}", "--segmenter=whitespace"]
    begun, before = time.monotonic(), os.times()
    with (folder / f"{runner}.log").open("w+") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        peaks, ended = [0.0, 0.0], threading.Event()
        watch = threading.Thread(target=_watch, args=(process.pid, peaks, ended))
        watch.start()
        process.wait()
        ended.set()
        watch.join()
        log.seek(0)
        told = log.read()
    if process.returncode:
        raise SystemExit(told[-3000:])
    after = os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    seconds = time.monotonic() - begun
    return {"runner": runner, "seconds": seconds, "cpu_seconds": used, "all_mib": peaks[0], "largest_mib": peaks[1]}


def same_bytes(folder: Path) -> dict[str, bool]:
    """Whether both runners left the same files, and the same bytes in each."""
    ours, theirs = (sorted((folder / runner).iterdir()) for runner in RUNNERS)
    if [path.name for path in ours] != [path.name for path in theirs]:
        return {"names": False}
    return {a.name: a.read_bytes() == b.read_bytes() for a, b in zip(ours, theirs, strict=True)}


def _watch(process: int, peaks: list[float], ended: threading.Event) -> None:
    """Put down the peak of the private and shared memory of a process and all that it started: [all, the largest]."""
    while not ended.wait(0.2):
        each = [_proportional_mib(pid) for pid in (process, *_descendants(process))]
        peaks[:] = max(peaks[0], sum(each)), max(peaks[1], *each)


def _descendants(process: int) -> list[int]:
    found: list[int] = []
    try:
        for task in Path(f"/proc/{process}/task").iterdir():
            for child in map(int, (task / "children").read_text().split()):
                found += [child, *_descendants(child)]
    except OSError:
        pass
    return found


def _proportional_mib(process: int) -> float:
    """Pages that several processes share count in parts."""
    try:
        told = Path(f"/proc/{process}/smaps_rollup").read_text()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) for line in told.splitlines() if line.startswith("Pss:")), 0) / 1024
