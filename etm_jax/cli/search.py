"""Models with several numbers of topics: what `python -m etm_jax.train` does where --n_topic has more than one.

search.json holds the figures of the models that are done, each with the digest of the export that they are of, so that
a search that was stopped goes on with the others. Every model lies in a run's folder of its own.
"""

import dataclasses
import importlib.util
import io
import json
import math
from contextlib import suppress
from pathlib import Path

from etm_jax.cli.compiled import programs_kept
from etm_jax.cli.fitting import fitter_for
from etm_jax.cli.run import check_apart, continued, find_path, fit, read_corpus, with_contexts
from etm_jax.config.build import Config
from etm_jax.config.settings import RunOptions
from etm_jax.corpus.sources import find_source
from etm_jax.corpus.types import Corpus
from etm_jax.results.fit_result import FitResult
from etm_jax.results.k_search import SHOWN, Candidate, search_table, suggested
from etm_jax.results.search_plot import write_search_plot
from etm_jax.results.summary import Summary
from etm_jax.training.distributed import distributed, is_multiprocess
from etm_jax.training.run_folder import RunFolder
from etm_jax.util import console
from etm_jax.util.digests import DIGESTS, file_digest
from etm_jax.util.errors import UserError
from etm_jax.util.files import DAMAGED, check_writable, replace_file, replace_text
from etm_jax.util.forms import stamp, stored_format
from etm_jax.util.lock import locked
from etm_jax.util.reading import as_object, read_object
from etm_jax.util.tables import TableWriter
from etm_jax.vectors import vectors_kept

FILES = ("search.json", "search.csv", "search.png")


def search(configs: list[Config], options: RunOptions) -> None:
    """Fit a model for each of these settings, which differ in the number of topics, and compare the models.

    A user's mistake raises UserError before anything that exists is touched.
    """
    listed = ",".join(str(config.model.num_topics) for config in configs)
    if options.ckpt:
        raise UserError(f"--ckpt={options.ckpt} has one number of topics, and --n_topic={listed} several; leave it out")
    found = [find_path(config, options) for config in configs]
    path = found[0][1]
    _check_usable(path)
    with distributed(options):
        if is_multiprocess():
            raise UserError(f"--n_topic={listed} is fitted by one process; leave out --distributed, or give one number")
        with locked(path), programs_kept(options.compilation_cache), vectors_kept():
            candidates = _fit_all([config for config, _ in found], options, path)
            _write(candidates, path)
    chosen = suggested(candidates)
    console.show(search_table(candidates))
    best = path / f"K{chosen.n_topic}"
    console.note("", f"{best} is the run of the suggested number; search.csv beside it is this table")
    if all(math.isnan(c.stability) for c in candidates):
        console.note("with --num_seeds=3, in another --workdir, stability over seeds would be measured too")


def _fit_all(configs: list[Config], options: RunOptions, path: Path) -> list[Candidate]:
    """Fit the models that are not done, on one preparation of the corpus."""
    prepared = [_with_cache(config, path) for config in configs]
    folders = [RunFolder(path / f"K{config.model.num_topics}") for config in prepared]
    own = [dataclasses.replace(options, workdir=str(folder.path)) for folder in folders]
    source = find_source(prepared[0].corpus)
    begun = []
    for config, folder, its_options in zip(prepared, folders, own, strict=True):
        folder.check_usable()
        config, saved = continued(config, its_options, folder)
        check_apart(folder, source, config, its_options)
        begun.append((config, saved, fitter_for(config, its_options, folder, saved, source)))
    first = next((i for i, (_, saved, _) in enumerate(begun) if saved), 0)
    corpus = read_corpus(source, begun[first][0], folders[first], begun[first][1])
    corpus = with_contexts(corpus, source, begun[first][0])
    known, done = _read_known(path), []
    for (config, saved, fitter), folder in zip(begun, folders, strict=True):
        if saved and saved.corpus_digest != corpus.digest:
            raise UserError(f"{folder.path} holds a run on other text than {corpus.name}; give another --workdir")
        is_same = saved is not None and saved.config.train.num_epochs == config.train.num_epochs
        candidate = known.get(_export_digest(folder)) if is_same else None
        if candidate:
            console.note(f"{folder.path} is done")
        else:
            console.note("", f"{config.model.num_topics} topics, in {folder.path}")
            candidate = _measured(*fit(fitter, corpus, folder), corpus)
            known[_export_digest(folder)] = candidate
            rows = {digest: row.to_json() for digest, row in known.items()}
            replace_text(path / "search.json", json.dumps({**stamp(), "models": rows}, indent=1) + "\n")
        done.append(candidate)
    return done


