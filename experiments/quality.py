"""How good the topics are: the tables of docs/quality.md, LDA beside ours.

    python -m experiments.quality [--only=targets,topics] [--seeds=1,2,3] [--ng20=FOLDER] [--labelled=FOLDER]

Ours is --variant=default with nothing else set but the corpus; LDA is tomotopy's, 500 sweeps on the same counts. Every
fit has two cores and a process of its own, and its figures stay in runs/quality: a command that was stopped goes on
where it was, and a second call only prints.

Corpora: by name, from installed packages; 20 Newsgroups in the original ETM's format with --ng20; labelled
         ones with --labelled.
Runtime: on 2 cores about half an hour for --only=targets, and an hour and a half for all parts.
         The rivals of part labels take some hours more.
Needs:   tomotopy, pkuseg and the packages of the corpora (BUILD.md); the rivals what `make rivals`
         installs. What cannot be run is said in its row.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from etm_jax.cli import flags as cli
from etm_jax.util.errors import UserError
from etm_jax.util.files import check_writable
from experiments.bench import FIGURES, Bench, Goal, Result, Settings, figure_rows, figure_table, goal_row, goal_table
from experiments.fits import RIVALS, SWEEPS
from experiments.labelled import SETS, check_source
from experiments.quality_labels import (
    MISSING,
    STABILITY_SEEDS,
    part_labels,
    part_topics_ecnews,
    stability_tables,
    topic_table,
)
from experiments.relevance import WEIGHTS
from experiments.stop_words import stop_words
from experiments.tables import has_table, read_document, write_between

PEOPLES_DAILY: Settings = {"corpus": "peoples_daily", "no_above": 0.02}
PEOPLES_DAILY_10 = PEOPLES_DAILY | {"no_above": 0.1}
NAMES = {"default": "ours", "lda": "LDA", "paper": "ETM, paper"}
NO_NG20 = "give --ng20=FOLDER"
"""Why 20 Newsgroups has no figures."""

NO_RIVALS = "none"
"""In place of rivals' names."""

SHOWN = ("tc", "tc_test", "td", "tq", "ppl_doc", "ppl_tok", "used", "seconds")
OF_WORDS = ("tc", "tc_test", "td", "tq", "common")
"""Figures of most tables, and those that depend on the shown words alone."""


class Target(NamedTuple):
    """A corpus of the first table. goals: none where our settings were not chosen on it: then only LDA sets them."""

    title: str
    corpus: Settings
    goals: tuple[Goal, ...] = ()


TARGETS = {
    "pd02": Target(
        "People's Daily, no_above .02",
        PEOPLES_DAILY,
        (Goal("tc", 0.25, 0.31), Goal("td", 0.86, 0.90), Goal("ppl_tok", 2650, 2350)),
    ),
    "pd10": Target(
        "People's Daily, no_above .1",
        PEOPLES_DAILY_10,
        (Goal("tc", 0.26, 0.30), Goal("td", 0.70, 0.80), Goal("ppl_tok", 1850, 1750)),
    ),
    "20ng": Target(
        "20 Newsgroups",
        {"corpus": ""},  # --ng20
        (Goal("tc", 0.26, 0.30), Goal("td", 0.67, 0.75), Goal("ppl_doc", 1560, 1480)),
    ),
    "lee": Target("lee", {"corpus": "lee"}),
    "inews": Target("inews", {"corpus": "inews"}),
    "newsarticles": Target("newsarticles", {"corpus": "newsarticles"}),
}


def part_targets(bench: Bench) -> str:
    """Ours and LDA on every corpus, and what was to be reached."""
    found: dict[str, list[Result]] = {}
    targets = {name: TARGETS[name] for name in bench.given.corpora}
    if "20ng" in targets:
        targets["20ng"] = targets["20ng"]._replace(corpus={"corpus": bench.given.ng20})
        if not bench.given.ng20:
            missing = Result([], NO_NG20)
            found["20ng"] = [missing, missing]
            bench.gaps.add(NO_NG20)
    there = [name for name in targets if name not in found]
    outcomes = iter(
        bench.results([bench.fits(model, targets[name].corpus) for name in there for model in ("default", "lda")])
    )
    found |= {name: [next(outcomes), next(outcomes)] for name in there}
    figures: list[list[str]] = []
    goals: list[list[str]] = []
    for name, target in targets.items():
        ours, lda = found[name]
        figures += _rows(target.title, {"ours": ours, "LDA": lda})
        if ours.rows and lda.rows:
            goals += [goal_row(target.title, goal, ours) for goal in (*target.goals, *_beside_lda(target, lda))]
    return f"{figure_table('corpus', figures, SHOWN)}\n\n{goal_table(goals)}"


