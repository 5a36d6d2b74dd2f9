"""Training from the first step or from where it stopped: plain Python, no model code."""

import math
import time
from collections.abc import Callable, Sequence
from contextlib import closing, nullcontext
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from etm_jax.config.settings import TrainConfig
from etm_jax.models.base import Variables
from etm_jax.training.batches import Batcher
from etm_jax.training.bound import Bound, bounds, evaluate_bound
from etm_jax.training.checkpoint import Checkpoints, InMemoryCheckpoints
from etm_jax.training.distributed import all_gather, is_main_process, is_multiprocess, on_main_process, release_others
from etm_jax.training.ensemble import abstract_states, as_models, new_states, seeds, train_steps, unstack
from etm_jax.training.nonfinite import LOOKED_AT_ONCE, Unsound, what_is_not_finite
from etm_jax.training.optimizer import learning_rate
from etm_jax.training.placement import collected, placed, topics
from etm_jax.training.progress import Progress
from etm_jax.training.run_folder import RunFolder
from etm_jax.training.signals import Stopped, StopRequest, deferred
from etm_jax.training.steps import Spec, Sums, TrainState, new_state, train_step
from etm_jax.training.stream_batches import StreamBatcher
from etm_jax.util.console import TrainingMeter, note, warn
from etm_jax.util.errors import UserError

STEPS_PER_ROOT, FEWEST_EPOCHS, MOST_EPOCHS = 60, 4, 60
LEAST_LR = 1e-5
"""Annealing stops here, as in adjidieng/ETM."""


class FitResult(NamedTuple):
    """What training ends with. epoch: the one that was chosen. members, nelbos: of each seed, at that epoch."""

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


def num_epochs_for(config: TrainConfig, num_docs: int, num_words: int, nnz: int, batch_size: int) -> int:
    """The epochs asked for, or enough for STEPS_PER_ROOT·√n steps, n the documents that a word is in, on average.

    num_docs, num_words, nnz: of the counts to train on. ρ starts from what all documents say of a word, and has more
    to learn from their likelihood the more of them there are; its noise falls with their root. Between FEWEST_EPOCHS
    and MOST_EPOCHS.
    """
    if config.num_epochs:
        return config.num_epochs
    steps = STEPS_PER_ROOT * math.sqrt(nnz / num_words)
    return max(FEWEST_EPOCHS, min(MOST_EPOCHS, math.ceil(steps * batch_size / num_docs)))


