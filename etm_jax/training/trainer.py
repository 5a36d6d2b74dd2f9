"""The training loop: epochs of steps, from the first or from a checkpoint, to the last. Plain Python, no model code."""

import math
import time
from contextlib import AbstractContextManager, closing, nullcontext

import jax
import jax.numpy as jnp
import numpy as np

from etm_jax.models.layers import Variables
from etm_jax.models.objective import Sums
from etm_jax.training.bound import Bound, bounds, evaluate_bound
from etm_jax.training.distributed import all_gather, is_main_process, is_multiprocess, on_main_process, release_others
from etm_jax.training.divergence import DivergenceCheck, all_finite
from etm_jax.training.ensemble import abstract_states, as_models, new_states, seeds, train_steps, unstack
from etm_jax.training.epoch_log import EpochLog, means
from etm_jax.training.layout import ModelLayout
from etm_jax.training.nonfinite import CHECKED_TOGETHER
from etm_jax.training.optimizer import learning_rate
from etm_jax.training.plateau import anneal, is_finished
from etm_jax.training.progress import Progress
from etm_jax.training.signals import Stopped, StopRequest, deferred
from etm_jax.training.steps import TrainState, eval_step, new_state, single_step
from etm_jax.training.together import groups, steps_together, train_group
from etm_jax.training.train_setup import Row, TrainResult, TrainSetup
from etm_jax.util.console import TrainingMeter, note


