"""What is compiled: one step of training, one of evaluation, one of inference. Pure functions of their arguments."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from etm_jax.config.settings import ModelConfig, ObjectiveConfig, OptimizerConfig
from etm_jax.models.base import (
    TOPIC_MODELS,
    Noise,
    Params,
    Posterior,
    TopicModel,
    Variables,
    beta,
    decode,
    draw_noise,
    init_variables,
    log_px,
    mean_theta,
    posterior,
    vocab_axis,
)
from etm_jax.models.batch import Batch
from etm_jax.models.objective import kl_divergence, reconstruction, reconstruction_from_logits, seed_pull, topic_overlap
from etm_jax.models.refine import pull, refine
from etm_jax.ops import fused_adam
from etm_jax.ops.mesh import Grid, VocabAxis
from etm_jax.training.optimizer import learning_rate, make_optimizer


class Spec(NamedTuple):
    """All that shapes the compiled programs, hashable: the static argument of every step.

    seed_words: the columns that `etm_jax.models.objective.seed_pull` draws topics to; empty for none.
    """

    model: ModelConfig
    objective: ObjectiveConfig
    optimizer: OptimizerConfig
    vocab_size: int
    embed_dim: int
    num_steps: int
    train_rho: bool
    seed_words: tuple[tuple[int, ...], ...] = ()

    def module(self) -> TopicModel:
        return TOPIC_MODELS[self.model.kind](self.model, self.vocab_size, self.embed_dim)

    @property
    def first_layer_apart(self) -> bool:
        """Whether `etm_jax.ops.fused_adam` makes the step of the encoder's first layer.

        It knows Adam's, and no norm of the whole gradient; of an encoder that reads ρ the layer is small.
        """
        return not self.model.read_rho and self.optimizer.optimizer == "adam" and self.optimizer.clip_norm == 0

    @property
    def fixed(self) -> frozenset[str]:
        """Names of the parameters that training leaves as they are."""
        # ρ's bias takes part in nothing: torch gives it no gradient, so that not even weight decay moves it.
        return frozenset({"rho_bias"} if self.model.torch_bias else ()) | (set() if self.train_rho else {"rho"})

    def on(self, grid: Grid | None) -> "Spec":
        """The programs that run on a grid of devices, to whose columns words are dealt and padded."""
        if grid is None:
            return self
        seed_words = tuple(tuple(map(grid.column, words)) for words in self.seed_words)
        return self._replace(vocab_size=grid.columns * grid.words_each, seed_words=seed_words)

    def vocab_axis(self, path: Any) -> VocabAxis | None:
        """Whether an array of a state, at a path in it, has an axis of words: that of a parameter, its moments too."""
        return vocab_axis(path, self.model)

    def transformation(self) -> optax.GradientTransformation:
        return make_optimizer(self.optimizer, self.num_steps, self.fixed)


class TrainState(NamedTuple):
    """All that a run carries from step to step. lr_scale: scalar that plateau annealing lowers."""

    step: jax.Array
    variables: Variables
    opt_state: Any
    lr_scale: jax.Array


class Sums(NamedTuple):
    """Sums over the documents of a batch, in nats; divide by `docs` once, on the host."""

    recon: jax.Array
    kl: jax.Array
    docs: jax.Array


def new_state(variables: Variables, spec: Spec) -> TrainState:
    """The state before the first step. It holds `variables` itself: the first step, which donates it, uses them up."""
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        variables=variables,
        opt_state=_opt_state(variables.params, spec),
        lr_scale=jnp.ones(()),
    )


@partial(jax.jit, static_argnames="spec")
def _opt_state(params: Params, spec: Spec) -> Any:
    return spec.transformation().init(params)


def abstract_state(spec: Spec) -> TrainState:
    """Shapes and dtypes of a state, without its values."""
    return jax.eval_shape(lambda: new_state(init_variables(jax.random.key(0), spec.module()), spec))


class Terms(NamedTuple):
    """What the loss is made of, in nats. mu, logvar: [B, K]; recon, kl, missed: [B], 0 for padding; others scalars.

    missed: what the encoder missed of the refined posterior; overlap, seeds: the penalties, 0 where they are not used.
    """

    mu: jax.Array
    logvar: jax.Array
    recon: jax.Array
    kl: jax.Array
    missed: jax.Array
    overlap: jax.Array
    seeds: jax.Array


def batch_terms(
    params: Params, constants: Params, batch: Batch, noise: Noise, spec: Spec, shift: jax.Array | float = 0.0
) -> Terms:
    """The terms of the loss, by one sample a document.

    With `refine_steps`, the posterior's mean is refined before it is sampled from, straight through. shift: [B, H],
    added to what the encoder's first layer gives.
    """
    module, variables = spec.module(), Variables(params, constants)
    zero = jnp.zeros(())
    missed: jax.Array = zero
    guess = posterior(module, variables, batch.inputs, batch.pattern, noise, shift)
    if spec.objective.refine_steps > 0:
        mu = guess.mu
        topics, steps = beta(module, variables), spec.objective.refine_steps
        refined, curvature = refine(mu, topics, batch.counts, batch.pattern, 0.0, spec.model.prior_variance, steps)
        missed = jnp.asarray(batch.real) * pull(mu, refined, curvature)
        # The refined value, with the guess's gradient.
        guess = guess._replace(mu=refined + (mu - jax.lax.stop_gradient(mu)))
    out = decode(module, variables, guess, noise)
    if out.logits is None:
        recon = reconstruction(out.theta, out.beta, batch.counts, batch.pattern, spec.objective)
    else:
        recon = reconstruction_from_logits(out.logits, batch.counts, batch.pattern, spec.objective)
    return Terms(
        *out.posterior,
        recon=jnp.asarray(batch.real) * recon,
        kl=jnp.asarray(batch.real) * kl_divergence(*out.posterior, spec.model.prior_variance),
        missed=missed,
        overlap=topic_overlap(out.beta) if spec.objective.overlap_weight > 0 else zero,
        seeds=seed_pull(out.beta, spec.seed_words) if spec.seed_words else zero,
    )


def batch_loss(
    params: Params, constants: Params, batch: Batch, noise: Noise, spec: Spec, shift: jax.Array | float = 0.0
) -> tuple[jax.Array, Sums]:
    """The scalar that training minimises, in nats, and the batch's sums: reconstruction + KL of the real documents.

    The negative ELBO of Dieng et al. 2020, Algorithm 1, by one sample a document, its KL weighted by `kl_weight`; a
    mean or a sum over the documents as `reduction` says, plus what the penalties weigh. The arguments are those of
    `batch_terms`.
    """
    terms = batch_terms(params, constants, batch, noise, spec, shift)
    sums = Sums(terms.recon.sum(), terms.kl.sum(), batch.real.sum())
    loss = sums.recon + spec.objective.kl_weight * sums.kl + terms.missed.sum()
    if spec.objective.reduction == "mean":
        loss = loss / sums.docs
    if spec.objective.overlap_weight > 0:
        loss = loss + spec.objective.overlap_weight * terms.overlap
    if spec.seed_words:
        loss = loss + spec.objective.seed_weight * terms.seeds
    return loss, sums


def update_step(state: TrainState, batch: Batch, noise: Noise, spec: Spec) -> tuple[TrainState, Sums]:
    """One update under given noise: what `train_step` compiles once it has drawn it.

    Where the loss or its gradient is not finite, nothing moves but the number of the step, and `recon` is nan.
    """
    update = _update_first_layer_apart if spec.first_layer_apart else _update_all
    params, opt_state, sums, sound = update(state, batch, noise, spec)
    variables = state.variables._replace(params=params)
    state = state._replace(step=state.step + 1, variables=variables, opt_state=opt_state)
    if grid := batch.pattern.grid:
        state = grid.kept(state, spec.vocab_axis)
    return state, sums._replace(recon=jnp.where(sound, sums.recon, jnp.nan))


def _update_all(state: TrainState, batch: Batch, noise: Noise, spec: Spec) -> tuple[Params, Any, Sums, jax.Array]:
    params, constants = state.variables
    (loss, sums), grads = jax.value_and_grad(batch_loss, has_aux=True)(params, constants, batch, noise, spec)
    sound = _all_finite((loss, sums, grads))
    return *_applied(params, grads, state.opt_state, state.lr_scale, sound, spec), sums, sound


def _update_first_layer_apart(
    state: TrainState, batch: Batch, noise: Noise, spec: Spec
) -> tuple[Params, Any, Sums, jax.Array]:
    """The same, without ever holding the gradient of the encoder's first layer."""
    params, constants = state.variables
    if noise.visible is not None:
        batch, noise = batch._replace(inputs=batch.inputs * noise.visible), noise._replace(visible=None)
    (kernel,), moments = fused_adam.taken(params), fused_adam.taken(state.opt_state)

    def loss(rest: Params, shift: jax.Array) -> tuple[jax.Array, Sums]:
        return batch_loss(fused_adam.put(rest, [kernel]), constants, batch, noise, spec, shift)

    shift = jnp.zeros((batch.real.shape[0], kernel.shape[1]), kernel.dtype)
    rest = fused_adam.emptied(params)
    (value, sums), (grads, behind) = jax.value_and_grad(loss, argnums=(0, 1), has_aux=True)(rest, shift)
    sound = _all_finite((value, sums, grads, behind))
    rest, opt_state = _applied(rest, grads, fused_adam.emptied(state.opt_state), state.lr_scale, sound, spec)
    weights = fused_adam.adam_step(
        fused_adam.Weights(kernel, *moments),
        batch.inputs,
        batch.pattern,
        behind,
        count=state.step + 1,
        rate=learning_rate(spec.optimizer, spec.num_steps, state.step) * state.lr_scale,
        decay=spec.optimizer.weight_decay,
        sound=sound,
    )
    opt_state = fused_adam.put(opt_state, [weights.mu, weights.nu])
    return fused_adam.put(rest, [weights.kernel]), opt_state, sums, sound


