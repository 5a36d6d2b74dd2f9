"""Every setting of a run: frozen dataclasses that own the defaults, to and from JSON.

A field's metadata holds its help line and, where the flag is spelt otherwise, its flag. No field name occurs twice, so
settings can be given as one flat mapping. A published variant differs from the dataclass defaults by its row in
`VARIANTS`; what a user gives wins over both.
"""

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from etm_jax.config.vector_sources import VECTOR_SOURCES, vector_source
from etm_jax.util.errors import UserError


def setting(default: Any, help: str, *, flag: str | None = None, choices: tuple[str, ...] = ()) -> Any:
    """A dataclass field with its help line, its flag's spelling and its allowed values."""
    return field(default=default, metadata={"help": help, "flag": flag, "choices": choices})


@dataclass(frozen=True)
class CorpusConfig:
    """Where the documents come from and how they become counts."""

    corpus: str = setting("", "a file (.txt, .jsonl, .csv, .tsv; a document a line), a folder, or a corpus by name")
    corpus_fallback: str = setting("", "the corpus to use where --corpus is not there")
    text_field: str = setting("text", "the column or key that holds the text (.jsonl, .csv, .tsv)")
    meta_fields: str = setting("", "columns or keys that documents carry along (.jsonl, .csv, .tsv): date,source,…")
    meta: str = setting("", "file (.csv, .tsv) with a column document and --meta_fields, by default all its columns")
    encoding: str = setting("utf-8", "of text files: utf-8, gb18030, …")
    lang: str = setting("", "language of the text; default: a named corpus's own, else zh", choices=("zh", "en"))
    unit: str = setting(
        "paragraph", "what a document is in a named corpus of longer texts", choices=("paragraph", "document")
    )
    segmenter: str = setting(
        "",
        "how text becomes words; default: pkuseg for zh, words for en, gold where the corpus is segmented by hand",
        choices=("pkuseg", "rjieba", "jieba", "spacy_pkuseg", "words", "whitespace", "gold"),
    )
    segmenter_model: str = setting("", "folder of the model of --segmenter=spacy_pkuseg")
    workers: int = setting(0, "processes that segment; 0: as many as repay their start")
    nfkc: bool = setting(True, "fold full-width and compatibility characters (Unicode NFKC) before segmentation")
    lowercase: bool | None = setting(None, "fold case; default: for en only")
    stopwords: str = setting("", "file of words to drop, one a line; none are dropped by default")
    min_token_len: int | None = setting(None, "shortest word kept, in characters; default: 1 for zh, 2 for en")
    no_below: int = setting(5, "drop words found in fewer documents than this")
    no_above: float = setting(0.1, "drop words found in more than this share of the documents")
    keep_n: int = setting(0, "keep only this many words, those of most documents; 0: all")
    auto_adj: bool = setting(False, "drop the 20 words found in most documents, in place of --no_above")
    valid_share: float = setting(0.05, "share of the documents set aside for validation")
    test_share: float = setting(0.10, "share of the documents set aside for the test")
    split_seed: int = setting(1, "seed of the split into train, validation and test")
    cache_dir: str = setting("", "where prepared corpora are kept; default: inside the workdir")
    rebuild: bool = setting(False, "prepare the corpus again even where it is cached")


@dataclass(frozen=True)
class VectorsConfig:
    """Where the word embeddings ρ come from."""

    vectors: str = setting(
        "ppmi", "word vectors to start from: ppmi, skipgram, cbow, use, random, or file:PATH (word2vec format)"
    )
    embed_dim: int | None = setting(
        100,
        "length of the word vectors; default where --vectors brings a length of its own (file:, use): that length",
        flag="emb_dim",
    )
    vectors_epochs: int = setting(15, "passes over the text for skipgram and cbow")
    vectors_window: int = setting(8, "words to each side that count as context for skipgram and cbow")
    train_rho: bool = setting(True, "train the word vectors along with the topics")


