"""The data of the page and of the plots, as plain values."""

import datetime
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from etm_jax.config.variants import VARIANTS
from etm_jax.corpus.new_documents import settings_like
from etm_jax.corpus.periods import fitting_periods
from etm_jax.corpus.types import Documents
from etm_jax.metrics.group_shares import shares_of
from etm_jax.metrics.neighbours import nearest
from etm_jax.metrics.topic_tree import overlap
from etm_jax.metrics.topics import representative_documents, topic_shares
from etm_jax.report.page import group_words, moving
from etm_jax.report.page.branches import branches_of, hierarchy_of
from etm_jax.report.page.choices import WEIGHTS, choices_of, ranked_words, start_of
from etm_jax.report.page.group_words import field_of, marked_of, rows_of
from etm_jax.report.page.groups import groups_of
from etm_jax.report.page.moving import moved, moving_of
from etm_jax.report.page.relations import flattened, tree_of
from etm_jax.report.page.strings import page_language
from etm_jax.report.page.texts import dates_of, parts_of, prepared_dates, texts_of
from etm_jax.report.palette import colours_apart
from etm_jax.results.evaluation import Evaluation
from etm_jax.results.over_time import OverTime
from etm_jax.results.run import Run
from etm_jax.util.console import silenced

MOST_DOCUMENTS = 20_000
"""Documents on the page; of more, so many are sampled."""

MOST_WORDS = 10_000
"""Words that can be searched for; of more, the most frequent, and the words that topics show."""

WORDS, DOCUMENTS, NEAREST, SIMILAR = 15, 5, 12, 5
"""Number of a topic's words, representative documents, nearest words in the embedding space, and similar topics."""

FIRST = 10
"""Number of first documents that are shown, as in Figure 5 of the report."""

NEIGHBOURS, TOPICS_OF_WORD, TOPICS_OF_DOCUMENT = 8, 4, 3
"""Number of a word's neighbours and topics, and of a document's topics."""

LEAST_SHARE = 0.05
"""Share from which a topic is listed with a word or a document, besides the largest one."""

LEAST_MARKED = 0.3
"""p(topic | word) from which a word is marked in the topic's documents, besides the topic's first words."""

CHARACTERS_LISTED = 36
"""Characters of a text in the list of a topic's documents."""

WORDS_ON_MAP = 600
"""Words on the map, about; each topic has 3 to 8 of them."""

CURVES = ("nelbo", "recon", "kl", "npmi", "c_v", "diversity", "valid_nelbo", "valid_recon", "valid_kl")


