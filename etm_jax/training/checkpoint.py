"""Saving and restoring the state of a run. This file alone uses orbax."""

import hashlib
import json
import logging
import shutil
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax
import numpy as np
import orbax.checkpoint as ocp

from etm_jax.training.steps import TrainState
from etm_jax.util.console import warn
from etm_jax.util.errors import UserError
from etm_jax.util.files import DAMAGED, free_space, replace_folder, sync_all

_STATE, _PROGRESS, _SUMS = "state", "progress.json", "SHA256SUMS"

NEWEST_KEPT = 2
"""Should the newest be damaged, a run goes on from the one before it."""


class Progress(NamedTuple):
    """How far a run is.

    nelbos: [epoch + 1], by which epochs are compared; infinite for epoch 0, since no topic is learnt before the first.
    by_seed: the newest of them, of each of the models that are trained at once; the lowest is the one in `nelbos`.
    begun: of the epoch that is under way, each step's sums in the order of `Sums`; none between epochs.
    """

    epoch: int
    nelbos: list[float]
    by_seed: list[float]
    begun: Sequence[Sequence[float | list[float]]] = ()

    @property
    def name(self) -> str:
        """`5` after epoch 5, `5+130` when 130 steps of the next one are made too."""
        return f"{self.epoch}+{len(self.begun)}" if self.begun else str(self.epoch)