@dataclass(frozen=True)
class ModelConfig:
    """The shape of encoder and decoder. Hashable, so that it can be a static argument of `jax.jit`."""

    kind: str = setting(
        "etm",
        "etm, or a model to compare it with: gsm (NVDM-GSM: topics from an MLP in place of ρ and α) or lda",
        flag="model",
        choices=("etm", "gsm", "lda"),
    )
    num_topics: int = setting(50, "topics", flag="n_topic")
    hidden: tuple[int, ...] = setting((128, 128), "widths of the encoder's hidden layers")
    dropout: float = setting(0.0, "share of the encoder's hidden units dropped in training")
    dropout_layers: str = setting("last", "which hidden layers --dropout falls on", choices=("last", "all"))
    encoder_input: str = setting(
        "log1p", "what the encoder reads of the counts", choices=("counts", "normalized", "log1p")
    )
    use_tfidf: bool = setting(False, "let the encoder read tf-idf in place of --encoder_input")
    read_rho: bool = setting(
        True, "let the encoder read words by their vectors in ρ; else it learns weights of its own"
    )
    skip: bool = setting(True, "add a linear path from the words' vectors in ρ to the topics, started from α")
    decoder_hidden: tuple[int, ...] = setting((512,), "widths of the hidden layers of the decoder of --model=gsm")
    theta_layer: bool = setting(False, "pass the sample through a linear layer before the softmax")
    torch_bias: bool = setting(False, "give ρ and α the biases of torch's Linear; they change nothing")
    warm_start: bool = setting(True, "start α from clusters of the word vectors")
    rarity: float = setting(
        0.7, "power of a word's inverse document frequency that its vector's length starts with, where --warm_start"
    )
    background: float = setting(0.6, "share of the log word frequency added to every topic's logits")
    prior_variance: float = setting(15.0, "variance of the prior of δ")
    thinning: float = setting(0.6, "largest share of a document's words that is hidden from the encoder in training")
    infer_steps: int = setting(10, "Newton steps at test from the encoder's δ to a better one near it; 0: none")
    infer_variance: float = setting(3.0, "variance of δ about the encoder's that --infer_steps allow for")
    temperature: float = setting(1.07, "what the topics' logits are divided by once they are trained; 1: nothing")


@dataclass(frozen=True)
class ObjectiveConfig:
    """What is minimised. Hashable."""

    criterion: str = setting(
        "cross_entropy", "reconstruction term", choices=("cross_entropy", "bce_softmax", "bce_sigmoid")
    )
    likelihood_eps: float = setting(0.0, "added to θβ inside the logarithm; both published codes use 1e-6")
    renormalize: bool = setting(False, "divide θβ + eps by its sum over the vocabulary, as the report does")
    reduction: str = setting("mean", "how a batch's losses become one", choices=("mean", "sum"))
    overlap_weight: float = setting(0.6, "weight of the penalty on the overlap of topics")
    kl_weight: float = setting(1.0, "weight of the KL term")
    seed_weight: float = setting(0.03, "weight of what draws each topic to its --seed_words")
    refine_steps: int = setting(2, "Newton steps in training from the encoder's guess to a better one")


@dataclass(frozen=True)
class OptimizerConfig:
    """How parameters move. Hashable."""

    optimizer: str = setting("adam", "update rule", choices=("adam", "adamw", "sgd", "adagrad", "rmsprop"))
    learning_rate: float = setting(0.006, "step size at the start")
    lr_schedule: str = setting("cosine", "how the step size falls", choices=("cosine", "constant"))
    rho_lr: float = setting(0.5, "step size of ρ, as a multiple of --learning_rate")
    alpha_lr: float = setting(0.7, "step size of α, as a multiple of --learning_rate")
    weight_decay: float = setting(0.0, "L2 penalty in the gradient; decoupled for adamw")
    clip_norm: float = setting(0.0, "largest norm of the gradient; 0: unbounded")


