"""What is told of an epoch: its row of metrics, in the run's folder and to callbacks, and its line on the screen."""

from collections.abc import Callable

import numpy as np

from etm_jax.training.bound import Bound
from etm_jax.training.distributed import is_main_process
from etm_jax.training.run_folder import RunFolder
from etm_jax.training.train_setup import Row
from etm_jax.util.console import TrainingMeter


class EpochLog:
    """Where rows go: the run's folder (from the main process alone), `on_epoch`, and the progress line of `meter`."""

    def __init__(self, folder: RunFolder, meter: TrainingMeter, on_epoch: Callable[[Row], None] | None) -> None:
        self._folder, self._meter, self._on_epoch = folder, meter, on_epoch

    def write(self, row: Row) -> None:
        """Write the row of an epoch that has ended."""
        if is_main_process():
            self._folder.log(row)
        if self._on_epoch:
            self._on_epoch(row)
        self._meter.epoch(row["epoch"], summary(row))


def means(members: list[Bound], prefix: str = "") -> Row:
    """The mean over the members of each part of the bound and, of several members, the nelbo of each: `nelbo_seeds`."""
    row: Row = {name: float(np.mean([getattr(bound, name) for bound in members])) for name in Bound._fields}
    if len(members) > 1:
        row["nelbo_seeds"] = [bound.nelbo for bound in members]
    return {prefix + name: value for name, value in row.items()}


def summary(row: Row) -> str:
    """The row as one line."""
    valid = f"  valid {row['valid_nelbo']:.2f}" if "valid_nelbo" in row else ""
    if "valid_nelbo_seeds" in row:
        valid += f" ({min(row['valid_nelbo_seeds']):.2f} to {max(row['valid_nelbo_seeds']):.2f})"
    parts = f"nelbo {row['nelbo']:.2f}  recon {row['recon']:.2f}  kl {row['kl']:.2f}"
    c_v = f" (C_V {row['c_v']:.3f})" if "c_v" in row else ""
    quality = f"  coherence {row['npmi']:.3f}{c_v}  diversity {row['diversity']:.3f}" if "npmi" in row else ""
    return f"{parts}{valid}{quality}  {row['docs_per_s']:,.0f} docs/s"
