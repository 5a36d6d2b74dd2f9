"""The settings of a run, by section: frozen dataclasses that own the defaults.

No setting's name occurs twice, so that settings can be given as one flat mapping.
"""

from dataclasses import dataclass
from typing import Any

from etm_jax.config.corpus_settings import MAX_SEED, CorpusConfig
from etm_jax.config.declaration import NOT_HERE, setting, settings_of
from etm_jax.config.models import LdaConfig, model_card, model_names, model_phrases
from etm_jax.config.variants import PHRASES, RENAMED
from etm_jax.config.vector_sources import CONTEXT_SOURCES, JOINED, VECTOR_SOURCES, joined_sources
from etm_jax.util.errors import UserError


@dataclass(frozen=True)
class VectorsConfig:
    """Where the word embeddings ρ come from."""

    vectors: str = setting(
        "ppmi",
        "word vectors to start from",
        choices={source.shown: source.about for source in (*VECTOR_SOURCES.values(), JOINED)},
        parts=joined_sources,
        reads="path",
    )
    embed_dim: int | None = setting(
        100,
        "length of the word vectors; default where --vectors brings a length of its own (file:, use, bert:): that",
        flag="emb_dim",
        at_least=2,
    )
    vectors_epochs: int = setting(15, "passes over the text for skipgram and cbow", at_least=1)
    vectors_window: int = setting(8, "words to each side that count as context for skipgram and cbow", at_least=1)
    train_rho: bool = setting(True, "train the word vectors along with the topics")


@dataclass(frozen=True)
class ModelConfig:
    """The shape of encoder and decoder. Hashable, so that it can be a static argument of `jax.jit`.

    own: the settings that this model alone reads, an object of its card's `settings`; None where it has none.
    """

    kind: str = setting(
        "etm",
        "which topic model; the modules that the environment variable ETM_JAX_MODELS names can bring more",
        flag="model",
        choices=model_phrases,
    )
    num_topics: int = setting(
        50,
        "topics; several numbers, as 10,20,30, fit a model of each and compare them",
        flag="n_topic",
        shown="N",
        at_least=2,
        several=True,
    )
    hidden: tuple[int, ...] = setting(
        (128, 128), "widths of the encoder's hidden layers", at_least=1, example="800,800"
    )
    context: str = setting(
        "",
        "vectors of whole documents that the encoder reads beside their counts",
        choices=CONTEXT_SOURCES,
        models=("etm", "gsm", "detm"),
        before="",
        reads="path",
    )
    context_axes: int = setting(
        32,
        "principal axes of the vectors of --context that the encoder reads",
        at_least=1,
        models=("etm", "gsm", "detm"),
        before=32,
    )
    encoder: str = setting(
        "counts",
        "what the encoder reads",
        choices={
            "counts": "a document's words, and its vector of --context beside them",
            "context": "that vector alone, also of documents in other words or another language",
        },
        before="counts",
    )
    dropout: float = setting(0.0, "share of the encoder's hidden units dropped in training", at_least=0, below=1)
    dropout_layers: str = setting("last", "which hidden layers --dropout falls on", choices=("last", "all"))
    encoder_input: str = setting(
        "log1p", "what the encoder reads of the counts", choices=("counts", "normalized", "log1p")
    )
    use_tfidf: bool = setting(False, "let the encoder read tf-idf in place of --encoder_input")
    read_rho: bool = setting(
        True,
        "let the encoder read words by their vectors in ρ; else it learns weights of its own",
        before=NOT_HERE,
    )
    skip: bool = setting(True, "add a linear path from the words' vectors in ρ to the topics, started from α")
    decoder_hidden: tuple[int, ...] = setting(
        (512,), "widths of the hidden layers of the decoder", at_least=1, example="512", models=("gsm",)
    )
    theta_layer: bool = setting(False, "pass the sample through a linear layer before the softmax")
    torch_bias: bool = setting(False, "give ρ and α the biases of torch's Linear; they change nothing")
    warm_start: bool = setting(True, "start α from clusters of the word vectors")
    rarity: float = setting(
        0.7,
        "power of a word's inverse document frequency that its vector's length starts with, where --warm_start",
        at_least=0,
    )
    background: float = setting(0.6, "share of the log word frequency added to every topic's logits")
    prior_variance: float = setting(15.0, "variance of the prior of δ", above=0)
    thinning: float = setting(
        0.6,
        "largest share of a document's words that is hidden from the encoder in training",
        at_least=0,
        below=1,
    )
    prevalence: str = setting(
        "",
        "formula by which metadata move the prior of a document's topics, as '~ source + s(date, 5)'",
        shown="FORMULA",
        models=("etm",),
        before="",
    )
    prevalence_variance: float = setting(
        1.0,
        "variance of the prior of each coefficient of --prevalence, for columns of variance 1",
        above=0,
        models=("etm",),
        before=1.0,
    )
    content: str = setting(
        "",
        "metadata field by whose categories the words of topics differ, such as source",
        shown="FIELD",
        models=("etm",),
        before="",
    )
    content_weight: float = setting(
        2.0,
        "standard deviations that a word's count in a group of --content is off before the word counts as its own",
        above=0,
        models=("etm",),
        before=2.0,
    )
    infer_steps: int = setting(
        10, "Newton steps at test from the encoder's δ to a better one near it; 0: none", at_least=0, zero="none"
    )
    infer_variance: float = setting(1.5, "variance of δ about the encoder's that --infer_steps allow for", above=0)
    infer_sif: float = setting(
        0.001,
        "a, by which a word of share p of the text counts a / (a + p) in --infer_steps, so that words that are "
        "everywhere say little of a document's topics; 0: all count 1",
        at_least=0,
        zero="all words count 1",
        before=0.0,
    )
    temperature: float = setting(
        1.07,
        "what the topics' logits are divided by once they are trained; 1: nothing",
        above=0,
        before=1.0,
    )
    own: Any = None


