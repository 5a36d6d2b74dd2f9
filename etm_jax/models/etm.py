"""The Embedded Topic Model: words and topics as vectors in one space. Dieng, Ruiz, Blei 2020, arXiv 1907.04907.

Shapes: B documents of a batch, V words, K topics, L embedding size, N nonzeros of the batch.
"""

from collections.abc import Iterator, Sequence
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from etm_jax.config.build import Config
from etm_jax.config.formula import parse_formula
from etm_jax.config.settings import ModelConfig, OptimizerConfig
from etm_jax.config.vector_sources import is_given
from etm_jax.corpus.metadata import MetaColumn, Metadata
from etm_jax.models import content, prevalence
from etm_jax.models.base import Output, Reading, TopicModel
from etm_jax.models.batch import Batch
from etm_jax.models.design import check_design
from etm_jax.models.kind import Start
from etm_jax.models.layers import Params, Variables, declare, init_variables, needs_no_parameters, torch_range
from etm_jax.models.noise import Noise, Posterior
from etm_jax.models.objective import reconstruction
from etm_jax.models.prevalence import design_of
from etm_jax.models.warm_start import WarmStart, warm_start
from etm_jax.ops import sparse
from etm_jax.ops.mesh import NEVER, VocabAxis
from etm_jax.util.arrays import unit_rows

READ_LIMIT = 30.0
"""The most input that an encoder that reads ρ takes from a document, in the units of `encoder_input`, log(1 + x).

The direction of a long document is known; a δ that grows with its length is one that no step of inference leaves.
"""