def contents(
    run: Run,
    evaluation: Evaluation,
    date_field: str = "",
    names_of_topics: Mapping[int, str] | None = None,
    page_lang: str = "",
    by_relevance: bool = False,
    cut: int = 0,
) -> dict[str, Any]:
    """The data of a run's page: settings, metrics, topics, words, documents, map, tree, time, training. Numbers are
    rounded. `moving` is None where the model's topics do not move over time.

    date_field: the field of the metadata, or of the corpus' file, that holds the documents' dates; empty to find one.
    names_of_topics: what to call topics in place of their first words. page_lang: of `strings.LANGUAGES`; empty for
    that of the corpus, or English where it is another. by_relevance: whether topics show their most relevant words, not
    the most probable ones. cut: how many branches the tree is cut into at first; 0 for at most `MOST_FAMILIES`. Raises
    UserError where `date_field` has no dates, and where `cut` is more than there are topics.
    """
    config, corpus, model = run.record.config, run.corpus, run.model
    with silenced():
        lang = settings_like(config.corpus, corpus.vocabulary).lang
    every, theta = corpus.all_documents(), model.theta
    row = {name: i for i, name in enumerate(every.ids)}

    ranked = ranked_words(model.beta, corpus.vocabulary.term_freq, WORDS)
    words = ranked[start_of(by_relevance)]
    share = topic_shares(model.theta_train, corpus.train.counts)
    represent = representative_documents(theta, every.counts, DOCUMENTS)
    wanted = {every.ids[i] for rows in represent for i in rows}
    texts = texts_of((corpus.train, corpus.valid, corpus.test), config.corpus, lang, wanted, FIRST)
    first = texts.first or every.ids[:FIRST]
    dates = prepared_dates(every, corpus.metadata, date_field)
    if dates is None:
        dates = dates_of(every.ids, config.corpus, date_field)

    shared = overlap(model.beta)
    joined = hierarchy_of(run, share, names_of_topics or {})
    tree = tree_of(joined.links)
    motion, by_group = moved(run), marked_of(model)
    shown_besides = np.union1d(moving.columns_of(motion), group_words.columns_of(by_group))
    columns = _searchable(corpus.vocabulary.term_freq, np.union1d(ranked, shown_besides))
    place = {int(j): i for i, j in enumerate(columns)}
    names = corpus.vocabulary.words
    of_word = _topics_of_words(model.beta, share)

    titles = every.meta.get(config.corpus.title_field, [""] * len(every))

    def shown(i: int) -> dict[str, Any]:
        text = texts.texts.get(every.ids[i], every.first_words[i])
        topics = _largest(theta[i], TOPICS_OF_DOCUMENT + 2)
        return {"id": every.ids[i], "title": titles[i], "topics": topics, "text": text}

    def marked(i: int, k: int) -> dict[str, Any]:
        own = every.counts.indices[every.counts.indptr[i] : every.counts.indptr[i + 1]]
        of_topic = own[(of_word[own, k] >= LEAST_MARKED) | np.isin(own, words[k])]
        found = shown(i)
        found["parts"] = parts_of(found.pop("text"), (names[j] for j in own), {names[j] for j in of_topic})
        return found

    choices = choices_of(ranked, model.beta, place)
    topics: list[dict[str, Any]] = [
        {
            "words": [place[int(j)] for j in words[k]],
            "p": _rounded(model.beta[k, words[k]], 5),
            "choices": choices[k],
            # To the digits of topics.csv: 0.215465 cut to 0.215 would be shown as 0.21, and as 0.22 by the run.
            "share": round(float(share[k]), 6),
            "npmi": round(float(evaluation.values["coherences"][0].per_topic[k]), 6),
            "family": tree.family[k],
            "name": (names_of_topics or {}).get(k, ""),
            "similar": [[int(j), round(float(shared[k, j]), 3)] for j in _most(shared[k], SIMILAR, k)],
            "documents": [marked(i, k) for i in represent[k]],
        }
        for k in range(len(words))
    ]
    for topic, of_topic in zip(topics if by_group else (), by_group, strict=True):
        topic["by_group"] = rows_of(of_topic, place)
    near = _neighbours(run, columns)
    if model.alpha is not None and model.rho is not None:
        found, cosine = nearest(model.alpha, model.rho[columns], NEAREST)
        for topic, row_found, row_cosine in zip(topics, found, cosine, strict=True):
            topic["near"] = [[int(j), round(float(c), 3)] for j, c in zip(row_found, row_cosine, strict=True)]
    time, period_of_document = _over_time(theta, every, dates) if dates or not motion else _by_axis(motion)
    listed = _listed(len(every))
    opening = [shown(row[name]) for name in first]
    together = [pair for one in opening for pair in combinations(one["topics"][::2], 2)]
    for topic, colour in zip(topics, colours_apart(together, len(topics)), strict=True):
        topic["beside"] = colour
    return {
        "run": _run(run, evaluation, lang) | {"page_lang": page_language(page_lang, lang)},
        "relevance": {"weights": WEIGHTS, "start": start_of(by_relevance)},
        "metrics": _metrics(evaluation),
        "filtering": _filtering(run),
        "settings": _settings(run),
        "topics": topics,
        "words": {
            "text": [names[j] for j in columns],
            "topics": [_largest(row, TOPICS_OF_WORD) for row in of_word[columns]],
            "near": near,
            "of": len(names),
        },
        "map": _map(run, words, place),
        "similarity": {
            "order": tree.order,
            "joints": _joints(tree.joints),
            "overlap": _overlaps(shared, tree.order),
            **branches_of(joined, cut),
        },
        "time": time,
        "period_of_document": period_of_document,
        "moving": moving_of(motion, share, model.own, place) if motion else None,
        "groups": groups_of(theta, every, corpus.metadata),
        "content": field_of(model),
        "training": {name: [row.get(name) for row in run.epochs] for name in ("epoch", *CURVES)},
        "first": opening,
        "documents": {
            "of": len(every),
            "id": [every.ids[i] for i in listed],
            "text": [_clipped(titles[i] or every.first_words[i]) for i in listed],
            "topics": [_largest(theta[i], TOPICS_OF_DOCUMENT) for i in listed],
        },
        "texts_missing": texts.missing,
    }