def _rows(title: str, outcomes: dict[str, Result]) -> list[list[str]]:
    """A row a model, and under LDA's one with its perplexity by folding in."""
    rows = []
    for row, result in zip(figure_rows(title, outcomes, SHOWN), outcomes.values(), strict=True):
        rows.append(row)
        if result.has("ppl_tok_fold"):
            perplexities = {name: result.shown(f"{name}_fold", FIGURES[name].form) for name in ("ppl_doc", "ppl_tok")}
            rows.append([title, "LDA, folded in", *(perplexities.get(name, "") for name in SHOWN)])
    return rows


def _beside_lda(target: Target, lda: Result) -> list[Goal]:
    """The goals that LDA sets. Its perplexity is the lower of its two."""
    perplexities = [
        Goal(name, min(lda.mean(name), lda.mean(f"{name}_fold")), by="LDA") for name in ("ppl_doc", "ppl_tok")
    ]
    if not target.goals:
        return [Goal("tq", lda.mean("tq"), by="LDA"), *perplexities]
    seconds = lda.mean("seconds")
    return [
        *perplexities,
        Goal("tc_test", lda.mean("tc_test"), by="LDA"),
        Goal("used", len(lda.rows[0]["topics"])),
        Goal("seconds", seconds, seconds / 2, by="LDA"),
    ]


def _grid(bench: Bench, first: str, cases: dict[str, dict[str, Any]], models: Sequence[str]) -> str:
    """A table of cases and models. cases: the arguments of `Bench.fits` by title."""
    outcomes = iter(bench.results([bench.fits(model, **case) for case in cases.values() for model in models]))
    rows: list[list[str]] = []
    for title in cases:
        rows += _rows(title, {NAMES[model]: next(outcomes) for model in models})
    return figure_table(first, rows, SHOWN)


def part_topics(bench: Bench) -> str:
    """Every topic of the first seed on People's Daily."""
    return topic_table(bench, bench.fits("default", PEOPLES_DAILY)[:1])


def part_stopwords(bench: Bench) -> str:
    """Stop words kept, dropped by a list, and dropped by how many documents hold them."""
    everything = PEOPLES_DAILY | {"no_above": 1.0}
    articles: Settings = {"corpus": "newsarticles", "no_above": 1.0}
    cases = {
        "People's Daily, kept": everything,
        "People's Daily, a list": everything | {"stopwords": str(stop_words("zh", bench.given.work))},
        "People's Daily, no_above .1": PEOPLES_DAILY_10,
        "People's Daily, no_above .02": PEOPLES_DAILY,
        "newsarticles, kept": articles,
        "newsarticles, a list": articles | {"stopwords": str(stop_words("en", bench.given.work))},
    }
    arguments = {title: {"corpus": corpus} for title, corpus in cases.items()}
    return _grid(bench, "stop words", arguments, ("lda", "paper", "default"))


def part_k(bench: Bench) -> str:
    """Few and many topics."""
    cases = {f"K = {k}": {"corpus": PEOPLES_DAILY, "num_topics": k} for k in (10, 20, 50, 100, 200)}
    return _grid(bench, "topics", cases, ("lda", "default"))


def part_words(bench: Bench) -> str:
    """Words of one character kept, and dropped."""
    cases = {
        "kept": {"corpus": PEOPLES_DAILY_10},
        "dropped": {"corpus": PEOPLES_DAILY_10 | {"min_token_len": 2}},
    }
    return _grid(bench, "words of one character", cases, ("lda", "default"))


