"""Tables in Markdown, where they stand in a document, and the machine that their figures were made on."""

import os
import re
import statistics
from collections.abc import Sequence
from pathlib import Path

from etm_jax.util.console import display_width
from etm_jax.util.errors import UserError
from etm_jax.util.files import replace_text

BEGIN, END = "<!-- {}: made by the command below the table -->", "<!-- {}: end -->"
"""Around a table in a document."""


def mean_and_spread(values: Sequence[float], form: str) -> str:
    """`0.305 ± 0.004`: the mean and, of two or more, the sample standard deviation."""
    mean = format(statistics.fmean(values), form)
    return f"{mean} ± {format(statistics.stdev(values), form)}" if len(values) > 1 else mean


def markdown(rows: Sequence[Sequence[object]], header: Sequence[str], align: str = "") -> str:
    """A table in Markdown that reads well on a terminal too. `align`: one of `<` and `>` a column."""
    cells = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(3, *(display_width(row[j]) for row in cells)) for j in range(len(header))]
    right = [align[j : j + 1] == ">" for j in range(len(header))]
    lines = []
    for row in cells:
        blanks = [" " * (width - display_width(cell)) for cell, width in zip(row, widths, strict=True)]
        padded = [blank + cell if r else cell + blank for cell, blank, r in zip(row, blanks, right, strict=True)]
        lines.append(f"| {' | '.join(padded)} |")
    rules = ["-" * (width - 1) + ":" if r else "-" * width for width, r in zip(widths, right, strict=True)]
    lines.insert(1, f"| {' | '.join(rules)} |")
    return "\n".join(lines)


def has_table(path: Path, name: str) -> bool:
    """Whether a Markdown file has a table of that name. Raises UserError as `read_document`."""
    return _between(name).search(read_document(path)) is not None


def write_between(path: Path, name: str, title: str, text: str) -> None:
    """Put `text` between the markers of `name` in a Markdown file; where it has none, at its end under `title`."""
    block = "\n".join((BEGIN.format(name), text.strip(), END.format(name)))
    before = read_document(path)
    if has_table(path, name):
        after = _between(name).sub(lambda _: block, before, count=1)
    else:
        after = f"{before.rstrip()}\n\n## {title}\n\n{block}\n".lstrip()
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_text(path, after)


def read_document(path: Path) -> str:
    """The text of a Markdown file, empty where there is none. Raises UserError for what is no UTF-8 text."""
    try:
        return path.read_text("utf-8") if path.exists() else ""
    except (UnicodeDecodeError, OSError) as error:
        raise UserError(f"{path} cannot be read as UTF-8 text ({error}); give another --out") from error


def _between(name: str) -> re.Pattern[str]:
    return re.compile(f"{re.escape(BEGIN.format(name))}.*?{re.escape(END.format(name))}", re.DOTALL)


def machine(packages: Sequence[str] = ("jax", "numpy", "scipy", "tomotopy")) -> str:
    """Where the figures were made: the processor, the cores that this process may use, and the versions that matter."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    def of(package: str) -> str:
        try:
            return f"{package} {version(package)}"
        except PackageNotFoundError:
            return f"no {package}"

    cpuinfo = Path("/proc/cpuinfo")
    models = re.findall(r"model name\s*: (.*)", cpuinfo.read_text("utf-8")) if cpuinfo.is_file() else []
    processor = models[0] if models else platform.processor() or platform.machine()
    versions = ", ".join(map(of, packages))
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    cores = f"{allowed} core{'s' if allowed > 1 else ''} of {os.cpu_count()}"
    return f"{cores} ({processor}); Python {platform.python_version()}, {versions}"