@dataclass(frozen=True)
class TrainConfig:
    """How long, in what batches, and what is kept."""

    num_epochs: int = setting(0, "passes over the training documents; 0: 4 to 60, the more the oftener words occur")
    batch_size: int = setting(256, "documents a step")
    seed: int = setting(1, "seed of everything random but the split")
    num_seeds: int = setting(
        1, "models to train at once, from --seed and the seeds that follow it; the best by validation is exported"
    )
    read_workers: int = setting(0, "processes that read a corpus of shards ahead; 0: threads of this one")
    checkpoint_every: int = setting(5, "epochs between checkpoints")
    log_quality_every: int = setting(0, "epochs between measurements of coherence and diversity; 0: never")
    patience: int = setting(
        0, "stop after this many epochs without a better validation nelbo; 0: never. See --export_from"
    )
    anneal_lr: bool = setting(False, "divide the step size where the validation nelbo stops falling")
    anneal_factor: float = setting(4.0, "what --anneal_lr divides by")
    anneal_patience: int = setting(10, "epochs that --anneal_lr waits")
    export_from: str = setting(
        "last", "epoch that is exported: the best saved one by validation nelbo, or the last", choices=("best", "last")
    )


@dataclass(frozen=True)
class LdaConfig:
    """How --model=lda is fitted."""

    lda_engine: str = setting(
        "gensim",
        "which LDA; of all other flags it reads the corpus', --n_topic and --seed alone",
        choices=("gensim", "tomotopy"),
    )
    lda_iterations: int = setting(0, "passes of gensim or sweeps of tomotopy's sampler; 0: 20 passes, 500 sweeps")


@dataclass(frozen=True)
class RunOptions:
    """Where a run lives and what it begins from. No number of a run depends on these but by `ckpt` and `seed_words`."""

    variant: str = setting(
        "default", "which ETM: ours, or a published one to the letter", choices=("default", "report", "paper")
    )
    taskname: str = setting(
        "", "name of the run; without --corpus it reads data/<taskname>_lines.txt or data/<taskname>.txt"
    )
    workdir: str = setting("", "folder of the run; default: runs/<taskname>, with _gsm or _lda for such a --model")
    seed_words: str = setting(
        "", "file with the words that topics are to be about, a topic a line; an empty line leaves a topic free"
    )
    ckpt: str = setting("", "start from weights: of the run in this folder, a .safetensors file, or a torch checkpoint")
    bkpt_continue: bool = setting(True, "go on where the run in --workdir stopped; --nobkpt_continue refuses to")
    tensorboard: bool = setting(False, "write TensorBoard events to <workdir>/tensorboard (extra: tensorboard)")
    mesh: str = setting(
        "",
        "devices as data:4,vocab:2: documents are split over data, words over vocab; default: all devices on data",
    )
    distributed: bool = setting(
        False,
        "this is one of several processes that train as one, on one file system; so it is wherever srun, mpirun, a TPU "
        "slice or JAX_NUM_PROCESSES say that there are several",
    )
    coordinator: str = setting("", "HOST:PORT of the first of several processes; default: the cluster's own")
    num_processes: int = setting(0, "how many processes train as one; 0: as the cluster says")
    process_id: int = setting(-1, "which of them this is, from 0; -1: as the cluster says")
    compilation_cache: str = setting(
        "", "folder that keeps compiled programs, so that the next run with the same shapes starts sooner"
    )


SECTIONS: dict[str, type] = {
    "corpus": CorpusConfig,
    "vectors": VectorsConfig,
    "model": ModelConfig,
    "objective": ObjectiveConfig,
    "optimizer": OptimizerConfig,
    "train": TrainConfig,
    "lda": LdaConfig,
}

MAX_SEED = 2**32 - 1
"""scikit-learn and numpy take no larger one."""

_PUBLISHED: dict[str, Any] = {
    "read_rho": False,
    "skip": False,
    "warm_start": False,
    "background": 0.0,
    "prior_variance": 1.0,
    "likelihood_eps": 1e-6,
    "overlap_weight": 0.0,
    "thinning": 0.0,
    "refine_steps": 0,
    "infer_steps": 0,
    "temperature": 1.0,
    "learning_rate": 0.005,
    "lr_schedule": "constant",
    "rho_lr": 1.0,
    "alpha_lr": 1.0,
    "num_epochs": 100,
    "embed_dim": 300,
}

