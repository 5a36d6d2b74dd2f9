"""What a fitted `ETM` says of the documents that it was fitted to: figures, groups, a plot, the page."""

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from etm_jax.api.figures import over_time_figure, shares_figure
from etm_jax.api.groups import first_days, periods_of, topics_of_groups
from etm_jax.api.parameters import whole_number
from etm_jax.api.topic_results import TopicResults
from etm_jax.corpus.types import Documents
from etm_jax.inference.theta import infer_posterior
from etm_jax.metrics.evaluator import TOP_WORDS, FittedRun
from etm_jax.metrics.group_shares import GroupTopic
from etm_jax.metrics.topics import top_words
from etm_jax.models.topic_arrays import TopicArrays
from etm_jax.report.page.contents import contents
from etm_jax.report.page.html import page
from etm_jax.results.evaluation import Evaluation, measured
from etm_jax.results.group_words import shifts_of
from etm_jax.results.run import Run
from etm_jax.training.corpus_batches import corpus_batchers
from etm_jax.training.run_folder import RunFolder
from etm_jax.util.errors import UserError
from etm_jax.util.extras import require
from etm_jax.util.files import check_writable, replace_text


class Reports(TopicResults):
    """Reports of a model on its documents. A model that was loaded has none, and says so."""

    @property
    def theta_(self) -> np.ndarray:
        """Topic proportions of the documents that the model was fitted to, in their order: [D, K] float32."""
        self._fitted()
        if not hasattr(self, "_theta"):
            # As scikit-learn's attributes are asked for by hasattr.
            raise AttributeError("a model that was loaded has no theta_; transform documents")
        return self._theta.copy()

    def topics_by(self, groups: Sequence[Any]) -> list[GroupTopic]:
        """Every topic in every group of the fitted documents: share of words and mean θ with intervals, documents.

        groups: one for each document, in their order; those that are None or NaN are left out. `pandas.DataFrame`
        makes of the list the table that `report --tables` writes. Raises ValueError for another number of groups.
        """
        with self._own_words():
            self._with_documents()
            words = np.asarray(self._fitted_counts.sum(axis=1)).ravel()
            names = [name or " ".join(self.topics(3)[k]) for k, name in enumerate(self.topic_names_)]
            return topics_of_groups(self._theta, words, groups, names)

    def topics_over_time(self, dates: Iterable[Any], by: str = "month") -> list[GroupTopic]:
        """`topics_by` of the periods of the documents' dates.

        dates: dates of Python, numpy or pandas, or text such as 2024-05-31; None for a document without. by: day, week,
        month, quarter or year. Raises ValueError for what is no date.
        """
        with self._own_words():
            self._with_documents()
            periods = periods_of(dates, by)
            if len(periods) != len(self._theta):
                raise UserError(f"there are {len(periods)} dates for {len(self._theta)} documents; give one for each")
            return self.topics_by(periods)

    def evaluate(self) -> Evaluation:
        """All figures of `python -m etm_jax.evaluate` for the fitted documents: `values` by key, `to_table()` as text.

        No document was held out, so that there is no perplexity among them: `perplexity` measures it on others.
        """
        with self._own_words():
            self._with_documents()
            return measured(self._as_fitted_run())

    def report(self, path: str | Path, *, date_field: str = "", page_lang: str = "") -> Path:
        """Write the page of `python -m etm_jax.report` on the fitted documents, and return where it is.

        date_field: as there, for documents whose names are dates. page_lang: en or zh; empty for the language of the
        documents, or English where it is another. Raises ValueError where the page cannot be written.
        """
        with self._own_words():
            self._with_documents()
            place = Path(path).expanduser()
            if place.is_dir():
                raise UserError(f"path={place} is a folder; give a file such as {place / 'report.html'}")
            check_writable(place.parent, "path")
            run = self._as_run(place.stem)
            names = dict(enumerate(run.edit.names)) if run.edit else {}
            text = page(contents(run, measured(self._as_fitted_run()), date_field, names, page_lang))
            place.parent.mkdir(parents=True, exist_ok=True)
            replace_text(place, text)
            return place

    def plot_topics(self, n: int = 8) -> Any:
        """A matplotlib Figure of the topics' shares with their n words, largest first. Needs matplotlib (figures)."""
        with self._own_words():
            n = whole_number(n, "n")
            require("matplotlib", "figures", "plot_topics")
            return shares_figure(self.topic_info(), n)

    def plot_over_time(self, dates: Iterable[Any], by: str = "month") -> Any:
        """A matplotlib Figure of `topics_over_time`: the topics that change most, with intervals. Needs matplotlib.

        dates, by: as there. Raises ValueError for what is no date, and where no document has one.
        """
        with self._own_words():
            require("matplotlib", "figures", "plot_over_time")
            given = list(dates)
            rows, days = self.topics_over_time(given, by), first_days(given, by)
            if not rows:
                raise UserError("no document has a date: there is no time to plot")
            return over_time_figure(rows, days, self.topic_info())

    def _repr_html_(self) -> str:
        """What a notebook shows: the topics as a table; before `fit`, what scikit-learn shows."""
        if not hasattr(self, "components_"):
            return f"<pre>{escape(repr(self))}</pre>"
        named = any(self.topic_names_)

        def line(tag: str, cells: Sequence[str]) -> str:
            numbers, texts = cells[:3], cells[3:]
            left = [f"<{tag} style='text-align:left'>{escape(text)}</{tag}>" for text in texts]
            return f"<tr>{''.join([f'<{tag}>{number}</{tag}>' for number in numbers] + left)}</tr>"

        rows = [
            [str(row.topic), f"{row.share:.1%}", f"{row.npmi:.2f}", *[row.name] * named, " ".join(row.words)]
            for row in self.topic_info()
        ]
        head = line("th", ["topic", "share", "NPMI", *["name"] * named, "words"])
        return f"<table><thead>{head}</thead><tbody>{''.join(line('td', row) for row in rows)}</tbody></table>"

    def _repr_mimebundle_(self, **given: Any) -> dict[str, str]:
        """What a notebook asks for first, in place of the diagram that scikit-learn draws."""
        return {"text/plain": repr(self), "text/html": self._repr_html_()}

    def topics_by_group(self) -> dict[str, np.ndarray]:
        """The topics as each group of documents words them, of a model with the setting `content`.

        Returns
        -------
        dict of str to ndarray of shape (K, V)
            By category of the field, topics whose rows sum to 1; empty where all documents have the same words.
            `components_` are the topics themselves, which a document of no group has.
        """
        own = self._fitted()
        found = shifts_of(own._trained.variables, own._trained.spec())
        return {level: found.beta(own.components_, g) for g, level in enumerate(found.levels)} if found else {}

    def _theta_of(self, part: Documents) -> np.ndarray:
        return self._theta[list(map(int, part.ids))]

    def _as_fitted_run(self) -> FittedRun:
        corpus, spec = self._corpus, self._applied.spec
        nothing = self._theta[:0]
        fitted = FittedRun(
            corpus=corpus,
            beta=self.components_,
            theta_train=self._theta_of(corpus.train),
            theta_test=nothing,
            theta_test_h1=nothing,
            words=top_words(self.components_, TOP_WORDS),
            log_px=None if spec.module().is_mixture else np.zeros(0, np.float32),
        )
        if self._trained.edit:
            return fitted  # The encoder's dimensions are those of the topics as they were fitted.
        batches = corpus_batchers(corpus, self._trained.config, self._record.batch_size)["train"]
        moments = infer_posterior(self._applied.variables, batches, spec)
        return fitted._replace(activity=moments.activity, kl=moments.kl_per_topic)

    def _as_run(self, name: str) -> Run:
        corpus, nothing = self._corpus, self._theta[:0]
        arrays = TopicArrays(
            beta=self.components_,
            theta_train=self._theta_of(corpus.train),
            theta_valid=self._theta_of(corpus.valid),
            theta_test=nothing,
            theta_test_h1=nothing,
            own=self._own_arrays(),
            shifts=shifts_of(self._trained.variables, self._trained.spec()),
        )
        return Run(RunFolder(Path(name)), self._record, corpus, arrays, self.history_, self._trained.edit)
