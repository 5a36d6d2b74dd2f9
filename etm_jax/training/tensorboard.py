"""TensorBoard events, by tensorboardX."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from etm_jax.util.extras import require


def check_tensorboard() -> None:
    """Raise UserError where tensorboardX is missing."""
    require("tensorboardX", "tensorboard", "--tensorboard")


def tensorboard_writer(folder: Path) -> Callable[[dict[str, Any]], None]:
    """A function that writes one epoch's row of metrics as scalars."""
    from tensorboardX import SummaryWriter

    writer = SummaryWriter(str(folder))

    def write(row: dict[str, Any]) -> None:
        for name, value in row.items():
            if isinstance(value, list):
                for i, of_seed in enumerate(value):
                    writer.add_scalar(f"{name}/{i}", of_seed, row["epoch"])
            elif name != "epoch":
                writer.add_scalar(name, value, row["epoch"])
        writer.flush()

    return write
