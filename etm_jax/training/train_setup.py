"""What a training is given, and what it ends with."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from etm_jax.config.settings import TrainConfig
from etm_jax.models.layers import Variables
from etm_jax.training.ahead import CompiledAhead
from etm_jax.training.batches import Batcher
from etm_jax.training.checkpoint import Checkpoints, InMemoryCheckpoints
from etm_jax.training.run_folder import RunFolder
from etm_jax.training.steps import Spec
from etm_jax.training.stream_batches import StreamBatcher

Row = dict[str, Any]
"""The metrics of one epoch by name: a line of metrics.jsonl."""


@dataclass(frozen=True)
class TrainSetup:
    """All that a training needs.

    spec: what the compiled programs depend on. num_epochs: the last epoch. train, valid: the batches; without
    validation documents epochs are compared by the training nelbo. initial: the variables to start from, a stack of
    members where there are several seeds; None to resume from the newest checkpoint. document_names: of the training
    documents; empty for their numbers. quality: from β to metrics by name, every `config.log_quality_every` epochs.
    on_epoch: is called with the row of each epoch. stop_on_signals: SIGINT, SIGTERM and SIGHUP raise `Stopped` once the
    state is saved. ahead: programs that are being compiled.
    """

    spec: Spec
    config: TrainConfig
    num_epochs: int
    train: Batcher | StreamBatcher
    valid: Batcher
    initial: Variables | None
    folder: RunFolder
    checkpoints: Checkpoints | InMemoryCheckpoints
    document_names: Sequence[str] = ()
    quality: Callable[[np.ndarray], dict[str, float]] | None = None
    on_epoch: Callable[[Row], None] | None = None
    stop_on_signals: bool = False
    ahead: CompiledAhead = field(default_factory=CompiledAhead)


class TrainResult(NamedTuple):
    """Of the epoch that was chosen, the variables and the nelbo of each seed. spec: what their programs depend on."""

    spec: Spec
    members: list[Variables]
    nelbos: list[float]
    epoch: int
    last_epoch: int

    @property
    def best(self) -> int:
        """Which member has the lowest nelbo."""
        return int(np.argmin(self.nelbos))

    @property
    def variables(self) -> Variables:
        """The best member's."""
        return self.members[self.best]
