"""What is compiled: one step of training, one of evaluation, one of inference. Pure functions of their arguments."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from etm_jax.config.settings import ModelConfig, ObjectiveConfig, OptimizerConfig
from etm_jax.corpus.metadata import Metadata
from etm_jax.models.base import TopicModel
from etm_jax.models.batch import Batch
from etm_jax.models.layers import Params, Variables, init_variables, vocab_axis
from etm_jax.models.noise import Noise, Posterior
from etm_jax.models.objective import Sums, total_loss
from etm_jax.models.registry import gradient_model
from etm_jax.models.seed_words import Columns
from etm_jax.ops import fused_adam
from etm_jax.ops.mesh import MeshLayout, VocabAxis
from etm_jax.training.optimizer import learning_rate, make_optimizer


class Spec(NamedTuple):
    """All that shapes the compiled programs, hashable: the static argument of every step.

    seed_words: the columns that `etm_jax.models.objective.seed_loss` draws topics to; empty for none. first_step: that
    from which the step size falls, until num_steps; beyond 0 where a run that had ended was given more epochs.
    metadata: the fields of documents that the model reads. context_dim: C, of the vectors of --context; 0 without.
    """

    model: ModelConfig
    objective: ObjectiveConfig
    optimizer: OptimizerConfig
    vocab_size: int
    embed_dim: int
    num_steps: int
    train_rho: bool
    seed_words: Columns = ()
    first_step: int = 0
    metadata: Metadata = Metadata()
    context_dim: int = 0

    def module(self) -> TopicModel:
        """The model without its variables."""
        kind = gradient_model(self.model.kind)
        return kind(
            self.model,
            self.vocab_size,
            self.embed_dim,
            self.objective,
            self.seed_words,
            self.metadata,
            self.context_dim,
        )

    def with_variables(self, variables: Variables) -> TopicModel:
        """The model with its variables, whose methods can be called."""
        return self.module().with_variables(variables)

    @property
    def fused_kernel(self) -> tuple[str, ...] | None:
        """The path of the encoder's kernel [V, H] where `etm_jax.ops.fused_adam` makes its step; None where optax does.

        It knows Adam's, and no norm of the whole gradient; an encoder that reads ρ has no such kernel.
        """
        fusible = self.optimizer.optimizer == "adam" and self.optimizer.clip_norm == 0
        return self.module().first_kernel() if fusible else None

    @property
    def fixed(self) -> frozenset[str]:
        """Names of the parameters that training leaves as they are."""
        return self.module().fixed(self.train_rho)

    def on(self, layout: MeshLayout | None) -> "Spec":
        """The programs that run on a mesh of devices, over whose columns words are spread and padded."""
        if layout is None:
            return self
        seed_words = tuple(tuple(map(layout.position, words)) for words in self.seed_words)
        return self._replace(vocab_size=layout.columns * layout.words_per_column, seed_words=seed_words)

    def vocab_axis(self, path: Any) -> VocabAxis | None:
        """Whether an array of a state, at a path in it, has an axis of words: that of a parameter, its moments too."""
        return vocab_axis(self.module(), path)

    def transformation(self) -> optax.GradientTransformation:
        """The update rule of the parameters."""
        scales = self.module().step_scales(self.optimizer)
        return make_optimizer(self.optimizer, self.num_steps, self.fixed, scales, self.first_step, self.vocab_axis)


class TrainState(NamedTuple):
    """All that a run carries from step to step. lr_scale: scalar that plateau annealing lowers."""

    step: jax.Array
    variables: Variables
    opt_state: Any
    lr_scale: jax.Array


def new_state(variables: Variables, spec: Spec) -> TrainState:
    """The state before the first step. It holds `variables` itself: the first step, which donates it, uses them up."""
    step, opt_state, lr_scale = _beginning(variables.params, spec)
    return TrainState(step, variables, opt_state, lr_scale)


@partial(jax.jit, static_argnames="spec")
def _beginning(params: Params, spec: Spec) -> tuple[jax.Array, Any, jax.Array]:
    """The number of the step, the optimiser's state and the scale of the learning rate, by one program."""
    return jnp.zeros((), jnp.int32), spec.transformation().init(params), jnp.ones(())


def abstract_state(spec: Spec) -> TrainState:
    """Shapes and dtypes of a state, without its values."""
    return jax.eval_shape(lambda: new_state(init_variables(jax.random.key(0), spec.module()), spec))


def batch_loss(params: Params, constants: Params, batch: Batch, noise: Noise, spec: Spec) -> tuple[jax.Array, Sums]:
    """The scalar that training minimises, in nats, and the batch's sums, as of `total_loss`."""
    model = spec.with_variables(Variables(params, constants))
    terms = model.loss_terms(model.read(batch, noise), batch, noise)
    return total_loss(terms, jnp.asarray(batch.real), spec.objective, model.documents_scale())


