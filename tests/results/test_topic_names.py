"""Names of topics: of distinctive words, of phrases where there are some, and by a function."""

import numpy as np
import pytest

from etm_jax.corpus.types import Phrases, Vocabulary
from etm_jax.metrics.relevance import relevant_words
from etm_jax.results.topic_names import automatic_names, names_by
from etm_jax.util.errors import UserError

WORDS = ["the", "machine", "learning", "machine_learning", "sea", "boat", "fish", "town"]


def vocabulary(phrases=None):
    frequency = np.array([500, 20, 20, 15, 20, 20, 20, 20])
    return Vocabulary(WORDS, np.ones(8, np.int64), frequency, 1, "none", phrases=phrases)


def topics(*rows):
    beta = np.array(rows, float) + 1e-4
    return beta / beta.sum(axis=1, keepdims=True)


BETA = topics([9, 3, 3, 2, 0, 0, 0, 0], [3, 0, 0, 0, 3, 2, 1.5, 0.5])


def test_relevance_puts_distinctive_words_before_common_ones():
    share = vocabulary().term_freq / 635
    assert relevant_words(BETA, share, 1, weight=1.0).ravel().tolist() == [0, 0]
    lift = np.log(BETA / share)
    assert relevant_words(BETA, share, 1, weight=0.0).ravel().tolist() == lift.argmax(axis=1).tolist()
    between = 0.6 * np.log(BETA) + 0.4 * lift
    assert relevant_words(BETA, share, 8).tolist() == np.argsort(-between, axis=1, kind="stable").tolist()


def test_a_name_is_of_distinctive_words():
    assert automatic_names(BETA, vocabulary())[1] == "sea boat fish"


def test_a_phrase_comes_first_and_its_words_are_not_repeated():
    first = automatic_names(BETA, vocabulary(Phrases(((("machine", "learning"),),), ())))[0]
    assert first.split()[0] == "machine_learning"
    assert not {"machine", "learning"} & set(first.split()[1:])


def test_no_two_topics_have_one_name():
    names = automatic_names(np.concatenate([BETA, BETA[1:], BETA[1:]]), vocabulary())
    assert len(set(names)) == 4


def test_a_function_names_topics_by_what_it_sees():
    seen = []

    def namer(topic):
        seen.append(topic)
        return f"{topic.topic}: {topic.words[0]}"

    assert names_by(namer, BETA, WORDS, [["a"], ["b", "c"]]) == ["0: the", "1: the"]
    assert seen[1].documents == ["b", "c"]
    assert seen[0].weights[0] == pytest.approx(BETA[0, 0])
    with pytest.raises(UserError, match="namer gave 3 for topic 0"):
        names_by(lambda topic: 3, BETA, WORDS, [[], []])
