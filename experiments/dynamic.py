"""Do topics that move predict documents better? The dynamic model beside the static one, period by period, and ahead.

    python -m experiments.dynamic [--nyt=FOLDER] [--only=nyt,peoples_daily] [--seeds=1,2] [--models=static,detm]

In the first task a tenth of all documents are held out, of every period. In the second, `ahead`, all documents of the
last period are, or a tenth of the periods where there are twenty and more: what they are about, the models have to
foresee. Perplexity is of second halves given first ones, by token; coherence (NPMI of the top 10 words) and diversity
(top 25) are means over the periods' topics, for the static model those of its topics. The published model is trained
for 100 epochs in place of its 400. What was measured is kept in experiments/results/dynamic.json, a fit at a time, and
the tables go into docs/dynamic.md.

Needs:   the extra demo for peoples_daily; a folder of TopMost's NYT for nyt.
Runtime: a minute a fit on 2 cores; the published model takes much longer.
"""

import argparse
import dataclasses
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from etm_jax.cli import flags as cli
from etm_jax.config.build import make_config
from etm_jax.config.settings import RunOptions
from etm_jax.corpus.prepare import prepare
from etm_jax.corpus.sources import find_source
from etm_jax.corpus.types import Corpus, Documents
from etm_jax.corpus.words.split import halves
from etm_jax.metrics.perplexity import mixture_log_px
from etm_jax.metrics.topics import diversity, npmi_coherence, top_words
from etm_jax.models.registry import model_kind
from etm_jax.models.time_axis import TimeAxis, time_axis
from etm_jax.results.fit_result import trained_result
from etm_jax.results.over_time import beta_at
from etm_jax.training.corpus_batches import corpus_batchers
from etm_jax.training.make_trainer import make_trainer
from etm_jax.training.run_folder import RunFolder
from etm_jax.util.console import note, show, silenced
from etm_jax.util.errors import UserError
from etm_jax.util.files import replace_text
from experiments.datelines import printed
from experiments.tables import markdown, write_between

PAGE, RESULTS = Path("docs/dynamic.md"), Path("experiments/results/dynamic.json")
TOPICS, HELD_OUT, MANY_PERIODS = 50, 0.1, 20
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "static": ("default", {"kind": "etm"}),
    "detm": ("default", {"kind": "detm"}),
    "detm, paper": ("paper", {"kind": "detm", "num_epochs": 100}),
}
MEASURED = ("perplexity", "coherence", "diversity", "seconds")
CORPORA = {"nyt": ("time", "auto"), "peoples_daily": ("date", "day")}
"""The field of time, and the periods."""


def read(name: str, nyt: str) -> Corpus:
    """A corpus with its times as metadata, all documents in `train`."""
    given: dict[str, Any] = {"valid_share": 0.0, "test_share": 0.0, "no_above": 0.1, "rebuild": False}
    if name == "nyt":
        given |= {"corpus": nyt, "meta_fields": "time"}
        return prepare(find_source(make_config("default", given).corpus), make_config("default", given).corpus)
    given |= {"corpus": "peoples_daily", "no_above": 0.02}
    source = find_source(make_config("default", given).corpus)
    assert source.documents
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "dates.csv"
        rows = "".join(f"{document},{date}\n" for document, date in printed(source.documents()).items())
        table.write_text(f"document,date\n{rows}", encoding="utf-8")
        return prepare(source, make_config("default", given | {"meta": str(table)}).corpus)


def axis_of(corpus: Corpus, field: str, unit: str) -> tuple[TimeAxis, np.ndarray]:
    """The periods of a corpus, and the place of each of its documents: [D]."""
    every = corpus.all_documents()
    read_field = corpus.metadata.of_model([field], every.meta)
    axis = time_axis(read_field.columns[0], unit)
    return axis, np.asarray(axis.period_of(read_field.encode(every.meta, len(every))[field]))