def _applied(
    params: Params, grads: Params, opt_state: Any, lr_scale: jax.Array, sound: jax.Array, spec: Spec
) -> tuple[Params, Any]:
    def moved(params: Params, grads: Params, opt_state: Any) -> tuple[Params, Any]:
        updates, opt_state = spec.transformation().update(grads, opt_state, params)
        after: Params = optax.apply_updates(params, optax.tree.scale(lr_scale, updates))
        # XLA does not know that an update of 0 changes nothing: it would read and write a fixed ρ at each step.
        return {name: params[name] if name in spec.fixed else after[name] for name in after}, opt_state

    return jax.lax.cond(sound, moved, lambda params, _, opt_state: (params, opt_state), params, grads, opt_state)


def _all_finite(tree: object) -> jax.Array:
    return jnp.array([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(tree)]).all()


@partial(jax.jit, static_argnames="spec", donate_argnames="state")
def train_step(state: TrainState, batch: Batch, key: jax.Array, spec: Spec) -> tuple[TrainState, Sums]:
    """One update. key: the run's own key; the step's number is folded in here, so nothing random is stored."""
    noise = draw_noise(jax.random.fold_in(key, state.step), spec.model, batch.real.shape[0], batch.pattern)
    return update_step(state, batch, noise, spec)