VARIANTS: dict[str, dict[str, Any]] = {
    "default": {},
    "report": _PUBLISHED
    | {
        "vectors": "cbow",
        "train_rho": False,
        "num_topics": 20,
        "hidden": (1024, 512),
        "dropout_layers": "all",
        "encoder_input": "counts",
        "theta_layer": True,
        "torch_bias": True,
        "renormalize": True,
        "reduction": "sum",
        "batch_size": 512,
    },
    "paper": _PUBLISHED
    | {
        "vectors": "random",
        "num_topics": 50,
        "hidden": (800, 800),
        "encoder_input": "normalized",
        "weight_decay": 1.2e-6,
        "batch_size": 1000,
        "num_epochs": 1000,
        "export_from": "best",
    },
}
"""What each variant sets otherwise than the dataclasses: zll17/Neural_Topic_Models' EVAE, adjidieng/ETM, and ours."""

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
}
"""Settings that mean nothing to a model without ρ and α. They hold for it whatever a flagfile written for ETM says."""

FOR_GSM: dict[str, Any] = {
    name: _PUBLISHED[name] for name in ("prior_variance", "thinning", "learning_rate", "lr_schedule", "num_epochs")
} | {"export_from": "best"}
"""What the default variant sets otherwise for gsm, unless it is given.

Its topics start at random and its decoder only slowly comes to use θ: under ETM's wide prior, few passes and falling
steps the posterior collapses to the prior, and the topics are all the same.
"""

FORCED: dict[str, dict[str, Any]] = {
    "gsm": WITHOUT_EMBEDDINGS
    | {
        # Gaussian Softmax: θ is the softmax of a linear map of the sample. That map is the model's name.
        "theta_layer": True,
        # p(w | θ) is a softmax: there is no θβ to guard from zero or to divide by its sum.
        "likelihood_eps": 0.0,
        "renormalize": False,
    },
    # It reads nothing of these: whatever is given, they keep their defaults.
    "lda": {
        f.name: f.default
        for section in (VectorsConfig, ModelConfig, ObjectiveConfig, OptimizerConfig, TrainConfig)
        for f in dataclasses.fields(section)
        if f.name not in ("kind", "num_topics", "seed")
    },
}
"""What holds for each kind of model but ETM, whatever is given."""


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

    def to_json(self) -> dict[str, Any]:
        """Nested plain values, ready for `json.dump`."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Config":
        """The inverse of `to_json`. A setting that an earlier version did not have takes its default.

        Raises UserError where a section is missing, or a setting is unknown or mistyped.
        """
        try:
            flat: dict[str, Any] = {}
            for section, kind in SECTIONS.items():
                unknown = set(values[section]) - {f.name for f in dataclasses.fields(kind)}
                if unknown:
                    raise UserError(f"section {section!r} has unknown settings {sorted(unknown)}")
                flat |= values[section]
            return make_config(values["variant"], flat)
        except (KeyError, TypeError) as error:
            raise UserError(f"not a configuration of etm_jax: {error!r}") from error


def make_config(variant: str = "default", given: Mapping[str, Any] | None = None) -> Config:
    """A whole configuration: the dataclass defaults, then the variant's, then what is `given` by field name.

    An `embed_dim` of None means that nothing was said about it: vectors with a length of their own (file:, use) then
    keep it, whatever the variant's default; all others get the default.

    Raises UserError for an unknown variant or setting, and for a value that is not allowed.
    """
    if variant not in VARIANTS:
        raise UserError(f"--variant={variant!r} is unknown; choose from {', '.join(VARIANTS)}")
    given = dict(given or {})
    dim_is_given = given.get("embed_dim") is not None
    if not dim_is_given:
        given.pop("embed_dim", None)
    merged = VARIANTS[variant] | given
    if merged.get("kind") == "lda" and merged.get("num_seeds", 1) != 1:
        raise UserError(
            f"--num_seeds={merged['num_seeds']} is not for --model=lda, which fits one seed a run; leave it out, "
            "and give each --seed a --workdir of its own"
        )
    if merged.get("kind") == "gsm":
        merged = FOR_GSM | merged
    merged |= FORCED.get(merged.get("kind", ""), {})
    if not dim_is_given and _has_own_dim(merged.get("vectors")):
        merged["embed_dim"] = None
    sections = {}
    for name, kind in SECTIONS.items():
        fields = {f.name: f for f in dataclasses.fields(kind)}
        taken = {key: _checked(fields[key], kind, merged.pop(key)) for key in list(merged) if key in fields}
        sections[name] = kind(**taken)
    if merged:
        raise UserError(f"unknown setting {next(iter(merged))!r}")
    config = Config(variant=variant, **sections)
    _check_ranges(config)
    return config


def _has_own_dim(vectors: object) -> bool:
    source = vector_source(str(vectors))
    return source is not None and source.own_length


def flag_name(f: "dataclasses.Field[Any]") -> str:
    """The spelling of a field's flag."""
    return f.metadata["flag"] or f.name


