"""Rows 1, 2 and 5 once more with every side on the GPU, where one is at hand. `benchmarks.ceilings` has the shares."""

import shutil
from collections.abc import Callable

from benchmarks import inference, training
from benchmarks.compare import Row, Side
from etm_jax.util.errors import UserError

REPEATED = ("1 step", "1 epoch", "2 V=100k", "5 counts")


def rows() -> list[Row]:
    """Row 9 of the table."""
    if shutil.which("nvidia-smi") is None:
        return [Row("9 GPU", "rows 1, 2 and 5 on a GPU", "", Side("ours", f"{__name__}:missing", {}), ())]
    repeated = [row for row in (*training.rows(), *inference.rows()) if row.key in REPEATED]
    return [_on_gpu(row) for row in repeated]


def _on_gpu(row: Row) -> Row:
    ours, *others = (side._replace(device="gpu") for side in (row.ours, *row.others))
    key, title = f"9 {row.key}", f"{row.title}, on a GPU"
    return Row(key, title, row.unit, ours, tuple(others), repetitions=row.repetitions)


def missing() -> Callable[[], None]:
    """What stands in the row of a machine without one."""
    raise UserError("no GPU at hand (nvidia-smi is missing)")
