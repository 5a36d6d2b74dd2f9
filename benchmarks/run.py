"""Ours beside the baselines, in time and memory: the table of docs/performance.md.

    python -m benchmarks.run [--only=1,2,7] [--ng20=FOLDER]

Each side of a row has a process of its own; they run in turn, A B A B, on the same data and the same two cores. A
ratio is the median, over the repetitions, of their time over ours. Writes a .json with every repetition.

Needs:   torch and the packages of the rows; what cannot be run is said in its row (BUILD.md).
Runtime: about an hour on 2 cores for all rows.
"""

import argparse
import datetime
import json
import platform
import re
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import coherence, inference, paper, quality, startup, text, training
from benchmarks.compare import Measured, Row, measure, ratios
from etm_jax import cli
from etm_jax.console import note
from etm_jax.errors import UserError
from etm_jax.files import replace_text
from experiments.fits import machine, markdown, write_between

PAGE = Path("docs/performance.md")
HEADER = ("row", "side", "per", "time", "ratio", "spread", "at least", "aim", "peak MiB")


GROWTH = (1.0, 0.3)
"""What the power of V is to be below: at least, and the aim."""


def all_rows(ng20: str) -> list[Row]:
    """In the order of the table. ng20: the folder of 20 Newsgroups."""
    return [
        *training.rows(),
        *paper.rows(ng20),
        *quality.rows(ng20),
        *inference.rows(),
        *text.rows(),
        *coherence.rows(),
        *startup.rows(),
    ]


def time_of(seconds: float) -> str:
    """`3.21 s`, `41.3 ms`, `620 µs`: three figures."""
    for unit, scale in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
        if seconds * scale >= 1:
            return f"{seconds * scale:.3g} {unit}" if seconds * scale < 1000 else f"{seconds * scale:,.0f} {unit}"
    return f"{seconds * 1e9:.3g} ns"


def lines_of(row: Row, measured: list[Measured]) -> list[list[str]]:
    """A line for ours, and one for each of the others with its ratio."""
    ours, *others = measured
    if ours.not_run:
        return [[row.key, row.title, row.unit, f"not run: {ours.not_run}", "", "", "", "", ""]]
    within = [f"{time_of(most)}: {'yes' if ours.median <= most else 'no'}" for most in row.seconds] or ["", ""]
    out = [[row.key, row.title, row.unit, time_of(ours.median), "", "", *within, f"{ours.peak_mib:,.0f}"]]
    for j, other in enumerate(others):
        if other.not_run:
            out.append(["", other.name, "", f"not run: {other.not_run}", "", "", "", "", ""])
            continue
        each = ratios(ours, other)
        median = statistics.median(each)
        goals = [_goal(median, goal[j] if j < len(goal) else None) for goal in (row.least, row.aim)]
        spread = f"{min(each):.3g} to {max(each):.3g}"
        peak = f"{other.peak_mib:,.0f}"
        if row.memory:
            share = ours.peak_mib / other.peak_mib
            peak += f"; ours {share:.2f} of it" + "".join(
                f", ≤ {most:g}: {'yes' if share <= most else 'no'}" for most in row.memory
            )
        out.append(["", other.name, "", time_of(other.median), f"{median:.3g}×", spread, *goals, peak])
    return out


def growth(measured: dict[int, Measured]) -> float:
    """The power of V by which a side's time grows: the slope of log time over log V, by least squares."""
    sizes, times = zip(*((size, side.median) for size, side in measured.items() if side.seconds), strict=True)
    return float(np.polyfit(np.log(sizes), np.log(times), 1)[0])


def growth_lines(found: dict[int, list[Measured]]) -> list[list[str]]:
    """A line a side. found: what was measured, by V."""
    if len(found) < 2:
        return []
    ours, torch = (growth({size: sides[i] for size, sides in found.items()}) for i in (0, 1))
    goals = [f"< {most:g}: {'yes' if ours < most else 'no'}" for most in GROWTH]
    first = ["2 growth", "power of V that a step's time grows by", "", f"{ours:.2f}", "", "", *goals, ""]
    return [first, ["", "torch", "", f"{torch:.2f}", "", "", "", "", ""]]


def _goal(ratio: float, goal: float | None) -> str:
    return "" if goal is None else f"{goal:g}×: {'yes' if ratio >= goal else 'no'}"


def main(argv: Sequence[str]) -> None:
    """Measure the rows asked for, print their table, and keep it."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.run", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", help="numbers of rows, as 1,2,7 (default: all)")
    parser.add_argument("--ng20", default="", help="folder of 20 Newsgroups in the original ETM's format")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"), help="folder of the .json")
    given = parser.parse_args(argv[1:])
    wanted = [name for name in given.only.split(",") if name]
    every = all_rows(given.ng20)
    rows = [row for row in every if not wanted or row.key.split()[0] in wanted or row.key in wanted]
    if not rows:
        raise UserError(f"--only={given.only} names none of the rows {', '.join(row.key for row in every)}")
    lines: list[list[str]] = []
    kept: dict[str, list[dict[str, Any]]] = {}
    by_size: dict[int, list[Measured]] = {}
    for row in rows:
        measured = measure(row, training.KEPT / "sides.log")
        lines += lines_of(row, measured)
        if row.ours.settings.get("drawn") and all(side.seconds for side in measured):
            by_size[row.ours.settings["drawn"]] = measured
        if len(by_size) == len(training.VOCABULARIES):
            lines += growth_lines(by_size)
            by_size = {}
        kept[row.key] = [side._asdict() for side in measured]
        note("\n".join("  ".join(line) for line in lines_of(row, measured)))
    table = markdown(lines, HEADER, "<<<>>>>>>")
    print(table)
    name = re.sub(r"[^0-9a-z]+", "-", f"{platform.system()}-{platform.machine()}".lower())
    given.out.mkdir(parents=True, exist_ok=True)
    day = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    found = {"machine": machine(), "date": day, "rows": kept}
    replace_text(given.out / f"{day}-{name}.json", json.dumps(found, ensure_ascii=False, indent=1) + "\n")
    if not wanted:
        write_between(PAGE, "bench", "The table", f"{table}\n\n    python -m benchmarks.run\n\n{machine()}; {day}")


if __name__ == "__main__":
    sys.exit(cli.run(main))
