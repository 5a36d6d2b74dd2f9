"""Checkpoints: the state of a run on disk, to resume from, and the same in memory."""

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import jax
import numpy as np

from etm_jax.training.orbax_arrays import ORBAX, ArraysError, abstract_array, read_arrays, room_for, write_arrays
from etm_jax.training.progress import Progress, order
from etm_jax.training.signals import uninterrupted
from etm_jax.training.steps import TrainState
from etm_jax.util.console import warn
from etm_jax.util.digests import DIGESTS, FolderDigests, damage, file_digests
from etm_jax.util.disk import free_space
from etm_jax.util.errors import UserError
from etm_jax.util.files import DAMAGED, replace_folder, sync_all
from etm_jax.util.forms import ForeignError, foreign, stamp, stored_format, writer
from etm_jax.util.reading import read_object
from etm_jax.util.temporary import name_beside, sweep

_STATE, _PROGRESS = "state", "progress.json"

_EARLIER_PROGRESS = Path("progress", "metadata")
"""Where Orbax's manager put it, in the first versions, which knew no digests."""

NEWEST_KEPT = 2
"""Should the newest be damaged, a run resumes from the one before it."""


class Checkpoints:
    """The checkpoints of one run, a folder each. The two newest and the one of lowest nelbo are kept.

    A checkpoint is there whole or not at all: it is written under another name, with the digest of each of its files,
    and renamed. What has changed since is found by the digests, and is never restored. One process at a time may save
    here; restoring writes nothing.
    """

    def __init__(self, folder: Path, identity: Mapping[str, str | int] | None = None) -> None:
        """identity: of the run, which is written into each, and which those that are restored must have if they have
        one; None where nothing is restored or saved."""
        self.folder, self._identity = folder, dict(identity or {})

    def save(self, state: TrainState, progress: Progress) -> None:
        """Write the state, and delete the checkpoints that are no longer needed. Does nothing where it is there.

        Raises UserError where it cannot be written; the others are whole then.
        """
        place = self.folder / progress.name
        if place.is_dir() and not damage(place):
            return
        run = {"orbax": ORBAX, "run": self._identity}
        about = json.dumps({**stamp(), **run, **progress.to_json(), "arrays": _described(state)})
        needed = room_for(state._asdict()) + 2 * len(about)
        if free_space(place) < needed:
            # Told before a byte is written, and in plainer words than those of the library that would fail.
            raise UserError(self._not_written(place, needed, "no space left on the disk"))
        try:
            with uninterrupted(), replace_folder(place) as new:
                write_arrays(new / _STATE, state._asdict())
                (new / _PROGRESS).write_text(about, encoding="ascii")
                (new / DIGESTS).write_text(file_digests(new), encoding="utf-8")
                sync_all(new)
        except ArraysError as error:
            raise UserError(self._not_written(place, needed, str(error))) from error
        except UserError as error:  # of replace_folder, whose cause says what the system refused
            raise UserError(self._not_written(place, needed, str(error.__cause__ or error))) from error
        self.sweep(progress)

    def sweep(self, progress: Progress) -> None:
        """Delete the checkpoints that are no longer needed, and what a killed process left half-written.

        progress: how far the newest whole checkpoint is. Later ones are damaged: they stay until they are overwritten.
        """
        names = [name for name in self._names() if order(name) <= order(progress.name)]
        for name in set(names[NEWEST_KEPT:]) - set(_by_nelbo(names, progress.nelbos)[:1]):
            # Renamed first, so that no half of it is ever taken for a checkpoint.
            (self.folder / name).rename(name_beside(self.folder / name))
        sweep(self.folder, alone=True)

    def epochs(self) -> list[int]:
        """The epochs after which there is a checkpoint, ascending."""
        return sorted({order(name)[0] for name in self._names()})

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

    def check_run(self) -> None:
        """Raise UserError where a checkpoint is of another run. Those that are damaged say nothing."""
        for name in self._names():
            with suppress(*DAMAGED):
                FolderDigests(self.folder / name).check(_PROGRESS)
                self._check_run(name, self._about(name))

    def _check_run(self, name: str, about: Mapping[str, Any]) -> None:
        of_run = about.get("run")
        if of_run and self._identity and of_run != self._identity:  # Earlier versions did not say.
            what = ", ".join(key for key in self._identity if of_run.get(key) != self._identity[key])
            raise UserError(
                f"the checkpoint {self.folder / name} is of another run (its {what} differs); restore those of this "
                "run from a backup, or start over in another --workdir"
            )

    def _whole(self, names: list[str], or_older: bool) -> tuple[str, Progress]:
        """The first of these checkpoints, or with `or_older` the first that is whole."""
        damaged: dict[str, str] = {}
        for name in names:
            reason = None if self._is_earlier(name) else damage(self.folder / name)
            if reason is None:
                if progress := self._progress(name):
                    return name, progress
                reason = f"{_PROGRESS} is not what a checkpoint says of itself"
            damaged[name] = reason
            others = [other for other in names if other not in damaged]
            if others and or_older:
                warn(f"the checkpoint {self.folder / name} is damaged ({reason}); {others[0]} is taken in its place")
                continue
            way_out = (
                f"the same training command resumes from that of epoch {others[0]} and replaces this one"
                if others
                else "there is no other: restore it from a backup, or start over in another --workdir"
            )
            raise UserError(f"the checkpoint {self.folder / name} is damaged ({reason}); {way_out}")
        raise AssertionError("there is at least one")

    def _read(self, name: str, like: TrainState) -> TrainState:
        place = self.folder / name
        about = self._about(name)
        self._check_run(name, about)
        asked = _described(like)
        stored = about.get("arrays", asked)  # The first versions did not say.
        for leaf in sorted(stored.keys() | asked.keys()):
            there, here = stored.get(leaf, "nothing"), asked.get(leaf, "nothing")
            if there != here:
                raise UserError(
                    f"the checkpoint {place} holds {leaf} as {there}, and this run has it as {here}; give the settings "
                    "that it was started with, or another --workdir"
                )
        try:
            return TrainState(**read_arrays(place / _STATE, like._asdict()))
        except ArraysError as error:  # Its bytes are as they were written: perhaps by another version of Orbax.
            raise UserError(
                f"the checkpoint {place} cannot be read ({error}); it was written by {writer(about)} with "
                f"orbax-checkpoint {about.get('orbax', 'of an unknown version')}, and this is {ORBAX}: use the one "
                "that wrote it, or give another --workdir"
            ) from error

    def _progress(self, name: str) -> Progress | None:
        try:
            values = self._about(name)
            stored_format(values)
            progress = Progress.from_json(values, name)
            dict[str, str].items({} if self._is_earlier(name) else values["arrays"])
            dict[str, str].items(values.get("run", {}))
        except ForeignError as error:
            raise foreign(self.folder / name, values, error) from error
        except DAMAGED:
            return None
        return progress

    def _about(self, name: str) -> dict[str, Any]:
        """What the checkpoint says of itself. Raises an error of `DAMAGED` where it is damaged."""
        return read_object(self.folder / name / (_EARLIER_PROGRESS if self._is_earlier(name) else _PROGRESS))

    def _is_earlier(self, name: str) -> bool:
        """Whether the checkpoint is of a version that took no digests."""
        place = self.folder / name
        ours = (place / own for own in (_PROGRESS, DIGESTS))
        return (place / _EARLIER_PROGRESS).is_file() and not any(path.exists() for path in ours)

    def _names(self) -> list[str]:
        """The names of all checkpoints, the newest first."""
        if not self.folder.is_dir():
            return []
        found = (path.name for path in self.folder.iterdir() if path.is_dir())
        return sorted((name for name in found if name.replace("+", "", 1).isdecimal()), key=order, reverse=True)

    def _not_written(self, place: Path, needed: int, reason: str) -> str:
        whole = self._names()
        left = f"; that of {whole[0]} is whole, and the same command resumes from it" if whole else ""
        return (
            f"the checkpoint {place} cannot be written ({reason}): it needs {needed / 2**20:,.1f} MiB, and "
            f"{free_space(place) / 2**20:,.1f} MiB are free there; make room, or give another --workdir{left}"
        )


