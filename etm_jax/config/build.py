"""A whole configuration from what a user gives, and to and from JSON."""

import dataclasses
import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from etm_jax.config.corpus_settings import MAX_SEED, CorpusConfig
from etm_jax.config.declaration import NOT_HERE, Setting, by_name, settings_of
from etm_jax.config.formula import parse_formula
from etm_jax.config.models import DynamicConfig, LdaConfig, ModelCard, model_card
from etm_jax.config.settings import (
    SECTIONS,
    ModelConfig,
    ObjectiveConfig,
    OptimizerConfig,
    RunOptions,
    TrainConfig,
    VectorsConfig,
    all_sections,
)
from etm_jax.config.variants import VARIANTS
from etm_jax.config.vector_sources import vector_source
from etm_jax.util.errors import UserError
from etm_jax.util.forms import TooOldError

OF_TRAINING = (VectorsConfig, ModelConfig, ObjectiveConfig, OptimizerConfig, TrainConfig)
"""The sections of which a model may leave settings unread: `ModelCard.reads`."""

BY_CONTEXT_ALONE: dict[str, Any] = {"read_rho": True, "skip": False, "thinning": 0.0, "infer_steps": 0}
"""What holds for --encoder=context: nothing that is inferred depends on a document's words."""

USUAL_ALONE: dict[str, Any] = {"refine_steps": 0}
"""What --encoder=context has unless it is given: steps towards a document's words in training made topics that fit its
vector less, in its own language and in another (docs/context.md)."""


@dataclass(frozen=True)
class Config:
    """Everything that decides what a run computes."""

    variant: str
    corpus: CorpusConfig
    vectors: VectorsConfig
    model: ModelConfig
    objective: ObjectiveConfig
    optimizer: OptimizerConfig
    train: TrainConfig
    lda: LdaConfig

    def sections(self) -> dict[str, Any]:
        """The objects of settings by section, that of the model's own settings among them."""
        own = {} if self.model.own is None else {model_card(self.model.kind).own_section: self.model.own}
        return {name: getattr(self, name) for name in SECTIONS} | own

    def settings(self) -> Iterator[tuple[str, Setting, Any]]:
        """Every section, setting and its value."""
        for section, config in self.sections().items():
            yield from ((section, s, getattr(config, s.name)) for s in settings_of(type(config)))

    def to_json(self) -> dict[str, Any]:
        """Nested plain values, ready for `json.dump`."""
        values: dict[str, Any] = {"variant": self.variant}
        for section, s, value in self.settings():
            values.setdefault(section, {})[s.name] = value
        return values

    def continuing(self, begun: "Config") -> "Config":
        """The settings of a run that goes on, where `begun` are those that it was begun with.

        Of what nothing is said now, but was decided for runs that are older than the setting, that is kept.
        """
        kept: dict[str, dict[str, Any]] = {}
        for section, s, value in self.settings():
            if value is None and s.may_be_absent and section in SECTIONS:
                kept.setdefault(section, {})[s.name] = getattr(getattr(begun, section), s.name)
        changed = {section: dataclasses.replace(getattr(self, section), **values) for section, values in kept.items()}
        return dataclasses.replace(self, **changed)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Config":
        """The inverse of `to_json`, for what any earlier version stored too.

        A setting that is not there takes what its declaration has for the time `before` it; one of a model of the
        user's own without that, its default. Raises UnknownModelError where it is of a model that is not known here,
        TooOldError where it is of a time that cannot be read any more, and UserError where a setting is unknown,
        mistyped or not allowed, or is missing and was always stored.
        """
        try:
            kind = values["model"].get("kind", ModelConfig.kind)
            card = model_card(kind)
            own = card.settings
            sections = SECTIONS if own is None else SECTIONS | {card.own_section: own}
            flat: dict[str, Any] = {}
            for section, declared in sections.items():
                new_names = {s.formerly: s.name for s in settings_of(declared) if s.formerly}
                stored = values[section] if section in SECTIONS else values.get(section, {})
                given = {new_names.get(name, name): value for name, value in stored.items()}
                if unknown := sorted(given.keys() - by_name(declared).keys()):
                    raise UserError(f"section {section!r} has unknown settings: {', '.join(unknown)}")
                absent = [s for s in settings_of(declared) if s.name not in given]
                if too_old := [s for s in absent if s.before is NOT_HERE]:
                    raise TooOldError(f"it was made before --{too_old[0].flag}, and what the code did then is gone")
                if lost := [s.name for s in absent if section in SECTIONS and not s.may_be_absent]:
                    raise UserError(f"section {section!r} lacks {', '.join(lost)}")
                flat |= {s.name: s.before for s in absent if s.may_be_absent} | given
            return make_config(values["variant"], flat)
        except (KeyError, TypeError, AttributeError) as error:
            raise UserError(f"not a configuration of etm_jax: {error!r}") from error