@dataclass(frozen=True)
class ObjectiveConfig:
    """What is minimised. Hashable."""

    criterion: str = setting(
        "cross_entropy", "reconstruction term", choices=("cross_entropy", "bce_softmax", "bce_sigmoid")
    )
    likelihood_eps: float = setting(0.0, "added to θβ inside the logarithm; both published codes use 1e-6", at_least=0)
    renormalize: bool = setting(False, "divide θβ + eps by its sum over the vocabulary, as --variant=ntm does")
    reduction: str = setting("mean", "how a batch's losses become one", choices=("mean", "sum"))
    overlap_weight: float | None = setting(
        None,
        "weight of the penalty on the overlap of topics; default: by the words a document and the documents a topic",
        at_least=0,
    )
    kl_weight: float = setting(1.0, "weight of the KL term", above=0)
    seed_weight: float = setting(0.03, "weight of what draws each topic to its --seed_words", before=0.03)
    neighbour_share: float = setting(
        0.0,
        "share of the words to explain that a document gets from its nearest documents, by --context or, without, by "
        "the PPMI vectors of their words",
        at_least=0,
        below=1,
        before=0.0,
    )
    neighbours: int = setting(20, "nearest documents that --neighbour_share takes words of", at_least=1, before=20)
    refine_steps: int = setting(
        2, "Newton steps in training from the encoder's guess to a better one; 0: none", at_least=0, zero="none"
    )


@dataclass(frozen=True)
class OptimizerConfig:
    """How parameters move. Hashable."""

    optimizer: str = setting("adam", "update rule", choices=("adam", "adamw", "sgd", "adagrad", "rmsprop"))
    adam_moments: str = setting(
        "full",
        "what adam and adamw keep of matrices with a row or a column for each word",
        choices={
            "full": "two numbers a weight",
            "compact": "the first in bfloat16 and one second moment a word: a quarter of the memory, for steps that "
            "are not Adam's and topics that can be worse",
        },
        before="full",
    )
    learning_rate: float = setting(0.006, "step size at the start", above=0)
    lr_schedule: str = setting("cosine", "how the step size falls", choices=("cosine", "constant"))
    rho_lr: float = setting(0.35, "step size of ρ, as a multiple of --learning_rate", at_least=0)
    alpha_lr: float = setting(0.7, "step size of α, as a multiple of --learning_rate", at_least=0)
    prevalence_lr: float = setting(
        10.0,
        "step size of the coefficients of --prevalence, as a multiple of --learning_rate",
        at_least=0,
        models=("etm",),
        before=10.0,
    )
    content_lr: float = setting(
        3.0,
        "step size of what --content adds to words, as a multiple of --learning_rate",
        at_least=0,
        models=("etm",),
        before=3.0,
    )
    weight_decay: float = setting(0.0, "L2 penalty in the gradient; decoupled for adamw", at_least=0)
    clip_norm: float = setting(0.0, "largest norm of the gradient; 0: unbounded", at_least=0)