def update_step(state: TrainState, batch: Batch, noise: Noise, spec: Spec) -> tuple[TrainState, Sums]:
    """One update under given noise: what `train_step` compiles once it has drawn it.

    Where the loss or its gradient is not finite, nothing moves but the number of the step, and `recon` is nan.
    """
    if kernel_path := spec.fused_kernel:
        params, opt_state, sums, finite = _update_fused(state, batch, noise, spec, kernel_path)
    else:
        params, opt_state, sums, finite = _update_all(state, batch, noise, spec)
    variables = state.variables._replace(params=params)
    state = state._replace(step=state.step + 1, variables=variables, opt_state=opt_state)
    if layout := batch.pattern.layout:
        state = layout.constrain(state, spec.vocab_axis)
    return state, sums._replace(recon=jnp.where(finite, sums.recon, jnp.nan))


def _update_all(state: TrainState, batch: Batch, noise: Noise, spec: Spec) -> tuple[Params, Any, Sums, jax.Array]:
    params, constants = state.variables
    trained, fixed = _trained_and_fixed(params, spec)

    def loss(trained: Params) -> tuple[jax.Array, Sums]:
        return batch_loss(trained | fixed, constants, batch, noise, spec)

    (value, sums), grads = jax.value_and_grad(loss, has_aux=True)(trained)
    finite = are_finite((value, sums, grads))
    return *_applied(params, grads, state.opt_state, state.lr_scale, finite, spec), sums, finite


def _update_fused(
    state: TrainState, batch: Batch, noise: Noise, spec: Spec, kernel_path: tuple[str, ...]
) -> tuple[Params, Any, Sums, jax.Array]:
    """The same, without ever holding the gradient of the encoder's kernel [V, H].

    The encoder is split where its input has been multiplied by the kernel: the gradient of that product, [B, H], is all
    that Adam's step of the kernel needs.
    """
    params, constants = state.variables
    kernel, moments = fused_adam.take(params, kernel_path), fused_adam.take(state.opt_state, kernel_path)
    rest, rest_opt_state = fused_adam.without(params, kernel_path), fused_adam.without(state.opt_state, kernel_path)
    reading = spec.with_variables(state.variables).read(batch, noise)
    trained, fixed = _trained_and_fixed(rest, spec)

    def loss(trained: Params, product: jax.Array | None) -> tuple[jax.Array, Sums]:
        model = spec.with_variables(Variables(fused_adam.put(trained | fixed, kernel_path, kernel), constants))
        terms = model.loss_terms(reading._replace(product=product), batch, noise)
        return total_loss(terms, jnp.asarray(batch.real), spec.objective, model.documents_scale())

    gradient = jax.value_and_grad(loss, argnums=(0, 1), has_aux=True)
    (value, sums), (grads, product_grad) = gradient(trained, reading.product)
    finite = are_finite((value, sums, grads, product_grad))
    rest, opt_state = _applied(rest, grads, rest_opt_state, state.lr_scale, finite, spec)
    inputs = batch.inputs if noise.visible is None else batch.inputs * noise.visible
    weights = fused_adam.adam_step(
        fused_adam.Weights(*kernel, *moments),
        inputs,
        batch.pattern,
        product_grad,
        count=state.step + 1,
        rate=learning_rate(spec.optimizer, spec.num_steps, state.step, spec.first_step) * state.lr_scale,
        decay=spec.optimizer.weight_decay,
        finite=finite,
    )
    opt_state = fused_adam.put(opt_state, kernel_path, [weights.mu, weights.nu])
    return fused_adam.put(rest, kernel_path, [weights.kernel]), opt_state, sums, finite


def _trained_and_fixed(params: Params, spec: Spec) -> tuple[Params, Params]:
    """Those that training moves, and the rest. Of a fixed ρ a gradient would be one more array of [V, L]."""
    fixed = {name: params[name] for name in params if name in spec.fixed}
    return {name: params[name] for name in params if name not in fixed}, fixed


def _applied(
    params: Params, grads: Params, opt_state: Any, lr_scale: jax.Array, finite: jax.Array, spec: Spec
) -> tuple[Params, Any]:
    """grads: of the parameters that training moves."""

    def moved(params: Params, grads: Params, opt_state: Any) -> tuple[Params, Any]:
        # Of the fixed ones optax wants something in its place, which nothing is computed from.
        everywhere = {name: grads.get(name, params[name]) for name in params}
        updates, opt_state = spec.transformation().update(everywhere, opt_state, params)
        after: Params = optax.apply_updates(params, optax.tree.scale(lr_scale, updates))
        # XLA does not know that an update of 0 changes nothing: it would read and write a fixed ρ at each step.
        return {name: params[name] if name in spec.fixed else after[name] for name in after}, opt_state

    return jax.lax.cond(finite, moved, lambda params, _, opt_state: (params, opt_state), params, grads, opt_state)


