"""What a run starts from: its record, and its variables from word vectors, other weights, or its own checkpoint."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from etm_jax.config.build import Config
from etm_jax.config.settings import RunOptions
from etm_jax.config.vector_sources import context_kind
from etm_jax.corpus.metadata import Metadata
from etm_jax.corpus.types import Corpus
from etm_jax.models.context import constants_of
from etm_jax.models.kind import Start
from etm_jax.models.layers import Variables, init_variables
from etm_jax.models.registry import model_kind
from etm_jax.models.seed_words import Columns, read_seed_words
from etm_jax.training.ahead import CompiledAhead
from etm_jax.training.corpus_batches import batch_size_for, metadata_read, steps_of_epoch
from etm_jax.training.ensemble import seeds, stack
from etm_jax.training.memory import check_memory
from etm_jax.training.neighbours import check_neighbours
from etm_jax.training.run_record import ENOUGH_DOCUMENTS, RunRecord, trained_record
from etm_jax.training.saved_model import SavedModel
from etm_jax.training.steps import abstract_state
from etm_jax.util import console
from etm_jax.util.errors import UserError
from etm_jax.vectors import word_vectors

FEW_DOCUMENTS = 10
"""Documents a topic: with fewer, many topics are the largest of fewer than five."""

FEW_WORDS = 4.0
"""Different words a document: with fewer, there are hardly any pairs of words to learn topics from."""


def initialize(
    config: Config,
    options: RunOptions,
    corpus: Corpus,
    resumed: RunRecord | None,
    weights: SavedModel | None,
    begin: Callable[[RunRecord], None] = lambda _: None,
    ahead: CompiledAhead | None = None,
) -> tuple[RunRecord, Variables | None]:
    """What the run is, and the variables that it starts from; None where it resumes from a checkpoint of its own.

    resumed: the record of the run that is resumed. weights: the model whose weights a new run starts from. Of several
    seeds, the variables are a stack of members, which share the word vectors: those of the first seed. begin: is called
    with the record as soon as it is known, or, before the vectors are made, as it will be unless those are of another
    length. ahead: what may be compiling the program that draws the variables. Raises UserError where the settings are
    not for this corpus, or ask for more than the memory holds.
    """
    check_neighbours(corpus, config)
    if not resumed:
        check_memory(config, corpus)
        _say_what_is_little(config, corpus)
    num_docs = corpus.num_train
    batch_size = batch_size_for(config.train, corpus)
    if batch_size < config.train.batch_size:
        console.note(f"--batch_size={config.train.batch_size} is reduced to the {num_docs} documents there are")
    seed_words = _seed_words(config, options, corpus, resumed)
    epoch_steps, metadata = steps_of_epoch(corpus, config, batch_size), metadata_read(corpus, config)
    _say_periods(config, corpus, metadata)
    record = partial(trained_record, config, options, corpus, batch_size, epoch_steps, seed_words, metadata)

    if resumed or weights:
        _check_context(config, corpus, resumed or weights, options)
    if resumed:
        # What follows from the corpus stays as the run began, also under a version with another rule for it.
        longer = record(resumed.embed_dim)._replace(
            overlap_weight=resumed.overlap_weight,
            restarted_after=resumed.restarted_after,
            metadata=resumed.metadata,
        )
        if longer.num_epochs > resumed.num_epochs and config.optimizer.lr_schedule == "cosine":
            longer = longer._replace(restarted_after=resumed.num_epochs)
            more = longer.num_epochs - resumed.num_epochs
            console.note(
                f"after its {resumed.num_epochs} epochs the run gets {more} more, over which the step size falls once "
                "again from --learning_rate"
            )
        begin(longer)
        return longer, None
    if weights:
        _check_vocabulary(weights, corpus, options.ckpt)
        console.note(f"weights: those of {weights.origin}")
        # As they were trained, before their temperature, which the end of this run applies again.
        as_trained = weights.spec().module().tempered(weights.variables, 1 / weights.config.model.temperature)
        variables = _in_precision(as_trained)
        started = record(weights.embed_dim)
        _check_shapes(variables, started, options.ckpt)
        begin(started)
        _say_overlap(started, corpus)
        return started, variables
    has_embeddings, vectors = model_kind(config.model.kind).has_embeddings, None
    begin(record(config.vectors.embed_dim or 1 if has_embeddings else 0))
    if has_embeddings:
        found = word_vectors(corpus, config.vectors, config.train.seed)
        console.note(found.describe())
        vectors = found.matrix
    started = record(0 if vectors is None else vectors.shape[1])
    _say_overlap(started, corpus)
    module = started.spec().module()

    of_context = constants_of(corpus.contexts, corpus, config.model.context_axes) if corpus.contexts else {}

    if ahead is not None:
        ahead.wait(init_variables)

    def member(seed: int) -> Variables:
        variables = module.initial(jax.random.key(seed), Start(corpus, vectors, seed, seed_words))
        return _in_precision(variables._replace(constants=variables.constants | of_context))

    members = [member(seed) for seed in console.track(seeds(config.train), "starting points", unit="seeds")]
    return started, stack(members)


def _check_context(config: Config, corpus: Corpus, begun: RunRecord | SavedModel | None, options: RunOptions) -> None:
    """Raise UserError where the vectors of --context are not by what made those that a run, or weights, know."""
    assert begun is not None
    kinds = {context_kind(each.model.context) for each in (begun.config, config)}
    now = corpus.contexts.digest if corpus.contexts else ""
    # Other documents have other vectors in their file.
    if begun.context_digest == now or (isinstance(begun, SavedModel) and kinds == {"file"}):
        return
    what = f"--ckpt={options.ckpt} was trained" if isinstance(begun, SavedModel) else "this run was started"
    raise UserError(
        f"{what} with other vectors of --context (digest {begun.context_digest[:16] or 'none'}, now "
        f"{now[:16] or 'none'}); restore what made those, or start another run"
    )


def _check_shapes(variables: Variables, started: RunRecord, ckpt: str) -> None:
    """Raise UserError where weights are not those of the run's model, as its documents have other periods or groups."""
    expected = abstract_state(started.spec()).variables
    if jax.tree.map(jnp.shape, variables) != jax.tree.map(jnp.shape, expected):
        raise UserError(
            f"--ckpt={ckpt} was trained on documents of other periods or categories than these, or with vectors of "
            "another length; give its corpus and its settings, or leave out --ckpt"
        )


