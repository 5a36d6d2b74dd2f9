"""The table that says what filtering the vocabulary did, and warnings about it."""

from etm_jax.corpus.types import FilterReport, Vocabulary
from etm_jax.corpus.words.phrases import parts_of
from etm_jax.util.console import table

SHOWN = 10
"""Phrases that are named."""

FEWEST_TOKENS = 5
"""Of a median document after filtering. With fewer, hardly any document says what it is about."""

MOST_EMPTIED = 0.02
"""Share of documents that may lose all their words without a warning; the table counts them in any case."""


def format_report(report: FilterReport) -> str:
    """A table of documents, tokens and words before and after, over all parts of the split.

    Emptied documents are those that kept no token. Below them, what --clean dropped from the text before, and how many
    of the stop words the text holds.
    """
    pairs = [
        ("documents", report.docs_before, report.docs_after),
        ("tokens", report.tokens_before, report.tokens_after),
        ("words", report.words_before, report.words_after),
    ]
    rows = [(what, f"{before:,}", f"{after:,}", _share(before, after)) for what, before, after in pairs]
    rows.append(("median tokens a document", f"{report.median_length_before:g}", f"{report.median_length_after:g}", ""))
    rows.append(("documents emptied", "", f"{report.docs_before - report.docs_after:,}", ""))
    rows += [(f"dropped: {rule}", "", f"{number:,}", "") for rule, number in report.cleaned.items()]
    shown = table(rows, ["filtering all documents", "before", "after", "kept"], "<>>>")
    if not report.stopwords:
        return shown
    return f"{shown}\n\nstop words: {report.stopwords_found:,} of {report.stopwords:,} occur in the text"


def format_phrases(vocabulary: Vocabulary) -> str:
    """One line on the phrases that were joined: how many, and the commonest ones; empty where none were to be."""
    if vocabulary.phrases is None:
        return ""
    joined = parts_of(vocabulary.phrases).keys()
    freq = dict(zip(vocabulary.words, vocabulary.term_freq.tolist(), strict=True))
    kept = sorted(joined & freq.keys(), key=lambda word: (-freq[word], word))
    such = f", such as {' '.join(kept[:SHOWN])}" if kept else ""
    return f"phrases: {len(joined):,} joined, of which the vocabulary has {len(kept):,}{such}"


def report_warnings(report: FilterReport) -> list[str]:
    """One line each for documents that kept few words, for those that kept none, and for stop words without effect.

    That most tokens go is no fault: the words that are in every document are half of any text.
    """
    warnings = []
    if report.stopwords and not report.stopwords_found:
        warnings.append(
            f"none of the {report.stopwords:,} stop words occurs in the text; give those of its language, spelled and "
            "cut as its words are"
        )
    if report.tokens_after < report.tokens_before / 2 and report.median_length_after < FEWEST_TOKENS:
        warnings.append(
            f"filtering leaves half of the documents with {report.median_length_after:g} words or fewer "
            f"({report.median_length_before:g} before), too few to tell topics by; lower --no_below to keep more of "
            "the rare words, or give longer documents"
        )
    if report.docs_after < report.docs_before / 2:
        warnings.append(
            f"filtering keeps only {report.docs_after:,} of {report.docs_before:,} documents, the others have no words "
            "left; raise --no_above, lower --no_below, or give longer documents"
        )
    elif report.docs_before - report.docs_after > MOST_EMPTIED * report.docs_before:
        warnings.append(
            f"{report.docs_before - report.docs_after:,} of {report.docs_before:,} documents have no words left, and "
            "nothing is learnt from them: all their words are stop words, too short, rare (--no_below) "
            "or common (--no_above)"
        )
    return warnings


def _share(before: int, after: int) -> str:
    return f"{after / before:.1%}" if before else ""
