"""The lists of --stopwords=zh and en: which words corpora propose by their counts, and what was read out of them.

A word is proposed where it stands in a tenth of a corpus' documents, or in three of a thousand and evenly: with a
residual inverse document frequency of at most 1.5 bits (Church and Gale 1995, Inverse document frequency: a measure of
deviations from Poisson). Of the proposals, those of the closed classes were kept: pronouns, particles, prepositions,
conjunctions, determiners, auxiliaries, and adverbs of degree, time and manner; and the list was read word by word.

    python -m experiments.stop_word_lists --lang=zh                # the proposals, kept or not, by falling share
    python -m experiments.stop_word_lists --lang=zh --keep=FILE    # those of the words in a file: the list anew
"""

import math
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from etm_jax.cli.flags import parse_small, run
from etm_jax.config.corpus_settings import CorpusConfig
from etm_jax.config.declaration import setting
from etm_jax.corpus.prepare import resolve
from etm_jax.corpus.sources import find_source
from etm_jax.corpus.words.segment import segment_documents
from etm_jax.corpus.words.stop_words import named_list
from etm_jax.util.errors import UserError

CORPORA = {"zh": ("peoples_daily", "inews", "sanguo"), "en": ("newsarticles", "lee")}
"""A newspaper of 1998, news of 2018 and a novel of the fourteenth century; news of 2017 and of 2000."""

FEWEST, RARE, COMMON, EVEN = 20, 0.003, 0.1, 1.5
"""Documents that a proposed word is in at least; shares of them; and residual inverse document frequency, in bits."""

TRADITIONAL = ("s2t", "s2tw")
"""OpenCC's ways to write the words in traditional characters, in which no corpus of the project is."""


class Proposal(NamedTuple):
    """A word with the share of documents that hold it, and its residual inverse document frequency in bits."""

    word: str
    share: float
    ridf: float


def residual_idf(docs: int, doc_freq: int, term_freq: int) -> float:
    """−log2(df/D) + log2(1 − exp(−cf/D)), in bits: how much rarer documents hold a word than if it fell anywhere.

    docs: D, documents; doc_freq, term_freq: df and cf, those that hold the word, and its occurrences.
    """
    return -math.log2(doc_freq / docs) + math.log2(-math.expm1(-term_freq / docs))


def proposals(docs: int, doc_freq: Mapping[str, int], term_freq: Mapping[str, int]) -> list[Proposal]:
    """The words of one corpus that its counts propose, in no order."""
    found = []
    for word, df in doc_freq.items():
        share, ridf = df / docs, residual_idf(docs, df, term_freq[word])
        if df >= FEWEST and (share >= COMMON or (share >= RARE and ridf <= EVEN)):
            found.append(Proposal(word, share, ridf))
    return found


def joined(corpora: Iterable[Iterable[Proposal]]) -> list[Proposal]:
    """The proposals of several corpora, each word as in that which has it in most documents, by falling share."""
    best: dict[str, Proposal] = {}
    for of_one in corpora:
        for proposal in of_one:
            if proposal.word not in best or proposal.share > best[proposal.word].share:
                best[proposal.word] = proposal
    return sorted(best.values(), key=lambda p: (-p.share, p.word))


def kept(found: Iterable[Proposal], read: Iterable[str], lang: str) -> list[str]:
    """The list: the proposals that were read, in their order; after the Chinese words their traditional forms.

    Raises UserError where OpenCC, which writes those, is not installed.
    """
    wanted = set(read)
    words = [proposal.word for proposal in found if proposal.word in wanted]
    if lang == "zh":
        if find_spec("opencc") is None:
            raise UserError("--lang=zh with --keep needs OpenCC, which is not installed; pip install OpenCC")
        from opencc import OpenCC

        words += [OpenCC(way).convert(word) for way in TRADITIONAL for word in words]
    return list(dict.fromkeys(words))


def _proposed_by(corpus: str) -> list[Proposal]:
    config = CorpusConfig(corpus=corpus, unit="document")
    source = find_source(config)
    assert source.documents is not None
    docs, doc_freq, term_freq = 0, Counter[str](), Counter[str]()
    for _, tokens in segment_documents(source.documents, resolve(config, source)):
        docs += 1
        doc_freq.update(set(tokens))
        term_freq.update(tokens)
    return proposals(docs, doc_freq, term_freq)


@dataclass(frozen=True)
class Flags:
    """The flags of this program."""

    lang: str = setting("", "which list", choices=tuple(CORPORA), required=True, shown="zh")
    keep: str = setting("", "file of the words that were kept on reading, one a line", shown="FILE")


def main(argv: list[str]) -> None:
    """Print the proposals, or the list that they and the words read out of them give."""
    flags = parse_small(Flags, argv, __doc__)
    if flags is None:
        return
    found = joined(map(_proposed_by, CORPORA[flags.lang]))
    if flags.keep:
        print("\n".join(kept(found, Path(flags.keep).read_text("utf-8").split(), flags.lang)))
        return
    listed = set(named_list(flags.lang))
    for word, share, ridf in found:
        print(f"{word}\t{share:.3f}\t{ridf:.2f}\t{'kept' if word in listed else ''}")


if __name__ == "__main__":
    sys.exit(run(main))
