"""What topics are called: names of distinctive words, names from a file, and names by a function of the user's."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from etm_jax.corpus.types import Vocabulary
from etm_jax.corpus.words.phrases import parts_of
from etm_jax.metrics.relevance import relevant_words
from etm_jax.metrics.topics import top_words
from etm_jax.util.errors import UserError
from etm_jax.util.keyed_csv import read_pairs

AUTO = "auto"
"""In place of a file of names: they are to be made of distinctive words."""

CONSIDERED = 10
"""Words of a topic, by relevance, that its name is made of."""

WORDS_IN_NAME = 3

MOST_DOCUMENTS = 5
"""Documents that a namer is given."""


class NamedTopic(NamedTuple):
    """A topic as a namer sees it.

    Attributes
    ----------
    topic : int
        Its number.
    words : list of str
        Its 20 most probable words, best first.
    weights : list of float
        Their probabilities.
    documents : list
        The documents that represent it best, as they were given; none where the model keeps no documents.
    """

    topic: int
    words: list[str]
    weights: list[float]
    documents: list[Any]


Namer = Callable[[NamedTopic], str]


def automatic_names(beta: np.ndarray, vocabulary: Vocabulary) -> list[str]:
    """Name every topic by distinctive words.

    A name has three of the topic's ten words of highest relevance (`etm_jax.metrics.relevance`), phrases before single
    words, and no word that a phrase in it has already. Where two topics would be called the same, their names
    have more words, and in the end a number.

    Parameters
    ----------
    beta : ndarray of shape (K, V)
        Topics; rows sum to 1.
    vocabulary : Vocabulary
        Its words, their occurrences, and which of them are phrases.

    Returns
    -------
    list of K str
        All different.
    """
    share = vocabulary.term_freq / max(int(vocabulary.term_freq.sum()), 1)
    phrases = parts_of(vocabulary.phrases)
    ranked = [
        without_parts([vocabulary.words[j] for j in row], phrases)
        for row in relevant_words(beta, share, CONSIDERED)
    ]  # fmt: skip
    names = [" ".join(words[:WORDS_IN_NAME]) for words in ranked]
    for length in range(WORDS_IN_NAME + 1, CONSIDERED + 1):
        names = [
            " ".join(words[:length]) if names.count(name) > 1 else name
            for words, name in zip(ranked, names, strict=True)
        ]
    return [f"{name} {names[: k + 1].count(name)}" if names.count(name) > 1 else name for k, name in enumerate(names)]


def names_by(namer: Namer, beta: np.ndarray, words: Sequence[str], documents: Sequence[list[Any]]) -> list[str]:
    """Name every topic by a function.

    Parameters
    ----------
    namer : callable
        From a `NamedTopic` to its name.
    beta : ndarray of shape (K, V)
    words : sequence of V str
    documents : sequence of K lists
        The documents that represent each topic.

    Raises
    ------
    UserError
        If a name is not text.
    """
    names = []
    for k, row in enumerate(top_words(beta, 20)):
        given = [words[j] for j in row]
        name = namer(NamedTopic(k, given, beta[k, row].tolist(), list(documents[k])))
        if not isinstance(name, str):
            raise UserError(f"namer gave {name!r} for topic {k}; it has to give text")
        names.append(name)
    return names


def read_names(given: str, flag: str, beta: np.ndarray, vocabulary: Vocabulary) -> dict[int, str]:
    """Read names of topics from a file with columns topic and name, or make them where `given` is "auto".

    Parameters
    ----------
    given : str
        The file, "auto", or "" for no names.
    flag : str
        The flag that names it, for messages.
    beta : ndarray of shape (K, V)
    vocabulary : Vocabulary

    Returns
    -------
    dict of int to str
        Topics that the file does not name are left out.

    Raises
    ------
    UserError
        If the file cannot be read so, or names a topic that does not exist.
    """
    if given == AUTO:
        return dict(enumerate(automatic_names(beta, vocabulary)))
    return checked_names(read_pairs(given, flag, "topic", "name"), f"--{flag}={given}", len(beta)) if given else {}


def checked_names(named: Mapping[str, str], source: str, num_topics: int) -> dict[int, str]:
    """Names by numbers. Raises UserError, which begins with `source`, where one is no number of a topic."""
    for topic in named:
        if not (topic.isdecimal() and int(topic) < num_topics):
            raise UserError(f"{source} names topic {topic!r}; topics are 0 to {num_topics - 1}")
    return {int(topic): name for topic, name in named.items()}


def without_parts(words: Iterable[str], phrases: Mapping[str, tuple[str, ...]]) -> list[str]:
    """The words, phrases first, without those that a phrase among them consists of. phrases: with their parts."""
    ordered = sorted(words, key=lambda word: word not in phrases)
    parts = {part for word in ordered for part in phrases.get(word, ())}
    return [word for word in ordered if word not in parts]