def _measured(result: FitResult, summary: Summary, corpus: Corpus) -> Candidate:
    """The figures of a model; of several seeds the means, as far as they were measured of each."""
    topics, seeds = result.topics, result.seeds
    held_out = topics.theta_test_h1 if len(topics.theta_test_h1) else topics.theta_train
    perplexity = summary.perplexity.by_token
    if seeds is None:
        return Candidate.measured(topics.beta, held_out, corpus.train.counts, perplexity=perplexity)
    mean = {
        name: sum(getattr(row, name) for row in seeds.rows) / len(seeds.rows)
        for name in ("coherence", "diversity", "perplexity")
    }
    return Candidate.measured(
        topics.beta,
        held_out,
        corpus.train.counts,
        perplexity=mean["perplexity"],
        stability=seeds.stability,
        coherence=mean["coherence"],
        diverse=mean["diversity"],
    )


def _write(candidates: list[Candidate], path: Path) -> None:
    """Write the table, and the picture where matplotlib is there."""
    chosen = suggested(candidates)
    with replace_file(path / "search.csv") as file:
        text = io.TextIOWrapper(file, "utf-8-sig", newline="", write_through=True)
        table = TableWriter(text, ["n_topic", *SHOWN, "quality_se", "suggested", "folder"])
        for c in candidates:
            figures = (getattr(c, name) for name in (*SHOWN, "quality_se"))
            cells = ("" if math.isnan(x) else x if isinstance(x, int) else f"{x:.6f}" for x in figures)
            table.write([c.n_topic, *cells, "yes" if c is chosen else "", f"K{c.n_topic}"])
        text.detach()
    if importlib.util.find_spec("matplotlib"):
        write_search_plot(candidates, path / "search.png")
    else:
        console.note("search.png needs matplotlib (extra: figures); install it and give the same command again")


def _with_cache(config: Config, path: Path) -> Config:
    """The settings with one place for the prepared corpus, which all models read."""
    if config.corpus.cache_dir:
        return config
    return dataclasses.replace(
        config, corpus=dataclasses.replace(config.corpus, cache_dir=str((path / "corpus").absolute()))
    )


def _check_usable(path: Path) -> None:
    """Raise UserError where the folder cannot hold a search: it has a run in it, or files of somebody's own."""
    check_writable(path, "workdir")
    if RunFolder(path).record():
        raise UserError(f"--workdir={path} holds a run; give a folder of its own to several numbers of --n_topic")
    if not path.is_dir():
        return
    for child in path.iterdir():
        ours = child.name in (*FILES, "corpus") or child.name.startswith(".")
        if not (ours or (child.name[:1] == "K" and child.name[1:].isdecimal())):
            raise UserError(f"--workdir={path} holds files but no search, such as {child.name}; give another --workdir")


def _export_digest(folder: RunFolder) -> str:
    """What names the results of a run that has ended; empty where there are none, or they are damaged."""
    with suppress(OSError, ValueError):
        folder.check_results("beta.npy")
        return file_digest(folder.export / DIGESTS)
    return ""


def _read_known(path: Path) -> dict[str, Candidate]:
    """The figures of the models that are done, by the digest of their export; what cannot be read is measured again."""
    try:
        values = read_object(path / "search.json")
        stored_format(values)
        models = as_object(values["models"])
        return {digest: Candidate.from_json(as_object(row)) for digest, row in models.items() if digest}
    except (*DAMAGED, UserError):
        return {}
