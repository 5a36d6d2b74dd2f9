"""Whether the topics of a run have collapsed, and which flags are most likely to help: docs/collapse.md."""

from etm_jax.config.build import Config
from etm_jax.metrics.posterior import active_units
from etm_jax.metrics.topics import WORDS_OF_DIVERSITY, WORDS_SHOWN, diversity, duplicate_topics, top_words
from etm_jax.models.registry import model_kind
from etm_jax.models.topic_arrays import TopicArrays

LEAST_DIVERSITY = 0.3
"""Unique share of the top 25 words. Below it, a word is in more than three topics on average."""

MOST_DUPLICATES = 0.2
"""Share of topics most of whose ten words are another topic's. Good runs have hardly any, collapsed ones over half."""

LEAST_VOCABULARY = 4 * WORDS_SHOWN
"""Words that duplicates are looked for among: of fewer, two lists of ten have most in common by chance."""

LEAST_ACTIVE = 0.5
"""Share of active units. Below it, most of θ is the same in every document."""


def symptoms(model: TopicArrays) -> list[str]:
    """The criteria of collapse that are met, each with its value; empty where none is, and for LDA."""
    if model.activity is None:
        return []
    num_topics, words = len(model.beta), top_words(model.beta, WORDS_OF_DIVERSITY)
    unique, duplicates = diversity(words), duplicate_topics(words[:, :WORDS_SHOWN])
    active = active_units(model.activity)
    vocab_size = model.beta.shape[1]
    # A vocabulary smaller than the number of top words cannot reach a diversity of 1.
    least = LEAST_DIVERSITY * min(1.0, vocab_size / words.size)
    out = []
    if unique < least:
        out.append(f"diversity is {unique:.2f} (sound: {least:.2f} and more)")
    if duplicates > MOST_DUPLICATES * num_topics and vocab_size >= LEAST_VOCABULARY:
        out.append(f"{duplicates} of {num_topics} topics repeat another one's words")
    if active < LEAST_ACTIVE * num_topics:
        out.append(f"only {active} of {num_topics} topics vary with the document")
    return out


def collapse_warning(model: TopicArrays, config: Config, num_docs: int) -> str | None:
    """One line with the symptoms and the two flags most likely to help; None where the topics have not collapsed.

    config: with what became of its defaults in the run. num_docs: to train on.
    """
    wrong = symptoms(model)
    if not wrong:
        return None
    first, second = advice(config, num_docs)
    return (
        f"the topics have collapsed: {', '.join(wrong)}; most likely to help, in another --workdir: "
        f"{first} {second} (docs/collapse.md says why)"
    )


def advice(config: Config, num_docs: int) -> tuple[str, str]:
    """The two flags that help most and that `config` does not set yet, most effective first: docs/collapse.md."""
    first, second, *_ = model_kind(config.model.kind).collapse_advice(config, num_docs)
    return first, second
