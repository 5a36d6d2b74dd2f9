"""The variables that training starts from."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from etm_jax.config.settings import ModelConfig
from etm_jax.corpus.types import Vocabulary
from etm_jax.models.base import TopicModel, Variables, init_variables
from etm_jax.models.warm_start import WarmStart


def initial_variables(
    key: jax.Array,
    module: TopicModel,
    vocabulary: Vocabulary,
    rho: np.ndarray,
    warm: WarmStart | None,
    seed_words: Sequence[Sequence[int]] = (),
) -> Variables:
    """torch's initialisation with ρ from the word vectors and, where given, everything from the warm start.

    rho: [V, L]. warm: ρ and α to start from, which then replace `rho`. seed_words: columns for topics 0, 1, …; without
    a warm start, such a topic's α starts in the mean direction of theirs, as long as it is drawn.
    """
    params, _ = init_variables(key, module)
    params = params | {"rho": jnp.asarray(rho)}
    if warm is not None:
        params = _warm(params, warm, module.config)
    else:
        for k, words in enumerate(seed_words):
            if len(words):
                mean = _unit_rows(rho[list(words)].mean(axis=0, keepdims=True))[0]
                params = params | {"alpha": params["alpha"].at[k].set(mean * jnp.linalg.norm(params["alpha"][k]))}
    # The share of each word in the text, in log: common words then need no topic of their own.
    log_unigram = np.log(vocabulary.term_freq + 1.0) - np.log(max(vocabulary.term_freq.sum(), 1))
    background = module.config.background * log_unigram
    return Variables(params, {"background": jnp.asarray(background, jnp.float32)})


def _warm(params: dict[str, Any], warm: WarmStart, config: ModelConfig) -> dict[str, Any]:
    """Topics that differ from the first step on, and an encoder that can already tell them apart."""
    heads = {
        "mu": {"kernel": params["mu"]["kernel"] * 0.1, "bias": jnp.zeros_like(params["mu"]["bias"])},
        "logvar": {
            "kernel": params["logvar"]["kernel"] * 0.1,
            "bias": jnp.full_like(params["logvar"]["bias"], np.log(config.prior_variance) - 1),
        },
    }
    skip = {"skip_topics": _unit_rows(warm.alpha).T} if config.skip else {}
    return params | heads | {"rho": jnp.asarray(warm.rho), "alpha": jnp.asarray(warm.alpha)} | skip


def _unit_rows(x: np.ndarray) -> jax.Array:
    return jnp.asarray(x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12), jnp.float32)
