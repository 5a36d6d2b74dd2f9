"""What a run is, and the variables it begins with: from word vectors, another run, or its own checkpoint."""

import jax
import jax.numpy as jnp

from etm_jax.config.build import Config
from etm_jax.config.settings import RunOptions
from etm_jax.corpus.types import Corpus
from etm_jax.models.base import Start
from etm_jax.models.layers import Variables
from etm_jax.models.registry import model_kind
from etm_jax.models.seed_words import Columns, read_seed_words
from etm_jax.training.ensemble import seeds, stack
from etm_jax.training.run_folder import RunRecord, default_dtype
from etm_jax.training.saved_model import SavedModel
from etm_jax.training.trainer import num_epochs_for
from etm_jax.util import console
from etm_jax.util.errors import UserError
from etm_jax.vectors import word_vectors


def start(
    config: Config, options: RunOptions, corpus: Corpus, saved: RunRecord | None, other: SavedModel | None
) -> tuple[RunRecord, Variables | None]:
    """What the run is, and the variables that it begins with; None where it goes on from a checkpoint of its own.

    saved: what the run was, where it goes on. other: the model whose weights it begins with. Of several seeds, the
    variables are a stack of members, which share the word vectors, those of the first seed.
    """
    num_docs, num_topics, stream = corpus.num_train, config.model.num_topics, corpus.stream
    if num_topics > num_docs:
        console.warn(f"--n_topic={num_topics} is more than the {num_docs} documents to train on; some will stay empty")
    block = stream.block_docs if stream else 1
    # Of what is read in blocks, a batch is made of whole ones.
    batch_size = min(config.train.batch_size, -(-num_docs // block) * block)
    if batch_size < config.train.batch_size:
        console.note(f"--batch_size={config.train.batch_size} is reduced to the {num_docs} documents there are")

    seed_words = _seed_words(config, options, corpus, saved)
    nnz = stream.nnz if stream else corpus.train.counts.nnz
    epoch_steps = stream.num_steps(batch_size) if stream else 0

    def record(embed_dim: int) -> RunRecord:
        return RunRecord(
            config=config,
            ckpt=options.ckpt,
            corpus=corpus.name,
            corpus_digest=corpus.digest,
            vocabulary_hash=corpus.vocabulary.hash,
            vocab_size=len(corpus.vocabulary),
            num_docs=num_docs,
            embed_dim=embed_dim,
            batch_size=batch_size,
            num_epochs=num_epochs_for(config.train, num_docs, len(corpus.vocabulary), nnz, batch_size),
            epoch_steps=epoch_steps,
            seed_words=seed_words,
            dtype=default_dtype(),
        )

    if saved:
        return record(saved.embed_dim), None
    if other:
        _check_vocabulary(other, corpus, options.ckpt)
        console.note(f"weights: those of {other.origin}")
        # As they were trained, before their temperature, which the end of this run brings anew.
        as_trained = other.spec().module().tempered(other.variables, 1 / other.config.model.temperature)
        variables = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), as_trained)
        return record(other.embed_dim), variables
    vectors = None
    if model_kind(config.model.kind).has_embeddings:
        vectors = word_vectors(corpus, config.vectors, config.train.seed)
        console.note(vectors.describe())
    matrix = None if vectors is None else vectors.matrix
    ours = record(0 if matrix is None else matrix.shape[1])
    module = ours.spec().module()

    def member(seed: int) -> Variables:
        return module.initial(jax.random.key(seed), Start(corpus, matrix, seed, seed_words))

    return ours, stack([member(seed) for seed in console.track(seeds(config.train), "starting points", unit="seeds")])


def _seed_words(config: Config, options: RunOptions, corpus: Corpus, saved: RunRecord | None) -> Columns:
    """What --seed_words names. Raises UserError where a run that goes on was begun with other words."""
    if not options.seed_words:
        found: Columns = ()
    elif not model_kind(config.model.kind).has_embeddings:
        raise UserError(
            f"--seed_words={options.seed_words} is for --model=etm, whose topics have embeddings; leave it out"
        )
    else:
        found = read_seed_words(options.seed_words, corpus.vocabulary, config.model.num_topics)
    if saved and saved.seed_words != found:
        words = corpus.vocabulary.words
        begun = " / ".join(" ".join(words[j] for j in line) or "(free)" for line in saved.seed_words) or "none"
        raise UserError(
            f"--seed_words is not as the run was begun, with {begun}; bring that back, or give another --workdir"
        )
    return found


def lda_record(config: Config, corpus: Corpus) -> RunRecord:
    """What a run of --model=lda is. It has no vectors and no batches; its epochs are the engine's iterations."""
    return RunRecord(
        config=config,
        ckpt="",
        corpus=corpus.name,
        corpus_digest=corpus.digest,
        vocabulary_hash=corpus.vocabulary.hash,
        vocab_size=len(corpus.vocabulary),
        num_docs=len(corpus.train),
        embed_dim=0,
        batch_size=0,
        num_epochs=model_kind(config.model.kind).num_iterations(config),
    )


def _check_vocabulary(other: SavedModel, corpus: Corpus, ckpt: str) -> None:
    """Raise UserError where the words cannot be those of the weights; say so where nobody can know."""
    differs = other.vocabulary is not None and other.vocabulary.hash != corpus.vocabulary.hash
    if differs or other.vocab_size != len(corpus.vocabulary):
        raise UserError(
            f"--ckpt={ckpt} has a vocabulary of {other.vocab_size} words that is not this corpus's of "
            f"{len(corpus.vocabulary)}; give its corpus and the same filters (it is {other.origin})"
        )
    if other.vocabulary is None:
        console.warn(
            f"--ckpt={ckpt} does not hold its words: that they are this corpus's, in the same order, is taken on trust"
        )