class InMemoryCheckpoints:
    """The states of the best epoch and of the newest in memory, for a run that is never resumed: as `Checkpoints`."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[TrainState, Progress]] = {}

    def save(self, state: TrainState, progress: Progress) -> None:
        """Keep a copy: the next step donates the state itself."""
        # On CPU, device_get would give a view of the device's own memory.
        kept = (jax.tree.map(np.array, state), progress)
        self._kept["last"] = kept
        if progress.nelbos[-1] < self._kept.get("best", kept)[1].nelbos[-1] or "best" not in self._kept:
            self._kept["best"] = kept

    def sweep(self, progress: Progress) -> None:
        """Do nothing: `save` keeps no more than it needs."""

    def epochs(self) -> list[int]:
        """The epochs that are kept, ascending."""
        return sorted({progress.epoch for _, progress in self._kept.values()})

    def restore(
        self, like: TrainState, which: Literal["best", "last"] = "last", or_older: bool = False
    ) -> tuple[TrainState, Progress]:
        """The state of the newest epoch that was kept, or of the one of lowest nelbo."""
        state, progress = self._kept[which]
        return jax.tree.map(lambda leaf, x: jax.device_put(x, abstract_array(leaf).sharding), like, state), progress


def _by_nelbo(names: list[str], nelbos: list[float]) -> list[str]:
    """The checkpoints at the end of an epoch that `nelbos` knows, the lowest first."""
    ended = [name for name in names if "+" not in name and int(name) < len(nelbos)]
    return sorted(ended, key=lambda name: (nelbos[int(name)], int(name)))


def _described(state: TrainState) -> dict[str, str]:
    """Each array's dtype and shape, by its place in the state."""
    leaves = jax.tree.leaves_with_path(state._asdict())
    return {
        jax.tree_util.keystr(path, simple=True, separator="."): f"{np.dtype(x.dtype)}{list(x.shape)}"
        for path, x in leaves
    }