class Checkpoints:
    """The checkpoints of one run, a folder each. The two newest and the one of lowest nelbo are kept.

    A checkpoint is there whole or not at all: it is written beside, with the digest of each of its files, and renamed.
    What has changed since is found by the digests, and is never restored. One process at a time may save here;
    restoring writes nothing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save(self, state: TrainState, progress: Progress) -> None:
        """Write the state, and delete what is no longer to be kept. A whole checkpoint that is there is left as it is.

        Raises UserError where it cannot be written; the others are whole then.
        """
        place = self.folder / progress.name
        if place.is_dir() and not _damage(place):
            return
        needed = sum(leaf.nbytes for leaf in jax.tree.leaves(state))
        if free_space(place) < needed:
            # Where its disk fills up under it, orbax leaves tracebacks of its own on the screen.
            raise UserError(self._not_written(place, needed, "no space left on the disk"))
        try:
            with _uninterrupted(), _one_error(), replace_folder(place) as new:
                with _checkpointer() as writer:
                    arrays = jax.tree.map(np.asarray, state._asdict())
                    writer.save(new.resolve() / _STATE, args=ocp.args.StandardSave(arrays))
                about = {**progress._asdict(), "arrays": _described(state)}
                (new / _PROGRESS).write_text(json.dumps(about), encoding="ascii")
                (new / _SUMS).write_text(_sums(new), encoding="utf-8")
                sync_all(new)
        except Exception as error:  # Where a disk is full, orbax raises what the library that writes for it says.
            reason = _first_line((error.__cause__ if isinstance(error, UserError) else None) or error)
            raise UserError(self._not_written(place, needed, reason)) from error
        self.sweep(progress)

    def sweep(self, progress: Progress) -> None:
        """Delete what is not to be kept, and what a killed process left half-written.

        progress: how far the newest whole checkpoint is. Later ones are damaged: they stay until they are written anew.
        """
        names = [name for name in self._names() if _order(name) <= _order(progress.name)]
        for name in set(names[NEWEST_KEPT:]) - set(_by_nelbo(names, progress.nelbos)[:1]):
            # Renamed first, so that no half of it is ever taken for a checkpoint.
            (self.folder / name).rename(self.folder / f".{name}.old")
        for kind in ("new", "old"):
            for path in self.folder.glob(f".*.{kind}"):
                shutil.rmtree(path, ignore_errors=True)

    def epochs(self) -> list[int]:
        """The epochs after which there is a checkpoint, ascending."""
        return sorted({_order(name)[0] for name in self._names()})

    def restore(
        self, like: TrainState, which: Literal["best", "last"] = "last", or_older: bool = False
    ) -> tuple[TrainState, Progress]:
        """The state of the newest checkpoint, or of the epoch of lowest nelbo. Of `like` the values are not read.

        or_older: where that one is damaged, take the next that is whole, and say so. Raises UserError where none is
        whole, and where its arrays have other shapes or dtypes than those of `like`.
        """
        names = self._names()
        if not names:
            raise UserError(f"{self.folder} holds no checkpoint")
        name, progress = self._whole(names, or_older)
        if which == "best":
            name, progress = self._whole([*_by_nelbo(names, progress.nelbos), name], or_older)
        return self._read(name, like), progress

    def _whole(self, names: list[str], or_older: bool) -> tuple[str, Progress]:
        """The first of these that is whole, if need be."""
        damaged: dict[str, str] = {}
        for name in names:
            reason = _damage(self.folder / name)
            if reason is None:
                if progress := self._progress(name):
                    return name, progress
                reason = f"{_PROGRESS} is not of this version"
            damaged[name] = reason
            others = [other for other in names if other not in damaged]
            if others and or_older:
                warn(f"the checkpoint {self.folder / name} is damaged ({reason}); {others[0]} is taken in its place")
                continue
            way_out = (
                f"the same training command goes on from that of epoch {others[0]} and writes it anew"
                if others
                else "there is no other: bring it back from a copy, or begin anew in another --workdir"
            )
            raise UserError(f"the checkpoint {self.folder / name} is damaged ({reason}); {way_out}")
        raise AssertionError("there is at least one")

    def _read(self, name: str, like: TrainState) -> TrainState:
        place = self.folder / name
        stored = json.loads((place / _PROGRESS).read_text("ascii"))["arrays"]
        asked = _described(like)
        for leaf in sorted(stored.keys() | asked.keys()):
            there, here = stored.get(leaf, "nothing"), asked.get(leaf, "nothing")
            if there != here:
                raise UserError(
                    f"the checkpoint {place} holds {leaf} as {there}, and this run has it as {here}; give the settings "
                    "that it was begun with, or another --workdir"
                )
        abstract = jax.tree.map(_placed, like._asdict())
        try:
            with _one_error(), _checkpointer() as reader:
                found = reader.restore(place.resolve() / _STATE, args=ocp.args.StandardRestore(abstract))
        except Exception as error:  # Its bytes are as they were written: perhaps by another version of orbax.
            raise UserError(
                f"the checkpoint {place} cannot be read ({_first_line(error)}); "
                "use the version of orbax that wrote it, or give another --workdir"
            ) from error
        return TrainState(**found)

    def _progress(self, name: str) -> Progress | None:
        try:
            values = json.loads((self.folder / name / _PROGRESS).read_text("ascii"))
            progress = Progress(**{field: values[field] for field in Progress._fields})
            # JSON has no tuples.
            progress = progress._replace(begun=tuple(progress.begun))
            _check_progress(progress, name)
            dict[str, str].items(values["arrays"])
        except DAMAGED:
            return None
        return progress

    def _names(self) -> list[str]:
        """Those of the checkpoints that are there, the newest first."""
        if not self.folder.is_dir():
            return []
        found = (path.name for path in self.folder.iterdir() if path.is_dir())
        return sorted((name for name in found if name.replace("+", "", 1).isdecimal()), key=_order, reverse=True)

    def _not_written(self, place: Path, needed: int, reason: str) -> str:
        whole = self._names()
        left = f"; that of {whole[0]} is whole, and the same command goes on from it" if whole else ""
        return (
            f"the checkpoint {place} cannot be written ({reason}): it needs {needed / 2**20:,.1f} MiB, and "
            f"{free_space(place) / 2**20:,.1f} MiB are free there; make room, or give another --workdir{left}"
        )


class Remembered:
    """The best epoch's state and the newest in memory, for a run that nobody goes on with: as `Checkpoints`."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[TrainState, Progress]] = {}

    def save(self, state: TrainState, progress: Progress) -> None:
        """Keep a copy: the next step uses the state itself up."""
        # device_get would lend the device's own memory on CPU.
        kept = (jax.tree.map(np.array, state), progress)
        self._kept["last"] = kept
        if progress.nelbos[-1] < self._kept.get("best", kept)[1].nelbos[-1] or "best" not in self._kept:
            self._kept["best"] = kept

    def sweep(self, progress: Progress) -> None:
        """Nothing is left over."""

    def epochs(self) -> list[int]:
        """The epochs that are kept, ascending."""
        return sorted({progress.epoch for _, progress in self._kept.values()})

    def restore(
        self, like: TrainState, which: Literal["best", "last"] = "last", or_older: bool = False
    ) -> tuple[TrainState, Progress]:
        """The state of the newest epoch that was kept, or of the one of lowest nelbo."""
        state, progress = self._kept[which]
        return jax.tree.map(lambda leaf, x: jax.device_put(x, _placed(leaf).sharding), like, state), progress


