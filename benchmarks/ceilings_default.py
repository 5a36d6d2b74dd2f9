"""The pieces of a step of the default variant, for the table of `benchmarks.ceilings`."""

from typing import Any

import numpy as np
import scipy.sparse as sp

from benchmarks.quality import PEOPLES_DAILY, TOPICS
from benchmarks.timing import Piece, host_seconds_of, seconds_of


def pieces() -> list[Piece]:
    """Those of a step as it is before training, which takes as long; the whole step last.

    B documents with N words, V words, K topics, embeddings of L. A matrix that a product needs is read once; the rows
    that a Newton step needs are three arrays of [N, K].
    """
    import jax
    import jax.numpy as jnp
    import optax

    from benchmarks.inference import prepared
    from etm_jax.config.settings import RunOptions
    from etm_jax.corpus.inputs import encoder_input
    from etm_jax.models.objective import reconstruction, topic_overlap
    from etm_jax.models.refine import refine
    from etm_jax.ops import sparse
    from etm_jax.training.batches import Batcher
    from etm_jax.training.initialize import initialize
    from etm_jax.training.steps import new_state, single_step

    config, corpus = prepared("default", **PEOPLES_DAILY, num_topics=TOPICS, vectors="ppmi")
    record, variables = initialize(config, RunOptions(), corpus, None, None)
    assert variables is not None
    spec, key, counts = record.spec(), jax.random.key(0), sp.csr_matrix(corpus.train.counts)
    batcher = Batcher(counts, encoder_input(counts, config.model.encoder_input, corpus.vocabulary), record.batch_size)
    rows = np.random.default_rng(0).permutation(counts.shape[0])[: record.batch_size]
    batch, params = batcher.take(rows), variables.params
    model = spec.with_variables(variables)
    docs, topics, dim, words = record.batch_size, TOPICS, spec.embed_dim, spec.vocab_size
    nnz, steps = int(batch.pattern.row_starts[-1]), spec.objective.refine_steps

    def with_topics(params: Any) -> jax.Array:
        return spec.with_variables(variables._replace(params=params)).beta()

    beta = jax.jit(with_topics)(params)
    theta = jax.nn.softmax(jax.random.normal(key, (docs, topics)))
    probe = jax.random.normal(key, beta.shape)
    noise = jax.jit(lambda: spec.module().draw_noise(key, batch))
    read = jax.jit(lambda: model.read(batch).vectors)
    of_words = sparse.word_rows(beta.T, batch.pattern)
    newton = jax.jit(lambda d: refine(d, of_words, batch.counts, batch.pattern, 0.0, spec.model.prior_variance, steps))
    made = jax.jit(jax.grad(lambda params: (with_topics(params) * probe).sum()))
    overlap = jax.jit(jax.grad(topic_overlap))
    likelihood = jax.jit(
        jax.grad(lambda t, b: reconstruction(t, b, batch.counts, batch.pattern, spec.objective).sum(), argnums=(0, 1))
    )
    adam, rho = optax.adam(0.01), params["rho"]
    update = jax.jit(lambda grad, state: adam.update(grad, state), donate_argnums=1)
    moments = adam.init(rho)

    def moved() -> Any:
        nonlocal moments
        change, moments = update(probe_rho, moments)
        return change

    probe_rho = jax.random.normal(key, rho.shape)
    state, step = new_state(jax.tree.map(jnp.array, variables), spec), single_step()

    def whole() -> Any:
        nonlocal state
        state, sums = step(state, batch, key, spec)
        return state.step, sums

    return [
        Piece("cutting the batch, on the host", host_seconds_of(lambda: batcher.take(rows)), 5 * 4 * nnz / 1e6),
        Piece("noise, and words that are hidden", seconds_of(noise)),
        Piece("documents' vectors", seconds_of(read), 4 * dim * (words + nnz + docs) / 1e6),
        Piece(
            f"{steps} Newton steps",
            seconds_of(lambda: newton(jnp.zeros((docs, topics)))),
            steps * 3 * 4 * nnz * topics / 1e6,
            steps * 3 * 2 * nnz * topics / 1e6,
        ),
        Piece(
            "topics, and back",
            seconds_of(lambda: made(params)),
            4 * words * (3 * dim + 4 * topics) / 1e6,
            3 * 2 * words * dim * topics / 1e6,
        ),
        Piece(
            "overlap of topics, and back",
            seconds_of(lambda: overlap(beta)),
            4 * words * 4 * topics / 1e6,
            2 * 2 * words * topics**2 / 1e6,
        ),
        Piece(
            "log p(x) at the nonzeros, and back",
            seconds_of(lambda: likelihood(theta, beta)),
            4 * (3 * nnz * topics + 2 * words * topics) / 1e6,
            3 * 2 * nnz * topics / 1e6,
        ),
        Piece("Adam of ρ", seconds_of(moved), 6 * 4 * words * dim / 1e6),
        Piece("the whole step", seconds_of(whole)),
    ]
