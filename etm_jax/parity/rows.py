"""Rows of the comparison, and the table of all rows."""

import itertools
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from etm_jax.util.console import table

TOLERANCE = {"float64": 1e-9, "float32": 1e-5}
GRADIENT_TOLERANCE = {"float64": 1e-9, "float32": 1e-4}

SPREAD = 10.0
"""Tolerance where float32 is inexact, in multiples of the distance of torch in float32 from torch in float64."""

GRADIENT = "gradient of "


class Row(NamedTuple):
    """A quantity of torch and its counterpart here.

    case: variant and settings. against: which torch code. absolute, relative: the largest difference, and that divided
    by the array's largest magnitude; for trainings as wholes, relative is as `rms_apart` has it. tolerance: bounds the
    relative difference, or the absolute one if `is_absolute`.
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
        """Whether the difference is within the tolerance; a difference of nan is not."""
        return self.share <= 1

    @property
    def share(self) -> float:
        """The difference in multiples of the tolerance; infinite where it is nan."""
        return float(_shares(np.array(self.absolute if self.is_absolute else self.relative), np.array(self.tolerance)))


def compare(theirs: np.ndarray | float, ours: np.ndarray | float) -> tuple[float, float]:
    """Largest |a − b|, and that divided by the largest |b|, for arrays of any one shape, b being torch's.

    Raises ValueError where the shapes differ.
    """
    a, b = (np.asarray(x, np.float64) for x in (ours, theirs))
    if a.shape != b.shape:
        raise ValueError(f"shapes differ: torch has {b.shape}, ours is {a.shape}")
    if not a.size:
        return 0.0, 0.0
    absolute = float(np.abs(a - b).max())
    scale = float(np.abs(b).max())
    return absolute, absolute / scale if scale else (0.0 if absolute == 0 else float("inf"))


def compare_elements(theirs: np.ndarray, ours: np.ndarray, bounds: np.ndarray) -> tuple[float, float, float]:
    """As `compare`, for the element that is furthest out of its bound; and that bound. All arrays are of one shape."""
    difference = np.abs(np.asarray(ours, np.float64) - np.asarray(theirs, np.float64))
    at = np.unravel_index(np.argmax(_shares(difference, bounds)), bounds.shape)
    absolute, scale = float(difference[at]), float(np.abs(theirs).max())
    return absolute, absolute / scale if scale else absolute, float(bounds[at])


def rms_apart(theirs: np.ndarray, ours: np.ndarray) -> tuple[float, float]:
    """Largest |a − b|, and the root mean square of a − b divided by that of b, torch's."""
    a, b = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    scale = float(np.linalg.norm(b))
    distance = float(np.linalg.norm(a - b))
    return float(np.abs(a - b).max()), distance / scale if scale else distance


def _shares(differences: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """The differences in multiples of their bounds: 0 for none, infinite for nan and for one where none is allowed."""
    with np.errstate(divide="ignore", invalid="ignore"):
        shares: np.ndarray = np.nan_to_num(differences / bounds, nan=np.inf, posinf=np.inf)
    return np.where(differences == 0, 0.0, shares)


def worst(rows: Iterable[Row], quantity: str) -> Row:
    """The row with the largest difference relative to its tolerance, renamed to say how many rows it stands for."""
    rows = list(rows)
    row = max(rows, key=lambda r: r.share)
    return row._replace(quantity=f"{quantity} ({len(rows)} arrays; worst {row.quantity})")


def condensed(rows: Iterable[Row]) -> list[Row]:
    """The rows with those of the same kind replaced by the worst, except in the plain case of a variant."""
    found: list[Row] = []
    for (_, case, _), group in itertools.groupby(rows, key=lambda r: (r.dtype, r.case, r.against)):
        for kind, members in itertools.groupby(group, key=_kind):
            if "," in case and kind:
                found.append(worst(members, kind))
            else:
                found += members
    return found


def _kind(row: Row) -> str:
    """The kind of a row that can be condensed; empty for a row that stands for several arrays, or for none."""
    if row.is_absolute or "arrays" in row.quantity or row.quantity.startswith("step size"):
        return ""
    if row.quantity.startswith(GRADIENT):
        return "gradients"
    return "parameters after Adam's steps" if " after " in row.quantity else "values"


def format_rows(rows: Iterable[Row]) -> str:
    """The table, for people to read or paste."""
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
