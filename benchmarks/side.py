"""One side of a comparison, in a process of its own:

    python -m benchmarks.side MODULE:FUNCTION JSON

FUNCTION(**JSON) makes all ready, warms up where that is fair, and returns what is to be timed, a callable without
arguments. It is called once for every line on stdin. Each answer is a line of JSON: `seconds`, and the figures that the
callable returned where it did; its own `seconds` among them stand in place of the time of the call. At the end of stdin
the last line gives the peak of resident memory. What the side prints itself goes to stderr.
"""

import importlib
import json
import os
import resource
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

from etm_jax.cli import flags as cli
from etm_jax.util.errors import UserError
from experiments.fits import CORES


def main(argv: Sequence[str]) -> None:
    """Answer line by line, as above. Where something is missing, the one answer is `not_run` with the reason."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    if hasattr(os, "sched_setaffinity"):  # Linux
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    module, _, function = argv[1].partition(":")
    try:
        timed = getattr(importlib.import_module(module), function)(**json.loads(argv[2]))
    except (UserError, ImportError) as error:
        _answer(answers, {"not_run": str(error)})
        return
    _answer(answers, {"ready": True})
    for _ in sys.stdin:
        started = time.perf_counter()
        figures = timed() or {}
        _answer(answers, {"seconds": time.perf_counter() - started} | figures)
    _answer(answers, {"peak_mib": _peak_mib(), "children_mib": _largest_child_mib()})


def _answer(answers: TextIO, values: dict[str, Any]) -> None:
    print(json.dumps(values), file=answers, flush=True)


def _peak_mib() -> float:
    """Of this process."""
    status = Path("/proc/self/status")
    if status.exists():  # Linux, whose ru_maxrss begins with what the parent held when it forked
        (peak,) = (line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(peak) / 2**10
    return _maxrss_mib(resource.RUSAGE_SELF)


def _largest_child_mib() -> float:
    """Of the children that have ended, such as a loader's workers."""
    return _maxrss_mib(resource.RUSAGE_CHILDREN)


def _maxrss_mib(who: int) -> float:
    # Linux counts in kibibytes, macOS in bytes.
    return resource.getrusage(who).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


if __name__ == "__main__":
    sys.exit(cli.run(main))