def fit(
    spec: Spec,
    config: TrainConfig,
    num_epochs: int,
    train: Batcher | StreamBatcher,
    valid: Batcher,
    initial: Variables | None,
    folder: RunFolder,
    checkpoints: Checkpoints | InMemoryCheckpoints,
    write: Callable[[dict[str, Any]], None] | None = None,
    quality: Callable[[np.ndarray], dict[str, float]] | None = None,
    names: Sequence[str] = (),
    stop_on_signals: bool = False,
) -> FitResult:
    """Train until `num_epochs`, from `initial`, or where that is None from the newest checkpoint.

    Each epoch's figures go to the folder's metrics and to `write`; those of `quality`, which is given β, among them
    every `config.log_quality_every` epochs. names: what the training documents are called.

    Nothing random is stored: the order of epoch e comes from (seed, e), the noise of step s from (seed, s). So a run
    that was stopped and goes on computes what an unbroken one does, bit for bit on CPU. Without validation documents,
    epochs are compared by the training nelbo.

    A step whose loss or gradient is no finite number is not applied. Raises UserError where that is so of all steps of
    an epoch, or of many in a row. With `stop_on_signals`, SIGINT and SIGTERM raise `Stopped` once the state is saved.

    With several seeds, `initial` is a stack of members. They share the order of the documents, and differ in their
    noise. Epochs are compared by the best member's nelbo: patience, annealing and the choice of the epoch go by it.
    """
    keys, eval_keys = zip(*(jax.random.split(jax.random.key(seed)) for seed in seeds(config)), strict=True)
    step, key = (train_step, keys[0]) if config.num_seeds == 1 else (train_steps, jnp.stack(keys))
    grid, state_spec = train.grid, spec
    state, progress = _begin_or_go_on(initial, spec, config.num_seeds, checkpoints, folder)
    state, spec = placed(state, spec, grid), spec.on(grid)
    steps, unsound = len(train), Unsound()

    def finished() -> bool:
        return progress.epoch >= num_epochs or out_of_patience(progress.nelbos, config.patience)

    def save() -> None:
        whole = collected(state, state_spec, grid)
        on_main_process(lambda: checkpoints.save(whole, progress), "save")

    def asked_to_stop(step: int = 0) -> int:
        """The signal that was given, if any; where there are several processes, now and then that of any of them."""
        if not is_multiprocess():
            return stop.number
        return int(all_gather(stop.number).max()) if step % LOOKED_AT_ONCE == 0 else 0

    def not_finite(step: int) -> str:
        """What was not finite in a step of the epoch that is under way."""
        batch, rows = train.step(config.seed, progress.epoch + 1, step)
        member = unstack(state.variables, config.num_seeds)[unsound.member]
        called = [names[row] if names else str(row) for row in rows]
        told = what_is_not_finite(member, batch, keys[unsound.member], spec, called)
        return f"in the last, {told} was no finite number"

    def diverged(told: str) -> UserError:
        kept = f"; the state of epoch {checkpoints.epochs()[-1]} stays in {folder.checkpoints}"
        return UserError(
            f"training diverged in epoch {progress.epoch + 1}: {told}. Begin anew in another --workdir, with less than "
            f"--learning_rate={spec.optimizer.learning_rate:g} or with --clip_norm=1"
            + (kept if isinstance(checkpoints, Checkpoints) else "")
        )

    if initial is None:
        complete = f"was already complete, {progress.epoch} epochs: nothing is trained"
        resumes = f"resumes after {_told(progress, steps)} of {num_epochs}"
        note(f"the run in {folder.path} {complete if finished() else resumes}")
    # Closed whatever happens, so that what is printed next has a line of its own.
    with (
        closing(TrainingMeter(progress.epoch * steps + len(progress.step_sums), num_epochs, steps)) as meter,
        deferred("stopping as soon as the state is saved; once more stops at once")
        if stop_on_signals
        else nullcontext(StopRequest()) as stop,
    ):
        while not finished():
            epoch, started = progress.epoch + 1, time.perf_counter()
            sums = [Sums(*map(jnp.asarray, step_sums)) for step_sums in progress.step_sums]
            docs_left = max(1, train.num_docs - len(sums) * train.batch_size)
            unsound.begin_epoch()
            for batch in train.shuffled(config.seed, epoch, first_step=len(sums)):
                state, step_sums = step(state, batch, key, spec)
                sums.append(step_sums)
                meter.step()
                unsound.look(sums, lag=LOOKED_AT_ONCE)
                if unsound.too_many:
                    raise diverged(f"{unsound.in_a_row} steps in a row were not applied: {not_finite(unsound.last)}")
                if len(sums) < steps and (signal := asked_to_stop(len(sums))):
                    begun = tuple([x.tolist() for x in step_sums] for step_sums in jax.device_get(sums))
                    progress = progress._replace(step_sums=begun)
                    save()
                    raise Stopped(signal, _stopped(progress, steps, num_epochs))
            unsound.look(sums)
            if unsound.all_of_epoch:
                raise diverged(f"none of its {steps} steps was applied: {not_finite(unsound.last)}")
            trained, seconds = bounds(unsound.sound(sums), spec.objective.kl_weight), time.perf_counter() - started
            row = _means(trained)
            validated = []
            if len(valid):
                members = unstack(state.variables, config.num_seeds)
                pairs = zip(members, eval_keys, strict=True)
                validated = [evaluate_bound(member, valid, eval_key, spec) for member, eval_key in pairs]
                row |= {f"valid_{name}": value for name, value in _means(validated).items()}
            nelbos = [found.nelbo for found in validated or trained]
            # The last step's figures are of the parameters before its update.
            if not (math.isfinite(row["nelbo"] + sum(nelbos)) and _all_finite(state.variables)):
                of = "validation documents" if validated else "documents"
                raise diverged(f"the nelbo of its {of} is {sum(nelbos) / len(nelbos):.6g}")
            if unsound.num_skipped:
                told = f"{unsound.num_skipped} of the {steps} steps of epoch {epoch} were not applied"
                warn(f"{told}: {not_finite(unsound.last)}")
                row["skipped_steps"] = unsound.num_skipped
            progress = Progress(epoch, [*progress.nelbos, min(nelbos)], nelbos)
            lr = float(learning_rate(spec.optimizer, spec.num_steps, state.step - 1) * state.lr_scale)
            row = {"epoch": epoch, "step": int(state.step), "lr": lr, **row}
            if quality and config.log_quality_every and epoch % config.log_quality_every == 0:
                members = unstack(state.variables, config.num_seeds)
                qualities = [quality(topics(member, state_spec, grid)) for member in members]
                row |= {name: float(np.mean([quality[name] for quality in qualities])) for name in qualities[0]}
            row |= {"seconds": seconds, "docs_per_s": docs_left / seconds}
            if is_main_process():
                folder.log(row)
            if write:
                write(row)
            meter.epoch(epoch, _summary(row))
            if config.anneal_lr and should_anneal(progress.nelbos, config.anneal_patience) and lr > LEAST_LR:
                state = state._replace(lr_scale=state.lr_scale / config.anneal_factor)
            signal = asked_to_stop()
            if finished() or signal or epoch % config.checkpoint_every == 0:
                save()
            if signal and not finished():
                raise Stopped(signal, _stopped(progress, steps, num_epochs))
    state, chosen, spec = collected(state, state_spec, grid), progress, state_spec
    if config.export_from == "best" and is_main_process():
        state, chosen = checkpoints.restore(abstract_states(spec, config.num_seeds), "best", or_older=True)
    variables = jax.tree.map(jnp.asarray, state.variables)
    return FitResult(as_models(variables, spec, config.num_seeds), chosen.by_seed, chosen.epoch, progress.epoch)


