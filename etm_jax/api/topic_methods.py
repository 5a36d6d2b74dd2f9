"""What `etm_jax.estimator.ETM` does with topics once it is fitted: edit, name, find and explain them, and choose K.

A mixin, so that the estimator itself is about fitting and applying. It reads what the estimator has learned.
"""

import copy
import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, cast

import numpy as np
from sklearn.base import clone

from etm_jax.api.parameters import whole_number
from etm_jax.api.state import FittedState
from etm_jax.corpus.given import renamed
from etm_jax.corpus.words.split import halves
from etm_jax.inference.ask import check_known, vectors_of_text
from etm_jax.inference.explain import Explanation, check_mixture, explain
from etm_jax.inference.find_topics import FoundTopic, find_topics
from etm_jax.metrics.perplexity import completion_perplexity
from etm_jax.metrics.stability import stability
from etm_jax.metrics.topic_tree import most_alike
from etm_jax.metrics.topics import (
    WORDS_OF_DIVERSITY,
    WORDS_SHOWN,
    diversity,
    npmi_coherence,
    representative_documents,
    top_words,
    topic_shares,
)
from etm_jax.models.topic_edit import TopicEdit
from etm_jax.results.hierarchy import HierarchyNode, hierarchy
from etm_jax.results.k_search import Candidate, search_table, suggested
from etm_jax.results.topic_names import AUTO, MOST_DOCUMENTS, Namer, automatic_names, names_by
from etm_jax.util.errors import UserError
from etm_jax.vectors import vectors_kept


@dataclass(frozen=True, repr=False)
class KSearch:
    """Models with several numbers of topics, compared; it shows as the table and the rule of the suggestion.

    Attributes
    ----------
    candidates : list of Candidate
        The figures, in the order in which the numbers were given.
    models : dict of int to ETM
        The fitted models by number of topics; of several seeds the one of lowest nelbo.
    """

    candidates: list[Candidate]
    models: dict[int, Any]

    @property
    def suggested(self) -> int:
        """The number of topics that `etm_jax.results.k_search.RULE` prefers."""
        return suggested(self.candidates).n_topic

    @property
    def best(self) -> Any:
        """The model of the suggested number."""
        return self.models[self.suggested]

    def __repr__(self) -> str:
        return search_table(self.candidates)