def part_units(bench: Bench) -> str:
    """Short documents and long ones of the same text."""
    cases = {
        "paragraphs": {"corpus": PEOPLES_DAILY_10},
        "articles": {"corpus": PEOPLES_DAILY_10 | {"unit": "document"}},
    }
    return _grid(bench, "documents", cases, ("lda", "default"))


def part_shown(bench: Bench) -> str:
    """Ten words by probability, and by relevance of several weights, of ours on every corpus."""
    cases = {
        TARGETS[name].title: bench.fits(
            "default", {"corpus": bench.given.ng20} if name == "20ng" else TARGETS[name].corpus
        )
        for name in bench.given.corpora
        if name != "20ng" or bench.given.ng20
    }
    if "20ng" in bench.given.corpora and not bench.given.ng20:
        bench.gaps.add(NO_NG20)
    if bench.given.labelled:
        cases |= {SETS[name]: bench.labelled("default", name) for name in bench.given.sets}
    else:
        bench.gaps.add(MISSING.not_run)
    rows: list[list[str]] = []
    for title, result in zip(cases, bench.results(list(cases.values())), strict=True):
        orders = {"probability": result} | {
            f"relevance, λ = {weight:g}": Result([row["relevant"][i] for row in result.rows], result.not_run)
            for i, weight in enumerate(WEIGHTS)
        }
        rows += figure_rows(title, orders, OF_WORDS)
    return figure_table("corpus", rows, OF_WORDS, second="words by")


def part_stability(bench: Bench) -> str:
    """How far five seeds find the same topics: People's Daily and the labelled corpora."""
    daily = {model: bench.fits(model, PEOPLES_DAILY, seeds=STABILITY_SEEDS) for model in ("lda", "default")}
    return stability_tables(bench, {"People's Daily, no_above .02": daily})


PARTS: dict[str, tuple[str, Callable[[Bench], str]]] = {
    "targets": ("Ours and LDA", part_targets),
    "labels": ("Labelled corpora, and other people's models", part_labels),
    "topics": ("The fifty topics of People's Daily", part_topics),
    "topics_ecnews": ("The fifty topics of ECNews, Chinese", part_topics_ecnews),
    "stopwords": ("Stop words", part_stopwords),
    "k": ("From 10 topics to 200", part_k),
    "words": ("Words of one character", part_words),
    "units": ("Paragraphs and articles", part_units),
    "shown": ("Ten words by probability, or by relevance", part_shown),
    "stability": ("Five seeds", part_stability),
}


def main(argv: Sequence[str]) -> None:
    """Fit what is missing, print the tables, write them to the document."""
    given = _parser().parse_args(argv[1:])
    given.only = _chosen("only", given.only, PARTS)
    given.corpora = _chosen("corpora", given.corpora, TARGETS)
    given.sets = _chosen("sets", given.sets, SETS)
    given.rivals = [] if given.rivals == NO_RIVALS else _chosen("rivals", given.rivals, RIVALS)
    given.seeds = _seeds("seeds", given.seeds)
    given.rival_seeds = _seeds("rival_seeds", given.rival_seeds)
    check_writable(given.work, "work")
    check_writable(given.out.parent, "out")
    _check(given)
    for name in given.only:
        title, part = PARTS[name]
        bench = Bench(given)
        text = part(bench)
        print(f"{title}\n\n{text}\n", flush=True)
        if bench.gaps and has_table(given.out, name):
            print(f"{given.out} keeps its table of {name}: this one has gaps ({'; '.join(sorted(bench.gaps))})\n")
            continue
        made = [f"    {_command(name, given)}", *sorted(bench.machines)]
        write_between(given.out, name, title, "\n\n".join((text, *made)))
        print(f"{given.out} holds this table\n")


def _check(given: argparse.Namespace) -> None:
    """Raise UserError for what would only be seen after hours of fits."""
    read_document(given.out)
    if given.ng20 and not Path(given.ng20).is_dir():
        raise UserError(f"--ng20={given.ng20} is no folder")
    for name in given.sets if given.labelled else ():
        check_source(Path(given.labelled) / name)
    for flag, least in (("n_topic", 2), ("sweeps", 1), ("minutes", 1)):
        if getattr(given, flag) < least:
            raise UserError(f"--{flag}={getattr(given, flag)} must be at least {least}")


