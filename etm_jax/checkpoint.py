"""Saving and restoring the state of a run. This file alone uses orbax."""

import shutil
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple

import jax
import orbax.checkpoint as ocp

from etm_jax.errors import UserError
from etm_jax.steps import TrainState

_DELETED = ".deleted"


class Progress(NamedTuple):
    """How far a run is.

    nelbos: [epoch + 1], by which epochs are compared; infinite for epoch 0, since no topic is learnt before the first.
    by_seed: the newest of them, of each of the models that are trained at once; the lowest is the one in `nelbos`.
    """

    epoch: int
    nelbos: list[float]
    by_seed: list[float]


class Checkpoints:
    """The checkpoints of one run, a folder an epoch. The newest and the one of lowest nelbo are kept.

    A checkpoint is complete or absent at any moment: orbax writes it beside and renames it, and moves it away before
    it is deleted. One process at a time may save here; restoring writes nothing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save(self, state: TrainState, progress: Progress) -> None:
        """Write the state after `progress.epoch`. An epoch that is already there is left as it is."""
        if progress.epoch in self.epochs():
            return
        with _uninterrupted(), self._manager() as manager:
            manager.save(
                progress.epoch,
                args=ocp.args.Composite(
                    state=ocp.args.StandardSave(state._asdict()), progress=ocp.args.JsonSave(progress._asdict())
                ),
                metrics={"nelbo": progress.nelbos[-1]},
            )
        self.sweep()

    def sweep(self) -> None:
        """Delete all but the newest and the best, and what a killed process left half-written or half-deleted."""
        with self._manager() as manager:
            for epoch in set(manager.all_steps()) - {manager.latest_step(), manager.best_step()}:
                manager.delete(epoch)
        shutil.rmtree(self.folder / _DELETED, ignore_errors=True)

    def epochs(self) -> list[int]:
        """Epochs that can be restored, ascending."""
        if not self.folder.is_dir():
            return []
        return sorted(ocp.utils.checkpoint_steps(self.folder))

    def restore(self, like: TrainState, which: Literal["best", "last"] = "last") -> tuple[TrainState, Progress]:
        """The state of the newest or the best checkpoint. `like` gives shapes and dtypes; its values are not read.

        Raises UserError where there is none, and where it is damaged.
        """
        if not self.epochs():
            raise UserError(f"{self.folder} holds no checkpoint")
        abstract = jax.tree.map(ocp.utils.to_shape_dtype_struct, like._asdict())
        with self._manager(writing=False) as manager:
            epoch = manager.best_step() if which == "best" else manager.latest_step()
            try:
                found = manager.restore(
                    epoch,
                    args=ocp.args.Composite(state=ocp.args.StandardRestore(abstract), progress=ocp.args.JsonRestore()),
                )
            except Exception as error:  # On damaged files orbax raises whatever the bytes lead it to.
                reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
                raise UserError(
                    f"the checkpoint {self.folder / str(epoch)} cannot be read ({reason}); "
                    "delete that folder to go on from what is left, or give another folder"
                ) from error
        return TrainState(**found["state"]), Progress(**found["progress"])

    def _manager(self, writing: bool = True) -> ocp.CheckpointManager:
        return ocp.CheckpointManager(
            self.folder.resolve(),
            options=ocp.CheckpointManagerOptions(
                best_fn=lambda metrics: float(metrics["nelbo"]),
                best_mode="min",
                cleanup_tmp_directories=writing,
                todelete_subdir=_DELETED,
                enable_async_checkpointing=False,
            ),
        )


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Let Ctrl-C wait until the block has ended: threads of orbax that it reaches print tracebacks of their own."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    asked: list[object] = []
    before = signal.signal(signal.SIGINT, lambda *arguments: asked.append(arguments))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if asked:
        raise KeyboardInterrupt