class TopicMethods(FittedState):
    """Methods of a fitted `ETM`."""

    # Editing. Each returns another model; the one that it is called on stays as it is.

    def edit_topics(
        self,
        *,
        merge: Iterable[Iterable[int]] = (),
        drop: Iterable[int] = (),
        order: Sequence[int] = (),
        names: Mapping[int, str] | None = None,
    ) -> Self:
        """A copy of the model whose topics are merged, dropped, reordered or named, for new documents too.

        All numbers are those of the topics as they are now; `etm_jax.models.topic_edit.TopicEdit` has the mathematics.

        Parameters
        ----------
        merge : iterable of iterables of int
            Groups of topics that become one.
        drop : iterable of int
            Topics to leave out.
        order : sequence of int
            Topics that come first.
        names : mapping of int to str
            What topics are called, as `topic_names_` has it.

        Raises
        ------
        ValueError
            If a topic does not exist, is asked for twice, or none would be left.
        """
        own = self._fitted()
        with own._own_words():
            check_mixture(own._applied)
            edit = TopicEdit.of(own._share, merge=merge, drop=drop, order=order, names=names)
            edited = copy.copy(own)
            edited._take(own._trained._replace(edit=edit.after(own._trained.edit)))
            edited._share = edit.theta(own._share[None])[0]
            # A model that was loaded has no documents to measure it in.
            edited._npmi = np.full(len(edit.groups), np.nan)
            if hasattr(own, "_theta"):
                edited._theta = edit.theta(own._theta)
                edited._share = topic_shares(edited._theta, own._fitted_counts)
                edited._npmi = npmi_coherence(top_words(edited.components_, WORDS_SHOWN), own._fitted_counts)
        return edited

    def merge_topics(self, groups: Sequence[Any]) -> Self:
        """`edit_topics` with groups of topics that become one: [[3, 7], [1, 12]], or [3, 7] for one group."""
        one = groups and all(np.ndim(k) == 0 for k in groups)
        return self.edit_topics(merge=[groups] if one else groups)

    def drop_topics(self, topics: Iterable[int]) -> Self:
        """`edit_topics` without these topics; the others' proportions sum to 1 again."""
        return self.edit_topics(drop=topics)

    def reduce_topics(self, to: int) -> Self:
        """`edit_topics` that merges the most alike topics, along their tree, until `to` are left."""
        own = self._fitted()
        with own._own_words():
            if whole_number(to, "to") > len(own.components_):
                raise UserError(f"to={to} is out of range; give 1 to {len(own.components_)}")
            alike = most_alike(own.components_, to, own._own_arrays().get("alpha"))
        return self.edit_topics(merge=alike)

    # The tree of topics

    def hierarchy(self, cut: int | None = None) -> list[HierarchyNode]:
        """The tree that joins the most alike topics first: its nodes, topics first, or its branches at one level.

        Proportions of a branch are the sum of its topics', `theta[:, list(node.topics)].sum(axis=1)`; `reduce_topics`
        makes a model of the branches. `pandas.DataFrame` accepts the list.

        Parameters
        ----------
        cut : int, optional
            How many branches, from 1 to K; all nodes where it is not given.

        Raises
        ------
        ValueError
            If there cannot be so many branches.
        """
        own = self._fitted()
        with own._own_words():
            alpha, names = own._own_arrays().get("alpha"), self.topic_names_
            found = hierarchy(own.components_, own._share, own._vocabulary, alpha, names)
            return found.nodes if cut is None else found.at(whole_number(cut, "cut"))

    # Naming

    def name_topics(self, namer: Namer | str = AUTO) -> Self:
        """A copy of the model with names for its topics, which `topic_names_` has.

        Parameters
        ----------
        namer : callable or "auto"
            A function from a topic to its name, such as a call of a language model. The topic has `words`, `weights`
            and `documents`, as `etm_jax.results.topic_names.NamedTopic` says. "auto" takes distinctive words.
        """
        own = self._fitted()
        with own._own_words():
            if callable(namer):
                names = names_by(namer, own.components_, own.vocab_, self._documents_of_topics())
            elif namer == AUTO:
                names = automatic_names(own.components_, own._vocabulary)
            else:
                raise UserError(f"namer={namer!r} must be a function from a topic to its name, or 'auto'")
        return self.edit_topics(names=dict(enumerate(names)))

    def name_words(self, words: Any) -> Self:
        """Give the words of its columns to a model that was fitted to counts without them, and return the model.

        Parameters
        ----------
        words : sequence of str, dict or transformer
            As `vocab` of `fit`; after a Pipeline, which passes no names on, `pipeline[-1].name_words(pipeline[:-1])`.

        Raises
        ------
        ValueError
            If there are not as many words as columns, a word stands there twice, or the model has other words already.
        """
        own = self._fitted()
        with own._own_words():
            if (named := renamed(own._vocabulary, words)).words == own.vocab_:
                return own
            own._take(own._trained._replace(vocabulary=named))
            if hasattr(own, "_corpus"):
                own._corpus = dataclasses.replace(own._corpus, vocabulary=named)
        return own

    def _documents_of_topics(self) -> list[list[Any]]:
        own = self._fitted()
        if own._documents is None:
            return [[] for _ in own.components_]
        rows = representative_documents(own._theta, own._fitted_counts, MOST_DOCUMENTS)
        return [[own._documents[i] for i in of_topic] for of_topic in rows]

    # Asking

    def find_topics(self, query: str, n: int = 5) -> list[FoundTopic]:
        """The n topics that the words of a query ask for, best first. ValueError where the model knows none of them."""
        own = self._fitted()
        with own._own_words():
            n = whole_number(n, "n")
            counts = self._counts_of_text(query, "query")
            return find_topics(own.components_, own._share, counts, own.vocab_, n)

    def explain(self, text: str, posterior: bool = False) -> Explanation:
        """Which words of a document speak for which topic.

        Parameters
        ----------
        text : str
            The document, cut into words as those that the model was fitted to.
        posterior : bool
            Whether to compute standard deviations of its proportions, under the document's posterior.

        Raises
        ------
        ValueError
            If the model knows none of its words.
        """
        own = self._fitted()
        with own._own_words():
            unknown = Counter[str]()
            counts = self._counts_of_text(text, "text", unknown)
            vectors = vectors_of_text(own._applied, text)
            return explain(own._applied, counts, sum(unknown.values()), posterior, vectors)

    def _counts_of_text(self, text: str, name: str, unknown: Counter[str] | None = None) -> Any:
        """A text as counts [1, V]. unknown: counter to which words that the model does not know are added."""
        own = self._fitted()
        if not isinstance(text, str):
            raise UserError(f"{name} is a {type(text).__name__}; give one string")
        found = Counter[str]() if unknown is None else unknown
        _, counts = own._counted([text], None, found)
        check_known(counts, found, own._vocabulary, text, name)
        return counts

    # Choosing K

    def search_k(
        self, X: Any, n_topic: Sequence[int] = (10, 20, 30, 50), *, num_seeds: int = 1, vocab: Any = None
    ) -> KSearch:  # fmt: skip
        """Fit a model of each number of topics to the same documents, which are prepared once, and compare the models.

        Parameters
        ----------
        X : documents
            In any form that `fit` takes.
        n_topic : sequence of int
            Numbers of topics.
        num_seeds : int
            Models of each number, from `seed` on, for means and for the stability of topics.
        vocab : sequence of str, optional
            As in `fit`.

        Returns
        -------
        KSearch
            `print` shows it; `best` is the model of the suggested number, `models[20]` that of 20 topics.

        Notes
        -----
        Perplexity is of the documents that validate, a share of X that no step of training sees.
        """
        own = cast(Any, self)
        with own._own_words(), vectors_kept():
            numbers = [whole_number(k, "n_topic", at_least=2) for k in n_topic]
            if not numbers or len(set(numbers)) < len(numbers):
                raise UserError(f"n_topic={numbers} must be different numbers, at least one")
            num_seeds = whole_number(num_seeds, "num_seeds")
            corpus, counts, documents = own._prepared(X, vocab)
            vectors = own._fit_vectors(documents)
            corpus = own._with_contexts(corpus, vectors)
            fits: dict[int, list[Any]] = {k: [] for k in numbers}
            for seed in range(own.seed, own.seed + num_seeds):
                for k in numbers:
                    model = clone(own).set_params(num_topics=k, seed=seed)
                    model._learn(corpus, None, counts, None, vectors)
                    model._documents = documents
                    model.__dict__ |= {name: getattr(own, name) for name in _COLUMNS if hasattr(own, name)}
                    fits[k].append(model)
            candidates = [_candidate(fits[k], corpus) for k in numbers]
        return KSearch(candidates, {k: min(models, key=_nelbo) for k, models in fits.items()})


_COLUMNS = ("n_features_in_", "feature_names_in_")
"""What scikit-learn learns of the columns of counts."""


def _nelbo(model: Any) -> float:
    """Of the last epoch, on the documents that validate where there are some."""
    last = model.history_[-1]
    return float(last.get("valid_nelbo", last["nelbo"]))


def _candidate(models: list[Any], corpus: Any) -> Candidate:
    """The figures of models with one number of topics and several seeds."""
    best, perplexities = min(models, key=_nelbo), []
    for model in models:
        first, second = halves(corpus.valid.counts, model.seed)
        theta = model._applied.theta(first, context=model._applied.mean_context(first.shape[0]))
        perplexities.append(completion_perplexity(theta, model.components_, second).by_token)
    words = [top_words(model.components_, WORDS_SHOWN) for model in models]
    unique = [diversity(top_words(model.components_, WORDS_OF_DIVERSITY)) for model in models]
    return Candidate.measured(
        best.components_,
        best._theta,
        corpus.train.counts,
        perplexity=float(np.mean(perplexities)),
        stability=stability(words) if len(models) > 1 else float("nan"),
        coherence=float(np.mean([npmi_coherence(row, corpus.train.counts).mean() for row in words])),
        diverse=float(np.mean(unique)),
    )