def _check_progress(progress: Progress, name: str) -> None:
    """Raise ValueError or TypeError where its values are none that a run writes into the checkpoint of this name."""
    numbers = [*progress.nelbos, *progress.by_seed]
    for sums in progress.begun:
        for total in sums:
            numbers += total if isinstance(total, list) else [total]
    if not all(type(number) in (int, float) for number in numbers):
        raise TypeError("a figure that is no number")
    if progress.name != name or len(progress.nelbos) != progress.epoch + 1:
        raise ValueError("of another epoch")


def _order(name: str) -> tuple[int, int]:
    epoch, _, steps = name.partition("+")
    return int(epoch), int(steps or 0)


def _by_nelbo(names: list[str], nelbos: list[float]) -> list[str]:
    """Those of whole epochs that `nelbos` knows, the lowest first."""
    ended = [name for name in names if "+" not in name and int(name) < len(nelbos)]
    return sorted(ended, key=lambda name: (nelbos[int(name)], int(name)))


def _sums(folder: Path) -> str:
    """The digest of each file as `sha256sum` writes it, so that `sha256sum -c` checks it too."""
    lines = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / _SUMS):
        with path.open("rb") as file:
            lines.append(f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {path.relative_to(folder).as_posix()}\n")
    return "".join(lines)


def _damage(place: Path) -> str | None:
    """What is no longer as it was written; None where all of it is."""
    try:
        written, found = (place / _SUMS).read_bytes(), _sums(place).encode()
    except OSError as error:
        return f"{Path(error.filename or place).name}: {error.strerror}"
    if written == found:
        return None
    known = set(written.split(b"\n"))
    changed = [line for line in found.decode().splitlines() if line.encode() not in known]
    return f"{changed[0].partition('  ')[2] if changed else _SUMS} is not as it was written"


def _described(state: TrainState) -> dict[str, str]:
    """Each array's dtype and shape, by its place in the state."""
    leaves = jax.tree.leaves_with_path(state._asdict())
    return {
        jax.tree_util.keystr(path, simple=True, separator="."): f"{np.dtype(x.dtype)}{list(x.shape)}"
        for path, x in leaves
    }


def _placed(leaf: jax.Array | jax.ShapeDtypeStruct) -> jax.ShapeDtypeStruct:
    """Where to restore an array: as `like` lies, or on the first device, wherever it was when it was saved."""
    sharding = leaf.sharding or jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding)


def _checkpointer() -> ocp.Checkpointer:
    """One that waits for no other process: what several train, the first alone saves, and each reads for itself."""
    own = jax.process_index()
    alone = ocp.options.MultiprocessingOptions(
        primary_host=own, active_processes={own}, barrier_sync_key_prefix=f"process{own}"
    )
    return ocp.Checkpointer(ocp.StandardCheckpointHandler(multiprocessing_options=alone), multiprocessing_options=alone)


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


@contextmanager
def _one_error() -> Iterator[None]:
    """Where orbax fails, let its other coroutines print no tracebacks of theirs, within the block and after it."""
    before, log, filters = sys.unraisablehook, logging.getLogger("asyncio"), warnings.catch_warnings()
    disabled = log.disabled

    def hook(unraisable: Any) -> None:
        code = getattr(unraisable.object, "cr_code", None)
        if not (code and "orbax" in code.co_filename) and str(unraisable.exc_value) != "Event loop is closed":
            before(unraisable)

    sys.unraisablehook, log.disabled = hook, True
    filters.__enter__()
    warnings.filterwarnings("ignore", "coroutine .* was never awaited", RuntimeWarning)
    yield
    filters.__exit__(None, None, None)
    sys.unraisablehook, log.disabled = before, disabled


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Let Ctrl-C wait until the block has ended: threads of orbax that it reaches print tracebacks of their own."""
    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
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
