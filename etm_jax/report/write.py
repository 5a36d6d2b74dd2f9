"""Writing a run's page and the folders beside it: what `etm_jax.report` does."""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, NamedTuple

from etm_jax.corpus.sources import files_trained_on
from etm_jax.report import exports, peer_exports
from etm_jax.report.hierarchy import write_hierarchy
from etm_jax.report.page.contents import contents
from etm_jax.report.page.html import is_page, page
from etm_jax.report.plots import write_plots
from etm_jax.report.tables.write import write_tables
from etm_jax.results.evaluation import evaluate
from etm_jax.results.run import Run
from etm_jax.results.saved_run import read_measurable
from etm_jax.results.topic_names import AUTO, read_names
from etm_jax.training.run_folder import PAGE
from etm_jax.util.console import note
from etm_jax.util.errors import UserError
from etm_jax.util.extras import require
from etm_jax.util.files import check_writable, replace_text
from etm_jax.util.overlap import check_not_read, given
from etm_jax.util.own_files import replace_own_file, replace_own_files


class Folder(NamedTuple):
    """A folder that can be written beside the page.

    write: fills it, from the run and from the data of the page. about: its content, for people. package: the package
    that it needs, which the extra of the same name installs; empty for none.
    """

    write: Callable[[Run, dict[str, Any], Path], None]
    about: str
    package: str = ""


FOLDERS = {
    "figures": Folder(
        lambda run, shown, folder: write_plots(shown, run.model.theta, folder),
        "the plots of the page and a map of documents, as PNG and SVG",
        "matplotlib",
    ),
    "tables": Folder(write_tables, "tables for a paper, each as .csv, .tex (booktabs) and .md"),
    "hierarchy": Folder(
        write_hierarchy,
        "the tree of topics: hierarchy.csv and .json, levels.csv, and doc_branches.csv at the cut",
    ),
    "parquet": Folder(
        lambda run, shown, folder: exports.write_parquet(run, [topic["name"] for topic in shown["topics"]], folder),
        "topics.parquet and doc_topics.parquet",
        "pyarrow",
    ),
    "projector": Folder(
        lambda run, shown, folder: exports.write_projector(run, folder),
        "give tensors.tsv and metadata.tsv to https://projector.tensorflow.org; rho.vec and alpha.vec are word2vec's "
        "format",
    ),
    "topicwizard": Folder(
        lambda run, shown, folder: exports.write_topicwizard(run, folder),
        "topicwizard.visualize(topic_data=etm_jax.report.exports.topic_data(FOLDER))",
    ),
    "pyldavis": Folder(
        lambda run, shown, folder: exports.write_pyldavis(run, folder),
        "prepare.json holds the arguments of pyLDAvis.prepare; pyldavis.html, its page, loads scripts from the "
        "internet when it is opened",
        "pyLDAvis",
    ),
    "octis": Folder(
        lambda run, shown, folder: peer_exports.write_octis(run, folder),
        "octis.dataset.dataset.Dataset().load_custom_dataset_from_folder(FOLDER); model_output.npz holds the topics",
    ),
    "topmost": Folder(
        lambda run, shown, folder: peer_exports.write_topmost(run, folder), "topmost.data.BasicDataset(FOLDER)"
    ),
    "uci": Folder(
        lambda run, shown, folder: peer_exports.write_uci(run, folder), "docword.corpus.txt and vocab.corpus.txt"
    ),
    "ldac": Folder(lambda run, shown, folder: peer_exports.write_ldac(run, folder), "corpus.dat and vocab.txt"),
    "mm": Folder(lambda run, shown, folder: peer_exports.write_market(run, folder), "corpus.mm and vocab.txt"),
}
"""The folders by the name of their flag, in the order in which they are written."""


PAGE_SUFFIXES = (".html", ".htm")
"""What a page may be called, so that no other file makes way for one."""


def write_report(
    workdir: str,
    output: str = "",
    folders: Collection[str] = (),
    *,
    date_field: str = "",
    topic_names: str = "",
    page_lang: str = "",
    by_relevance: bool = False,
    hierarchy_cut: int = 0,
) -> None:
    """Write the page of a run, and the folders that are asked for.

    Parameters
    ----------
    workdir : str
        The folder of a finished run, or of a model that `ETM.save` wrote with its documents.
    output : str
        The page, whose name ends in .html; empty for report.html in `workdir`.
    folders : collection of str
        Names of `FOLDERS`, which are written beside the page.
    date_field : str
        The field of the metadata, or of the corpus' file, that holds the documents' dates; empty to find one.
    topic_names : str
        A .csv or .tsv file with columns topic and name, or "auto" for names of distinctive words; empty for the names
        that etm_jax.edit gave, where it did.
    page_lang : str
        en or zh; empty for the language of the corpus, or English where it is another.
    by_relevance : bool
        Whether topics show their most relevant words, not the most probable ones.
    hierarchy_cut : int
        Branches that the tree of topics is cut into, on the page at first and in the folder `hierarchy`; 0 for eight,
        or as many as there are topics.

    Raises
    ------
    UserError
        If something cannot be read or written, or a package is missing.
    """
    for name in folders:
        if package := FOLDERS[name].package:
            require(package, name, f"--{name}")
    run = read_measurable(Path(workdir).expanduser(), texts=True)
    place = Path(output).expanduser() if output else run.folder.page
    if place.is_dir():
        raise UserError(f"--output={place} is a folder; give a file such as {place / PAGE}")
    check_writable(place.parent, "output" if output else "workdir")
    check_not_read(
        [("--output", place), *((f"--{name}", place.parent / name) for name in folders)],
        [
            *(("--workdir", path) for path in run.folder.parts),
            *given("topic_names", "" if topic_names == AUTO else topic_names),
            *files_trained_on(run.record.config),
        ],
    )
    if place.suffix.lower() not in PAGE_SUFFIXES:
        # Else a thesis.tex or a script would make way for the page.
        raise UserError(f"--output={output} is to be a page; give a name that ends in .html")
    names = dict(enumerate(run.edit.names)) if run.edit else {}
    names |= read_names(topic_names, "topic_names", run.model.beta, run.corpus.vocabulary)
    shown = contents(run, evaluate(run), date_field, names, page_lang, by_relevance, hierarchy_cut)
    place.parent.mkdir(parents=True, exist_ok=True)
    for name in folders:
        with replace_own_files(place.parent / name) as folder:
            FOLDERS[name].write(run, shown, folder)
        note(f"{place.parent / name}: {FOLDERS[name].about}")
    if place == run.folder.page:
        replace_own_file(place, page(shown).encode(), of_before=is_page)
    else:
        replace_text(place, page(shown))
    note(f"{place}: {place.stat().st_size / 2**20:.1f} MiB; open it in a browser")