@partial(jax.jit, static_argnames="spec")
def eval_step(variables: Variables, batch: Batch, key: jax.Array, spec: Spec) -> Sums:
    """One sample of the bound without dropout. The same key gives the same sample, so epochs can be compared."""
    eps = jax.random.normal(key, (batch.real.shape[0], spec.model.num_topics))
    return batch_loss(*variables, batch, Noise(eps), spec)[1]


@partial(jax.jit, static_argnames="spec")
def theta_step(variables: Variables, batch: Batch, spec: Spec) -> jax.Array:
    """Topic proportions at the posterior mean: [B, K].

    With `infer_steps`, at the mode of the document's own posterior where the prior is N(μ, `infer_variance`·I), about
    the encoder's mean μ. Under the model's prior, the mode takes a short document's few words for more than they are;
    the encoder has seen which topics go with them.
    """
    module, config = spec.module(), spec.model
    if config.infer_steps == 0:
        return mean_theta(module, variables, batch.inputs, batch.pattern)
    mu, topics = posterior(module, variables, batch.inputs, batch.pattern).mu, beta(module, variables)
    mode, _ = refine(mu, topics, batch.counts, batch.pattern, mu, config.infer_variance, config.infer_steps)
    return jax.nn.softmax(mode, axis=-1)


@partial(jax.jit, static_argnames="spec")
def posterior_step(variables: Variables, batch: Batch, spec: Spec) -> Posterior:
    """q(δ | x) as the encoder gives it: two of [B, K]."""
    return posterior(spec.module(), variables, batch.inputs, batch.pattern)


@partial(jax.jit, static_argnames="spec")
def log_px_step(variables: Variables, theta: jax.Array, spec: Spec) -> jax.Array:
    """Logarithm of p(w | θ) of a model where it is no mixture. theta: [B, K] → [B, V], nats."""
    return log_px(spec.module(), variables, theta)


@partial(jax.jit, static_argnames="spec")
def beta_step(variables: Variables, spec: Spec) -> jax.Array:
    """The topics: [K, V], rows sum to 1."""
    return beta(spec.module(), variables)