def divided(corpus: Corpus, period: np.ndarray, num_periods: int, task: str, seed: int) -> Corpus:
    """The corpus with the documents of a task to test on, and 5% of the others to validate."""
    every, rng = corpus.all_documents(), np.random.default_rng(seed)
    if task == "ahead":
        last = max(1, num_periods // 10) if num_periods >= MANY_PERIODS else 1
        is_test = period >= num_periods - last
    else:
        is_test = rng.random(len(every)) < HELD_OUT
    is_test &= np.asarray(every.counts.sum(axis=1)).ravel() >= 2
    is_valid = ~is_test & (rng.random(len(every)) < 0.05)

    def part(chosen: np.ndarray) -> Documents:
        rows = np.flatnonzero(chosen)
        picked = ([x[i] for i in rows] for x in (every.ids, every.first_words))
        meta = {name: [values[i] for i in rows] for name, values in every.meta.items()}
        return Documents(every.counts[rows], *picked, meta=meta)

    test = part(is_test)
    half1, half2 = halves(test.counts, 1)
    train = part(~is_test & ~is_valid)
    return dataclasses.replace(
        corpus, train=train, valid=part(is_valid), test=test, test_h1=half1, test_h2=half2, text=None, left=None
    )


def fitted(corpus: Corpus, model: str, field: str, unit: str, seed: int) -> dict[str, Any]:
    """Train a model; measure it, as the tables have it."""
    variant, given = MODELS[model]
    own = {"time_field": field, "time_bin": unit} if given["kind"] == "detm" else {}
    config = make_config(variant, given | own | {"num_topics": TOPICS, "seed": seed})
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as place, silenced():
        folder = RunFolder(Path(place) / "run")
        trainer = make_trainer(config, corpus, folder, RunOptions(), in_memory=True)
        trained = trainer.train()
        seconds = time.perf_counter() - begun
        record = folder.record()
        assert record
        batchers = corpus_batchers(corpus, config, record.batch_size)
        result = trained_result(trained, config.train, corpus, batchers)
    topics, half2 = result.topics, corpus.test_h2
    log_px = result.log_px
    if log_px is None:
        log_px = mixture_log_px(topics.theta_test_h1, topics.beta, half2)
    axis = model_kind(config.model.kind).axis_of(config.model, record.metadata)
    betas = [topics.beta] if axis is None else [beta_at(dict(topics.own), t) for t in range(len(axis))]
    counts = corpus.train.counts
    return {
        "perplexity": float(np.exp(-(half2.data * log_px).sum() / half2.data.sum())),
        "coherence": float(np.mean([npmi_coherence(top_words(beta, 10), counts).mean() for beta in betas])),
        "diversity": float(np.mean([diversity(top_words(beta, 25)) for beta in betas])),
        "seconds": seconds,
        "nats": _nats(half2, log_px),
    }


def _nats(half2: Any, log_px: np.ndarray) -> list[float]:
    """Nats of each test document."""
    entries = half2.tocoo()
    return np.bincount(entries.row, -entries.data * log_px, half2.shape[0]).round(3).tolist()


def by_period(corpus: Corpus, place: np.ndarray, nats: Sequence[float], num_periods: int) -> list[float]:
    """Perplexity by token of the test documents of each period; nan for one without."""
    tokens = np.asarray(corpus.test_h2.sum(axis=1)).ravel()
    total, of_words = np.bincount(place, nats, num_periods), np.bincount(place, tokens, num_periods)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.exp(total / of_words).tolist()


def main(argv: Sequence[str]) -> None:
    """Fit what is not yet known; print and write the tables."""
    parser = argparse.ArgumentParser(
        "python -m experiments.dynamic", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--nyt", default="", help="TopMost's folder of NYT")
    parser.add_argument("--only", default="nyt,peoples_daily", help="corpora to fit; empty: only write the tables")
    parser.add_argument("--models", default=",".join(MODELS).replace("detm, paper", "detm_paper"))
    parser.add_argument("--seeds", default="1,2")
    given = parser.parse_args(argv[1:])
    known: dict[str, Any] = json.loads(RESULTS.read_text("utf-8")) if RESULTS.is_file() else {}
    models = [name.replace("detm_paper", "detm, paper") for name in given.models.split(",")]
    for name in filter(None, given.only.split(",")):
        if name not in CORPORA or (name == "nyt" and not given.nyt):
            raise UserError(f"--only={name}: give one of {', '.join(CORPORA)}, and --nyt=FOLDER for nyt")
        corpus = read(name, given.nyt)
        field, unit = CORPORA[name]
        axis, period = axis_of(corpus, field, unit)
        for seed in map(int, given.seeds.split(",")):
            for task in ("held out", "ahead"):
                part = divided(corpus, period, len(axis), task, seed)
                place = np.asarray(axis.period_of(part.metadata.encode(part.test.meta, len(part.test))[field]))
                for model in models:
                    key = f"{name}/{task}/{model}/{seed}"
                    if key in known:
                        continue
                    found = fitted(part, model, field, unit, seed)
                    nats = found.pop("nats")
                    known[key] = found | {"by_period": by_period(part, place, nats, len(axis)), "periods": axis.names}
                    note(f"{key}: " + ", ".join(f"{k} {found[k]:.4g}" for k in list(found)))
                    RESULTS.parent.mkdir(exist_ok=True)
                    replace_text(RESULTS, json.dumps(known, indent=1) + "\n")
    text = tables(known)
    show(text)
    write_between(PAGE, "dynamic", "What it is worth", text)


def tables(known: dict[str, Any]) -> str:
    """The table of means over seeds; with the periods in which a model predicts better than the static one."""
    rows = []
    groups = dict.fromkeys(tuple(key.rsplit("/", 1)[0].split("/")) for key in known)
    for name, task, model in sorted(groups, key=lambda group: (group[0], group[1] != "held out")):
        found = {
            key.rsplit("/", 1)[1]: value for key, value in known.items() if key.startswith(f"{name}/{task}/{model}/")
        }
        mean = {what: np.mean([one[what] for one in found.values()]) for what in MEASURED}
        better = [_better(one, known.get(f"{name}/{task}/static/{seed}")) for seed, one in found.items()]
        lower, of = (sum(column) for column in zip(*better, strict=True))
        rows.append(
            (
                name,
                task,
                model,
                str(len(found)),
                f"{mean['perplexity']:,.0f}",
                "" if model == "static" else f"{lower} of {of}",
                f"{mean['coherence']:.3f}",
                f"{mean['diversity']:.3f}",
                f"{mean['seconds']:.0f}",
            )
        )
    header = ("corpus", "task", "model", "seeds", "perplexity", "lower in periods", "coherence", "diversity", "seconds")
    return markdown(rows, header, "<<<>>>>>>")


def _better(one: dict[str, Any], static: dict[str, Any] | None) -> tuple[int, int]:
    """In how many periods the perplexity is lower than the static model's, and of how many that is."""
    if static is None:
        return 0, 0
    pairs = [
        (a, b) for a, b in zip(one["by_period"], static["by_period"], strict=True) if not (np.isnan(a) or np.isnan(b))
    ]
    return sum(a < b for a, b in pairs), len(pairs)


if __name__ == "__main__":
    sys.exit(cli.run(main))
