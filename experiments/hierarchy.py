"""Which tree of topics agrees best with groups of labels: by the words of topics, by their embeddings, or by both.

    python -m experiments.hierarchy --labelled=FOLDER

FOLDER holds the corpora as docs/quality.md has them: TopMost's dataset folders ecrtm_20NG, ecrtm_AGNews and
octis_BBC_News. On each, models of 50 topics are trained with five seeds; a model is trained once, and kept. Its tree is
cut into as many branches as there are groups, a test document is of its largest branch, and branches and groups are
compared by their mutual information (NMI). The groups of 20 Newsgroups are the six subjects of its own page, and the
seven words that names of groups begin with; those of the others are their labels.

Runtime: a quarter of an hour on 2 cores.
Result:  docs/hierarchy.md.
"""

import argparse
import contextlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from etm_jax.cli import flags as cli
from etm_jax.metrics.topic_tree import branches, overlap, ward_links
from etm_jax.results.run import Run, read_run
from etm_jax.train import main as train
from etm_jax.training.run_folder import RunFolder
from etm_jax.util.arrays import unit_rows
from experiments.tables import markdown, mean_and_spread

TOPICS, SEEDS = 50, (1, 2, 3, 4, 5)

SUBJECTS = [0, *[1] * 5, 2, *[3] * 4, *[4] * 4, 0, *[5] * 3, 0]
"""Of the twenty groups, by their alphabet: religion, comp, misc.forsale, rec, sci, talk.politics."""

FIRST_WORDS = [0, *[1] * 5, 2, *[3] * 4, *[4] * 4, 5, *[6] * 4]
"""alt, comp, misc, rec, sci, soc, talk."""

GROUPS: dict[str, list[Sequence[int] | None]] = {
    "ecrtm_20NG": [SUBJECTS, FIRST_WORDS],
    "ecrtm_AGNews": [None],
    "octis_BBC_News": [None],
}
"""By corpus the groups that its labels, which are numbers, are of; None where each label is a group."""


def rules(run: Run) -> Iterator[tuple[str, np.ndarray]]:
    """Each way of saying how alike topics are: [K, K], products of points of length 1."""
    alpha = np.asarray(run.model.alpha, np.float64)
    words, plain = overlap(run.model.beta), unit_rows(alpha)
    centred = unit_rows(alpha - alpha.mean(axis=0))
    yield "words: Σ √(β β′)", words
    yield "embeddings: cos(α, α′)", plain @ plain.T
    yield "embeddings less their mean", centred @ centred.T
    # The products of points that are both, one beside the other: the mean of the products.
    yield "words and embeddings", (words + plain @ plain.T) / 2
    yield "words and embeddings less their mean", (words + centred @ centred.T) / 2


def truth_of(run: Run, groups: Sequence[int] | None) -> list[int | str]:
    """The group of each test document."""
    labels = run.corpus.test.meta["label"]
    return list(labels) if groups is None else [groups[int(label)] for label in labels]


def agreement(run: Run, shared: np.ndarray, truth: Sequence[int | str]) -> float:
    """NMI of the largest branches of test documents and their groups, of which there are as many. shared: [K, K]."""
    from sklearn.metrics import normalized_mutual_info_score

    branch = branches(ward_links(np.clip(shared, -1, 1)), len(set(truth)))
    members = branch[:, None] == np.unique(branch)
    largest = (run.model.theta_test @ members).argmax(axis=1)
    return float(normalized_mutual_info_score(truth, largest))


def trained(corpus: Path, folder: Path, seed: int) -> Run:
    """The model of a seed, from where it is kept, or trained now."""
    if not (RunFolder(folder).export / "topics.csv").is_file():
        given = [
            f"--corpus={corpus}",
            f"--n_topic={TOPICS}",
            f"--seed={seed}",
            f"--cache_dir={folder.parent / 'corpus'}",
        ]
        # The table alone is for standard output.
        with contextlib.redirect_stdout(sys.stderr):
            status = cli.run(train, ["train", *given, f"--workdir={folder}"])
        if status:
            sys.exit(status)
    return read_run(folder)


def main(argv: Sequence[str]) -> None:
    """Train what is not there, print the table."""
    parser = argparse.ArgumentParser("python -m experiments.hierarchy", description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--labelled", type=Path, required=True, help="the folder of the corpora")
    parser.add_argument("--runs", type=Path, default=Path("runs/hierarchy"), help="where models are kept")
    given = parser.parse_args(argv[1:])
    found: dict[str, list[str]] = {}
    header = ["topics are alike by"]
    for name, several in GROUPS.items():
        runs = [trained(given.labelled / name, given.runs / name / str(seed), seed) for seed in SEEDS]
        for groups in several:
            header.append(f"{name}, {len(set(truth_of(runs[0], groups)))} groups")
            values: dict[str, list[float]] = {}
            for run in runs:
                for rule, shared in rules(run):
                    values.setdefault(rule, []).append(agreement(run, shared, truth_of(run, groups)))
            for rule, each in values.items():
                found.setdefault(rule, []).append(mean_and_spread(each, ".3f"))
    print(markdown([[rule, *cells] for rule, cells in found.items()], header, "<" + ">" * len(header)))


if __name__ == "__main__":
    main(sys.argv)