class ETM(TopicModel):
    """Topics from word and topic embeddings; p(w | θ) = Σ_k θ_k β_kw. Dieng et al. 2020, Algorithm 1."""

    has_embeddings: ClassVar[bool] = True
    exports: ClassVar[tuple[str, ...]] = ("rho", "alpha", "background")

    @classmethod
    def check_fields(cls, config: ModelConfig, metadata: Metadata) -> None:
        if config.prevalence:
            check_design(design_of(config.prevalence, metadata))
        if config.content:
            content.check_groups(next(column for column in metadata.columns if column.name == config.content))

    def setup(self) -> None:
        super().setup()
        c, v, k, dim = self.config, self.vocab_size, self.config.num_topics, self.embed_dim
        half_width = torch_range(dim)
        if c.skip:
            self.skip_topics = self.param("skip_topics", declare(half_width), (dim, k))
        self.rho = self.param("rho", declare(half_width, VocabAxis(-2)), (v, dim))
        self.alpha = self.param("alpha", declare(half_width), (k, dim))
        if c.torch_bias:
            # Carried along for exchange with torch: ρ's bias is not used there, and α's cancels in the softmax.
            self.rho_bias = self.param("rho_bias", declare(half_width, VocabAxis(-1)), (v,))
            self.alpha_bias = self.param("alpha_bias", declare(half_width), (k,))
        self.background = self.constant("background", VocabAxis(-1, NEVER), (v,))
        if c.prevalence:
            num_columns = len(design_of(c.prevalence, self.metadata).column_names)
            self.gamma = self.param("gamma", declare(0.0), (1 + num_columns, k))
            self.column_mean = self.constant("column_mean", None, (num_columns,))
            self.column_deviation = self.constant("column_deviation", None, (num_columns,))
            self.num_docs = self.constant("num_docs", None, ())
        if c.content:
            groups = len(self._groups().levels)
            self.group_alpha = self.param("group_alpha", declare(0.0), (groups, dim))
            self.group_words = self.param("group_words", declare(0.0, VocabAxis(-2)), (v, groups))
            self.group_share = self.constant("group_share", None, (groups,))
            self.group_spread = self.constant("group_spread", VocabAxis(-2), (v, groups))
            self.group_reach = self.constant("group_reach", None, (groups,))
            self.group_docs = self.constant("group_docs", None, ())

    @classmethod
    def fields_read(cls, config: ModelConfig) -> tuple[str, ...]:
        of_prior = parse_formula(config.prevalence).fields if config.prevalence else ()
        return tuple(dict.fromkeys((*of_prior, config.content))) if config.content else of_prior

    @needs_no_parameters
    def _groups(self) -> MetaColumn:
        """The field of `content`."""
        return self.metadata.only((self.config.content,)).columns[0]

    @needs_no_parameters
    def fixed(self, train_rho: bool) -> frozenset[str]:
        # ρ's bias takes part in nothing: torch gives it no gradient, so that not even weight decay moves it.
        return frozenset({"rho_bias"} if self.config.torch_bias else ()) | (set() if train_rho else {"rho"})

    @needs_no_parameters
    def step_scales(self, config: OptimizerConfig) -> dict[str, float]:
        scales = {"rho": config.rho_lr, "alpha": config.alpha_lr}
        if self.config.prevalence:
            scales |= {"gamma": config.prevalence_lr}
        if self.config.content:
            scales |= dict.fromkeys(("group_alpha", "group_words"), config.content_lr)
        return scales

    @staticmethod
    def sizes(params: Params) -> tuple[int, int]:
        vocab_size, embed_dim = params["rho"].shape
        return vocab_size, embed_dim

    def document_vectors(self, inputs: sparse.Array, pattern: sparse.Pattern) -> jax.Array:
        """Σ_v x_v ρ_v / |ρ_v|, over 1 + Σ_v x_v / READ_LIMIT: [N] → [B, L].

        ρ is the decoder's, and gets no gradient from here.
        """
        rho = jax.lax.stop_gradient(self.rho)
        # A vector of zeros counts as one of this length, or a large input over its length would be infinite.
        length = jnp.maximum(jnp.linalg.norm(rho, axis=1), 1e-12)
        documents = sparse.spmm(inputs / sparse.gather_words(length, pattern), pattern, rho)
        return documents / (1 + sparse.sum_rows(inputs, pattern)[:, None] / READ_LIMIT)

    def encode(self, reading: Reading, noise: Noise | None = None) -> Posterior:
        posterior = super().encode(reading, noise)
        if not self.config.skip:
            return posterior
        return posterior._replace(mu=posterior.mu + reading.vectors @ self.skip_topics)

    def prior_mean(self, batch: Batch) -> jax.Array | float:
        """γ₀ + Γᵀx with `prevalence`, x the document's metadata: [B, K]."""
        if not self.config.prevalence:
            return super().prior_mean(batch)
        design = design_of(self.config.prevalence, self.metadata)
        columns = prevalence.scaled(design, batch.extras, self.column_mean, self.column_deviation)
        return prevalence.prior_mean(self.gamma, columns)

    def infer(self, batch: Batch, beta: jax.Array | None = None) -> jax.Array:
        theta = super().infer(batch, beta)
        if not self.metadata.columns or is_given(self.config.context):
            return theta
        # Of a document without words only its metadata is known.
        has_words = sparse.sum_rows(jnp.asarray(batch.counts), batch.pattern)[:, None] > 0
        return jnp.where(has_words, theta, self.theta(jnp.broadcast_to(self.prior_mean(batch), theta.shape)))

    def prior_theta(self) -> jax.Array:
        return self.theta(self.gamma[:1])[0] if self.config.prevalence else super().prior_theta()

    def word_shifts(self) -> jax.Array | None:
        if not self.config.content:
            return None
        return content.shifts(self.rho, self.group_alpha, self.group_words, self.group_share)

    def topic_weights(self, batch: Batch, beta: jax.Array) -> jax.Array | float:
        if (shifts := self.word_shifts()) is None:
            return super().topic_weights(batch, beta)
        return content.topic_weights(beta, shifts, batch.extras[self.config.content])

    def reconstruction(self, out: Output, batch: Batch, noise: Noise) -> jax.Array:
        if (shifts := self.word_shifts()) is None:
            return super().reconstruction(out, batch, noise)
        terms = content.group_terms(out.beta, shifts, batch.extras[self.config.content], batch.pattern)
        theta = out.theta * terms.weights
        return reconstruction(theta, out.beta, batch.counts, batch.pattern, self.objective, terms.shift)

    def terms_of(self, out: Output, batch: Batch, noise: Noise) -> dict[str, jax.Array]:
        terms, c = super().terms_of(out, batch, noise), self.config
        if c.prevalence:
            a_doc = prevalence.coefficient_loss(self.gamma, c.prevalence_variance, c.prior_variance, self.num_docs)
            terms["coefficients"] = a_doc * (batch.real.sum() if self.objective.reduction == "sum" else 1)
        if c.content:
            a_doc = content.content_loss(
                self.group_alpha,
                self.group_words,
                c.content_weight,
                self.group_spread,
                self.group_reach,
                self.group_docs,
            )
            terms["content"] = a_doc * (batch.real.sum() if self.objective.reduction == "sum" else 1)
        return terms

    def beta(self) -> jax.Array:
        """softmax_v(ρ_v·α_k + b_v): [K, V].

        The background b, 0 in the published variants, is a share of the words' log frequencies, as in SAGE (Eisenstein,
        Ahmed, Xing 2011) and SCHOLAR (Card, Tan, Smith 2018, arXiv 1705.09296).
        """
        return jax.nn.softmax(self.rho @ self.alpha.T + self.background[:, None], axis=0).T

    def informativeness(self, pattern: sparse.Pattern) -> sparse.Array:
        """a / (a + p_w), a = `infer_sif`, p_w the word's share of the text: [N]. Arora, Liang, Ma 2017, section 3.

        p_w is read off the background, a share of its logarithm over the temperature; 1 where there is no background.
        """
        if self.config.background == 0:
            return jnp.ones(())
        return sparse.gather_words(self.word_weights(), pattern)

    def word_weights(self) -> jax.Array:
        c = self.config
        if c.background == 0 or not c.infer_sif:
            return super().word_weights()
        share = jnp.exp(self.background * (c.temperature / c.background))
        return c.infer_sif / (c.infer_sif + share)

    @staticmethod
    def tempered(variables: Variables, temperature: float) -> Variables:
        """α and the background divided by `temperature`: β_k ∝ β_k^(1/temperature), of the same words in order.

        What maximises the likelihood of some documents is too sure of them for others. Guo et al. 2017, arXiv
        1706.04599, section 4.2, do so to classifiers. The encoder, which reads ρ, stays as it is.
        """
        if temperature == 1:
            return variables
        # By numpy and `device_put`, here, in `initial_from` and in `_warm`: JAX would compile a program for each
        # operation, as it does for each shape that `jnp.asarray` meets, for arrays that are small.
        alpha, background = np.asarray(variables.params["alpha"]), np.asarray(variables.constants["background"])
        # As XLA divides by a number that it knows.
        inverse = np.reciprocal(alpha.dtype.type(temperature))
        divided = {"alpha": alpha * inverse}
        if "group_words" in variables.params:
            divided["group_alpha"] = np.asarray(variables.params["group_alpha"]) * inverse
            counted = np.asarray(content.deviations(variables.params["group_words"]))
            divided["group_words"] = content.stored_deviations(counted * inverse)
        return Variables(
            variables.params | jax.device_put(divided),
            variables.constants | {"background": jax.device_put(background * inverse)},
        )

    @needs_no_parameters
    def initial(self, key: jax.Array, start: Start) -> Variables:
        """torch's initialisation with ρ from the word vectors and, with `warm_start`, topics from their clusters."""
        assert start.vectors is not None
        warm = None
        if self.config.warm_start:
            counts = start.corpus.train.counts
            warm = warm_start(
                start.vectors, counts, self.config.num_topics, self.config.rarity, start.seed, start.seed_words
            )
        term_freq = start.corpus.vocabulary.term_freq
        variables = self.initial_from(key, term_freq, start.vectors, warm, start.seed_words)
        measured: dict[str, np.ndarray] = {}
        if self.config.prevalence:
            scaling = prevalence.measure(design_of(self.config.prevalence, self.metadata), start.corpus)
            measured |= zip(("column_mean", "column_deviation", "num_docs"), scaling, strict=True)
        if self.config.content:
            of_groups = content.measure(self._groups(), start.corpus, np.asarray(variables.params["rho"]))
            measured |= zip(("group_share", "group_spread", "group_reach", "group_docs"), of_groups, strict=True)
        return variables._replace(constants=variables.constants | measured)

    @needs_no_parameters
    def initial_from(
        self,
        key: jax.Array,
        term_freq: np.ndarray,
        rho: np.ndarray,
        warm: WarmStart | None,
        seed_words: Sequence[Sequence[int]] = (),
    ) -> Variables:
        """torch's initialisation with ρ from the word vectors and, where given, everything from the warm start.

        term_freq: [V], the words' occurrences; rho: [V, L]. warm: ρ and α to start from, which then replace `rho`.
        seed_words: columns for topics 0, 1, …; without a warm start, such a topic's α starts in the mean direction of
        theirs, as long as it is drawn.
        """
        params, _ = init_variables(key, self)
        params = params | {"rho": jax.device_put(rho)}
        if warm is not None:
            params = self._warm(params, warm)
        else:
            for k, words in enumerate(seed_words):
                if len(words):
                    mean = jnp.asarray(unit_rows(rho[list(words)].mean(axis=0, keepdims=True)), jnp.float32)[0]
                    params = params | {"alpha": params["alpha"].at[k].set(mean * jnp.linalg.norm(params["alpha"][k]))}
        # The share of each word in the text, in log: common words then need no topic of their own.
        log_unigram = np.log(term_freq + 1.0) - np.log(max(term_freq.sum(), 1))
        background = self.config.background * log_unigram
        return Variables(params, {"background": jax.device_put(background.astype(np.float32))})

    @needs_no_parameters
    def _warm(self, params: Params, warm: WarmStart) -> Params:
        """Topics that differ from the first step on, and an encoder that can already tell them apart."""
        c = self.config
        mu, logvar = (jax.tree.map(np.asarray, params[name]) for name in ("mu", "logvar"))
        given = {
            "mu": {"kernel": mu["kernel"] * 0.1, "bias": np.zeros_like(mu["bias"])},
            "logvar": {
                "kernel": logvar["kernel"] * 0.1,
                "bias": np.full_like(logvar["bias"], np.log(c.prior_variance) - 1),
            },
            "rho": warm.rho,
            "alpha": warm.alpha,
        }
        if c.skip:
            given["skip_topics"] = np.ascontiguousarray(unit_rows(warm.alpha).astype(np.float32).T)
        return params | jax.device_put(given)

    @classmethod
    def collapse_advice(cls, config: Config, num_docs: int) -> Iterator[str]:
        if config.vectors.vectors in ("random", "cbow"):
            yield "--vectors=ppmi"
        if not config.model.warm_start:
            yield "--warm_start"
        yield from cls.fewer_common_words(config, num_docs)
        if (config.objective.overlap_weight or 0) < 0.5:
            yield "--overlap_weight=0.5"
        yield cls.more_epochs(config)
        yield from cls.last_resorts(config)
