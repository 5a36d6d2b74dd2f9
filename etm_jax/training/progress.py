"""How far a run is: what a checkpoint says of itself besides its arrays."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple


class Progress(NamedTuple):
    """How far a run is.

    nelbos: [epoch + 1], by which epochs are compared; infinite for epoch 0, since no topic is learnt before the first.
    by_seed: the newest of them, of each member of the ensemble; the lowest is the one in `nelbos`. step_sums: of the
    epoch under way, each step's sums in the order of `etm_jax.models.objective.Sums`; empty between epochs.
    """

    epoch: int
    nelbos: list[float]
    by_seed: list[float]
    step_sums: Sequence[Sequence[float | list[float]]] = ()

    @property
    def name(self) -> str:
        """The checkpoint's name: `5` after epoch 5, `5+130` after 130 steps more."""
        return f"{self.epoch}+{len(self.step_sums)}" if self.step_sums else str(self.epoch)

    def describe(self, steps_per_epoch: int) -> str:
        """The same for people: `epoch 5 and 130 of 200 steps of the next`."""
        within = f" and {len(self.step_sums)} of {steps_per_epoch} steps of the next" if self.step_sums else ""
        return f"epoch {self.epoch}{within}"

    def to_json(self) -> dict[str, Any]:
        """Plain values, as progress.json holds them."""
        return {"epoch": self.epoch, "nelbos": self.nelbos, "by_seed": self.by_seed, "begun": self.step_sums}

    @classmethod
    def from_json(cls, values: Mapping[str, Any], name: str) -> "Progress":
        """The inverse of `to_json`. Raises KeyError, TypeError or ValueError for what no checkpoint `name` holds.

        Earlier versions trained one seed at a time, and saved between epochs alone.
        """
        nelbos = values["nelbos"]
        # JSON has no tuples.
        found = cls(values["epoch"], nelbos, values.get("by_seed", nelbos[-1:]), tuple(values.get("begun", ())))
        numbers = [*found.nelbos, *found.by_seed]
        for sums in found.step_sums:
            for total in sums:
                numbers += total if isinstance(total, list) else [total]
        if not all(type(number) in (int, float) for number in numbers):
            raise TypeError("not all of its values are numbers")
        if found.name != name or len(found.nelbos) != found.epoch + 1:
            raise ValueError("it is of another epoch")
        if not found.by_seed:
            raise ValueError("it is of no seed")
        return found


def order(name: str) -> tuple[int, int]:
    """A checkpoint's epoch and the steps after it, by which names are sorted."""
    epoch, _, steps = name.partition("+")
    return int(epoch), int(steps or 0)