def _say_periods(config: Config, corpus: Corpus, metadata: Metadata) -> None:
    """Show the periods of a model whose topics move, and how many documents are of none."""
    axis = model_kind(config.model.kind).axis_of(config.model, metadata)
    if axis is None:
        return
    field, num_docs = metadata.columns[0], len(corpus.train)
    place = np.asarray(axis.period_of(field.encode(corpus.train.meta[field.name])))
    empty = len(axis) - len(np.unique(place[place < len(axis)]))
    without = f", {empty:,} of them without documents to train on" if empty else ""
    console.note(f"periods of {field.name}: {len(axis):,}, {axis.names[0]} to {axis.names[-1]}{without}")
    if undated := int((place == len(axis)).sum()):
        console.note(
            f"{undated:,} of {num_docs:,} documents to train on have no {field.name}; they have the topics of all time"
        )


def _in_precision(variables: Variables) -> Variables:
    """The variables as this process computes: in double precision under JAX_ENABLE_X64, else in single."""
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.result_type(float)), variables)


def _words(corpus: Corpus) -> float:
    """The mean number of different words of a training document."""
    nnz = corpus.stream.nnz if corpus.stream else corpus.train.counts.nnz
    return nnz / max(corpus.num_train, 1)


def _say_overlap(started: RunRecord, corpus: Corpus) -> None:
    """Show the weight of the overlap's penalty where it follows from the corpus."""
    if started.config.objective.overlap_weight is None:
        a_topic = corpus.num_train / started.config.model.num_topics
        few = f" and there are {a_topic:.1f} documents a topic" if a_topic < ENOUGH_DOCUMENTS else ""
        console.note(
            f"overlap of topics: weight {started.overlap_weight:.2g}, as a document has {_words(corpus):.1f} different "
            f"words on average{few}; --overlap_weight=… sets it"
        )


def _say_what_is_little(config: Config, corpus: Corpus) -> None:
    """Warn where there are too few documents for the topics, or too few words in a document."""
    num_docs, num_topics, words = corpus.num_train, config.model.num_topics, _words(corpus)
    enough = num_docs // ENOUGH_DOCUMENTS
    cure = f"--n_topic={enough} would have enough for each" if enough > 1 else "more documents would help"
    if num_topics > num_docs:
        console.warn(
            f"--n_topic={num_topics} is more than the {num_docs} documents to train on: some will stay empty; {cure}"
        )
    elif num_docs < FEW_DOCUMENTS * num_topics:
        console.warn(
            f"--n_topic={num_topics} is many for {num_docs} documents to train on: many topics will be the largest of "
            f"fewer than five; {cure}"
        )
    if words < FEW_WORDS:
        fewer_dropped = ", or keep more words with a smaller --no_below" if config.corpus.no_below > 1 else ""
        console.warn(
            f"a document has {words:.1f} different words on average, which say little of its topics; join short texts "
            f"that belong together{fewer_dropped}"
        )


def _seed_words(config: Config, options: RunOptions, corpus: Corpus, resumed: RunRecord | None) -> Columns:
    """The columns of --seed_words. Raises UserError where a run that is resumed was started with other words."""
    if not options.seed_words:
        found: Columns = ()
    elif not model_kind(config.model.kind).has_embeddings:
        raise UserError(
            f"--seed_words={options.seed_words} is for --model=etm, whose topics have embeddings; leave it out"
        )
    else:
        found = read_seed_words(options.seed_words, corpus.vocabulary, config.model.num_topics, config.corpus.script)
    if resumed and resumed.seed_words != found:
        words = corpus.vocabulary.words
        before = " / ".join(" ".join(words[j] for j in line) or "(free)" for line in resumed.seed_words) or "none"
        raise UserError(
            f"--seed_words differs from what this run was started with, {before}; restore those words, or give another "
            "--workdir"
        )
    return found


def _check_vocabulary(weights: SavedModel, corpus: Corpus, ckpt: str) -> None:
    """Raise UserError where the words cannot be those of the weights; warn where that is not known."""
    differs = weights.vocabulary is not None and weights.vocabulary.hash != corpus.vocabulary.hash
    if differs or weights.vocab_size != len(corpus.vocabulary):
        raise UserError(
            f"--ckpt={ckpt} has a vocabulary of {weights.vocab_size} words that is not this corpus's of "
            f"{len(corpus.vocabulary)}; give its corpus and the same filters (it is {weights.origin})"
        )
    if weights.vocabulary is None:
        console.warn(
            f"--ckpt={ckpt} does not hold its words: that they are this corpus's, in the same order, is taken on trust"
        )