def spelled(f: "dataclasses.Field[Any]", value: Any) -> str:
    """A setting as it is given on the command line: `--hidden=800,800`, `--nouse_tfidf`; `no --ckpt` where empty."""
    name = flag_name(f)
    if isinstance(value, bool):
        return f"--{name}" if value else f"--no{name}"
    if value is None or value == "":
        return f"no --{name}"
    return f"--{name}={','.join(map(str, value)) if isinstance(value, tuple) else value}"


def field_type(kind: type, f: "dataclasses.Field[Any]") -> tuple[type, bool]:
    """A field's plain type and whether it may be None: `int | None` gives `(int, True)`."""
    hint = typing.get_type_hints(kind)[f.name]
    if isinstance(hint, types.UnionType):
        return next(arg for arg in typing.get_args(hint) if arg is not type(None)), True
    return typing.get_origin(hint) or hint, False


def _checked(f: "dataclasses.Field[Any]", kind: type, value: Any) -> Any:
    wanted, optional = field_type(kind, f)
    if value is None and optional:
        return None
    if wanted is tuple and isinstance(value, list):
        value = tuple(value)
    if wanted is float and type(value) is int:
        value = float(value)
    if type(value) is not wanted:
        raise UserError(f"--{flag_name(f)}={value!r} must be of type {wanted.__name__}")
    if isinstance(value, tuple) and not all(type(part) is int for part in value):
        raise UserError(f"--{flag_name(f)}={value!r} must be whole numbers")
    if isinstance(value, float) and not math.isfinite(value):
        raise UserError(f"--{flag_name(f)}={value} must be a finite number")
    choices = f.metadata["choices"]
    if choices and value and value not in choices:
        raise UserError(f"--{flag_name(f)}={value!r} is not one of {', '.join(choices)}")
    return value


