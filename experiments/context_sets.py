"""What vectors of documents and pooling by neighbours do on short labelled text, in its own language.

    python -m experiments.context_sets --labelled=FOLDER [--bert=FOLDER] [--sets=infoctm_ECNews_cn,…] [--seeds=1,2]

Trains on the texts of labelled corpora that have some (docs/quality.md describes the folder), with settings that differ
in what the encoder reads and in what the decoder is to explain, and prints TC, TD, perplexity by completion, and how
well the largest topics of test documents tell their labels apart. docs/context.md has the table.

Needs:   the extra use; with --bert the extra bert, and a model's folder.
Runtime: a minute a model on two cores; the vectors of 40,000 headlines a minute by `use`, a quarter of an hour by an
         encoder of 12 layers of 384.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from etm_jax.cli import flags as cli
from etm_jax.corpus.types import Corpus
from etm_jax.training.run_record import overlap_weight_for
from etm_jax.util.console import note, silenced
from experiments.context import Measured, measured, write_documents
from experiments.labelled import SETS
from experiments.tables import markdown

MODELS = {
    "counts (default)": (),
    "counts, --refine_steps=0": ("--refine_steps=0",),
    "neighbours": ("--neighbour_share=0.5",),
    "neighbours, twice the overlap's weight": ("--neighbour_share=0.5",),
    "counts, twice the overlap's weight": (),
    "ppmi beside": ("--context=ppmi",),
    "use beside": ("--context=use",),
    "use beside, --refine_steps=0": ("--context=use", "--refine_steps=0"),
    "use alone": ("--context=use", "--encoder=context"),
    "bert beside": ("--context=bert:{}",),
    "bert beside, --refine_steps=0": ("--context=bert:{}", "--refine_steps=0"),
    "bert alone": ("--context=bert:{}", "--encoder=context"),
}
"""Flags by name; the braces are for the folder of --bert."""

TWICE = "twice the overlap's weight"

HEADER = ("corpus", "settings", "TC", "TD", "TC·TD", "ppl tok", "purity", "NMI", "seconds")


def usual_overlap(corpus: Corpus) -> float:
    """The weight of the overlap of topics that a corpus gets by default."""
    config, _ = cli.parse(["train", "--corpus=any"])
    counts = corpus.train.counts
    return overlap_weight_for(config.objective, counts.shape[0], counts.nnz, config.model.num_topics)


def row(corpus: str, name: str, runs: Sequence[Measured]) -> list[str]:
    """The means over seeds. Perplexity of a run that is not given halves of documents is left out."""
    tc = np.array([float(run.summary.npmi.mean()) for run in runs])
    td = np.array([run.summary.diversity for run in runs])
    labels = [run.agreement["test"] for run in runs]
    figures = (
        (tc, 3),
        (td, 3),
        (tc * td, 3),
        ([run.summary.perplexity.by_token for run in runs], 0),
        ([one.purity for one in labels], 3),
        ([one.nmi for one in labels], 3),
        ([run.seconds for run in runs], 0),
    )
    return [corpus, name, *(f"{np.mean(values):,.{digits}f}" for values, digits in figures)]


def main(argv: Sequence[str]) -> None:
    """Train, infer, print."""
    parser = argparse.ArgumentParser(
        "python -m experiments.context_sets", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--labelled", type=Path, required=True, help="folder with the corpora")
    parser.add_argument("--sets", default="infoctm_ECNews_cn,infoctm_ECNews_en,ecrtm_AGNews", help="which of them")
    parser.add_argument("--bert", default="", help="folder of an encoder; without, those rows are left out")
    parser.add_argument("--seeds", default="1,2", help="of the models, with commas between (default: %(default)s)")
    parser.add_argument("--only", default="", help="the models whose names hold this, alone")
    given = parser.parse_args(argv[1:])
    rows = []
    for name in given.sets.split(","):
        with tempfile.TemporaryDirectory() as folder:
            work, known = Path(folder), dict[str, Corpus]()
            write_documents(given.labelled / name, work, "own")
            for model, flags in MODELS.items():
                if given.only not in model or ("bert" in model and not given.bert):
                    continue
                runs = []
                for seed in map(int, given.seeds.split(",")):
                    asked = [flag.format(given.bert) for flag in flags]
                    if TWICE in model:
                        asked.append(f"--overlap_weight={2 * usual_overlap(known[''])}")
                    with silenced():
                        test = {"test": work / "own_test.jsonl"}
                        runs.append(measured(work / "own_train.jsonl", test, asked, seed, known))
                rows.append(row(SETS[name], model, runs))
                note(" ".join(rows[-1]))
    print(markdown(rows, HEADER, "<<" + ">" * (len(HEADER) - 2)))


if __name__ == "__main__":
    main(sys.argv)
