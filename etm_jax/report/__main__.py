"""Show a run that has ended: one page, report.html, that opens in any browser, without the net.

    python -m etm_jax.report --workdir=runs/demo
    python -m etm_jax.report --workdir=runs/news --date_field=published --figures --tables

The page has the topics with their words, by probability or relevance, documents and neighbours, a map of words and
topics, which topics are alike, topics over time where documents have dates, loss, coherence and diversity by epoch, the
first documents, all figures and settings; and a search. Where the run did not keep the beginnings of its texts, they
are read from its corpus.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from etm_jax.cli import flags as cli
from etm_jax.config.declaration import setting
from etm_jax.report.page.strings import LANGUAGES
from etm_jax.util.imports import quick_imports


@dataclass(frozen=True)
class ReportFlags:
    """What the command takes."""

    workdir: str = setting("", "the folder of a run that has ended, such as runs/demo", shown="FOLDER", required=True)
    output: str = setting("", "the page, a .html file; default: report.html in that folder", shown="FILE")
    date_field: str = setting(
        "",
        "the field of the documents' dates: of --meta_fields or --meta of the run, or a column or key of its .csv, "
        ".tsv or .jsonl corpus; without it, the first field of the metadata that holds dates, or names of documents "
        "that begin with one, such as 20240531-2",
        shown="NAME",
    )
    topic_names: str = setting(
        "",
        "a .csv or .tsv file with columns topic and name: what you call topics, in place of their words; or auto, for "
        "names of distinctive words; without it, the names that etm_jax.edit gave",
        shown="FILE",
    )
    top_words: str = setting(
        "probability",
        "the words that stand for a topic on the page and in figures: its most probable ones, or those of the highest "
        "relevance at λ = 0.6, which are rare outside it (docs/tables.md: what that gives and costs); the page has a "
        "slider, which starts there",
        choices=("probability", "relevance"),
    )
    page_lang: str = setting(
        "",
        "the language of the page and of the figures; default: that of the corpus, or en where it is another",
        choices=LANGUAGES,
    )
    figures: bool = setting(False, "write figures/ beside the page: its pictures as PNG and SVG (extra: figures)")
    tables: bool = setting(
        False,
        "write tables/ beside the page, each table as .csv, .tex and .md: topics, their shares by category and period "
        "with 95% intervals, quotations, similar topics, the tree of topics",
    )
    hierarchy: bool = setting(
        False,
        "write hierarchy/ beside the page: the tree of topics, each node with its topics, share and words, the "
        "branches at every level, and documents' proportions of the branches at one",
    )
    hierarchy_cut: int = setting(
        0,
        "branches that the tree of topics is cut into, on the page at first and in hierarchy/doc_branches.csv; 0: 8, "
        "or as many as there are topics",
        at_least=0,
        zero="8",
    )
    parquet: bool = setting(
        False, "write parquet/ beside the page: topics and documents' topics as tables (extra: parquet)"
    )
    projector: bool = setting(
        False,
        "write projector/ beside the page: words and topics for the TensorFlow Projector, and in word2vec's format",
    )
    topicwizard: bool = setting(
        False,
        "write topicwizard/ beside the page: the fields of its TopicData; etm_jax.report.exports.topic_data reads them",
    )
    pyldavis: bool = setting(
        False,
        "write pyldavis/ beside the page: what pyLDAvis.prepare takes, as JSON, and its page (extra: pyldavis)",
    )
    octis: bool = setting(
        False, "write octis/ beside the page: the corpus as OCTIS' dataset folder, and its model_output.npz"
    )
    topmost: bool = setting(False, "write topmost/ beside the page: the corpus as TopMost's dataset folder")
    uci: bool = setting(False, "write uci/ beside the page: the corpus as UCI's docword and vocab")
    ldac: bool = setting(False, "write ldac/ beside the page: the corpus as lda-c's .dat, and its vocabulary")
    mm: bool = setting(False, "write mm/ beside the page: the corpus as a Matrix Market file, and its vocabulary")


def main(argv: Sequence[str]) -> None:
    """Read, measure, write."""
    given = cli.parse_small(ReportFlags, argv, __doc__)
    if given is None:
        return
    # JAX takes a second to import, which neither --help nor a mistyped flag should cost.
    with quick_imports():
        from etm_jax.report.write import FOLDERS, write_report

    folders = [name for name in FOLDERS if getattr(given, name)]
    write_report(
        given.workdir,
        given.output,
        folders,
        date_field=given.date_field,
        topic_names=given.topic_names,
        page_lang=given.page_lang,
        by_relevance=given.top_words == "relevance",
        hierarchy_cut=given.hierarchy_cut,
    )


if __name__ == "__main__":
    sys.exit(cli.run(main))
