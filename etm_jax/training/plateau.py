"""Rules that look at the nelbos of past epochs: early stopping by patience, and annealing of the learning rate."""

import numpy as np

from etm_jax.config.settings import TrainConfig
from etm_jax.training.progress import Progress
from etm_jax.training.steps import TrainState

LEAST_LR = 1e-5
"""Annealing stops here, as in adjidieng/ETM."""


def is_finished(progress: Progress, config: TrainConfig, num_epochs: int) -> bool:
    """Whether all epochs are trained, or patience has run out."""
    return progress.epoch >= num_epochs or out_of_patience(progress.nelbos, config.patience)


def out_of_patience(nelbos: list[float], patience: int) -> bool:
    """Whether the lowest nelbo is `patience` epochs old."""
    return patience > 0 and len(nelbos) - 1 - int(np.argmin(nelbos)) >= patience


def anneal(state: TrainState, config: TrainConfig, nelbos: list[float], lr: float) -> TrainState:
    """The state after an epoch, its learning rate divided where --anneal_lr says so. lr: the rate of the epoch."""
    if config.anneal_lr and should_anneal(nelbos, config.anneal_patience) and lr > LEAST_LR:
        return state._replace(lr_scale=state.lr_scale / config.anneal_factor)
    return state


def should_anneal(nelbos: list[float], patience: int) -> bool:
    """Whether the newest nelbo is above the lowest of those more than `patience` epochs old: the paper's rule."""
    older = nelbos[:-1][:-patience]
    return bool(older) and nelbos[-1] > min(older)
