"""What a person sees while something runs. Notes and progress go to stderr; results belong to stdout."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")

SECONDS_BEFORE_FIRST_LINE = 2.0
SECONDS_BETWEEN_LINES = 10.0


def note(message: str) -> None:
    """One plain line on stderr."""
    print(message, file=sys.stderr, flush=True)


def warn(message: str) -> None:
    """One line on stderr that begins with `warning:`."""
    note(f"warning: {message}")


def track(items: Iterable[T], label: str, total: int | None = None, unit: str = "it") -> Iterator[T]:
    """Yield `items`, showing how far it is: a bar on a terminal, a plain line every ten seconds in a log.

    Work that ends within two seconds shows nothing.
    """
    if total is None and hasattr(items, "__len__"):
        total = len(items)  # type: ignore[arg-type]
    if sys.stderr.isatty():
        from tqdm import tqdm

        yield from tqdm(items, desc=label, total=total, unit=unit, delay=SECONDS_BEFORE_FIRST_LINE, leave=False)
        return
    start = time.monotonic()
    due = start + SECONDS_BEFORE_FIRST_LINE
    for done, item in enumerate(items):
        now = time.monotonic()
        if now >= due:
            of_total = f" of {total}" if total else ""
            left = f", about {(now - start) / done * (total - done):.0f} s left" if total and done else ""
            note(f"{label}: {done}{of_total} {unit}{left}")
            due = now + SECONDS_BETWEEN_LINES
        yield item


def table(rows: Iterable[Iterable[object]], header: Iterable[str], align: str = "") -> str:
    """Rows as an aligned text table. `align`: one of `<` and `>` a column, `<` where it is too short.

    East Asian wide characters count as two columns, so Chinese words line up on a terminal.
    """
    cells = [[str(cell) for cell in row] for row in [list(header), *rows]]
    widths = [max(display_width(row[j]) for row in cells) for j in range(len(cells[0]))]
    lines = []
    for row in cells:
        padded = []
        for j, cell in enumerate(row):
            blanks = " " * (widths[j] - display_width(cell))
            padded.append(blanks + cell if align[j : j + 1] == ">" else cell + blanks)
        lines.append("  ".join(padded).rstrip())
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def display_width(text: str) -> int:
    """Columns that `text` takes on a terminal."""
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)
