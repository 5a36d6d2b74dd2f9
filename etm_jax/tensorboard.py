"""TensorBoard events, by tensorboardX."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from etm_jax.errors import UserError


def tensorboard_writer(folder: Path) -> Callable[[dict[str, Any]], None]:
    """What writes one epoch's figures as scalars. Raises UserError where tensorboardX is missing."""
    try:
        from tensorboardX import SummaryWriter
    except ImportError as error:
        raise UserError("--tensorboard needs tensorboardX; pip install '.[tensorboard]'") from error
    writer = SummaryWriter(str(folder))

    def write(row: dict[str, Any]) -> None:
        for name, value in row.items():
            if name != "epoch":
                writer.add_scalar(name, value, row["epoch"])
        writer.flush()

    return write
