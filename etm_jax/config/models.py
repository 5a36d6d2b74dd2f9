"""The topic models by name: which there are, and what each makes of the settings. Loads no JAX.

A model of the user's is a `ModelCard` in a module that the environment variable `ETM_JAX_MODELS` names; the module is
imported when the models are first asked for, before flags are parsed and before a run is read.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from etm_jax.config.declaration import setting
from etm_jax.config.variants import PUBLISHED
from etm_jax.util.errors import UserError
from etm_jax.util.forms import ForeignError

VARIABLE = "ETM_JAX_MODELS"
"""Names modules, with commas between them, that register models."""


class UnknownModelError(ForeignError):
    """There is no model of that name."""

    is_what = "is of another model"


@dataclass(frozen=True)
class ModelCard:
    """What is known of a topic model before its code is loaded.

    name: as --model has it. about: a phrase for --help. implementation: where its class is, as
    `etm_jax.models.etm:ETM`, or the class itself. settings: a frozen dataclass of settings that this model alone reads,
    whose flags come with it; the model finds them as `own` of its `ModelConfig`. defaults: by name of a setting, what
    it is unless it is given or a variant says otherwise. forced: what it is whatever is given. reads: of the settings
    of vectors, model, objective, optimizer and training those that it reads, where it does not read all; the others
    keep their defaults, whatever is given. variants: by name of a variant, what it sets otherwise for this model; a
    `kind` among that is the model that it makes of this one. section: that of the settings, of a model that shares them
    with another; by default the model's name.
    """

    name: str
    about: str
    implementation: str | type
    settings: type | None = None
    defaults: Mapping[str, Any] = field(default_factory=dict)
    forced: Mapping[str, Any] = field(default_factory=dict)
    reads: frozenset[str] | None = None
    variants: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    section: str = ""

    @property
    def own_section(self) -> str:
        """The name of the section of its own settings."""
        return self.section or self.name


@dataclass(frozen=True)
class LdaConfig:
    """How --model=lda is fitted."""

    lda_engine: str = setting(
        "gensim",
        "which LDA; of all other flags it reads the corpus', --n_topic and --seed alone",
        choices=("gensim", "tomotopy"),
    )
    lda_iterations: int = setting(
        0,
        "passes of gensim or sweeps of tomotopy's sampler; 0: 20 passes, 500 sweeps",
        at_least=0,
        zero="the default",
    )


@dataclass(frozen=True)
class DynamicConfig:
    """Topics over time."""

    time_field: str = setting(
        "", "the metadata field, of dates or numbers, by which documents follow each other", shown="FIELD"
    )
    time_bin: str = setting(
        "auto",
        "periods of --time_field: day, week, month, quarter or year of a date, or the width of a number's; auto: what "
        "fits",
        shown="UNIT",
    )
    drift_variance: float = setting(
        0.02, "variance of a step that a topic's embedding takes to the next period, in each direction", above=0
    )
    eta_variance: float = setting(
        0.1, "variance of a step that the prior mean of a topic's δ takes to the next period", above=0
    )
    drift_lr: float = setting(0.35, "step size of the drift of topics, as a multiple of --learning_rate", at_least=0)
    eta_lr: float = setting(5.0, "step size of the prior means, as a multiple of --learning_rate", at_least=0)
    walk_variance: float = setting(
        0.005, "of the published model, the variance of both steps in place of the two above", above=0
    )
    eta_hidden_size: int = setting(200, "of the published model, units of the LSTM that reads the periods", at_least=1)
    eta_layers: int = setting(3, "of the published model, layers of that LSTM", at_least=1)


WITHOUT_EMBEDDINGS: dict[str, Any] = {
    "vectors": "random",
    "train_rho": True,
    "read_rho": False,
    "skip": False,
    "warm_start": False,
    "background": 0.0,
    "temperature": 1.0,
    "torch_bias": False,
    "overlap_weight": 0.0,
    # They take p(w | θ) for a mixture of topics.
    "refine_steps": 0,
    "infer_steps": 0,
    "infer_sif": 0.0,
    "prevalence": "",
    "content": "",
}
"""What holds for a model without ρ and α, to which these settings mean nothing, whatever a flagfile for ETM says."""

AS_PUBLISHED: dict[str, Any] = {
    name: value for name, value in WITHOUT_EMBEDDINGS.items() if name not in ("vectors", "train_rho")
} | {
    "criterion": "cross_entropy",
    "renormalize": False,
    "reduction": "mean",
    "theta_layer": False,
    "thinning": 0.0,
    "context": "",
    "encoder": "counts",
}
"""What holds for the dynamic model as published, which has no place for anything else."""

_CARDS: dict[str, ModelCard] = {}
_imported: set[str] = set()


def register_model(card: ModelCard) -> None:
    """Make a model known; one that is registered again replaces itself. Raises UserError where another has its name."""
    known = _CARDS.get(card.name)
    if known is not None and _place(known) != _place(card):
        raise UserError(f"there is a model {card.name} already, {_place(known)}; give {_place(card)} another name")
    _CARDS[card.name] = card


def model_card(name: str) -> ModelCard:
    """What is known of the model of that name. Raises UnknownModelError where there is none."""
    cards = _cards()
    if name not in cards:
        raise UnknownModelError(
            f"--model={name!r} is unknown; the models are {', '.join(cards)}, and those of the modules that the "
            f"environment variable {VARIABLE} names"
        )
    return cards[name]


def model_names() -> tuple[str, ...]:
    """Every model's name."""
    return tuple(_cards())


