"""The result of fitting a model of any kind: topics as arrays and, for a trained model, their epoch."""

from typing import NamedTuple

import numpy as np

from etm_jax.config.settings import TrainConfig
from etm_jax.corpus.types import Corpus
from etm_jax.inference.theta import completion_log_px, infer_posterior, infer_theta
from etm_jax.models.layers import Variables
from etm_jax.models.topic_arrays import TopicArrays
from etm_jax.results.group_words import shifts_of
from etm_jax.results.seed_comparison import SeedComparison, compare_seeds
from etm_jax.results.summary import completion
from etm_jax.training.batches import Batcher
from etm_jax.training.ensemble import seeds
from etm_jax.training.layout import ModelLayout
from etm_jax.training.steps import Spec, beta_step, prior_step
from etm_jax.training.train_setup import TrainResult
from etm_jax.util.console import track


class FitResult(NamedTuple):
    """A fitted model.

    log_px: log p(w | θ) at the nonzeros of the test documents' second halves; None where that is log θβ in all
    documents. epoch: the epoch of the topics, for display; empty for a model without epochs. seeds: the comparison of
    several seeds, where `topics` are those of the best one.
    """

    topics: TopicArrays
    log_px: np.ndarray | None = None
    epoch: str = ""
    seeds: SeedComparison | None = None


def trained_result(
    trained: TrainResult, config: TrainConfig, corpus: Corpus, batchers: dict[str, Batcher]
) -> FitResult:
    """The result of training. batchers: one for each part of the corpus, on the devices that compute it."""
    topics = _topic_arrays(trained, batchers)
    test_h1 = batchers["test_h1"]
    log_px = _log_px(trained.variables, topics.theta_test_h1, corpus, test_h1, trained.spec)
    epoch = f"epoch {trained.epoch} of {trained.last_epoch}"
    if config.num_seeds == 1:
        return FitResult(topics, log_px, epoch)
    best = seeds(config)[trained.best]
    return FitResult(topics, log_px, f"seed {best}, {epoch}", _compare(trained, config, corpus, test_h1))


def _topic_arrays(trained: TrainResult, batchers: dict[str, Batcher]) -> TopicArrays:
    """The best member of the ensemble as arrays."""
    spec = trained.spec
    layout = ModelLayout(spec, batchers["train"].layout)
    variables = layout.shard(trained.variables)
    theta = {part: infer_theta(variables, batcher, layout.program_spec) for part, batcher in batchers.items()}
    params, constants = trained.variables
    return TopicArrays(
        beta=np.asarray(beta_step(trained.variables, spec)),
        activity=infer_posterior(variables, batchers["train"], layout.program_spec).activity,
        **{f"theta_{part}": values for part, values in theta.items()},
        own=spec.module().exported(params | constants),
        prior=np.asarray(prior_step(trained.variables, spec)),
        shifts=shifts_of(trained.variables, spec),
    )


def _log_px(variables: Variables, theta: np.ndarray, corpus: Corpus, test_h1: Batcher, spec: Spec) -> np.ndarray | None:
    """`log_px` as in `FitResult`. theta: [T, K], of the first halves."""
    if shifts := shifts_of(variables, spec):
        return shifts.log_px(theta, np.asarray(beta_step(variables, spec)), corpus.test_h2, corpus.test.meta)
    return completion_log_px(variables, theta, corpus.test_h2, test_h1, spec)


def _compare(trained: TrainResult, config: TrainConfig, corpus: Corpus, test_h1: Batcher) -> SeedComparison:
    """Compare all members by their topics and by the perplexity of the test documents' second halves."""
    layout, betas, perplexities = ModelLayout(trained.spec, test_h1.layout), [], []
    for variables in track(trained.members, "quality of the seeds", unit="seeds"):
        beta = np.asarray(beta_step(variables, trained.spec))
        theta = infer_theta(layout.shard(variables), test_h1, layout.program_spec)
        log_px = _log_px(variables, theta, corpus, test_h1, trained.spec)
        betas.append(beta)
        perplexities.append(completion(beta, theta, corpus.test_h2, log_px))
    return compare_seeds(seeds(config), trained.epoch, trained.nelbos, betas, perplexities, corpus.train.counts)
