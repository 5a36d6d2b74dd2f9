"""The corpus that a run was started with, found again by what an earlier version, or another Python, called it."""

import dataclasses
from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

import numpy as np

from etm_jax.config.corpus_settings import CorpusConfig
from etm_jax.corpus.store.cache import COMPUTED, corpus_digest
from etm_jax.corpus.types import Source, Vocabulary
from etm_jax.corpus.words.segmenters import segmenter_version
from etm_jax.corpus.words.unicode_words import EARLIER_WORDS, segmenter_named
from etm_jax.util.errors import UserError


class Way(NamedTuple):
    """A way from text to a prepared corpus.

    config: resolved, as for `corpus_digest`. version: of the segmenter, with its name. computed, folded_punctuation: as
    there. exact: whether this version goes it: another one, or another Python, may have found other words.
    """

    config: CorpusConfig
    version: str
    computed: int = COMPUTED
    folded_punctuation: bool = False
    exact: bool = True

    def digest(self, source: Source) -> str:
        """The digest of the corpus. Raises UserError as `corpus_digest` does."""
        return corpus_digest(source, self.config, self.version, self.folded_punctuation, self.computed)


def way_of(digest: str, source: Source, now: Way, vocabulary: Vocabulary | None) -> Way | None:
    """The way to the corpus with this digest; None where none leads there, as its text or a setting is another one.

    now: the way of new runs. vocabulary: of the run that has the digest.
    """
    return next((way for way in _ways(now, vocabulary) if way.digest(source) == digest), None)


def check_same_words(found: Vocabulary, started: Vocabulary | None, corpus: str, version: str) -> None:
    """Raise UserError where words or counts of what was prepared again are not those that the run was started with."""
    if started is None or not (
        (found.hash, found.num_docs) == (started.hash, started.num_docs)
        and np.array_equal(found.doc_freq, started.doc_freq)
        and np.array_equal(found.term_freq, started.term_freq)
    ):
        was = started.segmenter if started else "a segmenter that its vocabulary no longer names"
        raise UserError(
            f"--corpus={corpus} is the text that the run in --workdir was started with, but its words were found by "
            f"{was} of another version or another Python, and {version} of this one does not find the same; go on "
            "there, bring the prepared corpus back (--cache_dir), or give another --workdir"
        )


def _ways(now: Way, vocabulary: Vocabulary | None) -> Iterator[Way]:
    here = [now]
    if now.config.segmenter == "words":
        earlier = dataclasses.replace(now.config, segmenter=EARLIER_WORDS)
        here.append(Way(earlier, segmenter_version(EARLIER_WORDS)))
    there = [
        way._replace(version=vocabulary.segmenter, exact=False)
        for way in here
        if vocabulary and segmenter_named(vocabulary.segmenter) == way.config.segmenter
    ]
    for way, computed, folded in product([*here, *there], range(COMPUTED, 0, -1), (False, True)):
        # Whether today's rules choose the same words where they differ is seen when they have chosen.
        exact = way.exact and computed == COMPUTED and not folded
        yield way._replace(computed=computed, folded_punctuation=folded, exact=exact)