def _command(part: str, given: argparse.Namespace) -> str:
    """The command that makes a part as it was made now; the folder of 20 Newsgroups is anybody's own."""
    flags = [f"--only={part}"]
    default = _parser()
    for name, concerned in (("seeds", part != "stability"), ("rival_seeds", part == "labels")):
        seeds = getattr(given, name)
        if concerned and seeds != _seeds(name, default.get_default(name)):
            flags.append(f"--{name}={','.join(map(str, seeds))}")
    if part in ("targets", "shown") and given.corpora != list(TARGETS):
        flags.append(f"--corpora={','.join(given.corpora)}")
    if part in ("targets", "shown") and given.ng20:
        flags.append("--ng20=FOLDER")
    if part in ("labels", "topics_ecnews", "shown", "stability") and given.labelled:
        flags.append("--labelled=FOLDER")
    if part in ("labels", "shown", "stability") and given.sets != list(SETS):
        flags.append(f"--sets={','.join(given.sets)}")
    if part == "labels" and given.rivals != list(RIVALS):
        flags.append(f"--rivals={','.join(given.rivals) or NO_RIVALS}")
    for name, concerned in (("n_topic", part != "k"), ("sweeps", True), ("minutes", part == "labels")):
        if concerned and getattr(given, name) != default.get_default(name):
            flags.append(f"--{name}={getattr(given, name)}")
    return f"python -m experiments.quality {' '.join(flags)}"


def _chosen(flag: str, text: str, known: dict[str, Any]) -> list[str]:
    """Names in the order of `known`."""
    names = text.split(",") if text else list(known)
    for name in names:
        if name not in known:
            raise UserError(f"--{flag}={text}: {name!r} is not one of {', '.join(known)}")
    return [name for name in known if name in names]


def _seeds(flag: str, text: str) -> list[int]:
    try:
        seeds = [int(seed) for seed in text.split(",")]
    except ValueError:
        seeds = []
    if not seeds or len(set(seeds)) < len(seeds):
        raise UserError(f"--{flag}={text} must be different whole numbers such as 1,2,3")
    return seeds


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m experiments.quality", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", help=f"parts to make, of {','.join(PARTS)} (default: all)")
    parser.add_argument("--corpora", default="", help=f"corpora of targets, of {','.join(TARGETS)} (default: all)")
    parser.add_argument("--seeds", default="1,2,3", help="seeds of every fit (default: %(default)s)")
    parser.add_argument("--ng20", default="", help="folder of 20 Newsgroups in the original ETM's format")
    parser.add_argument("--labelled", default="", help="folder of labelled corpora, in the layout of docs/quality.md")
    parser.add_argument("--sets", default="", help=f"labelled corpora, of {','.join(SETS)} (default: all)")
    parser.add_argument(
        "--rivals", default="", help=f"rivals of labels, of {','.join(RIVALS)}, or {NO_RIVALS} (default: all)"
    )
    parser.add_argument("--rival_seeds", default="1", help="seeds of every rival's fit (default: %(default)s)")
    parser.add_argument(
        "--rival_python",
        default=".venv-rivals/bin/python",
        help="Python of the environment that `make rivals` makes (default: %(default)s)",
    )
    parser.add_argument(
        "--minutes", type=float, default=15, help="of each core, for a rival's fit (default: %(default)s)"
    )
    parser.add_argument(
        "--kept_only", action="store_true", help="fit nothing: tables of what is kept; those with gaps are only printed"
    )
    parser.add_argument("--n_topic", type=int, default=50, help="topics (default: %(default)s)")
    parser.add_argument("--sweeps", type=int, default=SWEEPS, help="sweeps of LDA's sampler (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("docs/quality.md"), help="document (default: %(default)s)")
    parser.add_argument(
        "--work", type=Path, default=Path("runs/quality"), help="folder that keeps the fits (default: %(default)s)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(cli.run(main, if_stopped="stopped; the same command goes on, with what is fitted so far"))
