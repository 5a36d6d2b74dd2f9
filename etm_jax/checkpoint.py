"""Saving and restoring the state of a run. This file alone uses orbax."""

from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax
import orbax.checkpoint as ocp
from orbax.checkpoint import checkpoint_managers

from etm_jax.errors import UserError
from etm_jax.steps import TrainState


class Progress(NamedTuple):
    """How far a run is.

    nelbos: [epoch + 1], by which epochs are compared; infinite for epoch 0, since no topic is learnt before the first.
    """

    epoch: int
    nelbos: list[float]


class Checkpoints:
    """The checkpoints of one run, a folder an epoch. The newest and the one of lowest nelbo are kept.

    A save is complete or absent: orbax writes beside and renames.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save(self, state: TrainState, progress: Progress) -> None:
        """Write the state after `progress.epoch`. An epoch that is already there is left as it is."""
        if progress.epoch in self.epochs():
            return
        with self._manager() as manager:
            manager.save(
                progress.epoch,
                args=ocp.args.Composite(
                    state=ocp.args.StandardSave(state._asdict()), progress=ocp.args.JsonSave(progress._asdict())
                ),
                metrics={"nelbo": progress.nelbos[-1]},
            )

    def epochs(self) -> list[int]:
        """Epochs that can be restored, ascending."""
        if not self.folder.is_dir():
            return []
        return sorted(ocp.utils.checkpoint_steps(self.folder))

    def restore(self, like: TrainState, which: Literal["best", "last"] = "last") -> tuple[TrainState, Progress]:
        """The state of the newest or the best checkpoint. `like` gives shapes and dtypes; its values are not read.

        Raises UserError where there is none.
        """
        if not self.epochs():
            raise UserError(f"{self.folder} holds no checkpoint")
        abstract = jax.tree.map(ocp.utils.to_shape_dtype_struct, like._asdict())
        with self._manager() as manager:
            found = manager.restore(
                manager.best_step() if which == "best" else manager.latest_step(),
                args=ocp.args.Composite(state=ocp.args.StandardRestore(abstract), progress=ocp.args.JsonRestore()),
            )
        return TrainState(**found["state"]), Progress(**found["progress"])

    def _manager(self) -> ocp.CheckpointManager:
        def nelbo(metrics: Any) -> float:
            return float(metrics["nelbo"])

        keep = [checkpoint_managers.LatestN(n=1), checkpoint_managers.BestN(get_metric_fn=lambda m: -nelbo(m), n=1)]
        return ocp.CheckpointManager(
            self.folder.resolve(),
            options=ocp.CheckpointManagerOptions(
                preservation_policy=checkpoint_managers.AnyPreservationPolicy(keep),
                best_fn=nelbo,
                best_mode="min",
                enable_async_checkpointing=False,
            ),
        )
