from types import SimpleNamespace

import numpy as np

from etm_jax.results.too_many import too_many_topics


def model_of(largest, vocab_size=600):
    """Topics over words of their own, and documents whose largest topics are given."""
    num_topics = 10
    beta = np.full((num_topics, vocab_size), 1e-6)
    for k in range(num_topics):
        beta[k, 30 * k : 30 * (k + 1)] = 1
    theta = np.full((len(largest), num_topics), 0.05)
    theta[np.arange(len(largest)), largest] = 0.55
    return SimpleNamespace(beta=beta / beta.sum(1, keepdims=True), theta_train=theta)


def test_topics_that_documents_fill_are_not_warned_of():
    assert too_many_topics(model_of(np.arange(200) % 10), 200) is None


def test_unused_topics_are_counted():
    message = too_many_topics(model_of(np.arange(200) % 4), 200)
    assert "6 of them are the largest of no document" in message
    assert "--n_topic=4" in message


def test_few_documents_a_topic_are_told():
    message = too_many_topics(model_of(np.arange(40) % 10), 40)
    assert "there are 4.0 documents to train on for each" in message
    assert "--n_topic=2 " in message


def test_topics_of_the_same_words_are_told_where_there_are_few_documents():
    same = model_of(np.arange(200) % 10)
    same.beta[:] = same.beta[0]
    assert "only 10% of their top 25 words are unique" in too_many_topics(same, 200)
    assert too_many_topics(same, 10_000) is None