def _begin_or_go_on(
    initial: Variables | None,
    spec: Spec,
    num_seeds: int,
    checkpoints: Checkpoints | InMemoryCheckpoints,
    folder: RunFolder,
) -> tuple[TrainState, Progress]:
    """The state to train from, and how far it is. A new run's is saved at once: nothing before it is computed again."""
    if initial is None:
        state, progress = checkpoints.restore(abstract_states(spec, num_seeds), or_older=True)
        if is_main_process():
            checkpoints.sweep(progress)
            folder.forget_after(progress.epoch)
    else:
        state = new_state(initial, spec) if num_seeds == 1 else new_states(initial, spec)
        progress = Progress(0, [math.inf], [math.inf] * num_seeds)
        folder.forget_after(0)
        checkpoints.save(state, progress)
    release_others()
    return state, progress


def _told(progress: Progress, steps: int) -> str:
    begun = f" and {len(progress.step_sums)} of {steps} steps of the next" if progress.step_sums else ""
    return f"epoch {progress.epoch}{begun}"


def _stopped(progress: Progress, steps: int, num_epochs: int) -> str:
    return (
        f"stopped after {_told(progress, steps)} of {num_epochs}, which is saved; the same command resumes from there"
    )


@jax.jit
def _all_finite(variables: Variables) -> jax.Array:
    return jnp.array([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(variables)]).all()


def _means(members: list[Bound]) -> dict[str, Any]:
    """The members' mean figures by name and, where there are several, the nelbo of each: `nelbo_seeds`."""
    means = {name: float(np.mean([getattr(found, name) for found in members])) for name in Bound._fields}
    return means | ({"nelbo_seeds": [found.nelbo for found in members]} if len(members) > 1 else {})


def _summary(row: dict[str, Any]) -> str:
    valid = f"  valid {row['valid_nelbo']:.2f}" if "valid_nelbo" in row else ""
    if "valid_nelbo_seeds" in row:
        valid += f" ({min(row['valid_nelbo_seeds']):.2f} to {max(row['valid_nelbo_seeds']):.2f})"
    parts = f"nelbo {row['nelbo']:.2f}  recon {row['recon']:.2f}  kl {row['kl']:.2f}"
    c_v = f" (C_V {row['c_v']:.3f})" if "c_v" in row else ""
    quality = f"  coherence {row['npmi']:.3f}{c_v}  diversity {row['diversity']:.3f}" if "npmi" in row else ""
    return f"{parts}{valid}{quality}  {row['docs_per_s']:,.0f} docs/s"


def out_of_patience(nelbos: list[float], patience: int) -> bool:
    """Whether the best nelbo is `patience` epochs old."""
    return patience > 0 and len(nelbos) - 1 - int(np.argmin(nelbos)) >= patience


def should_anneal(nelbos: list[float], patience: int) -> bool:
    """Whether the newest nelbo is above the best of those more than `patience` epochs old: the paper's rule."""
    older = nelbos[:-1][:-patience]
    return bool(older) and nelbos[-1] > min(older)
