"""One row of the comparison, and the table of all of them."""

import itertools
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from etm_jax.util.console import table

TOLERANCE = {"float64": 1e-9, "float32": 1e-5}
GRADIENT_TOLERANCE = {"float64": 1e-9, "float32": 1e-4}

SPREAD = 10.0
"""Where torch in float32 is far from torch in float64, how many times that distance ours may be."""

GRADIENT = "gradient of "


class Row(NamedTuple):
    """A quantity of torch's and ours.

    case: variant and settings. against: whose numbers torch's are. absolute, relative: largest differences, the second
    divided by the array's largest magnitude. verdict by `tolerance`, which bounds the relative one, or where
    `is_absolute` the other.
    """

    dtype: str
    case: str
    against: str
    quantity: str
    absolute: float
    relative: float
    tolerance: float
    is_absolute: bool = False

    @property
    def passed(self) -> bool:
        """Whether the difference is within the tolerance. A difference that is no number is not."""
        return (self.absolute if self.is_absolute else self.relative) <= self.tolerance


def compare(theirs: np.ndarray | float, ours: np.ndarray | float) -> tuple[float, float]:
    """Largest |a − b|, and that divided by the largest |b|. Raises ValueError where the shapes differ."""
    a, b = (np.asarray(x, np.float64) for x in (ours, theirs))
    if a.shape != b.shape:
        raise ValueError(f"shapes differ: torch has {b.shape}, ours is {a.shape}")
    if not a.size:
        return 0.0, 0.0
    absolute = float(np.abs(a - b).max())
    scale = float(np.abs(b).max())
    return absolute, absolute / scale if scale else (0.0 if absolute == 0 else float("inf"))


def worst(rows: Iterable[Row], quantity: str) -> Row:
    """The row of largest difference relative to its tolerance, under another name that says how many it stands for."""
    rows = list(rows)
    row = max(rows, key=lambda r: np.nan_to_num(r.relative, nan=np.inf) / r.tolerance)
    return row._replace(quantity=f"{quantity} ({len(rows)} arrays; worst {row.quantity})")


def condensed(rows: Iterable[Row]) -> list[Row]:
    """The rows with those of a kind folded into the worst, but for a variant's plain case, where each has its own."""
    found: list[Row] = []
    for (_, case, _), group in itertools.groupby(rows, key=lambda r: (r.dtype, r.case, r.against)):
        for kind, members in itertools.groupby(group, key=_kind):
            if "," in case and kind:
                found.append(worst(members, kind))
            else:
                found += members
    return found


def _kind(row: Row) -> str:
    """What a row can be folded with; nothing where it stands for several arrays itself, or for none."""
    if row.is_absolute or "arrays" in row.quantity or row.quantity.startswith("step size"):
        return ""
    if row.quantity.startswith(GRADIENT):
        return "gradients"
    return "parameters after Adam's steps" if " after " in row.quantity else "values"


def format_rows(rows: Iterable[Row]) -> str:
    """The table that a person reads, or pastes."""
    header = ("numbers", "variant", "against", "quantity", "max abs", "max rel", "tolerance", "verdict")
    cells = (
        (
            r.dtype,
            r.case,
            r.against,
            r.quantity,
            f"{r.absolute:.1e}",
            f"{r.relative:.1e}",
            f"{r.tolerance:.0e}{' abs' if r.is_absolute else ''}",
            "ok" if r.passed else "FAIL",
        )
        for r in rows
    )
    return table(cells, header, "<<<<>>><")