def model_phrases() -> dict[str, str]:
    """Every model's name with the phrase that says what it is."""
    return {name: card.about for name, card in _cards().items()}


def _place(card: ModelCard) -> str:
    made = card.implementation
    return made if isinstance(made, str) else f"{made.__module__}:{made.__qualname__}"


def _cards() -> dict[str, ModelCard]:
    """All cards, those of the user's modules among them. Raises UserError where such a module cannot be imported."""
    for module in filter(None, map(str.strip, os.environ.get(VARIABLE, "").split(","))):
        if module not in _imported:
            # Before it is imported, since it may ask for the models itself.
            _imported.add(module)
            try:
                import_module(module)
            except ImportError as error:
                _imported.discard(module)
                raise UserError(
                    f"{VARIABLE}={os.environ[VARIABLE]}: {module} cannot be imported ({error}); correct the name, or "
                    "put its folder on PYTHONPATH"
                ) from error
    return _CARDS


register_model(
    ModelCard("etm", "the embedded topic model, or what --variant makes of it", implementation="etm_jax.models.etm:ETM")
)
register_model(
    ModelCard(
        "detm",
        "the dynamic embedded topic model: topics that move over the periods of --time_field",
        implementation="etm_jax.models.detm:DETM",
        settings=DynamicConfig,
        forced={"prevalence": "", "content": "", "criterion": "cross_entropy", "renormalize": False},
        variants={"paper": {"kind": "detm_paper"}},
    )
)
register_model(
    ModelCard(
        "detm_paper",
        "the same as published, with an LSTM over the periods' words; --model=detm --variant=paper is this",
        implementation="etm_jax.models.detm_paper:StructuredDETM",
        settings=DynamicConfig,
        section="detm",
        forced=AS_PUBLISHED,
        variants={"paper": {"num_epochs": 400}},
    )
)
register_model(
    ModelCard(
        "gsm",
        "NVDM-GSM, to compare with: topics from an MLP in place of ρ and α",
        implementation="etm_jax.models.gsm:GSM",
        # Its topics start at random and its decoder only slowly comes to use θ: under ETM's wide prior, few passes and
        # falling steps the posterior collapses to the prior, and the topics are all the same.
        defaults={
            name: PUBLISHED[name]
            for name in ("prior_variance", "thinning", "learning_rate", "lr_schedule", "num_epochs")
        }
        | {"export_from": "best"},
        forced=WITHOUT_EMBEDDINGS
        | {
            # Gaussian Softmax: θ is the softmax of a linear map of the sample. That map is the model's name.
            "theta_layer": True,
            # p(w | θ) is a softmax: there is no θβ to guard from zero or to divide by its sum.
            "likelihood_eps": 0.0,
            "renormalize": False,
        },
    )
)
register_model(
    ModelCard(
        "lda",
        "latent Dirichlet allocation, to compare with",
        implementation="etm_jax.models.lda:LDA",
        settings=LdaConfig,
        reads=frozenset({"num_topics", "seed"}),
    )
)
