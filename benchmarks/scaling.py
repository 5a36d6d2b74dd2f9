"""What preparing and reading a corpus costs a document, and how the runners compare: the tables of docs/scaling.md.

    python -m benchmarks.scaling [--only=costs,runners,waiting] [--documents=1000000]

Figures are kept in benchmarks/results/scaling.json, a part at a time, and the tables go into the page.

Needs:   the extras scale, zh, corpora and pkuseg.
Runtime: ten minutes on 2 cores.
"""

import argparse
import datetime
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import billion, costs, runners, starvation
from etm_jax.cli import flags as cli
from etm_jax.util.errors import UserError
from etm_jax.util.files import replace_text
from experiments.tables import machine, markdown, write_between

PAGE, RESULTS = Path("docs/scaling.md"), Path("benchmarks/results/scaling.json")
PACKAGES = ("jax", "numpy", "scipy", "grain", "array_record", "apache-beam", "rjieba", "pkuseg")

MACHINES = (1, 10, 100)
"""Of 16 cores, a disk of 0.5 GB/s, a network of 10 Gbit/s and a link of 16 GB/s to its accelerator."""

LOADS = (0.5, 0.7, 0.9, 1.0, 1.2, 2.0)
KINDS = ((0.0, 2, 1), (0.3, 2, 1), (1.0, 2, 1), (1.0, 8, 1), (1.0, 128, 1), (1.0, 8, 4), (3.0, 8, 1), (3.0, 128, 1))
"""Variation, depth and workers of the lines of the table."""


def cost_table(found: dict[str, Any]) -> str:
    """A line a stage."""
    merging = found["merge_us_a_word"] * found["words"] / found["documents"]
    lines = [
        ("read a .jsonl.gz", found["read_text_us"], found["packed_bytes"]),
        ("cut by rjieba", found["rjieba_us"], found["text_bytes"]),
        ("cut by pkuseg", found["pkuseg_us"], ""),
        ("count, keep for the second pass", found["count_us"] + found["put_down_us"], found["block_bytes"]),
        ("table of words", found["table_us"] + merging, ""),
        ("deal to shards", found["deal_us"], ""),
        ("write a shard", found["write_us"], found["shard_bytes"]),
        ("read, 0 workers", found["read_0_us"], ""),
        ("read, 1 worker", found["read_1_us"], ""),
        ("read, 2 workers", found["read_2_us"], ""),
        ("batch for the device", found["batch_us"], found["batch_bytes"]),
        (f"step of {costs.BATCH}, default variant", found["step_ms"] * 1e3 / costs.BATCH, ""),
    ]
    rows = [(stage, f"{us:,.0f}", f"{size:,.0f}" if size else "") for stage, us, size in lines]
    return markdown(rows, ("stage", "µs of a processor, a document", "bytes, a document"), "<>>")


def billion_table(found: dict[str, Any]) -> str:
    """Hours on paper, a line a task and number of machines."""
    tasks = [
        (f"prepare, {segmenter}{how}", n, billion.preparing(found, segmenter, n, passes=passes))
        for segmenter in ("rjieba", "pkuseg")
        for passes, how, numbers in ((1, "", MACHINES), (2, ", cut twice", MACHINES[:1]))
        for n in numbers
    ]
    tasks += [("an epoch's reading, one core", n, billion.reading(found, n)) for n in MACHINES]
    rows = [(task, f"{n}", *(f"{hours:,.2f}" for hours in told), told.limit) for task, n, told in tasks]
    header = ("10⁹ documents", "machines", "processors, h", "disk, h", "network, h", "link, h", "the longest")
    return markdown(rows, header, "<>>>>><")


def runner_table(found: list[dict[str, Any]]) -> str:
    """A line a runner."""
    rows = [
        (row["runner"], *(f"{row[name]:,.0f}" for name in ("seconds", "cpu_seconds", "all_mib", "largest_mib")))
        for row in found
    ]
    return markdown(rows, ("runner", "seconds", "of processors", "MiB, all processes", "MiB, largest"), "<>>>>")


def waiting_table() -> str:
    """How long a step waits, by how fast reading is."""
    header = ("variation", "depth", "workers", *(f"load {load:g}" for load in LOADS))
    return markdown(starvation.table(LOADS, KINDS), header, ">>>>>>>>>")


def main(argv: Sequence[str]) -> None:
    """Measure the parts asked for; print their tables, and put them into the page."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.scaling", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="costs,runners,waiting", help="parts to measure; none: only fill the page")
    parser.add_argument("--documents", type=int, default=1_000_000, help="for the runners (default: a million)")
    given = parser.parse_args(argv[1:])
    wanted = [part for part in given.only.split(",") if part]
    if unknown := set(wanted) - {"costs", "runners", "waiting"}:
        raise UserError(f"--only={given.only}: {unknown.pop()!r} is none of costs, runners, waiting")
    kept: dict[str, Any] = json.loads(RESULTS.read_text("utf-8")) if RESULTS.is_file() else {}
    where = f"{machine(PACKAGES)}; {datetime.datetime.now(tz=datetime.UTC).date().isoformat()}"
    for part in wanted:
        with tempfile.TemporaryDirectory() as place:
            if part == "costs":
                kept[part] = {"found": costs.all_costs(Path(place)), "where": where}
            elif part == "runners":
                kept[part] = _compared(Path(place), given.documents) | {"where": where}
        replace_text(RESULTS, json.dumps(kept, indent=1) + "\n")
    if "costs" in kept:
        _fill("costs", cost_table(kept["costs"]["found"]), kept["costs"]["where"])
        _fill("billion", billion_table(kept["costs"]["found"]), "")
    if "runners" in kept:
        told = f"{kept['runners']['told']}; {kept['runners']['where']}"
        _fill("runners", runner_table(kept["runners"]["rows"]), told)
    _fill("waiting", waiting_table(), "")


def _compared(folder: Path, num_docs: int) -> dict[str, Any]:
    size = runners.write_files(folder, num_docs)
    rows = [runners.prepared(folder, runner, workers=2) for runner in runners.RUNNERS]
    same = runners.same_bytes(folder)
    if not all(same.values()):
        raise UserError(f"the runners differ: {same}")
    files = f"{num_docs:,} documents, {size / 2**20:,.0f} MiB in {runners.FILES} files; two workers"
    return {"rows": rows, "told": f"{files}; all {len(same)} files of both are the same bytes"}


def _fill(part: str, table: str, told: str) -> None:
    print(f"{table}\n{told}")
    parts = [table, f"    python -m benchmarks.scaling --only={part}", told]
    write_between(PAGE, part, part.capitalize(), "\n\n".join(filter(None, parts)))


if __name__ == "__main__":
    sys.exit(cli.run(main))