def make_config(variant: str = "default", given: Mapping[str, Any] | None = None) -> Config:
    """A whole configuration: the dataclasses' defaults, then the model's, the variant's, and what is `given` by name.

    An `embed_dim` of None means that nothing was said about it: vectors with a length of their own
    (`VectorSource.own_length`) then keep it, whatever the variant's default; all others get the default.

    Raises UserError for an unknown variant, model or setting, and for a value that is not allowed.
    """
    variant = by_name(RunOptions)["variant"].checked(variant)
    given = dict(given or {})
    dim_is_given = given.get("embed_dim") is not None
    if not dim_is_given:
        given.pop("embed_dim", None)
    card = model_card((VARIANTS[variant] | given).get("kind", ModelConfig.kind))
    if becomes := card.variants.get(variant, {}).get("kind"):
        card, given["kind"] = model_card(becomes), becomes
    merged = VARIANTS[variant] | dict(card.variants.get(variant, {})) | given
    _check_one_seed(card, merged)
    _check_is_read(card, given)
    alone = merged.get("encoder") == "context"
    merged = dict(card.defaults) | (USUAL_ALONE if alone else {}) | merged | _unread(card) | dict(card.forced)
    if alone:
        merged |= BY_CONTEXT_ALONE
    if not dim_is_given and _has_own_dim(merged.get("vectors")):
        merged["embed_dim"] = None

    made = {}
    for section, kind in all_sections().items():
        settings = by_name(kind)
        of_section = [name for name in merged if name in settings]
        made[section] = kind(**{name: settings[name].checked(merged.pop(name)) for name in of_section})
    if merged:
        raise _unknown(next(iter(merged)))
    if card.settings is not None:
        made["model"] = dataclasses.replace(made["model"], own=made[card.own_section])
    config = Config(variant=variant, **{section: made[section] for section in SECTIONS})
    _check_together(config)
    return config


def _unread(card: ModelCard) -> dict[str, Any]:
    """The defaults of the settings that a model does not read."""
    if card.reads is None:
        return {}
    read = {"kind", *card.reads}
    return {s.name: s.default for kind in OF_TRAINING for s in settings_of(kind) if s.name not in read}


def _has_own_dim(vectors: object) -> bool:
    source = vector_source(str(vectors))
    return source is not None and source.own_length


def _unknown(name: str) -> UserError:
    """Of a setting that there is none of, with what was meant, where that can be guessed."""
    names = {word: s.name for kind in all_sections().values() for s in settings_of(kind) for word in (s.flag, s.name)}
    close = difflib.get_close_matches(name, names, n=1)
    return UserError(f"unknown setting {name!r}" + (f"; did you mean {names[close[0]]!r}?" if close else ""))


# What no setting can be asked alone.


def _check_one_seed(card: ModelCard, given: Mapping[str, Any]) -> None:
    if card.reads is not None and "num_seeds" not in card.reads and given.get("num_seeds", 1) != 1:
        raise UserError(
            f"--num_seeds={given['num_seeds']} is not for --model={card.name}, which fits one seed a run; leave it "
            "out, and give each --seed a --workdir of its own"
        )


def _check_is_read(card: ModelCard, given: Mapping[str, Any]) -> None:
    """Raise UserError where what documents' metadata or vectors are to do is given to a model that does not do it."""
    of_etm = {name: by_name(ModelConfig)[name] for name in ("prevalence", "content", "context")}
    of_detm = {"time_field": by_name(DynamicConfig)["time_field"]}
    for name, s in (of_etm | of_detm).items():
        models = " or ".join(f"--model={model}" for model in s.models or ("detm",))
        reads = card.settings is DynamicConfig if name in of_detm else card.forced.get(name) is None and not card.reads
        if given.get(name) and not reads:
            raise UserError(f"{s.spelled(given[name])} is for {models}, and not for --model={card.name}; leave it out")


def _check_together(config: Config) -> None:
    c, m, t, refine_steps = config.corpus, config.model, config.train, config.objective.refine_steps
    if c.valid_share + c.test_share >= 1:
        raise UserError(
            f"--valid_share={c.valid_share} is out of range; give less, so that with --test_share={c.test_share} "
            "documents are left to train on"
        )
    if m.encoder == "context" and not m.context:
        raise UserError("--encoder=context reads the vectors of --context alone; give --context=use, or another")
    if m.context_axes != by_name(ModelConfig)["context_axes"].default and not m.context:
        raise UserError(
            f"--context_axes={m.context_axes} is of the vectors of --context; give that too, or leave it out"
        )
    pooling = config.objective
    if pooling.neighbours != by_name(ObjectiveConfig)["neighbours"].default and not pooling.neighbour_share:
        raise UserError(f"--neighbours={pooling.neighbours} is for --neighbour_share, which is 0; give it too, as 0.5")
    if m.prevalence:
        parse_formula(m.prevalence)
    if "," in m.content:
        raise UserError(f"--content={m.content} is to be one field; give one of them")
    if m.content and (config.objective.criterion != "cross_entropy" or config.objective.renormalize):
        other = "--renormalize" if config.objective.renormalize else f"--criterion={config.objective.criterion}"
        way_out = "--norenormalize" if config.objective.renormalize else "--criterion=cross_entropy"
        raise UserError(
            f"--content={m.content} does not go with {other}, which sums over words as if all groups had the same; "
            f"give {way_out}"
        )
    for flag, steps in (("infer_steps", m.infer_steps), ("refine_steps", refine_steps)):
        if steps and m.theta_layer:
            raise UserError(
                f"--{flag}={steps} is out of range; give 0, or --notheta_layer: the steps take θ for softmax(δ)"
            )
    o = config.optimizer
    if o.adam_moments != "full" and o.optimizer not in ("adam", "adamw"):
        raise UserError(
            f"--adam_moments={o.adam_moments} is for --optimizer=adam and adamw, which have moments; leave it out with "
            f"--optimizer={o.optimizer}"
        )
    if t.seed + t.num_seeds - 1 > MAX_SEED:
        raise UserError(
            f"--num_seeds={t.num_seeds} is out of range; give less, so that the last seed is at most {MAX_SEED}"
        )