def _searchable(frequency: np.ndarray, words: np.ndarray) -> np.ndarray:
    """Columns [W] of the words on the page, in the order of the vocabulary. frequency: [V]; words: columns."""
    frequent = np.argsort(-frequency, kind="stable")[:MOST_WORDS]
    return np.union1d(frequent, words.ravel())


def _neighbours(run: Run, columns: np.ndarray) -> list[list[int]]:
    """For each of W columns, the places among them of the words with the nearest ρ; empty without embeddings."""
    if run.model.rho is None:
        return []
    found, _ = nearest(run.model.rho[columns], run.model.rho[columns], NEIGHBOURS, skip_self=True)
    return [[int(j) for j in row] for row in found]


def _topics_of_words(beta: np.ndarray, share: np.ndarray) -> np.ndarray:
    """p(topic | word) ∝ share · β: beta [K, W], share [K] → [W, K]."""
    joint = share[:, None] * beta
    return (joint / np.maximum(joint.sum(axis=0), 1e-30)).T


def _largest(p: np.ndarray, n: int) -> list[int]:
    """[topic, percent, topic, percent, …] of the n largest of p [K], of those from LEAST_SHARE on; at least one."""
    order = np.argsort(-p, kind="stable")[:n]
    kept = [k for i, k in enumerate(order) if i == 0 or p[k] >= LEAST_SHARE]
    return [x for k in kept for x in (int(k), round(100 * float(p[k])))]


def _most(row: np.ndarray, n: int, own: int) -> list[int]:
    """The n topics with the largest values of row [K], without the topic `own`."""
    return [int(j) for j in np.argsort(-row, kind="stable") if j != own][:n]


