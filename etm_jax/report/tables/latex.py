r"""A table as LaTeX, to be read by \input: as wide as a page of the class article, or in parts that are.

Widths are estimates: a Chinese character is 1 em wide, any other half of that.
"""

import math
import re
import unicodedata
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple, TypeAlias

_ESCAPED = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\textquotedbl{}", "[": "{[}", "]": "{]}", "`": r"\textasciigrave{}",
}  # fmt: skip
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


class Line(NamedTuple):
    """A line of the class article, 345 points. width, between: of the line, and of two columns' space, in its em."""

    width: float
    between: float

    def total(self, widths: Sequence[float]) -> float:
        """The width of columns and the spaces around them."""
        return sum(widths) + self.between * len(widths)


TEXT, FOOTNOTE = Line(34.0, 1.2), Line(42.5, 1.5)

ELASTIC, LEAST = 8.0, 5.5
"""Width in em from which a column of text may be set in several lines, and the least that it is set in."""

PAGE = 45
"""Lines from which a table goes over several pages."""

Cell: TypeAlias = str | int | float


class Table(NamedTuple):
    """A table. Cells are text or numbers; header and each row have the same length.

    stub: the first columns, which name a row and stand in each part of a table that is set in parts where it is wider
    than a page; 0 for one that is not. A line feed in a header parts its lines.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    stub: int = 0


def latex(table: Table) -> str:
    """The table, with the rules of booktabs, as one environment or more: tabular, or longtable where it is long."""
    cells = list(zip(table.header, *table.rows, strict=True))
    widths = [max(map(_width, column)) for column in cells]
    # Of a table without rows, its header.
    texts = [any(isinstance(cell, str) for cell in column[1:] or column) for column in cells]
    small = TEXT.total(widths) > TEXT.width
    line = FOOTNOTE if small else TEXT
    parts = []
    for columns, set_widths in _parts(widths, texts, table.stub, line):
        kinds = "".join(
            "r" if not texts[j] else "l" if w is None else rf"p{{{w / line.width:.3f}\linewidth}}"
            for j, w in zip(columns, set_widths, strict=True)
        )
        lines = sum(max(_lines(row[j], w) for j, w in zip(columns, set_widths, strict=True)) for row in table.rows)
        parts.append(_environment(table, columns, kinds, long=lines > PAGE))
    opening, closing = ([r"\begingroup\footnotesize"], [r"\endgroup"]) if small else ([], [])
    packages = (
        r"% \usepackage{booktabs,longtable,textcomp}; with \usepackage[T1]{fontenc}, or for Chinese ctex and XeLaTeX"
    )
    return "\n".join([packages, *opening, "\n\\par\\medskip\n".join(parts), *closing, ""])


def latex_text(text: str) -> str:
    """The text as LaTeX sets it: none of its characters is a command, a ligature or the end of a cell."""
    return "".join(_ESCAPED.get(c, c) for c in one_line(text)).replace("--", "-{}-").replace("--", "-{}-")


def one_line(text: str) -> str:
    """The text without control characters and ends of lines."""
    return _CONTROL.sub(" ", text).strip()


def _environment(table: Table, columns: Sequence[int], kinds: str, long: bool) -> str:
    name = "longtable" if long else "tabular"
    head = [" & ".join(_header(table.header[j]) for j in columns) + r" \\", r"\midrule"]
    rows = [" & ".join(_cell(row[j]) for j in columns) + r" \\" for row in table.rows]
    # In a longtable what stands above \endhead is on every page.
    end_of_head, end_of_foot = ([r"\endhead"], [r"\bottomrule", r"\endfoot"]) if long else ([], [])
    body = [*end_of_foot, *rows] if long else [*rows, r"\bottomrule"]
    return "\n".join([rf"\begin{{{name}}}{{{kinds}}}", r"\toprule", *head, *end_of_head, *body, rf"\end{{{name}}}"])


def _parts(
    widths: Sequence[float], texts: Sequence[bool], stub: int, line: Line
) -> list[tuple[list[int], list[float | None]]]:
    """The columns of each part, with the widths in em of those that are set in lines of a width, None of the others."""
    elastic = [j for j in range(stub or len(widths)) if texts[j] and widths[j] > ELASTIC]
    every = list(range(len(widths)))
    if line.total(widths) <= line.width:
        return [(every, [None] * len(widths))]
    left = line.width - line.total([0 if j in elastic else width for j, width in enumerate(widths)])
    if elastic and (not stub or left >= LEAST * len(elastic)):
        left = max(left, LEAST * len(elastic))
        roots = {j: widths[j] ** 0.5 for j in elastic}
        share = left / sum(roots.values())
        return [(every, [share * roots[j] if j in elastic else None for j in every])]
    narrow = [min(width, ELASTIC) if j in elastic else width for j, width in enumerate(widths)]
    room = line.width - line.total(narrow[:stub])
    starts, used = [stub], 0.0
    for j in range(stub, len(widths)):
        used += narrow[j] + line.between
        if used > room and j > starts[-1]:
            starts.append(j)
            used = narrow[j] + line.between
    parts = [[*range(stub), *range(low, high)] for low, high in pairwise([*starts, len(widths)])]
    return [(part, [narrow[j] if j in elastic else None for j in part]) for part in parts]


def _width(cell: Cell) -> float:
    """The width of a cell's widest line, in em."""
    return max(sum(1.0 if unicodedata.east_asian_width(c) in "WF" else 0.5 for c in x) for x in str(cell).split("\n"))


def _lines(cell: Cell, width: float | None) -> int:
    # A line is seldom filled to its end.
    return 1 if width is None else max(1, math.ceil(1.1 * _width(cell) / width))


def _header(text: str) -> str:
    lines = [latex_text(line) for line in text.split("\n")]
    joined = r"\\".join(lines)
    return joined if len(lines) == 1 else rf"\shortstack[r]{{{joined}}}"


def _cell(cell: Cell) -> str:
    if isinstance(cell, str):
        return latex_text(cell)
    return f"${cell}$" if cell < 0 else str(cell)
