"""The days of the People's Daily of January 1998, whose file has no dates: from the datelines of its paragraphs.

    python -m experiments.datelines --output=dates.csv
    python -m etm_jax.train --corpus=peoples_daily --meta=dates.csv --model=detm --time_field=date --time_bin=day

The file is in the paper's order. A twentieth of the paragraphs say where and when they were written, such as 新华社北京
1月14日电, mostly the day before they were printed. The day of a paragraph is the day after the newest of the datelines
before it, where those are the newest tenth of every 25 in a row, which leaves out slips, and never falls.

Needs:   the extra demo.
Runtime: a few seconds.
"""

import argparse
import datetime
import re
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from etm_jax.cli import flags as cli
from etm_jax.config.build import make_config
from etm_jax.corpus.sources import find_source
from etm_jax.corpus.types import Document
from etm_jax.util.console import note
from etm_jax.util.files import replace_text

FIRST, LAST = datetime.date(1998, 1, 1), datetime.date(1998, 1, 31)
DATELINE = re.compile(r"(1|12)月(\d{1,2})日(?:电|讯)")
CHARACTERS, TOGETHER, NEWEST = 40, 25, 0.9
"""Of a paragraph in which a dateline stands; datelines looked at together; the share of them that is older."""


def dateline(text: str) -> datetime.date | None:
    """The date of a paragraph's dateline, if it has one."""
    match = DATELINE.search(unicodedata.normalize("NFKC", text)[:CHARACTERS])
    if match is None:
        return None
    try:
        return datetime.date(1997 if match[1] == "12" else 1998, int(match[1]), int(match[2]))
    except ValueError:
        return None


def printed(documents: Iterable[Document]) -> dict[str, datetime.date]:
    """The day that each paragraph was printed, by its id."""
    listed = list(documents)
    found = [dateline("".join(document.tokens or ()) or document.text) for document in listed]
    at = np.array([i for i, date in enumerate(found) if date is not None])
    days = np.array([(date - FIRST).days for date in found if date is not None], float)
    windows = [days[max(0, i - TOGETHER // 2) : i + TOGETHER // 2 + 1] for i in range(len(days))]
    newest = np.array([np.quantile(window, NEWEST, method="lower") for window in windows])
    day = np.clip(np.maximum.accumulate(newest) + 1, 0, (LAST - FIRST).days)
    of_all = day[np.maximum(np.searchsorted(at, np.arange(len(listed)), side="right") - 1, 0)]
    return {one.id: FIRST + datetime.timedelta(days=int(n)) for one, n in zip(listed, of_all, strict=True)}


def main(argv: Sequence[str]) -> None:
    """Write the table."""
    parser = argparse.ArgumentParser("python -m experiments.datelines", description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--output", default="dates.csv", help="the table to write (default: dates.csv)")
    given = parser.parse_args(argv[1:])
    documents = find_source(make_config("default", {"corpus": "peoples_daily"}).corpus).documents
    assert documents
    found = printed(documents())
    rows = "".join(f"{name},{date.isoformat()}\n" for name, date in found.items())
    replace_text(Path(given.output), f"document,date\n{rows}")
    note(f"{given.output}: {len(found):,} paragraphs of {len(set(found.values()))} days")


if __name__ == "__main__":
    sys.exit(cli.run(main))