@dataclass(frozen=True)
class TrainConfig:
    """How long, in what batches, and what is kept."""

    num_epochs: int = setting(
        0,
        "passes over the training documents; 0: 4 to 60, the more the oftener words occur",
        at_least=0,
        zero="automatic",
    )
    batch_size: int = setting(256, "documents a step", at_least=1)
    seed: int = setting(1, "seed of everything random but the split", at_least=0, at_most=MAX_SEED)
    num_seeds: int = setting(
        1,
        "models to train at once, from --seed and the seeds that follow it; the best by validation is exported",
        at_least=1,
    )
    read_workers: int = setting(
        0,
        "processes that read a corpus of shards ahead; 0: threads of this one",
        at_least=0,
        zero="threads",
        before=0,
    )
    checkpoint_every: int = setting(5, "epochs between checkpoints", at_least=1, resumable=True)
    log_quality_every: int = setting(
        0,
        "epochs between measurements of coherence and diversity; 0: never",
        at_least=0,
        zero="never",
        resumable=True,
    )
    patience: int = setting(
        0,
        "stop after this many epochs without a better validation nelbo; 0: never. See --export_from",
        at_least=0,
        zero="never",
        resumable=True,
    )
    anneal_lr: bool = setting(False, "divide the step size where the validation nelbo stops falling")
    anneal_factor: float = setting(4.0, "what --anneal_lr divides by", above=1)
    anneal_patience: int = setting(10, "epochs that --anneal_lr waits", at_least=1)
    export_from: str = setting(
        "last",
        "epoch that is exported: the best saved one by validation nelbo, or the last",
        choices=("best", "last"),
        resumable=True,
    )


@dataclass(frozen=True)
class RunOptions:
    """Where a run lives and what it begins from. No number of a run depends on these but by `ckpt` and `seed_words`."""

    variant: str = setting("default", "which ETM: ours, or a published one", choices=PHRASES, renamed=RENAMED)
    taskname: str = setting(
        "", "name of the run; without --corpus it reads data/<taskname>_lines.txt or data/<taskname>.txt", shown="NAME"
    )
    workdir: str = setting(
        "", "folder of the run; default: runs/<taskname>, or runs/<taskname>_<model> of another --model", shown="FOLDER"
    )
    seed_words: str = setting(
        "",
        "file with the words that topics are to be about, a topic a line; an empty line leaves a topic free",
        shown="FILE",
        reads="file",
    )
    ckpt: str = setting(
        "", "start from weights: of the run in this folder, a .safetensors file, or a torch checkpoint", shown="FILE"
    )
    bkpt_continue: bool = setting(True, "resume the run in --workdir where it stopped; --nobkpt_continue refuses to")
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
    coordinator: str = setting(
        "", "HOST:PORT of the first of several processes; default: the cluster's own", shown="HOST:PORT"
    )
    num_processes: int = setting(
        0, "how many processes train as one; 0: as the cluster says", at_least=0, zero="what the cluster says"
    )
    process_id: int = setting(-1, "which of them this is, from 0; -1: as the cluster says", at_least=-1)
    connect_timeout: int = setting(
        300, "seconds to wait for the other processes, at first, until the job is given up", at_least=1
    )
    compilation_cache: str = setting(
        "",
        "folder that keeps compiled programs, so that the next run with the same shapes starts sooner; default: "
        "programs in the user's folder of caches (or in ETM_JAX_CACHE), at most 256 MB; none: none",
        shown="FOLDER",
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
"""Those that every run's config.json has; that of another model's own settings only where the run is of that model."""


def all_sections() -> dict[str, type]:
    """`SECTIONS`, and one of each other model's own settings by the model's name.

    Raises UserError where a model's name or setting is taken.
    """
    found = dict(SECTIONS)
    taken = {"run", "variant", *found, *(word for kind in (RunOptions, *found.values()) for word in _words(kind))}
    for name in model_names():
        card = model_card(name)
        own = card.settings
        if own is None or found.get(card.own_section) is own:
            continue
        words = [name, *_words(own)]
        if clash := next((word for word in words if word in taken), None):
            raise UserError(f"the model {name} has a section or a setting {clash}, and there is one already; rename it")
        found[card.own_section] = own
        taken.update(words)
    return found


def _words(kind: type) -> list[str]:
    """The names and flags of a dataclass's settings."""
    return [word for s in settings_of(kind) for word in (s.name, s.flag)]