def _check_ranges(config: Config) -> None:
    """Bounds that need no corpus. Each row: flag, value, whether it is allowed, what is."""
    c, v, m, o, t = config.corpus, config.vectors, config.model, config.optimizer, config.train
    j, hidden = config.objective, ",".join(map(str, m.hidden))
    softmax = "the steps take θ for softmax(δ)"
    shares = f"less, so that with --test_share={c.test_share} documents are left to train on"
    rows: list[tuple[str, Any, bool, str]] = [
        ("n_topic", m.num_topics, m.num_topics >= 2, "at least 2"),
        ("hidden", hidden, bool(m.hidden) and all(h >= 1 for h in m.hidden), "positive widths such as 800,800"),
        (
            "decoder_hidden",
            ",".join(map(str, m.decoder_hidden)),
            bool(m.decoder_hidden) and all(h >= 1 for h in m.decoder_hidden),
            "positive widths such as 512",
        ),
        ("dropout", m.dropout, 0 <= m.dropout < 1, "at least 0 and below 1"),
        ("prior_variance", m.prior_variance, m.prior_variance > 0, "above 0"),
        ("rarity", m.rarity, m.rarity >= 0, "at least 0"),
        ("thinning", m.thinning, 0 <= m.thinning < 1, "at least 0 and below 1"),
        ("infer_steps", m.infer_steps, m.infer_steps >= 0, "0 for none, or a positive number"),
        ("infer_steps", m.infer_steps, m.infer_steps == 0 or not m.theta_layer, f"0, or --notheta_layer: {softmax}"),
        ("infer_variance", m.infer_variance, m.infer_variance > 0, "above 0"),
        ("temperature", m.temperature, m.temperature > 0, "above 0; 1 leaves the topics as they were trained"),
        ("refine_steps", j.refine_steps, j.refine_steps >= 0, "0 for none, or a positive number"),
        ("refine_steps", j.refine_steps, j.refine_steps == 0 or not m.theta_layer, f"0, or --notheta_layer: {softmax}"),
        ("kl_weight", j.kl_weight, j.kl_weight > 0, "above 0"),
        ("emb_dim", v.embed_dim, v.embed_dim is None or v.embed_dim >= 2, "at least 2"),
        (
            "vectors",
            v.vectors,
            vector_source(v.vectors) is not None,
            f"one of {', '.join(source.shown for source in VECTOR_SOURCES.values())}",
        ),
        ("vectors_epochs", v.vectors_epochs, v.vectors_epochs >= 1, "at least 1"),
        ("vectors_window", v.vectors_window, v.vectors_window >= 1, "at least 1"),
        ("no_below", c.no_below, c.no_below >= 1, "at least 1"),
        ("no_above", c.no_above, 0 < c.no_above <= 1, "above 0 and at most 1"),
        ("keep_n", c.keep_n, c.keep_n >= 0, "0 for all, or a positive number"),
        ("workers", c.workers, c.workers >= 0, "0 for as many as are useful, or a positive number"),
        ("min_token_len", c.min_token_len, c.min_token_len is None or c.min_token_len >= 1, "at least 1"),
        ("valid_share", c.valid_share, 0 <= c.valid_share < 1, "at least 0 and below 1"),
        ("test_share", c.test_share, 0 <= c.test_share < 1, "at least 0 and below 1"),
        ("valid_share", c.valid_share, c.valid_share + c.test_share < 1, shares),
        ("split_seed", c.split_seed, 0 <= c.split_seed <= MAX_SEED, f"0 to {MAX_SEED}"),
        ("likelihood_eps", j.likelihood_eps, j.likelihood_eps >= 0, "at least 0"),
        ("overlap_weight", j.overlap_weight, j.overlap_weight >= 0, "at least 0"),
        ("learning_rate", o.learning_rate, o.learning_rate > 0, "above 0"),
        ("rho_lr", o.rho_lr, o.rho_lr >= 0, "at least 0"),
        ("alpha_lr", o.alpha_lr, o.alpha_lr >= 0, "at least 0"),
        ("weight_decay", o.weight_decay, o.weight_decay >= 0, "at least 0"),
        ("clip_norm", o.clip_norm, o.clip_norm >= 0, "at least 0"),
        ("read_workers", t.read_workers, t.read_workers >= 0, "0 for threads, or a positive number"),
        ("num_epochs", t.num_epochs, t.num_epochs >= 0, "0 for automatic, or a positive number"),
        ("batch_size", t.batch_size, t.batch_size >= 1, "at least 1"),
        ("seed", t.seed, 0 <= t.seed <= MAX_SEED, f"0 to {MAX_SEED}"),
        ("num_seeds", t.num_seeds, t.num_seeds >= 1, "at least 1"),
        (
            "num_seeds",
            t.num_seeds,
            t.seed + t.num_seeds - 1 <= MAX_SEED,
            f"less, so that the last seed is at most {MAX_SEED}",
        ),
        ("checkpoint_every", t.checkpoint_every, t.checkpoint_every >= 1, "at least 1"),
        (
            "log_quality_every",
            t.log_quality_every,
            t.log_quality_every >= 0,
            "0 for never, or a positive number of epochs",
        ),
        ("patience", t.patience, t.patience >= 0, "at least 0"),
        ("anneal_factor", t.anneal_factor, t.anneal_factor > 1, "above 1"),
        ("anneal_patience", t.anneal_patience, t.anneal_patience >= 1, "at least 1"),
        (
            "lda_iterations",
            config.lda.lda_iterations,
            config.lda.lda_iterations >= 0,
            "0 for the default, or a positive number",
        ),
    ]
    for flag, value, allowed, wanted in rows:
        if not allowed:
            raise UserError(f"--{flag}={value} is out of range; give {wanted}")
    # No computer has so much of anything; sizes beyond overflow before they are too large for its memory.
    for section, kind in SECTIONS.items():
        for f in dataclasses.fields(kind):
            value = getattr(getattr(config, section), f.name)
            parts = value if isinstance(value, tuple) else (value,)
            if any(type(part) is int and part > MAX_SEED for part in parts):
                raise UserError(f"{spelled(f, value)} is out of range; give at most {MAX_SEED}")
