"""On paper: what very many documents cost on some machines, from what was measured for one."""

from collections.abc import Mapping
from typing import NamedTuple

DOCUMENTS = 1_000_000_000


class Machine(NamedTuple):
    """One of several alike. disk, network, link: bytes a second, of its disk, to the others, and to its accelerator."""

    cores: int = 16
    disk: float = 0.5e9
    network: float = 1.25e9
    link: float = 16e9


TYPICAL = Machine()


class Hours(NamedTuple):
    """Of each thing that works at the same time as the others: the largest is the time it takes."""

    processors: float
    disk: float
    network: float
    link: float = 0.0

    @property
    def limit(self) -> str:
        """The one that takes longest."""
        return max(self._fields, key=lambda name: getattr(self, name))


def preparing(
    cost: Mapping[str, float], segmenter: str, machines: int, machine: Machine = TYPICAL, passes: int = 1
) -> Hours:
    """Hours for `DOCUMENTS`. cost: of `costs.all_costs`. passes: how often the text is cut: twice, if nothing is kept.

    Each machine reads its share of packed text, writes and reads the counts of the first pass and those that were
    dealt, which are taken to be as large, and writes shards. What is dealt goes to another machine, but for one in
    `machines`.
    """
    stages = ("count_us", "put_down_us", "table_us", "deal_us", "write_us")
    merging = cost["merge_us_a_word"] * cost["words"] / cost["documents"]
    text = passes * (cost["read_text_us"] + cost[f"{segmenter}_us"])
    us = text + merging + sum(cost[name] for name in stages)
    disk = passes * cost["packed_bytes"] + 4 * cost["block_bytes"] + cost["shard_bytes"]
    sent = cost["block_bytes"] * (1 - 1 / machines)
    share = DOCUMENTS / machines / 3600
    return Hours(share * us * 1e-6 / machine.cores, share * disk / machine.disk, share * sent / machine.network)


def reading(cost: Mapping[str, float], machines: int, machine: Machine = TYPICAL, cores: int = 1) -> Hours:
    """Hours to read `DOCUMENTS` once and bring them to accelerators, by some cores of each machine."""
    share = DOCUMENTS / machines / 3600
    return Hours(
        share * (cost["read_0_us"] + cost["batch_us"]) * 1e-6 / cores,
        share * cost["shard_bytes"] / machine.disk,
        0.0,
        share * cost["batch_bytes"] / machine.link,
    )


def cores_to_keep_up(cost: Mapping[str, float], batch_size: int, step_seconds: float) -> float:
    """Cores of a host that read and cut as many batches as its accelerator takes."""
    return (cost["read_0_us"] + cost["batch_us"]) * 1e-6 * batch_size / step_seconds


def largest_vocabulary(memory: float, floats_a_word: int, copies: float = 4.0) -> int:
    """Words whose weights fit into so many bytes: float32, with Adam's two moments and a gradient, so four copies."""
    return int(memory / (4 * copies * floats_a_word))


def vocabulary_pays(batch_size: int, hidden: int, floats_a_word: int) -> float:
    """The vocabulary from which on its parts are better split than the documents, by what a step has to send.

    Documents split: the gradient of V × floats_a_word is added up among all. Words split: activations [B, hidden] are.
    """
    return batch_size * hidden / floats_a_word