class Trainer:
    """One training, which `train` carries out. state, progress: how far it is.

    Nothing random is stored: the order of epoch e comes from (seed, e), the noise of step s from (seed, s). So a run
    that was stopped and resumes computes what an unbroken one does, bit for bit on CPU. Several seeds share the order
    of the documents, and differ in their noise; epochs are compared by the best member's nelbo.
    """

    def __init__(self, setup: TrainSetup) -> None:
        self.setup = setup
        split = (jax.random.split(jax.random.key(seed)) for seed in seeds(setup.config))
        keys, self.eval_keys = zip(*split, strict=True)
        # One seed runs a program of its own, as fast as it can be; several are mapped over.
        self.step = single_step() if len(keys) == 1 else train_steps
        self.key: jax.Array = keys[0] if len(keys) == 1 else jnp.stack(keys)
        self.layout = ModelLayout(setup.spec, setup.train.layout)
        self.spec = self.layout.program_spec
        self.divergence = DivergenceCheck(setup, self.spec, keys)
        self.stop = StopRequest()
        self.state: TrainState
        self.progress: Progress

    def train(self) -> TrainResult:
        """Train until the last epoch, or until patience runs out.

        A step whose loss or gradient is not finite is not applied. Raises UserError where that is so of all steps of an
        epoch, or of many in a row, and `Stopped` where a signal asks for it.
        """
        setup, config, check = self.setup, self.setup.config, self.divergence
        self._start()
        steps_left = setup.num_epochs * len(setup.train) - self._steps_before()
        together = steps_together(steps_left, config.num_seeds, setup.train.layout is not None)
        meter = TrainingMeter(self._steps_before(), setup.num_epochs, len(setup.train))
        log = EpochLog(setup.folder, meter, setup.on_epoch)
        # The meter is closed whatever happens, so that what is printed next has a line of its own.
        with closing(setup.ahead), closing(meter), self._stop_requests() as self.stop:
            setup.ahead.wait(self.step)
            while not self.is_finished:
                epoch, started = self.progress.epoch + 1, time.perf_counter()

                # Steps: all of the epoch's or, where the run was stopped within it, those that are left.
                sums = [Sums(*map(jnp.asarray, of_step)) for of_step in self.progress.step_sums]
                docs_left = max(1, setup.train.num_docs - len(sums) * setup.train.batch_size)
                check.start_epoch(epoch)
                for group in groups(setup.train.shuffled(config.seed, epoch, first_step=len(sums)), together):
                    self.state, of_group = train_group(self.step, self.state, group, self.key, self.spec, together)
                    for step_sums in of_group:
                        sums.append(step_sums)
                        meter.step()
                        check.after_step(sums, self.state.variables)
                    self._stop_within_epoch(sums)
                check.after_steps(sums, self.state.variables)
                trained = bounds(check.steps.applied(sums), self.spec.objective.kl_weight)
                seconds = time.perf_counter() - started

                # Validation, by the same noise after each epoch, so that epochs can be compared.
                validated = self._validate()
                setup.ahead.wait(all_finite)
                check.after_epoch(trained, validated, self.state.variables)

                # How far the run is, and the epoch's row of metrics.
                nelbos = [bound.nelbo for bound in validated or trained]
                self.progress = Progress(epoch, [*self.progress.nelbos, min(nelbos)], nelbos)
                row = self._row(trained, validated) | {"seconds": seconds, "docs_per_s": docs_left / seconds}
                log.write(row)

                # The learning rate from here on, which a checkpoint holds; a checkpoint; an orderly end where asked.
                self.state = anneal(self.state, config, self.progress.nelbos, row["lr"])
                signal = self._signal_received()
                if self.is_finished or signal or epoch % config.checkpoint_every == 0:
                    self._save()
                if signal and not self.is_finished:
                    raise Stopped(signal, self._stopped())
        return self._result()

    @property
    def is_finished(self) -> bool:
        """Whether nothing is left to train."""
        return is_finished(self.progress, self.setup.config, self.setup.num_epochs)

    def _start(self) -> None:
        """Set the state to start from: the newest checkpoint's, or the initial one.

        That is saved at once, so that a run which is killed need not compute again what comes before its first step.
        """
        setup, num_seeds, checkpoints = self.setup, self.setup.config.num_seeds, self.setup.checkpoints
        if setup.initial is None:
            state, self.progress = checkpoints.restore(abstract_states(setup.spec, num_seeds), or_older=True)
            if is_main_process():
                checkpoints.sweep(self.progress)
                setup.folder.forget_after(self.progress.epoch)
        else:
            state = (new_state if num_seeds == 1 else new_states)(setup.initial, setup.spec)
            self.progress = Progress(0, [math.inf], [math.inf] * num_seeds)
            setup.folder.forget_after(0)
            checkpoints.save(state, self.progress)
        release_others()
        self.state = self.layout.shard(state)
        if setup.initial is None:
            complete = f"was already complete, {self.progress.epoch} epochs: nothing is trained"
            resumes = f"resumes after {self._describe_progress()}"
            note(f"the run in {setup.folder.path} {complete if self.is_finished else resumes}")

    def _steps_before(self) -> int:
        return self.progress.epoch * len(self.setup.train) + len(self.progress.step_sums)

    def _describe_progress(self) -> str:
        return f"{self.progress.describe(len(self.setup.train))} of {self.setup.num_epochs}"

    def _members(self) -> list[Variables]:
        return unstack(self.state.variables, self.setup.config.num_seeds)

    def _validate(self) -> list[Bound]:
        """The bound of the validation documents for each member; none without such documents."""
        if not len(self.setup.valid):
            return []
        self.setup.ahead.wait(eval_step)
        pairs = zip(self._members(), self.eval_keys, strict=True)
        return [evaluate_bound(member, self.setup.valid, key, self.spec) for member, key in pairs]

    def _row(self, trained: list[Bound], validated: list[Bound]) -> Row:
        """The metrics of the epoch that has ended, but for its speed."""
        setup, epoch = self.setup, self.progress.epoch
        spec, step, lr_scale = self.spec, np.asarray(self.state.step), np.asarray(self.state.lr_scale)
        rate = learning_rate(spec.optimizer, spec.num_steps, step - np.int32(1), spec.first_step)
        lr = float(np.asarray(rate) * lr_scale)
        row: Row = {"epoch": epoch, "step": int(step), "lr": lr, **means(trained)}
        if validated:
            row |= means(validated, "valid_")
        if skipped := self.divergence.steps.num_skipped:
            row["skipped_steps"] = skipped
        every = setup.config.log_quality_every
        if setup.quality and every and epoch % every == 0:
            found = [setup.quality(self.layout.beta(member)) for member in self._members()]
            row |= {name: float(np.mean([metrics[name] for metrics in found])) for name in found[0]}
        return row

    def _stop_requests(self) -> AbstractContextManager[StopRequest]:
        if not self.setup.stop_on_signals:
            return nullcontext(StopRequest())
        return deferred("stopping as soon as the state is saved; once more stops at once")

    def _signal_received(self, step: int = 0) -> int:
        """The signal that asks to stop, or 0; where there are several processes, now and then that of any of them."""
        if not is_multiprocess():
            return self.stop.number
        return int(all_gather(self.stop.number).max()) if step % CHECKED_TOGETHER == 0 else 0

    def _stop_within_epoch(self, sums: list[Sums]) -> None:
        """Where a signal asks to stop and the epoch has steps left, save its steps so far and raise `Stopped`."""
        if len(sums) < len(self.setup.train) and (signal := self._signal_received(len(sums))):
            step_sums = tuple([x.tolist() for x in of_step] for of_step in jax.device_get(sums))
            self.progress = self.progress._replace(step_sums=step_sums)
            self._save()
            raise Stopped(signal, self._stopped())

    def _stopped(self) -> str:
        return f"stopped after {self._describe_progress()}, which is saved; the same command resumes from there"

    def _save(self) -> None:
        state = self.layout.gather(self.state)
        on_main_process(lambda: self.setup.checkpoints.save(state, self.progress), "save")

    def _result(self) -> TrainResult:
        """The last epoch, or with --export_from=best the one of lowest nelbo, which the main process alone restores."""
        setup, num_seeds = self.setup, self.setup.config.num_seeds
        state, chosen = self.layout.gather(self.state), self.progress
        if setup.config.export_from == "best" and is_main_process():
            state, chosen = setup.checkpoints.restore(abstract_states(setup.spec, num_seeds), "best", or_older=True)
        variables = jax.tree.map(jnp.asarray, state.variables)
        members = as_models(variables, setup.spec, num_seeds)
        return TrainResult(setup.spec, members, chosen.by_seed, chosen.epoch, self.progress.epoch)
