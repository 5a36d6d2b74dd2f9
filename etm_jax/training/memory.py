"""Whether the memory of this machine can hold a model at all, before anything is computed."""

import jax

from etm_jax.config.build import Config
from etm_jax.corpus.types import Corpus
from etm_jax.training.run_record import ENOUGH_DOCUMENTS
from etm_jax.util.errors import UserError
from etm_jax.util.machine import memory_bytes


def least_bytes(config: Config, vocab_size: int, num_docs: int) -> int:
    """Bytes that training needs at the least, in single precision: arrays that grow with the number of topics.

    Those are β with its gradient, θ of the training documents, and the matrix of the topics' overlaps with its
    gradient, which `topic_overlap` makes where the penalty counts. All else, such as the encoder, comes on top.
    """
    num_topics, overlap = config.model.num_topics, config.objective.overlap_weight != 0
    of_a_seed = 2 * num_topics * vocab_size + (2 * num_topics**2 if overlap else 0)
    return 4 * (config.train.num_seeds * of_a_seed + num_topics * num_docs)


def check_memory(config: Config, corpus: Corpus) -> None:
    """Raise UserError where the model cannot be held, with what it takes and what there is."""
    needed, there = least_bytes(config, len(corpus.vocabulary), corpus.num_train), device_bytes()
    if there is None or needed <= there:
        return
    seeds = f" and --num_seeds={config.train.num_seeds}" if config.train.num_seeds > 1 else ""
    raise UserError(
        f"--n_topic={config.model.num_topics}{seeds} needs at least {needed / 2**30:,.0f} GiB of memory, and there are "
        f"{there / 2**30:,.0f}; give fewer, such as --n_topic={max(2, corpus.num_train // ENOUGH_DOCUMENTS)} for the "
        f"{corpus.num_train:,} documents to train on"
    )


def device_bytes() -> int | None:
    """The memory of all devices that JAX computes on; None where it is not known."""
    devices = jax.devices()
    if devices[0].platform == "cpu":
        own = memory_bytes()
        return None if own is None else own * jax.process_count()
    limits = [(device.memory_stats() or {}).get("bytes_limit") for device in jax.local_devices()]
    known = [limit for limit in limits if limit]
    return sum(known) * jax.process_count() if len(known) == len(limits) else None
