"""Whether a model has more topics than its documents fill."""

import numpy as np

from etm_jax.metrics.topics import WORDS_OF_DIVERSITY, diversity, top_words
from etm_jax.models.topic_arrays import TopicArrays
from etm_jax.training.run_record import ENOUGH_DOCUMENTS

LEAST_USED = 2 / 3
"""Share of topics that are the largest of some training document. With fewer, the number of topics is too large."""

LEAST_DOCUMENTS = 5
"""Training documents a topic. With fewer, a topic is the words of a handful of texts."""

LEAST_DIVERSITY, FEW_DOCUMENTS = 0.5, 50
"""Unique share of the top 25 words that topics of fewer than so many documents each are to reach."""


def too_many_topics(model: TopicArrays, num_docs: int) -> str | None:
    """One line where K topics are too many for the documents, with the signs of it; None where they are not.

    num_docs: to train on, of which `model.theta_train` may be a sample.
    """
    num_topics, vocab_size = model.beta.shape
    used = len(np.unique(model.theta_train.argmax(axis=1)))
    words = top_words(model.beta, WORDS_OF_DIVERSITY)
    unique = diversity(words)
    signs = []
    if used < LEAST_USED * num_topics:
        signs.append(f"{num_topics - used} of them are the largest of no document")
    if num_docs < LEAST_DOCUMENTS * num_topics:
        signs.append(f"there are {num_docs / num_topics:.1f} documents to train on for each")
    # A vocabulary smaller than the number of top words cannot reach a diversity of 1.
    if num_docs < FEW_DOCUMENTS * num_topics and unique < LEAST_DIVERSITY * min(1.0, vocab_size / words.size):
        signs.append(f"only {unique:.0%} of their top {WORDS_OF_DIVERSITY} words are unique")
    if not signs:
        return None
    fewer = max(2, min(used, num_docs // ENOUGH_DOCUMENTS, num_topics - 1))
    return (
        f"{num_topics} topics are many for {num_docs:,} documents: {', '.join(signs)}; fewer are likely to be better, "
        f"such as --n_topic={fewer} in another --workdir"
    )
