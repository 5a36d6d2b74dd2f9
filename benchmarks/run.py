"""Ours beside the baselines, in time and memory: the table of docs/performance.md.

    python -m benchmarks.run [--only=1,2,7] [--ng20=FOLDER] [--base=COMMIT]

Each side of a row has a process of its own; they run in turn, A B A B, on the same data and the same two cores. A
ratio is the median, over the repetitions, of their time over ours. Every repetition is kept in a .json of the day, and
once it has all rows the table goes into the page.

Needs:   torch and the packages of the rows; what cannot be run is said in its row (BUILD.md).
Runtime: about an hour and a half on 2 cores for all rows.
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

import numpy as np

from benchmarks import before, coherence, gpu, inference, paper, quality, startup, text, training
from benchmarks.compare import Measured, Row, measure, ratios
from etm_jax.cli import flags as cli
from etm_jax.util.console import note
from etm_jax.util.errors import UserError
from etm_jax.util.files import replace_text
from experiments.tables import machine, markdown, write_between

PAGE = Path("docs/performance.md")
HEADER = ("row", "side", "per", "time", "ratio", "spread", "at least", "aim", "peak MiB")


PACKAGES = ("jax", "torch", "numpy", "tomotopy", "gensim", "scikit-learn", "pkuseg")

GROWTH = (0.6, 0.5)
"""What the power of V that time grows by is to be below: at least, and the aim."""


def all_rows(ng20: str, base: str = before.BEFORE) -> list[Row]:
    """In the order of the table. ng20: the folder of 20 Newsgroups. base: the commit that ours is compared with."""
    return [
        *training.rows(),
        *paper.rows(ng20),
        *quality.rows(ng20),
        *inference.rows(),
        *text.rows(),
        *coherence.rows(),
        *startup.rows(),
        *gpu.rows(),
        *before.rows(base),
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


def growth(values: dict[int, float]) -> float:
    """The power of V by which a value grows: the slope of its logarithm over that of V, by least squares."""
    return float(np.polyfit(np.log(list(values)), np.log(list(values.values())), 1)[0])


def growth_lines(found: dict[int, list[Measured]]) -> list[list[str]]:
    """A line a side: how a step's time grows with V, and the peak of memory. found: what was measured, by V."""
    if len(found) < 2:
        return []
    time, torch_time = (growth({size: sides[i].median for size, sides in found.items()}) for i in (0, 1))
    peak, torch_peak = (growth({size: sides[i].peak_mib for size, sides in found.items()}) for i in (0, 1))
    goals = [f"< {most:g}: {'yes' if time < most else 'no'}" for most in GROWTH]
    first = ["2 growth", "power of V that they grow by", "", f"{time:.2f}", "", "", *goals, f"{peak:.2f}"]
    return [first, ["", "torch", "", f"{torch_time:.2f}", "", "", "", "", f"{torch_peak:.2f}"]]


def _goal(ratio: float, goal: float | None) -> str:
    return "" if goal is None else f"{goal:g}×: {'yes' if ratio >= goal else 'no'}"


def main(argv: Sequence[str]) -> None:
    """Measure the rows asked for, print their table, and keep it."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.run", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", help="numbers of rows, as 1,2,7 (default: all)")
    parser.add_argument("--ng20", default="", help="folder of 20 Newsgroups in the original ETM's format")
    parser.add_argument("--base", default=before.BEFORE, help="commit that rows 10 and 6 topics compare ours with")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"), help="folder of the .json")
    given = parser.parse_args(argv[1:])
    wanted = [name for name in given.only.split(",") if name]
    every = all_rows(given.ng20, given.base)
    rows = [row for row in every if not wanted or row.key.split()[0] in wanted or row.key in wanted]
    if not rows:
        raise UserError(f"--only={given.only} names none of the rows {', '.join(row.key for row in every)}")
    name = re.sub(r"[^0-9a-z]+", "-", f"{platform.system()}-{platform.machine()}".lower())
    day, here = datetime.datetime.now(tz=datetime.UTC).date().isoformat(), machine(PACKAGES)
    given.out.mkdir(parents=True, exist_ok=True)
    file = given.out / f"{day}-{name}.json"
    found = _kept(file, here)
    for row in rows:
        found[row.key] = measure(row, training.KEPT / "sides.log")
        note("\n".join("  ".join(line) for line in lines_of(row, found[row.key])))
        # At once: an hour's figures are not to be lost with the last row.
        kept = {key: [side._asdict() for side in sides] for key, sides in found.items()}
        told = {"machine": here, "date": day, "rows": kept}
        replace_text(file, json.dumps(told, ensure_ascii=False, indent=1) + "\n")
    print(table_of(rows, found))
    if all(row.key in found for row in every):
        table = table_of(every, found)
        write_between(PAGE, "bench", "The table", f"{table}\n\n    python -m benchmarks.run\n\n{here}; {day}")


def table_of(rows: Sequence[Row], found: dict[str, list[Measured]]) -> str:
    """The rows in Markdown, with the growth by V below those that show it. found: by the row's key."""
    lines: list[list[str]] = []
    by_size: dict[int, list[Measured]] = {}
    for row in rows:
        lines += lines_of(row, found[row.key])
        beside_torch = row.unit == "step" and "moments" not in row.ours.settings
        if beside_torch and row.ours.settings.get("drawn") and all(side.seconds for side in found[row.key]):
            by_size[row.ours.settings["drawn"]] = found[row.key]
            if len(by_size) == len(training.VOCABULARIES):
                lines += growth_lines(by_size)
    return markdown(lines, HEADER, "<<<>>>>>>")


def _kept(file: Path, here: str) -> dict[str, list[Measured]]:
    """What was measured before on the same day and machine, by the row's key."""
    if not file.is_file():
        return {}
    found = json.loads(file.read_text("utf-8"))
    if found["machine"] != here:
        return {}
    return {key: [Measured(**side) for side in sides] for key, sides in found["rows"].items()}


if __name__ == "__main__":
    sys.exit(cli.run(main))
