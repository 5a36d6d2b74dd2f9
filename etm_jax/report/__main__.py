"""Show a run that has ended: one page, report.html, that opens in any browser, without the net.

    python -m etm_jax.report --workdir=runs/demo
    python -m etm_jax.report --workdir=runs/news --date_field=published --figures

The page has the topics with their words, documents and neighbours, a map of words and topics, which topics are alike,
topics over time where documents have dates, loss, coherence and diversity by epoch, the first documents, all figures
and settings; and a search. Where the run did not keep the beginnings of its texts, they are read from its corpus.

--workdir=FOLDER      a run of any --model
--output=FILE         default: report.html in that folder
--date_field=NAME     the field of the documents' dates: of --meta_fields or --meta of the run, or a column or key of
                      its .csv, .tsv or .jsonl corpus; without it, the first field of the metadata that holds dates, or
                      names of documents that begin with one, such as 20240531-2
--topic_names=FILE    a .csv or .tsv file with columns topic and name: what you call topics, in place of their words

More files, each for the flag, in folders beside the page:
--figures             figures/: the page's pictures as PNG and SVG (extra: figures)
--parquet             parquet/: topics and documents' topics as tables (extra: parquet)
--projector           projector/: words and topics for the TensorFlow Projector, and in word2vec's format
--topicwizard         topicwizard/: the fields of its TopicData; etm_jax.report.exports.topic_data reads them
--pyldavis            pyldavis/: what pyLDAvis.prepare takes, as JSON, and its page (extra: pyldavis)
"""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from absl import flags

from etm_jax.cli import flags as cli
from etm_jax.util.console import note
from etm_jax.util.errors import UserError

FOLDERS = ("figures", "parquet", "projector", "topicwizard", "pyldavis")
PACKAGES = {"figures": "matplotlib", "parquet": "pyarrow", "pyldavis": "pyLDAvis"}


def main(argv: Sequence[str]) -> None:
    """Read, measure, write."""
    values = flags.FlagValues()
    for name in ("workdir", "output", "date_field", "topic_names"):
        flags.DEFINE_string(name, "", name, flag_values=values)
    for name in FOLDERS:
        flags.DEFINE_boolean(name, False, name, flag_values=values)
    if cli.wants_help(argv):
        print(__doc__)
        return
    cli.parse_only(values, argv)
    if not values.workdir:
        raise UserError("give --workdir=FOLDER of a run that has ended, such as runs/demo; --help shows how")
    asked = [name for name in FOLDERS if values[name].value]
    _check_packages(asked)
    # JAX takes a second to import, which neither --help nor a mistyped flag should cost.
    from etm_jax.report import exports
    from etm_jax.report.page.contents import contents, topic_names
    from etm_jax.report.page.html import page
    from etm_jax.report.plots import write_figures
    from etm_jax.results.evaluation import evaluate
    from etm_jax.results.run import read_run
    from etm_jax.util.files import check_writable, replace_folder, replace_text

    run = read_run(Path(values.workdir).expanduser(), texts=True)
    output = Path(values.output).expanduser() if values.output else run.folder.path / "report.html"
    if output.is_dir():
        raise UserError(f"--output={output} is a folder; give a file such as {output / 'report.html'}")
    check_writable(output.parent, "output" if values.output else "workdir")
    names = topic_names(values.topic_names, len(run.model.beta)) if values.topic_names else {}
    found = contents(run, evaluate(run), values.date_field, names)
    writers: dict[str, Callable[[Path], None]] = {
        "figures": lambda folder: write_figures(found, folder),
        "parquet": lambda folder: exports.write_parquet(run, folder),
        "projector": lambda folder: exports.write_projector(run, folder),
        "topicwizard": lambda folder: exports.write_topicwizard(run, folder),
        "pyldavis": lambda folder: exports.write_pyldavis(run, folder),
    }
    output.parent.mkdir(parents=True, exist_ok=True)
    for name in asked:
        with replace_folder(output.parent / name) as folder:
            writers[name](folder)
        note(f"{output.parent / name}: {exports.SAID[name]}")
    replace_text(output, page(found))
    note(f"{output}: {output.stat().st_size / 2**20:.1f} MiB; open it in a browser")


def _check_packages(asked: Sequence[str]) -> None:
    from importlib.util import find_spec

    for name in asked:
        if name in PACKAGES and find_spec(PACKAGES[name]) is None:
            raise UserError(f"--{name} needs {PACKAGES[name]}; pip install 'etm_jax[{name}]'")


if __name__ == "__main__":
    sys.exit(cli.run(main))