def are_finite(tree: object) -> jax.Array:
    """Whether no number in a tree of arrays of floats is nan or infinite: bool scalar."""
    # 0 times what is not finite is nan. A sum takes XLA's CPU code half the time that `isfinite` and `all` take, and
    # its compiler a sixth.
    return jnp.array([(0 * leaf).sum() == 0 for leaf in jax.tree.leaves(tree)]).all()


def _train_step(state: TrainState, batch: Batch, key: jax.Array, spec: Spec) -> tuple[TrainState, Sums]:
    """One update. key: the run's own key; the step's number is folded in here, so nothing random is stored."""
    noise = spec.module().draw_noise(jax.random.fold_in(key, state.step), batch)
    return update_step(state, batch, noise, spec)


train_step = jax.jit(_train_step, static_argnames="spec", donate_argnames="state")

train_step_wide = jax.jit(
    _train_step,
    static_argnames="spec",
    donate_argnames="state",
    compiler_options={"xla_cpu_prefer_vector_width": 512},
)
"""The same by whole lines of the cache, where a processor can: XLA prefers half of one. Equal to rounding."""


def single_step() -> Any:
    """Which of the two trains one member here: on CPUs the wide one.

    What reads and writes memory more than it computes, as the step of a large kernel, takes a seventh less time; that
    of other models a few hundredths.
    """
    return train_step_wide if jax.default_backend() == "cpu" else train_step


@partial(jax.jit, static_argnames="spec")
def eval_step(variables: Variables, batch: Batch, key: jax.Array, spec: Spec) -> Sums:
    """One sample of the bound without dropout. The same key gives the same sample, so epochs can be compared."""
    eps = jax.random.normal(key, (batch.real.shape[0], spec.model.num_topics))
    return batch_loss(*variables, batch, Noise(eps), spec)[1]


@partial(jax.jit, static_argnames="spec")
def theta_step(variables: Variables, batch: Batch, spec: Spec, by_word: jax.Array | None = None) -> jax.Array:
    """Topic proportions of new documents, as of `TopicModel.infer`: [B, K]. by_word: of `topics_by_word`."""
    return spec.with_variables(variables).infer(batch, None if by_word is None else by_word.T)


@partial(jax.jit, static_argnames="spec")
def posterior_step(variables: Variables, batch: Batch, spec: Spec) -> Posterior:
    """q(δ | x) as the encoder gives it: two of [B, K]."""
    model = spec.with_variables(variables)
    return model.encode(model.read(batch))


@partial(jax.jit, static_argnames="spec")
def log_px_step(variables: Variables, theta: jax.Array, spec: Spec) -> jax.Array:
    """Logarithm of p(w | θ) of every word: [B, K] → [B, V], nats."""
    return spec.with_variables(variables).log_px(theta)


@partial(jax.jit, static_argnames="spec")
def log_px_nonzero_step(variables: Variables, theta: jax.Array, batch: Batch, spec: Spec) -> jax.Array:
    """The same at the nonzeros of a batch, by the topics as its documents have them: [B, K] → [N], nats."""
    model = spec.with_variables(variables)
    return model.log_px_nonzero(theta, model.beta_of(batch), batch)


@partial(jax.jit, static_argnames="spec")
def prior_step(variables: Variables, spec: Spec) -> jax.Array:
    """What is known of a document without a known word, as of `TopicModel.prior_theta`: [K]."""
    return spec.with_variables(variables).prior_theta()


@partial(jax.jit, static_argnames="spec")
def beta_step(variables: Variables, spec: Spec) -> jax.Array:
    """The topics: [K, V], rows sum to 1."""
    return spec.with_variables(variables).beta()


@partial(jax.jit, static_argnames="spec")
def word_shifts_step(variables: Variables, spec: Spec) -> jax.Array | None:
    """What groups of documents add to the words' logits, as of `TopicModel.word_shifts`: [V, G], or None."""
    return spec.with_variables(variables).word_shifts()


@partial(jax.jit, static_argnames="spec")
def topics_by_word(variables: Variables, spec: Spec) -> jax.Array | None:
    """βᵀ, what `theta_step` would make of the topics for each batch again: [V, K]; None where it needs no topics.

    By words, as a batch reads the rows of its words.
    """
    return spec.with_variables(variables).beta().T if spec.model.infer_steps else None