def _map(run: Run, words: np.ndarray, place: Mapping[int, int]) -> dict[str, Any] | None:
    """Positions of topics and their first words, by the directions of α and ρ; None for a model without embeddings.

    words: [K, n] columns. A word belongs to the topic in whose list it ranks highest.
    """
    model = run.model
    if model.alpha is None or model.rho is None:
        return None
    per_topic = min(max(3, min(8, WORDS_ON_MAP // len(words))), words.shape[1])
    of_word: dict[int, int] = {}
    for rank in range(per_topic):
        for k in range(len(words)):
            of_word.setdefault(int(words[k, rank]), k)
    columns = sorted(of_word)
    centre = model.rho.mean(axis=0)
    flat = flattened(np.concatenate([model.alpha, model.rho[columns]]) - centre)
    return {
        "topics": [_rounded(point, 4) for point in flat[: len(words)]],
        "words": [
            [place[j], of_word[j], *_rounded(point, 4)] for j, point in zip(columns, flat[len(words) :], strict=True)
        ],
    }


def _over_time(
    theta: np.ndarray, documents: Documents, dates: Mapping[str, datetime.date]
) -> tuple[dict[str, Any] | None, list[int]]:
    """Shares of the tokens by topic and period, of `fitting_periods`, and the place of each document's period.

    theta: [D, K], of the documents. The place is −1 for a document without a date. Without two dates: None, and none.
    """
    if not dates or len(set(dates.values())) < 2:
        return None, []
    rows = [i for i, name in enumerate(documents.ids) if name in dates]
    unit, label = fitting_periods([dates[documents.ids[i]] for i in rows])
    bins, which = np.unique(label, return_inverse=True)
    tokens = np.asarray(documents.counts[rows].sum(axis=1), np.float64).ravel()
    shares = np.nan_to_num(shares_of(theta[rows], which, len(bins), tokens).mean)
    of_document = np.full(len(documents), -1)
    of_document[rows] = which
    time = {
        "unit": unit,
        "bins": bins.tolist(),
        "documents": np.bincount(which).tolist(),
        "shares": [_rounded(shares[:, k], 4) for k in range(theta.shape[1])],
    }
    return time, of_document.tolist()


def _by_axis(motion: OverTime) -> tuple[dict[str, Any], list[int]]:
    """As `_over_time`, by the periods of the model itself, without those that no document is of."""
    there = np.flatnonzero(motion.documents)
    rank = np.append(np.where(motion.documents > 0, np.cumsum(motion.documents > 0) - 1, -1), -1)
    time = {
        "unit": "period",
        "bins": [motion.axis.names[t] for t in there],
        "documents": motion.documents[there].tolist(),
        "shares": [_rounded(row, 4) for row in np.nan_to_num(motion.shares.mean[there]).T],
    }
    return time, rank[motion.place].tolist()


def _run(run: Run, evaluation: Evaluation, lang: str) -> dict[str, Any]:
    """What the head of the page says of the run."""
    corpus, record = run.corpus, run.record
    return {
        "name": run.folder.path.absolute().name,
        "corpus": Path(corpus.name).name,
        "lang": lang,
        "kind": record.config.model.kind,
        "variant": record.config.variant,
        "topics": evaluation.num_topics,
        "vocabulary": len(corpus.vocabulary),
        "segmenter": corpus.vocabulary.segmenter,
        "train": len(corpus.train),
        "valid": len(corpus.valid),
        "test": len(corpus.test),
        "tokens": int(corpus.train.counts.sum()),
        "epochs": len(run.epochs),
        "seconds": round(sum(row.get("seconds", 0.0) for row in run.epochs), 1),
        "made": datetime.date.today().isoformat(),
    }


def _metrics(evaluation: Evaluation) -> list[list[str]]:
    """Rows of metric, value and what it was measured on, as `etm_jax.evaluate` prints them."""
    return [list(row) for row in evaluation.rows]


def _filtering(run: Run) -> list[list[Any]] | None:
    """Rows of a quantity, named as in the strings, before and after; None for a corpus that was not filtered here."""
    report = run.corpus.report
    if report is None:
        return None
    return [
        ["documents", report.docs_before, report.docs_after],
        ["tokens", report.tokens_before, report.tokens_after],
        ["words", report.words_before, report.words_after],
        ["median", report.median_length_before, report.median_length_after],
    ]


def _settings(run: Run) -> list[list[Any]]:
    """Rows of section, flag, what it came to, and whether what was given differs from the variant's."""
    config, rows = run.record.config, []
    usual, settled = VARIANTS[config.variant], run.record.settled().sections()
    for section, s, value in config.settings():
        came_to = getattr(settled[section], s.name)
        shown = "" if came_to is None else s.text(came_to) if value is not None else f"{came_to:.3g}"
        rows.append([section, s.flag, shown, value != usual.get(s.name, s.default)])
    return rows


def _joints(joints: list[tuple[list[float], list[float]]]) -> list[list[float]]:
    """The joints of the tree, rounded, each as its four leaf positions and four distances."""
    return [[*_rounded(np.array(xs), 2), *_rounded(np.array(ys), 4)] for xs, ys in joints]


def _overlaps(shared: np.ndarray, order: list[int]) -> list[list[int]]:
    """Overlaps [K, K] in percent, with rows and columns in the order of the leaves."""
    return np.round(100 * shared[np.ix_(order, order)]).astype(int).tolist()


def _listed(number: int) -> list[int]:
    """The documents on the page, in their order."""
    if number <= MOST_DOCUMENTS:
        return list(range(number))
    return np.sort(np.random.default_rng([0]).choice(number, MOST_DOCUMENTS, replace=False)).tolist()


def _clipped(text: str) -> str:
    """A text, shortened to `CHARACTERS_LISTED`."""
    return text if len(text) <= CHARACTERS_LISTED else text[:CHARACTERS_LISTED] + "…"


def _rounded(values: np.ndarray, digits: int) -> list[float]:
    """The numbers [N], rounded."""
    return [round(float(x), digits) for x in values]
